package rules

import (
	"fmt"
	"slices"
)

// Suggestion is what the rules of a route are where as many as can be say by repositories
// and actions what they are about.
type Suggestion struct {
	// Rules are all of the route, in order.
	Rules []SuggestedRule

	// Questions is how many requests that the OCI distribution specification has were
	// put to both. The answers are the same.
	Questions int

	// Differences are the kinds of other requests that are answered otherwise, each with
	// one of them.
	Differences []Difference

	// Obstacle says why nothing is suggested, where that is no matter of one rule.
	Obstacle string
}

// SuggestedRule is one rule of a [Suggestion].
type SuggestedRule struct {
	Rule Rule

	Changed bool     // it is said otherwise than the route has it
	Why     string   // a rule by methods and paths stays as it is
	Taken   []string // actions that it is not about because earlier rules take them

	whole Rule // as Rule, with these actions
}

// HasChanges reports whether anything is suggested.
func (s *Suggestion) HasChanges() bool {
	return slices.ContainsFunc(s.Rules, func(r SuggestedRule) bool { return r.Changed })
}

// Suggest says the rules of a route by repositories and actions, as far as that makes no
// difference. It puts [ProofQuestions] generated requests to the rules as they are and as
// they would be. A rule because of which an answer differs stays as it is.
func Suggest(route Route) (*Suggestion, error) { return suggest(route, (*Policy).byAction) }

// suggest is Suggest with a translation that may be wrong.
func suggest(route Route, translate translation) (*Suggestion, error) {
	before, err := NewPolicy(route)
	if err != nil {
		return nil, err
	}
	if before.registry == "" {
		return &Suggestion{Obstacle: "the route leads to no registry"}, nil
	}
	t := suggester{Suggestion: &Suggestion{}, route: route, before: before}
	t.translate(translate)
	return t.Suggestion, t.prove()
}

// translation says a rule by repositories and actions, or why that cannot be.
type translation func(*Policy, *rule) (Rule, error)

// suggester makes a suggestion.
type suggester struct {
	*Suggestion
	route  Route
	before *Policy // of the route
}

// translate says those rules otherwise that can be.
func (t *suggester) translate(translate translation) {
	for i, from := range t.route.Rules {
		r := SuggestedRule{Rule: from}
		if !from.ByAction() {
			said, err := translate(t.before, &t.before.rules[i])
			if r.Changed = err == nil; r.Changed {
				r.Rule, r.whole = said, said
			} else {
				r.Why = err.Error()
			}
		}
		t.Rules = append(t.Rules, r)
	}
}

// maxRetries bounds how often a rule that makes a difference is left as it is, and all
// questions are asked again.
const maxRetries = 20

// prove leaves only what makes no difference to the answers.
func (t *suggester) prove() error {
	for range maxRetries {
		if !t.HasChanges() {
			return nil
		}
		after, err := t.shortened()
		if err != nil {
			return err
		}
		if !after.listsLike(t.before) {
			t.keepAll("lists of repositories or tags would be filtered otherwise; catalog of the route says what they have")
			return nil
		}
		found := newComparison(t.before, after).run()
		switch {
		case found.difference != nil:
			t.keep(found.difference)
		case found.asked < ProofQuestions:
			t.keepAll("there are too few requests to a registry that the route takes")
			return nil
		default:
			t.Questions, t.Differences = found.asked, found.others
			return nil
		}
	}
	t.keepAll(fmt.Sprintf("more than %d of its rules would make a difference", maxRetries))
	return nil
}

// shortened compiles the rules without actions of which earlier rules take every request,
// unless lists would then be filtered otherwise.
func (t *suggester) shortened() (*Policy, error) {
	for i := range t.Rules {
		if r := &t.Rules[i]; r.Changed {
			r.Rule, r.Taken = r.whole, nil
		}
	}
	whole, err := t.compile()
	if err != nil {
		return nil, err
	}
	full := slices.Clone(t.Rules)
	for i := range t.Rules {
		t.Rules[i].shorten(whole.rules[i].actions, whole.withoutTaken(i))
	}
	short, err := t.compile()
	if err != nil || short.listsLike(whole) {
		return short, err
	}
	t.Rules = full
	return whole, nil
}

// compile compiles the rules as they are at the moment.
func (t *suggester) compile() (*Policy, error) {
	route := t.route
	route.Rules = nil
	for _, r := range t.Rules {
		route.Rules = append(route.Rules, r.Rule)
	}
	return NewPolicy(route)
}

// shorten leaves of all actions those that are left, unless these are none.
func (r *SuggestedRule) shorten(all, left actionSet) {
	if r.Changed && left != 0 && left != all {
		r.Rule.Actions, r.Taken = left.names(), (all &^ left).names()
	}
}

// listsLike reports whether lists are filtered by p where they are by q.
func (p *Policy) listsLike(q *Policy) bool {
	return p.PullDependsOnRepository() == q.PullDependsOnRepository() && p.NamesTags() == q.NamesTags()
}

// keep leaves the rule as it is that makes a difference, or all where none can be told.
func (t *suggester) keep(d *Difference) {
	for _, name := range []string{d.before.Rule, d.after.Rule} {
		for i := range t.Rules {
			if r := &t.Rules[i]; r.Changed && r.Rule.Name == name {
				*r = SuggestedRule{Rule: t.route.Rules[i], Why: "with it said otherwise, an answer would be another: " + d.String()}
				return
			}
		}
	}
	t.keepAll("an answer would be another: " + d.String())
}

// keepAll leaves every rule as it is.
func (t *suggester) keepAll(why string) {
	t.Obstacle = why
	for i := range t.Rules {
		if r := &t.Rules[i]; r.Changed {
			*r = SuggestedRule{Rule: t.route.Rules[i]}
		}
	}
}
