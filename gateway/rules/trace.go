package rules

// Trace is how a [Policy] came to a [Decision].
type Trace struct {
	Decision Decision

	// Steps has one for each rule of the route, in order, and for a registry one
	// for the built-in rule.
	Steps []Step

	// Remedies says what would let the request pass, each item a way by
	// itself, for those who write the rules. It is empty where it passes, and
	// where that depends on groups.
	Remedies []string

	// Notes says what else there is to know of the rule that decides.
	Notes []string
}

// Step is what became of one rule.
type Step struct {
	Rule Rule // as configured

	MethodMatches bool // or the action
	PathMatches   bool // or the repository

	// Covers says whether the rule is about the request: Allowed if it is and Denied if
	// not. It is NeedsLogin or NeedsGroups where the rule has a template, for which it is
	// not known yet.
	Covers Verdict

	// Decides marks the rule that decides.
	Decides bool

	// Check is what the rule's requirement says of the request. It is made for
	// every rule, also for one that does not decide.
	Check Check
}

// Check is the evaluation of a requirement and of each of its parts.
type Check struct {
	Requirement string // in words, with canonical names
	Verdict     Verdict
	Parts       []Check
}

func (p *Policy) explain(deciding *rule, q *question, who *Subject, v Verdict) Trace {
	steps := make([]Step, len(p.rules))
	for i := range p.rules {
		r := &p.rules[i]
		steps[i] = Step{
			Rule:          r.Rule,
			MethodMatches: r.coversVerb(q),
			PathMatches:   r.coversPlace(q, who) == Allowed,
			Covers:        r.covers(q, who).settled(),
			Decides:       r == deciding,
			Check:         check(r.require, q.Request, *who),
		}
	}
	t := Trace{Steps: steps, Notes: append(deciding.sharedNames(*who), p.notes(deciding, q, who, v)...)}
	if v == Denied || v == NeedsLogin {
		t.Remedies = p.remedies(deciding, q, who)
	}
	return t
}

func check(r Requirement, req Request, who Subject) Check {
	c := Check{Requirement: r.String(), Verdict: r.eval(req, who).settled()}
	for _, part := range parts(r) {
		c.Parts = append(c.Parts, check(part, req, who))
	}
	return c
}
