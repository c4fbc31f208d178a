package rules

import "testing"

// Kleene's strong logic of three values, written out. Unknown stands for
// NeedsLogin and, in a second run, for NeedsGroups.
func TestVerdictsFollowKleeneTruthTables(t *testing.T) {
	const f, u, a = Denied, Verdict(-1), Allowed
	tables := []struct{ x, y, and, or, notX Verdict }{
		{f, f, f, f, a}, {f, u, f, u, a}, {f, a, f, a, a},
		{u, f, f, u, u}, {u, u, u, u, u}, {u, a, u, a, u},
		{a, f, f, a, f}, {a, u, u, a, f}, {a, a, a, a, f},
	}
	for _, unknown := range []Verdict{NeedsLogin, NeedsGroups} {
		is := func(v Verdict) Verdict {
			if v == u {
				return unknown
			}
			return v
		}
		for _, row := range tables {
			x, y := fixed(is(row.x)), fixed(is(row.y))
			for _, c := range []struct {
				r    Requirement
				want Verdict
			}{{allOf{x, y}, row.and}, {anyOf{x, y}, row.or}, {not{x}, row.notX}} {
				if got := c.r.eval(Request{}, Subject{}); got != is(c.want) {
					t.Errorf("%s = %v, want %v", c.r, got, is(c.want))
				}
			}
		}
	}
}

// fixed is a requirement whose truth value is given.
type fixed Verdict

func (f fixed) String() string                      { return Verdict(f).String() }
func (f fixed) eval(Request, Subject) Verdict       { return Verdict(f) }
func (f fixed) rename(renamer) (Requirement, error) { return f, nil }

func TestZeroVerdictDenies(t *testing.T) {
	if got := (Decision{}).Verdict; got != Denied {
		t.Errorf("zero verdict = %v, want %v", got, Denied)
	}
}
