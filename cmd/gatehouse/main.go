// Command gatehouse is an authenticating reverse proxy for container registries.
//
// Its subcommands are one file each, and the daemon is what serve runs. Package config reads
// the configuration, package assemble makes backends and rules of it, and package explain
// answers questions about these.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// stdio is what the program reads from and writes to.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// run carries out the command in args and returns the exit code: 0 if all is well,
// 1 if the answer is no, 2 for wrong usage or an unreadable configuration, 4 if
// there is no answer.
func run(ctx context.Context, args []string, std stdio) int {
	std.out, std.err = shown.NewWriter(std.out), shown.NewWriter(std.err) // whatever a command prints
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if err.Error() != "" {
		fmt.Fprintf(std.err, "gatehouse: %s\n", shown.WithoutUserinfo(err.Error()))
	}
	if code := fault.Of(err); code != "" {
		fmt.Fprintf(std.err, "code %s: %s\n", code, code.Advice())
	}
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return 2
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "gatehouse",
		Short: "A gateway that asks for a login in front of a container registry",
		Long: `gatehouse stands in front of a container registry. It terminates TLS, asks for a
user name and password, and checks them against a directory or a password file.
Rules say what each user may do. What they allow is passed on to the registry.`,
		Example: `  gatehouse demo                              # try it: nothing to install
  gatehouse check --config config.toml        # what is wrong with a configuration
  gatehouse serve --config config.toml`,
		Version:       readVersion().String(),
		SilenceUsage:  true,
		SilenceErrors: true,

		// Each command judges a configuration by the memory that there is, as serve does.
		PersistentPreRun: func(*cobra.Command, []string) { limitMemory() },
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	root.PersistentFlags().String("config", "", "configuration file (default $GATEHOUSE_CONFIG, ./config.toml, /etc/gatehouse/config.toml)")
	root.AddCommand(newServeCommand(), newCheckCommand(), newExplainCommand(), newCanICommand(), newWhyCommand(), newDemoCommand(), newDoctorCommand(), newPasswdCommand(), newStatusCommand(), newHealthcheckCommand(), newCacheCommand(), newBackendCommand(), newReloadCommand(), newRevokeCommand(), newTokenCommand(), newVersionCommand(), newWhoamiCommand())
	completeValues(root)
	return root
}
