package main

import (
	"fmt"
	"net/http"
	"strings"

	"gatehouse/gateway"
	"gatehouse/gateway/rules"
)

// verdict is the answer to a question about a request.
type verdict string

const (
	verdictAllow     verdict = "allow"
	verdictDeny      verdict = "deny"
	verdictLogin     verdict = "login"     // it needs a login, or another one
	verdictUndecided verdict = "undecided" // there is something that could not be found out
)

// verdictOf returns what an answer is for whoever gets it.
func verdictOf(a gateway.Answer) verdict {
	switch {
	case a.Verdict == rules.Allowed && a.Status < http.StatusMultipleChoices: // 0 where the upstream answers
		return verdictAllow
	case a.Status == http.StatusUnauthorized:
		return verdictLogin
	case a.Status == 0 || a.Status >= http.StatusInternalServerError && a.Status != http.StatusNotImplemented:
		return verdictUndecided
	}
	return verdictDeny
}

// explanation is what becomes of one request, and why. Its JSON is an interface:
// keys are added and never change their meaning.
type explanation struct {
	Method  string `json:"method"`
	Target  string `json:"target"`
	Host    string `json:"host"`
	From    string `json:"from"`              // address of the client
	Purpose string `json:"purpose,omitempty"` // what a client makes the request for
	Aside   bool   `json:"aside,omitempty"`   // it is the login of an operation that works without
	User    user   `json:"user"`

	Verdict verdict `json:"verdict"`
	Health  bool    `json:"health,omitempty"` // it is a check by a load balancer
	Status  int     `json:"status,omitempty"` // of the answer; 0 where the upstream gives it
	Code    string  `json:"code,omitempty"`   // of the error in its body
	Message string  `json:"message,omitempty"`
	Signed  bool    `json:"signed,omitempty"` // the message goes on with the id of the request

	Rule     string     `json:"rule,omitempty"` // that decides
	RuleAt   string     `json:"rule_at,omitempty"`
	Requires string     `json:"requires,omitempty"`
	Rules    []ruleStep `json:"rules,omitempty"`

	WouldAllow []string `json:"would_allow,omitempty"`
	Notes      []string `json:"notes,omitempty"`
}

// user is whoever sends a request.
type user struct {
	Name        string   `json:"name,omitempty"` // empty for somebody who has not logged in
	Backend     string   `json:"backend,omitempty"`
	GroupsKnown bool     `json:"groups_known"`
	Groups      []string `json:"groups,omitempty"`
	Expires     string   `json:"password_expires,omitempty"` // where the backend says that it is soon
}

// ruleStep is one rule of the route.
type ruleStep struct {
	Name          string   `json:"name"`
	At            string   `json:"at,omitempty"`
	Methods       []string `json:"methods,omitempty"` // none for all
	Paths         []string `json:"paths,omitempty"`   // none for all
	MethodMatches bool     `json:"method_matches"`
	PathMatches   bool     `json:"path_matches"`
	Decides       bool     `json:"decides"`
	Require       check    `json:"require"`
}

// check is what became of a requirement: "allowed", "denied", "needs login" or
// "needs groups".
type check struct {
	Item    string  `json:"item"`
	Verdict string  `json:"verdict"`
	Parts   []check `json:"parts,omitempty"`
}

// explain puts an answer into the words of the commands.
func explain(q gateway.Question, a gateway.Answer) explanation {
	d := a.Trace.Decision
	e := explanation{
		Method: q.Method, Target: q.Target, Host: q.Host, From: q.Source.String(), User: userOf(q.Who),
		Verdict: verdictOf(a), Health: a.Health, Status: a.Status, Code: a.Code, Message: a.Message, Signed: a.Signed,
		Rule: d.Rule, Requires: d.Requires,
	}
	if e.Verdict != verdictUndecided {
		e.WouldAllow = a.Trace.Remedies
	}
	e.Notes = a.Trace.Notes
	for _, s := range a.Trace.Steps {
		if s.Decides {
			e.RuleAt = s.Rule.Position
		}
		e.Rules = append(e.Rules, ruleStep{
			Name: s.Rule.Name, At: s.Rule.Position, Methods: s.Rule.Methods, Paths: s.Rule.Paths,
			MethodMatches: s.MethodMatches, PathMatches: s.PathMatches, Decides: s.Decides, Require: checkOf(s.Check),
		})
	}
	if e.Verdict == verdictUndecided && a.Status == 0 {
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
func (u user) expiry() string {
	if u.Expires == "" {
		return ""
	}
	return fmt.Sprintf("the password of %s expires on %s", u.Name, u.Expires)
}

func userOf(who rules.Subject) user {
	return user{who.Identity.User, who.Identity.Source, who.GroupsKnown, who.Groups, who.Identity.Expires}
}

func checkOf(c rules.Check) check {
	out := check{Item: c.Requirement, Verdict: c.Verdict.String()}
	for _, part := range c.Parts {
		out.Parts = append(out.Parts, checkOf(part))
	}
	return out
}

// agreed returns the explanation that holds for everybody whom a name may mean, or
// says that there is none.
func agreed(all []explanation) explanation {
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
func (e explanation) undecided(notes ...string) explanation {
	return explanation{
		Method: e.Method, Target: e.Target, Host: e.Host, From: e.From, User: e.User,
		Verdict: verdictUndecided, Notes: notes,
	}
}

// why says in one line what decided, and on which request if others were asked
// about too.
func (e explanation) why() string {
	text := e.decision()
	for _, note := range e.Notes {
		text += "; " + note
	}
	if e.Purpose != "" {
		text = fmt.Sprintf("%s %s: %s", e.Method, e.Target, text)
	}
	return text
}
