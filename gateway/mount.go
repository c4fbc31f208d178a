package gateway

import (
	"net/http"

	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
)

// guardMount judges the second repository of a cross-repository mount, of which
// the blob would become readable. Without the right to read it the upload begins
// as an ordinary one: a refusal would break the push of clients that try every
// repository they have ever seen.
func (x *exchange) guardMount() *problem {
	if err := x.route.policy.CheckParams(x.target); err != nil {
		return badRequest(err.Error())
	}
	m, ok, err := rules.MountOf(x.target)
	switch {
	case err != nil:
		return badRequest(err.Error())
	case !ok:
		return nil
	}
	x.mountFrom = m.From
	allowed, p := x.mayMount(m)
	switch {
	case p != nil:
		return p
	case allowed && x.own.allowsAction(m.From, oci.Pull, &x.who) && !x.inScope(m.From, oci.Pull):
		return insufficientScope()
	case !allowed || !x.own.allowsAction(m.From, oci.Pull, &x.who):
		x.mountFrom = ""
		x.target = x.target.WithoutQuery("mount", "from")
	}
	return nil
}

// judgeMount returns what decide makes of a request to read the blob: the first answer that is
// not a yes, or the last. A source that goes another way than the request at e, or that
// nobody can tell, is denied.
func judgeMount(m rules.Mount, r *router, e *entry, decide func(source string) (rules.Decision, *problem)) (d rules.Decision, p *problem) {
	d.Verdict = rules.Denied
	for _, source := range m.Sources {
		if r.lookup(e.host, source) != e.index {
			return rules.Decision{Verdict: rules.Denied}, nil
		}
		if d, p = decide(source); p != nil || d.Verdict != rules.Allowed {
			return d, p
		}
	}
	return d, nil
}

// mayMount reports whether the user may read the blob.
func (x *exchange) mayMount(m rules.Mount) (bool, *problem) {
	d, p := judgeMount(m, x.site.door.router, &x.entry, func(source string) (rules.Decision, *problem) {
		q := x.route.policy.Ask(rules.Request{Method: http.MethodGet, Path: source, Source: x.from.addr})
		return x.judge(&q)
	})
	return p == nil && d.Verdict == rules.Allowed, p
}

// root returns the root of the registry that the request is for, as far as that is
// known: what comes to no route, or was refused before one was looked for, is taken
// for a request to a registry at the usual place.
func (x *exchange) root() string {
	if x.route == nil {
		return oci.DefaultRoot
	}
	return x.route.policy.Registry()
}
