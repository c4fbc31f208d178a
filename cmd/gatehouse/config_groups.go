package main

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/gateway"
)

// warnOfGroups reports rules that ask about groups where the backend knows none.
func (a *assembly) warnOfGroups(i int, rules []gateway.Rule) {
	c := a.config
	b := slices.Index(c.backendNames(), c.Routes[i].Backend)
	if b < 0 || c.knowsGroups(c.Backends[b]) {
		return
	}
	at, why := c.whyNoGroups(b)
	for _, r := range rules {
		if groups := gateway.NamedGroups(r.Require); len(groups) > 0 {
			a.report.warnf(at, "rule %q asks for %s, and nobody is in any group: %s", r.Name, strings.Join(groups, ", "), why)
		}
	}
}

// knowsGroups reports whether somebody may be in a group by b, or by a backend
// that it is made of. It says yes where that cannot be known, which is reported.
func (c *Config) knowsGroups(b BackendConfig) bool {
	if !b.isComposite() {
		key := kinds[b.Type()].groupsKey
		return key == "" || b[key] != nil
	}
	return slices.ContainsFunc(c.mentions(b), func(m mention) bool {
		i := slices.Index(c.backendNames(), m.name)
		return i < 0 || c.Backends[i].isComposite() || c.knowsGroups(c.Backends[i])
	})
}

// whyNoGroups says why nobody is in a group by the backend at index i, and where
// to change that.
func (c *Config) whyNoGroups(i int) (at place, why string) {
	b := c.Backends[i]
	if b.isComposite() {
		return c.origin.at("backend", i, "name"), fmt.Sprintf("none of those that the backend %q is made of knows groups; "+
			"have one of them know some, or take the group out of the rule", b.Name())
	}
	key := kinds[b.Type()].groupsKey
	at = c.origin.at("backend", i, key)
	if at.Line == 0 {
		return at, at.Name + " is not given"
	}
	return at, fmt.Sprintf("the backend %q has no %s; set it, or take the group out of the rule", b.Name(), key)
}
