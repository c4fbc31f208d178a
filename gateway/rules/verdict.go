package rules

// Verdict is what a requirement, a rule and a whole [Policy] say of a request.
//
// Verdicts are the values of Kleene's three-valued logic, with several kinds of
// unknown: a fact that is missing makes the answer unknown only where the
// answer depends on it. Nobody is asked to log in for a decision that does not
// turn on who they are, and no directory that fails turns "not known" into "not
// a member". NeedsLogin and NeedsGroups do not meet in one evaluation, because
// what depends on groups depends on the login until there is one.
type Verdict int

// The verdicts from false to true, so that "and" is the least of them and "or"
// the greatest. The zero Verdict denies: forgetting to decide fails closed.
const (
	Denied      Verdict = iota // whatever else became known
	shared                     // a name of several groups: neither it nor its absence lets anybody in
	NeedsLogin                 // depends on who the user is
	NeedsGroups                // depends on the groups of the user
	Allowed                    // whatever else became known
)

// String returns the verdict in words.
func (v Verdict) String() string {
	switch v {
	case Allowed:
		return "allowed"
	case NeedsLogin:
		return "needs login"
	case NeedsGroups:
		return "needs groups"
	}
	return "denied"
}

// settled returns the verdict that a whole rule has.
func (v Verdict) settled() Verdict {
	if v == shared {
		return Denied
	}
	return v
}

func verdictOf(ok bool) Verdict {
	if ok {
		return Allowed
	}
	return Denied
}

// negate leaves what is not known as it is: a user who may turn out to be bob
// cannot pass for somebody who is not bob.
func (v Verdict) negate() Verdict {
	switch v {
	case Allowed:
		return Denied
	case Denied:
		return Allowed
	}
	return v
}
