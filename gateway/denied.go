package gateway

import (
	"fmt"
	"net/http"
	"strings"

	"gatehouse/backend"
	"gatehouse/gateway/rules"
)

// answerTo returns what a client is told of a decision about its request, and nil
// where the request goes on. A [Rulebook], which only foresees the answer, uses it too.
func answerTo(p *rules.Policy, req rules.Request, who rules.Subject, d rules.Decision) *problem {
	switch d.Verdict {
	case rules.Allowed:
		return nil
	case rules.NeedsLogin:
		return unauthorized(nil)
	case rules.NeedsGroups:
		return undecided(backend.ErrUnavailable)
	}
	return denied(p, req, who, d)
}

// allowedElsewhere says of an action, as [rules.Policy.Describe] has it, what is allowed
// in other repositories, and how they are joined to that.
var allowedElsewhere = map[string][2]string{
	"pull from":   {"pulls", "from"},
	"push to":     {"pushes", "to"},
	"delete from": {"deletions", "in"},
}

// denied puts into one sentence who was refused what, and what is missing.
func denied(p *rules.Policy, req rules.Request, who rules.Subject, d rules.Decision) *problem {
	refusal := &problem{status: http.StatusForbidden, code: codeDenied, fault: "rule.denied", signed: true}
	if d.Rule == "" {
		refusal.fault = "rule.none"
	}
	action, repository := p.Describe(req)
	name := "this request"
	if who.LoggedIn {
		name = who.Identity.User
	}
	refusal.message = strings.TrimSpace(name + " may not " + action + " " + repository)
	refusal.detail = map[string]string{"rule": d.Rule, "requires": d.Requires, "action": action}
	if repository != "" {
		refusal.detail["repository"] = repository
	}
	if p.HelpsToken(req, who) {
		refusal.tokenHelps = refusal.message + " with " + who.Via.Words()
		refusal.message = refusal.tokenHelps + ": log in with a token"
		return refusal
	}
	if d.Requires == "" {
		refusal.message += ": no rule allows it"
	} else {
		refusal.message += fmt.Sprintf(": rule %q needs %s", d.Rule, d.Requires)
	}
	if where := p.Elsewhere(req, who); len(where) > 0 {
		refusal.message += fmt.Sprintf("; %s by %s are allowed %s %s", allowedElsewhere[action][0], name, allowedElsewhere[action][1], strings.Join(where, ", "))
	}
	return refusal
}
