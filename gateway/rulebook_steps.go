package gateway

import (
	"fmt"
	"net/http"

	"gatehouse/backend"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
)

// explainMount answers an allowed request as far as it asks for a blob of another
// repository, as guardMount does.
func (b *Rulebook) explainMount(q Question, at entry) Answer {
	policy := b.policies[at.index]
	if err := policy.CheckParams(at.target); err != nil {
		return answerOf(badRequest(err.Error()))
	}
	m, ok, err := rules.MountOf(at.target)
	switch {
	case err != nil:
		return answerOf(badRequest(err.Error()))
	case !ok:
		return Answer{Verdict: rules.Allowed}
	}
	req := rules.Request{Method: http.MethodGet, Source: q.Source}
	d, _ := judgeMount(m, b.door.router, &at, func(source string) (rules.Decision, *problem) {
		req.Path = source
		return policy.Decide(req, q.Who, nil), nil
	})
	if d.Verdict == rules.Allowed && q.Bearer != nil && q.Who.LoggedIn && !q.Bearer.Token.Scopes.Allow(m.From, oci.Pull) {
		var a Answer
		a.refuseToken(insufficientScope())
		return a
	}
	if d.Verdict == rules.Allowed || d.Verdict == rules.Denied {
		return Answer{Verdict: rules.Allowed, MountIgnored: d.Verdict == rules.Denied}
	}
	return q.answer(policy, req, d)
}

// explainGroups answers an allowed request, which has the answer a until now, as far as
// its upstream is told the groups of the user, as tellGroups does.
func (b *Rulebook) explainGroups(q Question, at entry, a Answer, trace *rules.Trace) Answer {
	h, policy := b.groups[at.index], b.policies[at.index]
	switch {
	case h.name == "" || !q.Who.LoggedIn:
		return a
	case !h.isKnown(policy, q.Who):
		if q.BackendDown {
			return answerOf(undecided(backend.ErrUnavailable))
		}
		return a
	}
	_, err := h.value(policy, q.Who)
	switch {
	case err == nil:
		return a
	case h.omit:
		trace.Notes = append(trace.Notes, fmt.Sprintf("%v: the request goes on without the header", err))
		return a
	}
	trace.Notes = append(trace.Notes, err.Error())
	return answerOf(groupsTooLong(err))
}
