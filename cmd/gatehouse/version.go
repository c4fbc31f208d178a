package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// newVersionCommand returns "gatehouse version".
func newVersionCommand() *cobra.Command {
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which version this is, and what is wrong with how it was built",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := readVersion()
			if output == outputJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "gatehouse", v)
			if v.Warning != "" {
				fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", v.Warning)
			}
			return nil
		},
	}
	outputFlag(cmd.Flags(), &output, "output format: text or json")
	return cmd
}

// versionInfo is what version prints with -o json.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Warning  string `json:"warning,omitempty"`
}

// String returns the version and what it was built with and for.
func (v versionInfo) String() string { return fmt.Sprintf("%s (%s, %s)", v.Version, v.Go, v.Platform) }

func readVersion() versionInfo {
	v := versionInfo{
		Version:  "unknown",
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Warning:  toolchainWarning(runtime.Version()),
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}
