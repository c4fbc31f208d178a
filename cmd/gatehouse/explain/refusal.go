package explain

import (
	"fmt"
	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
	"gatehouse/gateway"
	"io"
	"time"
)

// Refusal is what why prints with -o json.
type Refusal struct {
	ID        string       `json:"id"`
	Time      time.Time    `json:"time"`
	Claimed   string       `json:"claimed,omitempty"` // the user name that was sent
	UserAgent string       `json:"user_agent,omitempty"`
	Reason    fault.Reason `json:"reason"`          // why, in one word, as metrics have it
	Cause     string       `json:"cause,omitempty"` // what went wrong, as the log has it
	Code      fault.Code   `json:"code,omitempty"`  // as the log has it
	Request   Explanation  `json:"request"`
}

// Refused returns what a gateway says about a refusal. It names users, servers
// and the rules, and is for those alone who may use the control socket.
func Refused(r gateway.Refusal) Refusal {
	q := gateway.Question{Method: r.Method, Target: r.Target, Host: r.Host, Source: r.Source, Who: r.Who}
	return Refusal{
		ID: r.ID, Time: r.Time, Claimed: r.Claimed, UserAgent: r.UserAgent, Reason: r.Reason, Cause: r.Cause, Code: r.Code,
		Request: explanationOf(q, r.Answer),
	}
}

// Print writes a refusal for people.
func (r Refusal) Print(out io.Writer) error {
	fmt.Fprintf(out, "id %s, %s, reason %s\n", shown.Text(r.ID), r.Time.Format(time.RFC3339), r.Reason)
	who := r.Request.User.Words()
	if r.Request.User.Name == "" && r.Claimed != "" {
		who += fmt.Sprintf(" (who sent the name %q)", r.Claimed)
	}
	if r.Cause != "" {
		r.Request.Notes = append([]string{r.Cause}, r.Request.Notes...)
	}
	if r.Cause != "" && r.Code != "" {
		r.Request.Notes = append(r.Request.Notes, fmt.Sprintf("%s: %s", r.Code, r.Code.Advice()))
	}
	return r.Request.print(out, who, r.ID)
}
