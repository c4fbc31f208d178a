package gateway

import (
	"fmt"
	"net/http"
	"strings"

	"gatehouse/gateway/oci"
)

// answerTo returns what a client is told of a decision about its request, and nil
// where the request goes on. A [Rulebook], which only foresees the answer, uses it too.
func (p *Policy) answerTo(req Request, who Subject, d Decision) *problem {
	switch d.Verdict {
	case Allowed:
		return nil
	case NeedsLogin:
		return unauthorized(nil)
	case NeedsGroups:
		return undecided(nil)
	}
	return p.denied(req, who, d)
}

// denied puts into one sentence who was refused what, and what is missing.
func (p *Policy) denied(req Request, who Subject, d Decision) *problem {
	refusal := &problem{status: http.StatusForbidden, code: codeDenied, signed: true}
	action, repository := p.describe(req)
	name := "this request"
	if who.LoggedIn {
		name = who.Identity.User
	}
	refusal.message = strings.TrimSpace(name + " may not " + action + " " + repository)
	if d.Requires == "" {
		refusal.message += ": no rule allows it"
	} else {
		refusal.message += fmt.Sprintf(": rule %q needs %s", d.Rule, d.Requires)
	}
	refusal.detail = map[string]string{"rule": d.Rule, "requires": d.Requires, "action": action}
	if repository != "" {
		refusal.detail["repository"] = repository
	}
	return refusal
}

// describe puts what a request wants to do into words, for a refusal: "push to"
// and the repository, or words that stand alone.
func (p *Policy) describe(req Request) (action, repository string) {
	e := oci.Parse(p.registry, req.Path)
	switch e.Action(req.Method) {
	case oci.ListCatalog:
		return "list all repositories", ""
	case oci.Pull:
		return "pull from", e.Repository
	case oci.Push:
		return "push to", e.Repository
	case oci.Delete:
		return "delete from", e.Repository
	}
	return req.Method + " " + req.Path, ""
}
