package explain

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"gatehouse/backend/shown"
	"gatehouse/gateway/rules"
)

// words are a verdict for people.
func (v Verdict) words() string {
	switch v {
	case Allow:
		return "allowed"
	case Login:
		return "needs a login"
	case Undecided:
		return "undecided"
	}
	return "DENIED"
}

// Print writes what was found out for people: all requests of an operation, and
// then the one that it turns on.
func (x Result) Print(out io.Writer) error {
	e := Decisive(x.Requests)
	who := e.User.Words()
	if len(x.Requests) > 1 {
		fmt.Fprintf(out, "%s by %s from %s: %s\n\n", shown.Text(x.Question), shown.Text(who), e.From, x.Verdict.words())
		printRequests(out, x.Requests)
		who = ""
	}
	return e.print(out, who, "…")
}

// printRequests writes a line for each request.
func printRequests(out io.Writer, requests []Explanation) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, e := range requests {
		rule := ""
		if e.Rule != "" {
			rule = fmt.Sprintf("rule %q", e.Rule)
		}
		purpose := e.Purpose
		if e.Aside {
			purpose += `, for "docker login" alone`
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", e.Verdict.words(), e.Method, shown.Text(e.Target), shown.Text(rule), purpose)
	}
	w.Flush()
	fmt.Fprintln(out)
}

// Print writes an explanation for people: in its first line who asks, unless that
// has been said, and in the last what the client sees, with the id of the request.
func (e Explanation) print(out io.Writer, who, id string) error {
	heading := e.Method + " " + e.Target
	if e.Host != "" && e.Host != anyHost {
		heading += " at " + e.Host
	}
	if who != "" {
		heading += " by " + who + " from " + e.From
	}
	fmt.Fprintf(out, "%s: %s\n", shown.Text(heading), e.Verdict.words())
	e.printRules(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range e.Token.lines() {
		fmt.Fprintf(w, "%s\t%s\n", line[0], shown.Text(line[1]))
	}
	fmt.Fprintf(w, "decided by\t%s\n", shown.Text(e.decision()))
	for i, way := range e.WouldAllow {
		fmt.Fprintf(w, "%s\t%s\n", first(i, "would allow"), shown.Text(way))
	}
	for i, note := range e.Notes {
		fmt.Fprintf(w, "%s\t%s\n", first(i, "note"), shown.Text(note))
	}
	fmt.Fprintf(w, "client sees\t%s\n", shown.Text(e.clientSees(id)))
	return w.Flush()
}

// first returns the heading of a list on its first line.
func first(i int, heading string) string {
	if i == 0 {
		return heading
	}
	return ""
}

// printRules writes a line for each rule.
func (e Explanation) printRules(out io.Writer) {
	if len(e.Rules) == 0 {
		return
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\trule\tat\tmethod\tpath\trequire")
	for _, r := range e.Rules {
		mark := ""
		if r.Decides {
			mark = "*"
		}
		line := shown.Row([]string{mark, r.Name, cmp.Or(r.At, "-"), r.verb(), r.place(), r.Require.words()})
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
	w.Flush()
	fmt.Fprintln(out)
}

// verb says whether a rule is about what is done.
func (r Step) verb() string {
	list := r.Methods
	switch {
	case r.Actions != nil:
		list = r.Actions
	case r.Repositories != nil:
		list = []string{"pull", "push", "delete"}
	}
	return hit(r.MethodMatches, list)
}

// place says whether a rule is about what it is done to.
func (r Step) place() string {
	if list := r.Repositories; list != nil {
		if !r.PathMatches && r.MethodMatches && r.About != rules.Denied.String() {
			return r.About + " (" + strings.Join(list, ", ") + ")"
		}
		return hit(r.PathMatches, list)
	}
	if !r.PathMatches && len(r.Paths) == 0 {
		return "miss (not named)"
	}
	return hit(r.PathMatches, r.Paths)
}

// hit says whether one of a list matches, and for a miss what the list is.
func hit(matches bool, list []string) string {
	if matches {
		return "hit"
	}
	return "miss (" + strings.Join(list, ", ") + ")"
}

// words returns each condition of a requirement with whether it holds.
func (c Check) words() string {
	if len(c.Parts) == 0 || strings.HasPrefix(c.Item, "not ") {
		return c.Item + ": " + holds(c.Verdict)
	}
	texts := make([]string, len(c.Parts))
	for i, part := range c.Parts {
		texts[i] = part.words()
	}
	return strings.Join(texts, ", ")
}

func holds(verdict string) string {
	switch verdict {
	case "allowed":
		return "yes"
	case "denied":
		return "no"
	}
	return verdict
}

// decision says what decided.
func (e Explanation) decision() string {
	switch {
	case len(e.Rules) == 0 && e.Verdict == Undecided:
		return "nothing yet"
	case len(e.Rules) == 0:
		return "the gateway itself: no rule is asked"
	case e.Rule == "":
		return "no rule: none is about this request"
	case e.RuleAt == "":
		return fmt.Sprintf("rule %q needs %s", e.Rule, e.Requires)
	}
	return fmt.Sprintf("rule %q (%s) needs %s", e.Rule, e.RuleAt, e.Requires)
}

// clientSees returns what docker and its like print of an answer: the code in lower
// case, and the message. There is no body in an answer to HEAD.
func (e Explanation) clientSees(id string) string {
	status := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	switch {
	case e.Status == 0 && e.Verdict == Allow:
		return "the answer of the service behind the gateway"
	case e.Status == 0:
		return "-"
	case e.Health:
		return status + " from the gateway itself"
	case e.Status == http.StatusNoContent:
		return status + " from the gateway itself: a browser may send what the script of the page wants"
	case e.Method == http.MethodHead:
		return status + ", without a message, as there is none in an answer to HEAD"
	}
	text := fmt.Sprintf("%s, %s: %s", status, strings.ToLower(e.Code), e.Message)
	if e.Signed {
		text += " (id " + id + ")"
	}
	return text
}

// Words says who somebody is.
func (u User) Words() string {
	if u.Name == "" {
		return "nobody"
	}
	var known []string
	if u.Backend != "" {
		known = append(known, "backend "+u.Backend)
	}
	switch {
	case !u.GroupsKnown:
		known = append(known, "groups not known")
	case len(u.Groups) == 0:
		known = append(known, "no groups")
	default:
		known = append(known, "groups "+strings.Join(u.Groups, ", "))
	}
	return u.Name + " (" + strings.Join(known, "; ") + ")"
}

// Result is what explain prints with -o json.
type Result struct {
	Config   string        `json:"config"`
	Question string        `json:"question"`
	Verdict  Verdict       `json:"verdict"`
	Requests []Explanation `json:"requests"`
}
