package rules

import (
	"net/netip"
	"slices"

	"gatehouse/backend"
	"gatehouse/gateway/strict"
)

// Request holds the facts of a request that rules look at.
type Request struct {
	Method string
	Path   string // decoded, in canonical form
	Source netip.Addr
}

// Subject is what is known of who sent a request. The zero value is somebody
// who has not logged in.
type Subject struct {
	LoggedIn    bool
	Identity    backend.Identity
	GroupsKnown bool
	Groups      []string

	// OnlyShortNames says that of groups which are not known to be all, short names
	// alone are missing: a distinguished name that is not among them is none of who.
	OnlyShortNames bool

	// RuledOut are names of groups that are none of who unless they are among Groups, even
	// where groups are not known to be all.
	RuledOut []string

	// Shared are the names of groups of who that several groups have, so that they
	// count for none: neither a rule that needs such a group holds, nor one that needs
	// its absence.
	Shared []string

	// Namesakes are the groups that share a name which the rules ask about, by that
	// name. It counts for none of them, and so is of no use but to explain why.
	Namesakes map[string][]string
}

// WithGroups returns who with groups, and with what is missing of them, nil for nothing.
func (who Subject) WithGroups(groups []string, missing *backend.Incomplete) Subject {
	who.Groups, who.GroupsKnown = groups, missing == nil || missing.Cause == nil
	if missing != nil {
		who.OnlyShortNames, who.RuledOut, who.Shared = missing.ShortNames, missing.RuledOut, missing.Shared
	}
	return who
}

// A Policy is the compiled rules of one [Route]. It does not change and may be
// used from any number of goroutines at once.
type Policy struct {
	rules    []rule      // the route's, in order, and for a registry the built-in one after them
	route    Route       // as it was configured, but for what it leads to
	groups   []principal // that the rules ask about
	registry string      // the root of the registry that the route leads to; empty if it leads to none
	tags     tagPatterns // that are immutable where the deciding rule does not say
}

// Registry returns the root of the registry that the route leads to, empty if it leads
// to none.
func (p *Policy) Registry() string { return p.registry }

// Decision is what a [Policy] says of a request.
type Decision struct {
	Verdict Verdict

	// Rule is the name of the rule that decided: one of the route's,
	// [BuiltinRule], or empty where no rule is about the request.
	Rule string

	// Requires says in words what the rule asks for, such as "group pusher or
	// user ci-bot". It may be shown to the client; it is empty where no rule is
	// about the request.
	Requires string
}

// RuleNames returns the names of the rules, in order; for a registry the built-in one is
// the last.
func (p *Policy) RuleNames() []string {
	var names []string
	for i := range p.rules {
		names = append(names, p.rules[i].Name)
	}
	return names
}

// Decide says what becomes of req, sent by who. It looks at its arguments alone
// and has no effect but to fill trace, which may be nil.
//
// The first rule whose methods and paths match decides alone. NeedsLogin and
// NeedsGroups mean that nothing can be said until who is logged in, or the
// groups are known; Decide is then asked again with a Subject that knows more.
// NeedsGroups is only ever said of a Subject that is logged in.
func (p *Policy) Decide(req Request, who Subject, trace *Trace) Decision {
	r := p.deciding(req)
	d := Decision{Verdict: decide(r, req, who)}
	if r != nil {
		d.Rule, d.Requires = r.Name, r.wants
	}
	if trace != nil {
		*trace = p.explain(r, req, who)
		trace.Decision = d
	}
	return d
}

// deciding returns the first rule that is about req, nil if there is none.
func (p *Policy) deciding(req Request) *rule {
	method := methodBit(req.Method)
	for i := range p.rules {
		if r := &p.rules[i]; r.coversMethod(method) && r.coversPath(req.Path) {
			return r
		}
	}
	return nil
}

// decide evaluates the deciding rule r, nil if there is none. Where a fact is
// malformed it denies before "not" can turn that into a pass: a login without a
// name is "not user bob", and no address is "not ip 10.0.0.0/8".
func decide(r *rule, req Request, who Subject) Verdict {
	switch {
	case !strict.CanonicalPath(req.Path), who.LoggedIn && who.Identity.User == "":
		return Denied
	case r == nil && who.LoggedIn:
		return Denied
	case r == nil:
		return NeedsLogin // a stranger does not learn what there are rules for
	case r.usesIP && !req.Source.IsValid():
		return Denied
	}
	return r.require.eval(req, who).settled()
}

// KnowsNamed reports whether it is known of each group that the rules ask about
// whether who is in it.
func (p *Policy) KnowsNamed(who Subject) bool {
	return !slices.ContainsFunc(p.groups, func(g principal) bool { return g.eval(Request{}, who) == NeedsGroups })
}

// NamedOf returns the groups of who that the rules ask about, as far as it is known
// which who is in.
func (p *Policy) NamedOf(who Subject) []string {
	var names []string
	for _, g := range p.groups {
		if name := g.spelledBy(who.Identity.Source); g.eval(Request{}, who) == Allowed && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
