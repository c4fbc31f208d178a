package gateway

import (
	"fmt"

	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
)

// explainContent answers an allowed request, which has the answer a until now, as far as it
// is about a list that is filtered, or a tag that is immutable.
func (b *Rulebook) explainContent(q Question, at entry, a Answer, trace *rules.Trace) Answer {
	policy := b.policies[at.index]
	e := oci.Parse(policy.Registry(), at.target.Path)
	compare, p := tagChange{trace.Decision.Rule, q.Method, e, at.target}.judge(policy)
	switch reads := e.Action(q.Method); {
	case p != nil:
		return answerOf(p)
	case compare:
		trace.Notes = append(trace.Notes, fmt.Sprintf("the tag %s is immutable: the push passes if the registry has no such tag, or one that leads to the same image", e.Reference))
	case reads == oci.ListCatalog && b.filters[at.index]:
		trace.Notes = append(trace.Notes, "the list is filtered: it has the repositories that the user may pull")
	case reads == oci.Pull && e.Kind == oci.Tags && policy.NamesTags():
		trace.Notes = append(trace.Notes, "the list is filtered: it has the tags that the user may pull")
	}
	return a
}
