package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gatehouse/gateway/rules"
)

// warnOfGroups reports rules that ask about groups where the backend knows none.
func (a *assembly) warnOfGroups(i int, list []rules.Rule) {
	c := a.config
	b := slices.Index(c.backendNames(), c.Routes[i].Backend)
	if b < 0 || c.knowsGroups(c.Backends[b]) {
		return
	}
	at, why := c.whyNoGroups(b)
	for _, r := range list {
		if groups := rules.NamedGroups(r.Require); len(groups) > 0 {
			a.report.warnf(at, "rule %q asks for %s, and nobody is in any group: %s", r.Name, strings.Join(groups, ", "), why)
		}
	}
}

// checkQualifiers refuses groups of a backend that vouches for nobody on the route
// at index i. They would be names like any other: of a group that nobody is in, so
// that "not group" would let everybody in.
func (a *assembly) checkQualifiers(i int, list []rules.Rule) {
	c := a.config
	sources := c.sources(c.Routes[i].Backend)
	for j, r := range list {
		for _, group := range rules.Names(r.Require) {
			name, _, qualified := strings.Cut(group.Name, ":")
			if group.Group && qualified && slices.Contains(c.backendNames(), name) && !slices.Contains(sources, name) {
				a.report.errorf(a.at(i, "rule", j, "require"), "%s: the backend %q vouches for none of the users of this route, and what stands before the colon says who vouched; "+
					"write the name of the group alone, or %s:… instead", group, name, strings.Join(sources, ":… or "))
			}
		}
	}
}

// checkGroupNames refuses names that no group of the route's backend can have. Of a
// chain those are judged that say which member they are of: another may have the rest.
func (a *assembly) checkGroupNames(i int, list []rules.Rule) {
	for j, r := range list {
		for _, group := range rules.Names(r.Require) {
			source, name := a.qualified(i, group)
			checker, ok := a.stack(cmp.Or(source, a.config.Routes[i].Backend)).leaf.(interface{ CheckGroup(name string) error })
			if !ok || !group.Group {
				continue
			}
			if err := checker.CheckGroup(name); err != nil {
				a.report.errorf(a.at(i, "rule", j, "require"), "%s: %v", group, err)
			}
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
