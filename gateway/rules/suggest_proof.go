package rules

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gatehouse/gateway/oci"
)

// ProofQuestions is how many requests [Suggest] compares the answers to.
const ProofQuestions = 10_000

// Kinds of requests of which a suggestion may close some: the specification has none like
// them, or has them as steps of what is judged as a whole.
const (
	uploadSteps    = "how far an upload is, and to give it up, belongs to push"
	otherMethods   = "the OCI distribution specification has no such method there"
	otherPaths     = "the OCI distribution specification has no such path; a rule can name it in paths"
	extensionPaths = `only this registry knows what an extension tells; a rule can have "extension" in actions`
)

// Difference is a request that is answered otherwise by other rules.
type Difference struct {
	// Kind says in words what requests like it are, and what is about them. It is empty
	// for what must not differ.
	Kind string

	request       Request
	who           Subject
	before, after Decision
	tag           string // what of a tag differs; empty where the verdicts do
}

// String names the request, and says both answers.
func (d Difference) String() string {
	text := fmt.Sprintf("%s %s by %s", d.request.Method, d.request.Path, d.who.inWords())
	if d.request.Source.IsValid() {
		text += fmt.Sprintf(" from %s", d.request.Source)
	}
	text += fmt.Sprintf(": now %s, and then %s", d.before.inWords(), d.after.inWords())
	if d.tag != "" {
		text += fmt.Sprintf(", so that the tag %s", d.tag)
	}
	return text
}

// inWords says the verdict, and whose it is.
func (d Decision) inWords() string {
	by := "no rule"
	if d.Rule != "" {
		by = fmt.Sprintf("rule %q", d.Rule)
	}
	return fmt.Sprintf("%v by %s", d.Verdict, by)
}

func (who Subject) inWords() string {
	if !who.LoggedIn {
		return "somebody who has not logged in"
	}
	text := who.Identity.User
	if who.Identity.Source != "" {
		text = who.Identity.Source + ":" + text
	}
	switch {
	case !who.GroupsKnown:
		text += " with groups that are not known"
	case len(who.Groups) > 0:
		text += fmt.Sprintf(" in %q", who.Groups)
	}
	return text
}

// comparison puts the same questions to two policies of one route.
type comparison struct {
	before, after *Policy
	asks          *asker

	asked      int         // that must be answered alike
	difference *Difference // the first of these that is not
	others     []Difference
}

func newComparison(before, after *Policy) *comparison {
	return &comparison{before: before, after: after, asks: newAsker(before)}
}

// maxDrawn bounds how many requests are made up until enough of them are of the
// specification. About every second one is.
const maxDrawn = 20 * ProofQuestions

// run asks until there is a difference, or there have been enough questions.
func (c *comparison) run() *comparison {
	prefix := strings.TrimSuffix(c.before.route.Path, "/")
	for drawn := 0; c.asked < ProofQuestions && drawn < maxDrawn && c.difference == nil; drawn++ {
		req, who := c.asks.next(drawn)
		if Takes(prefix, req.Path) {
			c.ask(req, who)
		}
	}
	return c
}

// ask puts one question to both.
func (c *comparison) ask(req Request, who Subject) {
	q := c.before.read(req)
	d := Difference{Kind: c.before.otherKind(&q), request: req, who: who, before: c.before.Decide(req, who, nil), after: c.after.Decide(req, who, nil)}
	same := d.before.Verdict == d.after.Verdict
	if same {
		d.tag = c.tagDifference(&q, d)
		same = d.tag == ""
	}
	switch opens := d.after.Verdict == Allowed && d.before.Verdict != Allowed; {
	case d.Kind == "":
		c.asked++
	case same:
		return
	case d.tag == "" && (!opens || d.Kind == uploadSteps):
		c.note(d)
		return
	}
	if !same {
		c.difference = &d
	}
}

// tagDifference says what would become otherwise of the tag that q changes.
func (c *comparison) tagDifference(q *question, d Difference) string {
	tag := q.at.Tag()
	if tag == "" || q.Method != http.MethodPut && q.Method != http.MethodDelete {
		return ""
	}
	switch was, is := c.before.IsImmutable(d.before.Rule, tag), c.after.IsImmutable(d.after.Rule, tag); {
	case was && !is:
		return tag + " could be changed"
	case is && !was:
		return tag + " could not be changed"
	}
	return ""
}

// note keeps one difference of each kind: one with a short path.
func (c *comparison) note(d Difference) {
	i := slices.IndexFunc(c.others, func(known Difference) bool { return known.Kind == d.Kind })
	switch {
	case i < 0:
		c.others = append(c.others, d)
	case len(d.request.Path) < len(c.others[i].request.Path):
		c.others[i] = d
	}
}

// otherKind returns the kind of a request that may be answered otherwise, and an empty text
// for all others.
func (p *Policy) otherKind(q *question) string {
	_, below := oci.Below(p.registry, q.Path)
	switch action := q.at.Action(q.Method); {
	case q.at.Kind == oci.Extension:
		return extensionPaths
	case q.at.Kind == oci.Upload && (q.Method == http.MethodGet || q.Method == http.MethodHead || q.Method == http.MethodDelete):
		return uploadSteps
	case q.at.Kind == oci.None && below:
		return otherPaths
	case q.at.Kind != oci.None && action == oci.NoAction:
		return otherMethods
	}
	return ""
}
