package assemble

import "gatehouse/backend"

// checkRefusals checks [refusals].
func (a *Assembly) checkRefusals() {
	if r := a.Config.Refusals; r.Ceiling.Duration < r.Floor.Duration {
		a.Report.Errorf(a.Config.Origin.At("refusals", "floor"), "the floor of %s is above the ceiling of %s: make floor less, or ceiling more", r.Floor, r.Ceiling)
	}
}

// floor returns what holds back the refusals that come out of a cache, and nil if
// nothing is to. It goes on with the one of before if that was made from the same.
func (a *Assembly) floor(name string, c *backend.Cache) *backend.Floor {
	r := a.Config.Refusals
	if r.Floor.Duration == 0 {
		return nil
	}
	if before := a.stackBefore(name); before.floor != nil && before.Cache == c && a.before.Config.Refusals == r {
		return before.floor
	}
	f, err := backend.NewFloor(c, backend.FloorConfig{Min: r.Floor.Duration, Max: r.Ceiling.Duration})
	if err != nil {
		return nil // and checkRefusals has said why
	}
	return f
}
