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

	MethodMatches bool
	PathMatches   bool

	// Decides marks the first rule of which both match.
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

func (p *Policy) explain(deciding *rule, req Request, who Subject) Trace {
	steps := make([]Step, len(p.rules))
	for i := range p.rules {
		r := &p.rules[i]
		steps[i] = Step{
			Rule:          r.Rule,
			MethodMatches: r.coversMethod(methodBit(req.Method)),
			PathMatches:   r.coversPath(req.Path),
			Decides:       r == deciding,
			Check:         check(r.require, req, who),
		}
	}
	t := Trace{Steps: steps, Notes: deciding.sharedNames(who)}
	if v := decide(deciding, req, who); v == Denied || v == NeedsLogin {
		t.Remedies = p.remedies(deciding, req, who)
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
