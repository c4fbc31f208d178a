package rules

import (
	"net/http"
	"net/netip"
	"slices"

	"gatehouse/gateway/oci"
	"gatehouse/gateway/snippet"
	"gatehouse/gateway/strict"
)

// question is a request as rules are compared with it.
type question struct {
	Request
	method methodSet
	at     oci.Endpoint
	action actionSet // empty for what no rule with actions is about

	// closed says that what is asked of the registry is known to that registry alone, and
	// may tell what some rule keeps, so that a rule must name the path, or extensions.
	closed bool

	canonical bool // the path is
}

func (p *Policy) read(req Request) question {
	q := question{Request: req, method: methodBit(req.Method), canonical: strict.CanonicalPath(req.Path)}
	if _, below := oci.Below(p.registry, req.Path); below {
		q.at = oci.Parse(p.registry, req.Path)
		q.action, q.closed = bitOf(q.at.Action(req.Method)), !q.at.IsSpecified() && (p.places || isLikeExtension(req.Path))
	}
	return q
}

// Question is a request that a [Policy] has read, for any number of decisions of that
// policy.
type Question struct{ question }

// Ask reads a request.
func (p *Policy) Ask(req Request) Question { return Question{p.read(req)} }

// Pulls makes the questions whether somebody may pull one thing and then another, with
// less work than to write and read the path of each. One goroutine uses it.
type Pulls struct {
	root  string // of the registry
	paths bool   // somebody looks at them
	asked Question
	pad   snippet.Pad
}

// Pulls returns what makes such questions about requests from an address to the registry.
// If the path is asked for, each has one, and else only if rules look at it.
func (p *Policy) Pulls(from netip.Addr, paths bool) *Pulls {
	return &Pulls{root: p.registry, paths: paths || p.readsPaths(), asked: Question{question{
		Request:   Request{Method: http.MethodGet, Source: from},
		method:    methodBit(http.MethodGet),
		at:        oci.Endpoint{Kind: oci.Manifest},
		action:    pullBit,
		canonical: true, // as names and references have no segments that are not
	}}}
}

// readsPaths reports whether a rule compares the paths of requests for manifests.
func (p *Policy) readsPaths() bool {
	return slices.ContainsFunc(p.route.Rules, func(r Rule) bool { return r.Paths != nil })
}

// Of returns the question of [Policy.Ask] about who gets a manifest. The repository and the
// reference must be valid by the grammar. The question is good until the next one is made.
func (s *Pulls) Of(repository, reference string) *Question {
	q := &s.asked
	q.at.Repository, q.at.Reference = repository, reference
	if s.paths {
		q.at.WritePath(s.pad.Begin(q.at.PathSize(s.root)), s.root)
		q.Path = s.pad.Text()
	}
	return q
}
