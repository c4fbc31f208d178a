package main

import "gatehouse/backend"

// checkRefusals checks [refusals].
func (a *assembly) checkRefusals() {
	if r := a.config.Refusals; r.Ceiling.Duration < r.Floor.Duration {
		a.report.Errorf(a.config.Origin.At("refusals", "floor"), "the floor of %s is above the ceiling of %s: make floor less, or ceiling more", r.Floor, r.Ceiling)
	}
}

// floor returns what holds back the refusals that come out of a cache, and nil if
// nothing is to. It goes on with the one of before if that was made from the same.
func (a *assembly) floor(name string, c *backend.Cache) *backend.Floor {
	r := a.config.Refusals
	if r.Floor.Duration == 0 {
		return nil
	}
	if before := a.stackBefore(name); before.floor != nil && before.cache == c && a.before.config.Refusals == r {
		return before.floor
	}
	f, err := backend.NewFloor(c, backend.FloorConfig{Min: r.Floor.Duration, Max: r.Ceiling.Duration})
	if err != nil {
		return nil // and checkRefusals has said why
	}
	return f
}
