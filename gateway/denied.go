package gateway

import (
	"fmt"
	"net/http"
	"strings"

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
		return undecided(nil)
	}
	return denied(p, req, who, d)
}

// denied puts into one sentence who was refused what, and what is missing.
func denied(p *rules.Policy, req rules.Request, who rules.Subject, d rules.Decision) *problem {
	refusal := &problem{status: http.StatusForbidden, code: codeDenied, signed: true}
	action, repository := p.Describe(req)
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
