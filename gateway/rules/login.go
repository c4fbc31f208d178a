package rules

import (
	"net/http"

	"gatehouse/backend"
	"gatehouse/gateway/oci"
)

// asksForLogin reports whether q is how clients of a registry log in, and some rule for
// pull may let in somebody from this address. Docker keeps no password that is refused at
// the root of a registry, and sends none for anything below where the root asks for none.
// The root stays open where it is and no pull needs a login: people there may have none.
// Where nobody could pull anything nobody gets to try passwords.
func (p *Policy) asksForLogin(q *question) bool {
	if q.at.Kind != oci.Base || q.at.Action(q.Method) != oci.Login {
		return false
	}
	open := false
	for _, r := range p.logins {
		switch p.pullsBy(r, q) {
		case NeedsLogin:
			return true
		case Allowed:
			open = true
		}
	}
	if !open {
		return false
	}
	first, stranger := p.firstAbout(q, &Subject{}), &Subject{}
	return first == nil || decide(first, q, stranger) != Allowed
}

// loginRules returns rules for pull by which it can be said of any request whether it is
// to be asked for a login. One that asks for it from anywhere says it alone.
func (p *Policy) loginRules() []*rule {
	var list []*rule
	for i := range p.route.Rules {
		r := &p.rules[i]
		if !p.isForPull(r) || len(p.hiddenBy(i)) > 0 {
			continue
		}
		if !r.usesIP && p.pullsBy(r, &question{}) == NeedsLogin {
			return []*rule{r}
		}
		list = append(list, r)
	}
	return list
}

// pullsBy says whether anybody may pull something by r from where q comes from: whoever
// asks, somebody who has logged in, or nobody.
func (p *Policy) pullsBy(r *rule, q *question) Verdict {
	switch {
	case r.usesIP && !q.Source.IsValid():
		return Denied
	case !r.templates && r.require.eval(q.Request, Subject{}) == Allowed:
		return Allowed
	}
	for _, source := range p.sources() {
		if r.require.eval(q.Request, Subject{Identity: backend.Identity{Source: source}}).settled() != Denied {
			return NeedsLogin
		}
	}
	return Denied
}

// sources returns the names of the backends that may vouch for a user, an empty one
// where these are not known.
func (p *Policy) sources() []string {
	if len(p.route.Backends) == 0 {
		return []string{""}
	}
	return p.route.Backends
}

// isForPull reports whether r is about any pull from the registry.
func (p *Policy) isForPull(r *rule) bool {
	if r.actions != 0 {
		return r.actions&pullBit != 0
	}
	if !r.coversMethod(methodBit(http.MethodGet)) || !p.concernsRegistry(r) {
		return false
	}
	for _, q := range r.paths {
		if p.anyEndpoint(q, func(e oci.Endpoint) bool { return e.Action(http.MethodGet) == oci.Pull }) {
			return true
		}
	}
	return len(r.paths) == 0
}
