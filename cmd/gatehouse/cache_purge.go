package main

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"
)

// newCacheCommand returns "gatehouse cache", which has one subcommand.
func newCacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Work on what the running gateway remembers of logins",
	}
	cmd.AddCommand(newCachePurgeCommand())
	return cmd
}

// purgeResult is what cache purge prints with -o json.
type purgeResult struct {
	User   string `json:"user"` // empty for all
	Caches int    `json:"caches"`
}

// newCachePurgeCommand returns "gatehouse cache purge".
func newCachePurgeCommand() *cobra.Command {
	var user string
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "purge",
		Short: "Have the running gateway forget logins",
		Long: `Ask the gateway that runs on this machine to forget the logins and groups that it
remembers, of all users or of one. It is asked over the control socket that [admin]
names. The next request of each user is checked again. Use it if an account has been
closed, or if a user is in a new group, and that must count at once.

With --user the wrong passwords of that user are forgotten too. After too many of
them the user cannot log in for some time. Use it if others guessed passwords and
shut the user out.

The exit code is 0 if that is done, 2 if no control socket is known, and 4 if nobody
answers there.`,
		Example: "  gatehouse cache purge --user alice",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := "/purge"
			if cmd.Flags().Changed("user") {
				if user == "" {
					return &exitError{2, errors.New("--user is empty: leave it out to purge all users")}
				}
				path += "?user=" + url.QueryEscape(user)
			}
			var result purgeResult
			if err := postFrom(cmd, path, &result); err != nil {
				return err
			}
			return result.print(cmd, output)
		},
	}
	controlFlags(cmd)
	cmd.Flags().StringVar(&user, "user", "", "forget this user alone, in any spelling of the name")
	outputFlag(cmd.Flags(), &output, "output format: text or json")
	return cmd
}

func (r purgeResult) print(cmd *cobra.Command, output outputFormat) error {
	if output == outputJSON {
		return printJSON(cmd.OutOrStdout(), r)
	}
	who := "all users"
	if r.User != "" {
		who = fmt.Sprintf("the user %q", r.User)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s forgotten, in %d caches\n", who, r.Caches)
	return err
}
