package rules

import (
	"net/netip"
	"slices"

	"gatehouse/backend"
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
	LoggedIn bool

	// Identity is who has logged in. Of somebody who has not, Source may name the backend
	// that would have to vouch, for a question about what a login could change.
	Identity backend.Identity

	// Via is how who has logged in.
	Via Way

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
	index    *index      // of the rules
	places   bool        // some rule depends on what is asked for, and not on methods alone

	namesTags bool        // some rule for pull does
	tags      tagPatterns // that are immutable where the deciding rule does not say
	logins    []*rule     // that a login at that root may help with; see asksForLogin
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
// The first rule that is about the request decides alone. NeedsLogin and
// NeedsGroups mean that nothing can be said until who is logged in, or the
// groups are known; Decide is then asked again with a Subject that knows more.
// NeedsGroups is only ever said of a Subject that is logged in.
//
// Which repositories a rule with a template is about depends on who asks. Somebody who
// has not logged in passes it by: a later rule may let such a request through, and what
// a login could still allow is NeedsLogin and not Denied.
func (p *Policy) Decide(req Request, who Subject, trace *Trace) Decision {
	q := p.read(req)
	r, d := p.decision(&q, &who)
	if trace != nil {
		*trace = p.explain(r, &q, &who, d.Verdict)
		trace.Decision = d
	}
	return d
}

// Answer is Decide for a request that p has read.
func (p *Policy) Answer(q *Question, who *Subject) Decision {
	_, d := p.decision(&q.question, who)
	return d
}

func (p *Policy) decision(q *question, who *Subject) (*rule, Decision) {
	r, verdict := p.judge(q, who)
	d := Decision{Verdict: verdict}
	if r != nil {
		d.Rule, d.Requires = r.Name, r.wants
	}
	return r, d
}

// judge returns the rule that decides about q, nil if there is none, and what it says.
func (p *Policy) judge(q *question, who *Subject) (*rule, Verdict) {
	r, verdict := p.firstToDecide(q, who)
	if !p.asksForLogin(q) {
		return r, verdict
	}
	login := &p.rules[len(p.rules)-1]
	if asked := decide(login, q, who); asked != verdict {
		return login, asked
	}
	return r, verdict
}

// firstToDecide returns the first rule that is about q, and what it says.
func (p *Policy) firstToDecide(q *question, who *Subject) (*rule, Verdict) {
	var room [indexedFrom]int
	var passed *rule // by somebody who may log in
	for _, i := range p.index.find(q, room[:0]) {
		r := &p.rules[i]
		switch covered := r.covers(q, who); covered {
		case Denied:
		case NeedsLogin:
			if passed == nil && decide(r, q, who) != Denied {
				passed = r
			}
		case Allowed:
			return atLeastLogin(passed, r, decide(r, q, who))
		default:
			return r, min(covered.settled(), wellFormed(q, who))
		}
	}
	return atLeastLogin(passed, nil, decide(nil, q, who))
}

// atLeastLogin returns what r says, unless that is a no which a login could change by
// the rule that was passed.
func atLeastLogin(passed, r *rule, v Verdict) (*rule, Verdict) {
	if passed != nil && (r == nil || v < NeedsLogin) {
		return passed, NeedsLogin
	}
	return r, v
}

// decide evaluates the deciding rule r, nil if there is none.
func decide(r *rule, q *question, who *Subject) Verdict {
	switch {
	case wellFormed(q, who) == Denied:
		return Denied
	case r == nil && who.LoggedIn:
		return Denied
	case r == nil:
		return NeedsLogin // a stranger does not learn what there are rules for
	case r.usesIP && !q.Source.IsValid():
		return Denied
	}
	return r.require.eval(q.Request, *who).settled()
}

// wellFormed denies where a fact is malformed, before "not" can turn that into a pass: a
// login without a name is "not user bob", and no address is "not ip 10.0.0.0/8".
func wellFormed(q *question, who *Subject) Verdict {
	return verdictOf(q.canonical && !(who.LoggedIn && who.Identity.User == ""))
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
