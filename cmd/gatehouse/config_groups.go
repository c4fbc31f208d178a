package main

import (
	"fmt"
	"slices"
)

// knowsGroups reports whether somebody may be in a group by b, or by a backend
// that it is made of. It says yes where that cannot be known, which is reported.
func (c *Config) knowsGroups(b BackendConfig) bool {
	if !c.isComposite(b) {
		key := c.kinds[b.Type()].GroupsKey
		return key == "" || b[key] != nil
	}
	return slices.ContainsFunc(c.mentions(b), func(m Mention) bool {
		i := slices.Index(c.backendNames(), m.Name)
		return i < 0 || c.isComposite(c.Backends[i]) || c.knowsGroups(c.Backends[i])
	})
}

// whyNoGroups says why nobody is in a group by the backend at index i, and where
// to change that.
func (c *Config) whyNoGroups(i int) (at place, why string) {
	b := c.Backends[i]
	if c.isComposite(b) {
		return c.origin.at("backend", i, "name"), fmt.Sprintf("none of those that the backend %q is made of knows groups; "+
			"have one of them know some, or take the group out of the rule", b.Name())
	}
	key := c.kinds[b.Type()].GroupsKey
	at = c.origin.at("backend", i, key)
	if at.Line == 0 {
		return at, at.Name + " is not given"
	}
	return at, fmt.Sprintf("the backend %q has no %s; set it, or take the group out of the rule", b.Name(), key)
}
