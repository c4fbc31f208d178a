package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// A Rulebook says what a gateway with the same routes would answer to a request,
// and why, without a gateway around it: it takes the steps that a request takes
// up to the upstream, and asks neither that nor a backend. It may be used from
// any number of goroutines at once.
type Rulebook struct {
	router   *router
	policies []*Policy // of the routes, by index
}

// NewRulebook compiles the rules of routes. It reports everything that is wrong
// with them at once.
func NewRulebook(routes []Route) (*Rulebook, error) {
	router, err := newRouter(routes)
	if err != nil {
		return nil, err
	}
	b := &Rulebook{router: router}
	var errs []error
	for _, r := range routes {
		policy, err := NewPolicy(r)
		if err != nil {
			errs = append(errs, fmt.Errorf("route %q: %w", r.Name(), err))
		}
		b.policies = append(b.policies, policy)
	}
	return b, errors.Join(errs...)
}

// Question is a request as a client would send it, and what is known of who
// sends it.
type Question struct {
	Method string
	Target string // as it stands in the request line
	Host   string // the Host field; empty for that of a target in absolute form
	Source netip.Addr
	Who    Subject

	// BackendDown says that whatever is not known of Who cannot be found out.
	BackendDown bool
}

// Answer is what becomes of a request.
type Answer struct {
	// Verdict says whether it is passed on. What is refused before any rule is
	// asked is [Denied].
	Verdict Verdict

	// Status, Code and Message are what the client is told: the status, and the
	// code and the message of the one error in the body. They are zero where
	// the request is passed on, or the verdict is one that nobody is told.
	Status  int
	Code    string
	Message string

	// Signed says that the message goes on with the id of the request.
	Signed bool

	// Trace is how the rules came to the verdict. It has no steps where none
	// was asked.
	Trace Trace

	// MountIgnored says that the parameters by which a blob of another
	// repository is mounted are taken out, so that an ordinary upload begins.
	MountIgnored bool
}

// RouteFor returns the index of the route that would take a request for target at
// host, and -1 if there is none or the request would be refused before it is
// looked for.
func (b *Rulebook) RouteFor(host, target string) int {
	at, p := b.find(Question{Host: host, Target: target})
	if p != nil {
		return -1
	}
	return at.route
}

// Explain answers q.
func (b *Rulebook) Explain(q Question) Answer {
	p := checkMethod(q.Method)
	if p != nil {
		return answerOf(p)
	}
	at, p := b.find(q)
	if p != nil {
		return answerOf(p)
	}
	var trace Trace
	req := Request{Method: q.Method, Path: at.target.Path, Source: q.Source}
	d := b.policies[at.route].Decide(req, q.Who, &trace)
	var a Answer
	switch {
	case d.Verdict == Allowed:
		a = b.explainMount(q, at)
	case b.policies[at.route].Decide(req, Subject{}, nil).Verdict == Denied:
		// Where no login could help none is asked for, and there is no name.
		a = answerOf(b.policies[at.route].denied(req, Subject{}, d))
	default:
		a = q.answer(b.policies[at.route], req, d)
	}
	a.Trace = trace
	return a
}

// destination is where a request goes.
type destination struct {
	target Target
	host   string // canonical
	route  int    // index
}

func (b *Rulebook) find(q Question) (d destination, p *problem) {
	if d.target, p = readTarget(q.Target); p != nil {
		return d, p
	}
	if d.target.Host != "" && q.Host != "" && !strings.EqualFold(d.target.Host, q.Host) {
		return d, twoHosts()
	}
	if d.host, p = readHost(cmp.Or(q.Host, d.target.Host)); p != nil {
		return d, p
	}
	if d.route = b.router.lookup(d.host, d.target.Path); d.route < 0 {
		return d, noRoute()
	}
	return d, nil
}

// answer returns what becomes of q after the decision d of a policy about req,
// which q is or implies.
func (q Question) answer(policy *Policy, req Request, d Decision) Answer {
	unknown := d.Verdict == NeedsLogin || d.Verdict == NeedsGroups
	p := policy.answerTo(req, q.Who, d)
	switch {
	case p == nil:
		return Answer{Verdict: Allowed}
	case unknown && q.BackendDown:
		p = undecided(nil)
	case d.Verdict == NeedsGroups:
		return Answer{Verdict: NeedsGroups}
	}
	a := answerOf(p)
	a.Verdict = d.Verdict
	return a
}

// explainMount answers an allowed request as far as it asks for a blob of another
// repository, as guardMount does.
func (b *Rulebook) explainMount(q Question, at destination) Answer {
	m, ok, err := mountOf(at.target)
	switch {
	case err != nil:
		return answerOf(badRequest(err.Error()))
	case !ok:
		return Answer{Verdict: Allowed}
	case len(m.sources) == 0:
		return Answer{Verdict: Allowed, MountIgnored: true}
	}
	policy := b.policies[at.route]
	for _, source := range m.sources {
		if b.router.lookup(at.host, source) != at.route {
			return Answer{Verdict: Allowed, MountIgnored: true}
		}
		req := Request{Method: http.MethodGet, Path: source, Source: q.Source}
		switch d := policy.Decide(req, q.Who, nil); d.Verdict {
		case Allowed:
		case Denied:
			return Answer{Verdict: Allowed, MountIgnored: true}
		default:
			return q.answer(policy, req, d)
		}
	}
	return Answer{Verdict: Allowed}
}

func answerOf(p *problem) Answer {
	return Answer{Verdict: Denied, Status: p.status, Code: p.code, Message: p.message, Signed: p.signed}
}
