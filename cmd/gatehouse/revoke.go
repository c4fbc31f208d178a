package main

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"
)

// revokeResult is what revoke prints with -o json.
type revokeResult struct {
	User string `json:"user"` // empty for all
}

// newRevokeCommand returns "gatehouse revoke".
func newRevokeCommand() *cobra.Command {
	var user string
	var all bool
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "revoke --user NAME | --all",
		Short: "End the tokens that were issued so far, of a user or of all",
		Long: `Ask the gateway that runs on this machine to take no token any more that it has issued
to a user so far, or to anybody. It is asked over the control socket that [admin] names.
Whoever has a right password gets another token at once: to keep a user out, disable the
account first. Tokens of accounts that were disabled or deleted end without this command,
within revalidate of [cache].

The gateway keeps it in the state_file of [tokens]. Other gateways do not know of it.

The exit code is 0 if that is done, 2 if the flags are wrong or no control socket is
known, and 4 if nobody answers there, or if the tokens are revoked but that cannot be
kept and ends with the process.`,
		Example: `  gatehouse revoke --user alice
  gatehouse revoke --all`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (user == "") != all {
				return &exitError{2, errors.New("say whose tokens: --user NAME, or --all")}
			}
			path := "/revoke?all"
			if !all {
				path = "/revoke?user=" + url.QueryEscape(user)
			}
			var result revokeResult
			if err := postFrom(cmd, path, &result); err != nil {
				return err
			}
			return result.print(cmd, output)
		},
	}
	controlFlags(cmd)
	cmd.Flags().StringVar(&user, "user", "", "end the tokens of this user, in any spelling of the name")
	cmd.Flags().BoolVar(&all, "all", false, "end all tokens")
	outputFlag(cmd.Flags(), &output, "output format: text or json")
	return cmd
}

func (r revokeResult) print(cmd *cobra.Command, output outputFormat) error {
	if output == outputJSON {
		return printJSON(cmd.OutOrStdout(), r)
	}
	whose := "all tokens"
	if r.User != "" {
		whose = fmt.Sprintf("the tokens of the user %q", r.User)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s that were issued so far are revoked\n", whose)
	return err
}
