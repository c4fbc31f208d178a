package explain

import (
	"fmt"
	"net/http"
	"strings"

	"gatehouse/gateway"
	"gatehouse/gateway/rules"
)

// Verdict is the answer to a question about a request.
type Verdict string

const (
	Allow     Verdict = "allow"     // it is passed on
	Deny      Verdict = "deny"      // it is refused
	Login     Verdict = "login"     // it needs a login, or another one
	Undecided Verdict = "undecided" // there is something that could not be found out
)

// verdictOf returns what an answer is for whoever gets it.
func verdictOf(a gateway.Answer) Verdict {
	switch {
	case a.Verdict == rules.Allowed && a.Status < http.StatusMultipleChoices: // 0 where the upstream answers
		return Allow
	case a.Status == http.StatusUnauthorized:
		return Login
	case a.Status == 0 || a.Status >= http.StatusInternalServerError && a.Status != http.StatusNotImplemented:
		return Undecided
	}
	return Deny
}

// Explanation is what becomes of one request, and why. Its JSON is an interface:
// keys are added and never change their meaning.
type Explanation struct {
	Method  string `json:"method"`
	Target  string `json:"target"`
	Host    string `json:"host"`
	From    string `json:"from"`              // address of the client
	Purpose string `json:"purpose,omitempty"` // what a client makes the request for
	Aside   bool   `json:"aside,omitempty"`   // it is the login of an operation that works without
	User    User   `json:"user"`
	Token   *Token `json:"token,omitempty"` // that it comes with

	Verdict Verdict `json:"verdict"`
	Health  bool    `json:"health,omitempty"` // it is a check by a load balancer
	Status  int     `json:"status,omitempty"` // of the answer; 0 where the upstream gives it
	Code    string  `json:"code,omitempty"`   // of the error in its body
	Message string  `json:"message,omitempty"`
	Signed  bool    `json:"signed,omitempty"` // the message goes on with the id of the request

	Rule     string `json:"rule,omitempty"` // that decides
	RuleAt   string `json:"rule_at,omitempty"`
	Requires string `json:"requires,omitempty"`
	Rules    []Step `json:"rules,omitempty"`

	WouldAllow []string `json:"would_allow,omitempty"`
	Notes      []string `json:"notes,omitempty"`
}

// User is whoever sends a request.
type User struct {
	Name        string   `json:"name,omitempty"` // empty for somebody who has not logged in
	Backend     string   `json:"backend,omitempty"`
	GroupsKnown bool     `json:"groups_known"`
	Groups      []string `json:"groups,omitempty"`
	Expires     string   `json:"password_expires,omitempty"` // where the backend says that it is soon
}

// Step is one rule of the route.
type Step struct {
	Name          string   `json:"name"`
	At            string   `json:"at,omitempty"`
	Methods       []string `json:"methods,omitempty"` // none for all
	Paths         []string `json:"paths,omitempty"`   // none for all
	Actions       []string `json:"actions,omitempty"`
	Repositories  []string `json:"repositories,omitempty"`
	MethodMatches bool     `json:"method_matches"` // or the action
	PathMatches   bool     `json:"path_matches"`   // or the repository
	About         string   `json:"about"`          // whether it is about the request: "allowed" if it is, "denied" if not, or "needs login" or "needs groups"
	Decides       bool     `json:"decides"`
	Require       Check    `json:"require"`
}

// Check is what became of a requirement: "allowed", "denied", "needs login" or
// "needs groups".
type Check struct {
	Item    string  `json:"item"`
	Verdict string  `json:"verdict"`
	Parts   []Check `json:"parts,omitempty"`
}

// explanationOf puts an answer into the words of the commands.
func explanationOf(q gateway.Question, a gateway.Answer) Explanation {
	d := a.Trace.Decision
	e := Explanation{
		Method: q.Method, Target: q.Target, Host: q.Host, From: q.Source.String(), User: userOf(q.Who), Token: tokenOf(q, a),
		Verdict: verdictOf(a), Health: a.Health, Status: a.Status, Code: a.Code, Message: a.Message, Signed: a.Signed,
		Rule: d.Rule, Requires: d.Requires,
	}
	if e.Verdict != Undecided {
		e.WouldAllow = a.Trace.Remedies
	}
	e.Notes = a.Trace.Notes
	for _, s := range a.Trace.Steps {
		if s.Decides {
			e.RuleAt = s.Rule.Position
		}
		e.Rules = append(e.Rules, Step{
			Name: s.Rule.Name, At: s.Rule.Position, Methods: s.Rule.Methods, Paths: s.Rule.Paths, Actions: s.Rule.Actions, Repositories: s.Rule.Repositories,
			MethodMatches: s.MethodMatches, PathMatches: s.PathMatches, About: s.Covers.String(), Decides: s.Decides, Require: checkOf(s.Check),
		})
	}
	if e.Verdict == Undecided && a.Status == 0 {
		e.Notes = append(e.Notes, fmt.Sprintf("the answer depends on the groups of %s: name them with --groups, or have the backend asked with --live", e.User.Name))
	}
	if a.Health {
		e.Notes = append(e.Notes, "this is the path of [health], for load balancers: it is the same at every host and without a login, and is never passed on; while the gateway ends the status is 503")
	}
	if a.MountIgnored {
		e.Notes = append(e.Notes, "mount and from are taken out: the client uploads the layer as any other")
	}
	if origin := q.Header.Get("Origin"); origin != "" {
		e.Notes = append(e.Notes, originNote(origin, a))
	}
	return e
}

// originNote says what the browser makes of the answer.
func originNote(origin string, a gateway.Answer) string {
	if a.Readable {
		return fmt.Sprintf("a script on a page of %s may read the answer", origin)
	}
	return fmt.Sprintf("the gateway lets no script on a page of %s read the answer: the route has no such entry in cors_origins", origin)
}

// expiry says when the password of u expires, nothing where that is not soon.
func (u User) expiry() string {
	if u.Expires == "" {
		return ""
	}
	return fmt.Sprintf("the password of %s expires on %s", u.Name, u.Expires)
}

func userOf(who rules.Subject) User {
	return User{who.Identity.User, who.Identity.Source, who.GroupsKnown, who.Groups, who.Identity.Expires}
}

func checkOf(c rules.Check) Check {
	out := Check{Item: c.Requirement, Verdict: c.Verdict.String()}
	for _, part := range c.Parts {
		out.Parts = append(out.Parts, checkOf(part))
	}
	return out
}

// agreed returns the explanation that holds for everybody whom a name may mean, or
// says that there is none.
func agreed(all []Explanation) Explanation {
	e := all[0]
	for _, other := range all[1:] {
		if other.Verdict == e.Verdict {
			continue
		}
		var cases []string
		for _, c := range all {
			cases = append(cases, fmt.Sprintf("%s as %s:%s", c.Verdict, c.User.Backend, c.User.Name))
		}
		e = e.undecided(fmt.Sprintf("the answer depends on the backend that vouches for the user (%s): name it with --backend", strings.Join(cases, ", ")))
		e.User.Backend = ""
		return e
	}
	return e
}

// undecided returns e where it is not known what the client will see.
func (e Explanation) undecided(notes ...string) Explanation {
	return Explanation{
		Method: e.Method, Target: e.Target, Host: e.Host, From: e.From, User: e.User, Token: e.Token,
		Verdict: Undecided, Notes: notes,
	}
}

// Why says in one line what decided, and on which request if others were asked
// about too.
func (e Explanation) Why() string {
	text := e.decision()
	for _, note := range e.Notes {
		text += "; " + note
	}
	if e.Purpose != "" {
		text = fmt.Sprintf("%s %s: %s", e.Method, e.Target, text)
	}
	return text
}
