package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway/admin"
)

func newTokenRotateCommand() *cobra.Command {
	var overlap string
	var quiet bool
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "rotate NAME|ID",
		Short: "Make another secret in place of that of a token",
		Long: `Have the gateway that runs on this machine make another token in place of the one with a
name or an ID, with the same name, the same limits and as long a life. The old secret is
good for --overlap longer, so that it can be replaced where it is used. For so long the
token cannot be rotated again. The new secret is shown this once.

The exit code is 0 if there is another token, 1 if not, 2 if the flags are wrong or no
control socket is known, and 4 if nobody answers there, or the token could not be kept.`,
		Example: "  gatehouse token rotate team-ci --overlap 24h",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := admin.TokenRotation{Token: args[0]}
			var d config.Duration
			if err := d.UnmarshalText([]byte(overlap)); err != nil {
				return &exitError{2, fmt.Errorf("--overlap: %w", err)}
			}
			if q.Overlap = d.Duration; q.Overlap < 0 {
				return &exitError{2, errors.New("--overlap: the old secret cannot end before now")}
			}
			var made admin.MadeToken
			if err := tell(cmd, "/tokens/rotate", q, &made); err != nil {
				return err
			}
			return printMade(cmd.OutOrStdout(), made, quiet, output)
		},
	}
	controlFlags(cmd)
	cmd.Flags().StringVar(&overlap, "overlap", "24h", "how long the old secret is good beside the new one; 0s: not at all")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the secret alone")
	outputFlag(cmd.Flags(), &output, "output format: text or json")
	cmd.MarkFlagsMutuallyExclusive("quiet", "output")
	return cmd
}
