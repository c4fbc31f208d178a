package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gatehouse/gateway/admin"
)

// newRevokeCommand returns "gatehouse revoke", which is "gatehouse token revoke", too.
func newRevokeCommand() *cobra.Command {
	var whose admin.Whose
	var source string
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "revoke ID... | --user USER | --robot NAME | --all-of-source BACKEND | --all",
		Short: "End tokens: by their IDs, of a user, a robot or a backend, or all",
		Long: `Ask the gateway that runs on this machine to take some tokens no more. It is asked over
the control socket that [admin] names. With --user and --all those end that people and
robots have in place of passwords, and those that it has issued to clients so far. An ID,
--robot and --all-of-source mean the former alone; gatehouse token list has the IDs.

Whoever has a right password gets another token of the latter sort at once: to keep a user
out, disable the account first. Tokens of accounts that were disabled or deleted end without
this command, within revalidate of [cache].

The gateway keeps it in the store_file and the state_file of [tokens]. Other gateways do not
know of it.

The exit code is 0 if that is done, 1 if there is no token of an ID, 2 if the flags are wrong
or no control socket is known, and 4 if nobody answers there, or if the tokens are revoked
but that cannot be kept and ends with the process.`,
		Example: `  gatehouse revoke --user alice
  gatehouse revoke 3f2a9c0d81b7e645
  gatehouse revoke --all-of-source corp
  gatehouse revoke --all`,
		RunE: func(cmd *cobra.Command, args []string) error {
			whose.IDs, whose.Backend = args, source
			if err := checkWhose(whose); err != nil {
				return &exitError{2, err}
			}
			var done admin.Revoked
			if err := tell(cmd, "/revoke", whose, &done); err != nil {
				return err
			}
			return printRevoked(cmd, output, whose, done)
		},
	}
	controlFlags(cmd)
	cmd.Flags().StringVar(&whose.User, "user", "", "end the tokens of this user, in any spelling of the name, and of robots that the user owns")
	cmd.Flags().StringVar(&whose.Robot, "robot", "", "end the tokens of the robot of this name")
	cmd.Flags().StringVar(&source, "all-of-source", "", "end the tokens whose owners are of this backend")
	cmd.Flags().BoolVar(&whose.All, "all", false, "end all tokens")
	outputFlag(cmd.Flags(), &output, "output format: text or json")
	return cmd
}

// checkWhose reports that w does not say in one way which tokens are to end.
func checkWhose(w admin.Whose) error {
	ways := 0
	for _, given := range []bool{len(w.IDs) > 0, w.User != "", w.Robot != "", w.Backend != "", w.All} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("say in one way whose tokens: ID..., --user USER, --robot NAME, --all-of-source BACKEND, or --all")
	}
	return nil
}

func printRevoked(cmd *cobra.Command, output outputFormat, w admin.Whose, r admin.Revoked) error {
	if output == outputJSON {
		return printJSON(cmd.OutOrStdout(), r)
	}
	text := count(r.Own, "token") + " of people and robots revoked"
	switch {
	case r.Issued && w.User != "":
		text += fmt.Sprintf(", and all that were issued so far to clients of the user %q", w.User)
	case r.Issued:
		text += ", and all that were issued so far to clients"
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}
