package main

import "gatehouse/backend"

// checkRefusals checks [refusals].
func (a *assembly) checkRefusals() {
	if r := a.config.Refusals; r.Ceiling.Duration < r.Floor.Duration {
		a.report.errorf(a.config.origin.at("refusals", "floor"), "the floor of %s is above the ceiling of %s: make floor less, or ceiling more", r.Floor, r.Ceiling)
	}
}

// served returns the backend called name as routes use it, which share all that is
// around it, and nil if it could not be opened.
func (a *assembly) served(name string) backend.Backend {
	if a.backends[name] == nil {
		return nil
	}
	c := a.cached(name)
	if c == nil {
		return nil
	}
	if f := a.floor(name, c); f != nil {
		return f
	}
	return c
}

// floor returns what holds back the refusals that come out of a cache, and nil if
// nothing is to. It goes on with the one of before if that was made from the same.
func (a *assembly) floor(name string, c *backend.Cache) *backend.Floor {
	r := a.config.Refusals
	if r.Floor.Duration == 0 || a.floors[name] != nil {
		return a.floors[name]
	}
	if old := a.before; old != nil && old.caches[name] == c && old.config.Refusals == r {
		a.floors[name] = old.floors[name]
		return a.floors[name]
	}
	f, err := backend.NewFloor(c, backend.FloorConfig{Min: r.Floor.Duration, Max: r.Ceiling.Duration})
	if err != nil {
		return nil // and checkRefusals has said why
	}
	a.floors[name] = f
	return f
}
