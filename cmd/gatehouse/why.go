package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
	"gatehouse/gateway"
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
			return r.print(cmd.OutOrStdout())
		},
	}
	controlFlags(cmd)
	outputFlag(cmd.Flags(), &output, "output format: text or json")
	return cmd
}

func askWhy(cmd *cobra.Command, id string) (r explainedRefusal, err error) {
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

// explainedRefusal is what why prints with -o json.
type explainedRefusal struct {
	ID        string      `json:"id"`
	Time      time.Time   `json:"time"`
	Claimed   string      `json:"claimed,omitempty"` // the user name that was sent
	UserAgent string      `json:"user_agent,omitempty"`
	Reason    string      `json:"reason"`          // why, in one word, as metrics have it
	Cause     string      `json:"cause,omitempty"` // what went wrong, as the log has it
	Code      fault.Code  `json:"code,omitempty"`  // of the cause
	Request   explanation `json:"request"`
}

// refusedBy returns what a gateway says about a refusal. It names users, servers
// and the rules, and is for those alone who may use the control socket.
func refusedBy(r gateway.Refusal) explainedRefusal {
	q := gateway.Question{Method: r.Method, Target: r.Target, Host: r.Host, Source: r.Source, Who: r.Who}
	return explainedRefusal{
		ID: r.ID, Time: r.Time, Claimed: r.Claimed, UserAgent: r.UserAgent, Reason: r.Reason, Cause: r.Cause, Code: r.Code,
		Request: explain(q, r.Answer),
	}
}

// print writes a refusal for people.
func (r explainedRefusal) print(out io.Writer) error {
	fmt.Fprintf(out, "id %s, %s, reason %s\n", shown.Text(r.ID), r.Time.Format(time.RFC3339), shown.Text(r.Reason))
	who := r.Request.User.words()
	if r.Request.User.Name == "" && r.Claimed != "" {
		who += fmt.Sprintf(" (who sent the name %q)", r.Claimed)
	}
	if r.Cause != "" {
		r.Request.Notes = append([]string{r.Cause}, r.Request.Notes...)
	}
	if r.Code != "" {
		r.Request.Notes = append(r.Request.Notes, fmt.Sprintf("%s: %s", r.Code, r.Code.Advice()))
	}
	return r.Request.print(out, who, r.ID)
}
