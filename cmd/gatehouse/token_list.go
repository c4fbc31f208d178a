package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/backend/shown"
	"gatehouse/gateway/admin"
)

func newTokenListCommand() *cobra.Command {
	var whose admin.Whose
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tokens of people and robots",
		Long: `List the tokens that the gateway on this machine keeps, the oldest first: those of
everybody, of one user, or of one robot. With --all those are listed too that have ended.
No secret is shown: the gateway does not keep any.

The exit code is 0 if there is a list, which may be empty, 1 if the gateway keeps no tokens,
2 if the flags are wrong or no control socket is known, and 4 if nobody answers there.`,
		Example: "  gatehouse token list --user alice\n  gatehouse token list -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []admin.ShownToken
			if err := tell(cmd, "/tokens/list", whose, &list); err != nil {
				return err
			}
			if output == outputJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			return printTokens(cmd.OutOrStdout(), list)
		},
	}
	controlFlags(cmd)
	cmd.Flags().StringVar(&whose.User, "user", "", "the tokens of this user, in any spelling of the name, and of robots that the user owns")
	cmd.Flags().StringVar(&whose.Robot, "robot", "", "the tokens of the robot of this name")
	cmd.Flags().StringVar(&whose.Backend, "backend", "", "the tokens whose owners are of this backend")
	cmd.Flags().BoolVar(&whose.All, "all", false, "those too that have ended")
	outputFlag(cmd.Flags(), &output, "output format: text or json")
	return cmd
}

// printTokens prints a line for each token.
func printTokens(out io.Writer, list []admin.ShownToken) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tKIND\tOWNER\tENDS\tUSED\tMAY")
	for _, t := range list {
		ends := t.Expires.UTC().Format(time.DateOnly)
		if !t.Counts {
			ends = t.Why
		}
		used := "never"
		if !t.Used.IsZero() {
			used = t.Used.UTC().Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, shown.Text(t.Name), t.Kind, shown.Text(ownerText(t.Owner)), shown.Text(ends), used, shown.Text(limitsText(t.Limits)))
	}
	return w.Flush()
}

// printOwnToken prints what there is to say of one token.
func printOwnToken(out io.Writer, t admin.ShownToken) error {
	counts, used := "yes", "never"
	if !t.Counts {
		counts = "no: " + t.Why
	}
	if !t.Used.IsZero() {
		used = t.Used.UTC().Format(time.RFC3339)
		if t.UsedFrom.IsValid() {
			used += " from " + t.UsedFrom.String()
		}
	}
	by := ""
	if t.By != "" {
		by = " by " + t.By
	}
	_, err := fmt.Fprintf(out, "token    %s, id %s, %s\nowner    %s\nmay      %s\nmade     %s%s\nends     %s\nused     %s\ncounts   %s\n",
		shown.Text(t.Name), t.ID, t.Kind, shown.Text(ownerText(t.Owner)), shown.Text(limitsText(t.Limits)), t.Created.UTC().Format(time.RFC3339), shown.Text(by), whenText(t.Expires), used, shown.Text(counts))
	return err
}
