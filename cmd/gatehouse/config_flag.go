package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
)

// configFlag returns the value of --config, empty if it is not given.
func configFlag(cmd *cobra.Command) string {
	if flag := cmd.Flag("config"); flag != nil {
		return flag.Value.String()
	}
	return ""
}

// configArg is for commands that take no argument but the configuration file, which may
// stand there without --config.
func configArg(cmd *cobra.Command, args []string) error {
	switch flag := cmd.Flag("config"); {
	case len(args) == 0:
		return nil
	case flag == nil || len(args) > 1:
		return fmt.Errorf("%s takes one argument, the configuration file: write --config FILE", cmd.CommandPath())
	case flag.Changed:
		return fmt.Errorf("%s is one configuration file too many: --config names %s", args[0], flag.Value)
	default:
		return cmd.Flags().Set("config", args[0])
	}
}

// loadConfig reads the configuration file at path and lays the environment and flags,
// which may be nil, over it; see [Kinds.load].
func loadConfig(path string, flags *pflag.FlagSet) (*config.Document, error) {
	return assemble.Kinds().Load(path, flags)
}

// loadNamed loads the configuration that the flag --config of a command names, as
// [config.Find] has it, and returns its path too.
func loadNamed(cmd *cobra.Command) (*config.Document, string, error) {
	path, err := config.Find(configFlag(cmd))
	if err != nil {
		return nil, "", err
	}
	c, err := loadConfig(path, nil)
	return c, path, err
}
