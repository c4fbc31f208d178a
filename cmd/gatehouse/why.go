package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/cmd/gatehouse/explain"
)

// newWhyCommand returns "gatehouse why".
func newWhyCommand() *cobra.Command {
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "why ID",
		Short: "Say why a request was refused, by the id in the message that the user saw",
		Long: `Ask the running gateway over its control socket why it refused a request. The answer
looks like that of explain, with the rules that were in use at that time. The id is at
the end of the message that the user saw, in X-Request-Id and in the access log.

The gateway keeps the last 1,000 refusals of users, as many of strangers, and as
many requests that came without credentials, since it was started.

The exit code is 0 if the refusal was found, 1 if not, 2 for wrong usage, and 4 if
the gateway does not answer.`,
		Example: "  gatehouse why 7K2M9QX4",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := askWhy(cmd, args[0])
			switch {
			case err != nil:
				return err
			case output == outputJSON:
				return printJSON(cmd.OutOrStdout(), r)
			}
			return r.Print(cmd.OutOrStdout())
		},
	}
	controlFlags(cmd)
	outputFlag(cmd.Flags(), &output, "output format: text or json")
	return cmd
}

func askWhy(cmd *cobra.Command, id string) (r explain.Refusal, err error) {
	id = strings.TrimPrefix(strings.Trim(id, "() "), "id ")
	if id == "" {
		return r, &exitError{2, errors.New("the id is empty")}
	}
	c, err := newControl(cmd)
	if err != nil {
		return r, err
	}
	err = c.get(cmd.Context(), "/why/"+url.PathEscape(id), &r)
	if errors.Is(err, errNotThere) {
		return r, &exitError{1, fmt.Errorf("the gateway at %s keeps no refusal with the id %s: it is from before the start, from another gateway, or too many came after it", c.socket, id)}
	}
	return r, err
}
