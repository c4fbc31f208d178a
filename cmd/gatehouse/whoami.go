package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"
)

// newWhoamiCommand returns "gatehouse whoami".
func newWhoamiCommand() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "whoami USER",
		Short: "Say who a user of a directory is, in which groups, and why",
		Long: `Look a user up in every directory of the configuration, as a login would, and say
who that is, which names of groups rules can use, and through which groups the
user is in each. No password is asked for.

The exit code is 0 if the user was found, 1 if not or not everywhere, and 2 if
there is no configuration that can be used.`,
		Example: "  gatehouse whoami alice --config config.toml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.user = args[0]
			o.steps = []string{"user", "groups", "why"}
			if o.user == "" {
				return &exitError{2, fmt.Errorf("the name of the user is empty")}
			}
			return o.run(cmd)
		},
	}
	cmd.Flags().StringVar(&o.backend, "backend", "", "the name of the backend to ask (default all that can be)")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "output format: text or json")
	return cmd
}

// shows reports whether a step is to be printed: with o.steps none but these, and
// whatever failed.
func (o doctorOptions) shows(f finding) bool {
	return len(o.steps) == 0 || !f.OK || slices.Contains(o.steps, f.Step)
}
