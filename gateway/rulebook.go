package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"

	"gatehouse/backend"
	"gatehouse/gateway/limits"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
)

// A Rulebook says what a gateway with the same routes would answer to a request,
// and why, without a gateway around it: it takes the steps that a request takes
// up to the upstream, and asks neither that nor a backend anything that takes time. It may be used from
// any number of goroutines at once.
type Rulebook struct {
	// HealthPath is that of the [Config]. It may be set before the first question.
	HealthPath string

	// Tokens are those of the [Config], for questions about requests that come with one.
	// They may be set before the first question.
	Tokens *Tokens

	door     door
	policies []*rules.Policy   // of the routes, by index
	backends []backend.Backend // likewise
	origins  []origins         // likewise
	groups   []groupsHeader    // likewise
	filters  []bool            // likewise, whether the catalog is filtered
	tokens   []tokenDesk       // likewise
}

// NewRulebook compiles the rules of routes. It reports everything that is wrong
// with them at once.
func NewRulebook(routes []Route) (*Rulebook, error) {
	router, err := newRouter(routes)
	if err != nil {
		return nil, err
	}
	var bounds limits.Limits
	bounds.SetDefaults()
	b := &Rulebook{door: door{router: router, maxFields: bounds.HeadFields}}
	var errs []error
	for _, r := range routes {
		policy, err := rules.NewPolicy(r.ForRules())
		if err != nil {
			errs = append(errs, fmt.Errorf("route %q: %w", r.Name(), err))
		}
		origins, err := r.origins()
		if err != nil {
			errs = append(errs, fmt.Errorf("route %q: %w", r.Name(), err))
		}
		groups, err := newGroupsHeader(r)
		if err != nil {
			errs = append(errs, fmt.Errorf("route %q: %w", r.Name(), err))
		}
		tokens, err := newTokenDesk(r, routes, &Tokens{})
		if err != nil {
			errs = append(errs, fmt.Errorf("route %q: %w", r.Name(), err))
		}
		b.tokens, b.door.takesTokens = append(b.tokens, tokens), append(b.door.takesTokens, tokens.Tokens != nil)
		b.policies, b.backends, b.origins, b.groups = append(b.policies, policy), append(b.backends, r.Backend), append(b.origins, origins), append(b.groups, groups)
		b.filters = append(b.filters, policy != nil && r.filtersCatalog(policy, routes))
	}
	return b, errors.Join(errs...)
}

// Question is a request as a client would send it, and what is known of who
// sends it.
type Question struct {
	Method string
	Target string // as it stands in the request line
	Host   string // the Host field, or :authority; empty for that of a target in absolute form
	Source netip.Addr

	HTTP2      bool        // it comes over HTTP/2; HTTP/1.1 otherwise
	HTTP10     bool        // it comes over HTTP/1.0, without a Host field if Host is empty
	Header     http.Header // its fields besides that Host, under canonical names; may be nil
	ServerName string      // that the TLS handshake named; empty for none

	Who rules.Subject

	// Bearer is the token that it comes with; nil for none.
	Bearer *Bearer

	// BackendDown says that whatever is not known of Who cannot be found out.
	BackendDown bool
}

// Answer is what becomes of a request.
type Answer struct {
	// Verdict says whether it is passed on. What is refused before any rule is
	// asked is [rules.Denied].
	Verdict rules.Verdict

	// Status, Code and Message are what the client is told: the status, and the
	// code and the message of the one error in the body. They are zero where
	// the request is passed on, or the verdict is one that nobody is told. An
	// allowed request that the gateway answers itself has a status alone.
	Status  int
	Code    string
	Message string

	// Signed says that the message goes on with the id of the request.
	Signed bool

	// Trace is how the rules came to the verdict. It has no steps where none
	// was asked.
	Trace rules.Trace

	// MountIgnored says that the parameters by which a blob of another
	// repository is mounted are taken out, so that an ordinary upload begins.
	MountIgnored bool

	// Health says that it is a check by a load balancer, which the gateway answers
	// itself at any host, before rules and logins. Its status is that of a gateway
	// that serves.
	Health bool

	// Readable says that the page on another host whose script asks, as the field
	// Origin of the question names it, may read the answer.
	Readable bool

	// TokenErr says why the token that it comes with is not taken; nil if it is, or if
	// nobody looks at it. Grace says that it has expired and may finish an upload.
	TokenErr error
	Grace    bool
}

// RouteFor returns the index of the route that would take a request for target at
// host, and -1 if there is none or the request would be refused before it is
// looked for.
func (b *Rulebook) RouteFor(host, target string) int {
	at, health, p := b.find(Question{Method: http.MethodGet, Host: host, Target: target})
	if p != nil || health {
		return -1
	}
	return at.index
}

// Explain answers q.
func (b *Rulebook) Explain(q Question) Answer {
	at, health, p := b.find(q)
	switch {
	case p != nil:
		return answerOf(p)
	case health:
		return healthAnswer(q.Method)
	case at.pageAt != nil:
		return explainPage(q, at)
	}
	if b.tokens[at.index].serves(at.target.Path) {
		return b.explainToken(q, at)
	}
	origins := b.origins[at.index]
	if origins.preflight(q.Method, q.Header) {
		return Answer{Verdict: rules.Allowed, Status: http.StatusNoContent, Readable: true}
	}
	if q.Bearer != nil {
		return b.explainBearer(q, at)
	}
	return b.explainRequest(q, at)
}

// explainRequest answers a request that has come to a route and is for its upstream.
func (b *Rulebook) explainRequest(q Question, at entry) Answer {
	q.Who = b.policies[at.index].WithNamesakes(q.Who, b.backends[at.index])
	var trace rules.Trace
	req := rules.Request{Method: q.Method, Path: at.target.Path, Source: q.Source}
	d := b.policies[at.index].Decide(req, q.Who, &trace)
	if b.tokens[at.index].asksAnyway(req, q.Who, d) {
		d.Verdict = rules.NeedsLogin
	}
	var a Answer
	switch {
	case d.Verdict == rules.Allowed:
		if a = b.checkScope(q, at); a.Verdict == rules.Allowed {
			a = b.explainMount(q, at)
		}
		if a.Verdict == rules.Allowed {
			a = b.explainGroups(q, at, a, &trace)
		}
		if a.Verdict == rules.Allowed {
			a = b.explainContent(q, at, a, &trace)
		}
		if a.Verdict == rules.Allowed && q.isForGateway() {
			a = Answer{Verdict: rules.Allowed, Status: http.StatusOK}
		}
	case b.policies[at.index].Decide(req, rules.Subject{}, nil).Verdict == rules.Denied:
		// Where no login could help none is asked for, and there is no name.
		a = answerOf(denied(b.policies[at.index], req, rules.Subject{}, d))
	default:
		a = q.answer(b.policies[at.index], req, d)
	}
	a.Trace, a.Readable = trace, b.origins[at.index][only(q.Header["Origin"])]
	return a
}

// find takes q in at the door. A health check goes no further than that.
func (b *Rulebook) find(q Question) (e entry, health bool, p *problem) {
	c := clientConn{source: q.Source, serverName: canonicalServerName(q.ServerName)}
	r := q.request()
	if p = b.door.read(r, &e); p != nil {
		return e, false, p
	}
	if isHealthCheck(r, b.HealthPath) {
		return e, true, nil
	}
	d := b.door
	if b.Tokens != nil {
		d.pagePath = b.Tokens.SelfService
	}
	return e, false, d.locate(r, &c, &e)
}

// healthAnswer returns what becomes of a health check.
func healthAnswer(method string) Answer {
	a := Answer{Verdict: rules.Allowed, Status: healthStatus(method), Health: true}
	if a.Status != http.StatusOK {
		a.Verdict = rules.Denied
	}
	return a
}

// request returns the request that q is about, as the readers of heads would.
func (q Question) request() *http.Request {
	r := &http.Request{Method: q.Method, RequestURI: q.Target, Host: q.Host, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}}
	maps.Copy(r.Header, q.Header)
	if t, err := strict.ParseTarget(q.Target); q.Host == "" && err == nil {
		r.Host = t.Host
	}
	switch {
	case q.HTTP2:
		r.ProtoMajor, r.ProtoMinor = 2, 0
	case q.HTTP10:
		r.ProtoMinor = 0
	}
	if !q.HTTP2 && !(q.HTTP10 && r.Host == "") {
		r.Header["Host"] = append([]string{r.Host}, r.Header["Host"]...)
	}
	r.ContentLength, _ = bodyLength(r)
	return r
}

// isForGateway reports whether the gateway itself answers, if the rules allow it.
func (q Question) isForGateway() bool {
	hops, counted, _ := hopsLeft(&http.Request{Method: q.Method, Header: q.Header})
	return counted && hops == 0
}

// answer returns what becomes of q after the decision d of a policy about req,
// which q is or implies.
func (q Question) answer(policy *rules.Policy, req rules.Request, d rules.Decision) Answer {
	unknown := d.Verdict == rules.NeedsLogin || d.Verdict == rules.NeedsGroups
	p := answerTo(policy, req, q.Who, d)
	switch {
	case p == nil:
		return Answer{Verdict: rules.Allowed}
	case unknown && q.BackendDown:
		p = undecided(backend.ErrUnavailable)
	case d.Verdict == rules.NeedsGroups:
		return Answer{Verdict: rules.NeedsGroups}
	}
	a := answerOf(p)
	a.Verdict = d.Verdict
	return a
}

func answerOf(p *problem) Answer {
	return Answer{Verdict: rules.Denied, Status: p.status, Code: p.code, Message: p.message, Signed: p.signed}
}
