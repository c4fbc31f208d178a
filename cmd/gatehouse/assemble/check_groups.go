package assemble

import (
	"cmp"
	"gatehouse/gateway/rules"
	"slices"
	"strings"
)

// warnOfGroups reports rules that ask about groups where the backend knows none.
func (a *Assembly) warnOfGroups(i int, list []rules.Rule) {
	c := a.Config
	b := slices.Index(c.BackendNames(), c.Routes[i].Backend)
	if b < 0 || c.KnowsGroups(c.Backends[b]) {
		return
	}
	at, why := c.WhyNoGroups(b)
	for _, r := range list {
		if groups := rules.NamedGroups(r.Require); len(groups) > 0 {
			a.Report.Warnf(at, "rule %q asks for %s, and nobody is in any group: %s", r.Name, strings.Join(groups, ", "), why)
		}
	}
}

// checkQualifiers refuses groups of a backend that vouches for nobody on the route
// at index i. They would be names like any other: of a group that nobody is in, so
// that "not group" would let everybody in.
func (a *Assembly) checkQualifiers(i int, list []rules.Rule) {
	c := a.Config
	sources := c.Sources(c.Routes[i].Backend)
	for j, r := range list {
		for _, group := range rules.Names(r.Require) {
			name, _, qualified := strings.Cut(group.Name, ":")
			if group.Group && qualified && slices.Contains(c.BackendNames(), name) && !slices.Contains(sources, name) {
				a.Report.Errorf(a.at(i, "rule", j, "require"), "%s: the backend %q vouches for none of the users of this route, and what stands before the colon says who vouched; "+
					"write the name of the group alone, or %s:… instead", group, name, strings.Join(sources, ":… or "))
			}
		}
	}
}

// checkGroupNames refuses names that no group of the route's backend can have. Of a
// chain those are judged that say which member they are of: another may have the rest.
func (a *Assembly) checkGroupNames(i int, list []rules.Rule) {
	for j, r := range list {
		for _, group := range rules.Names(r.Require) {
			source, name := a.qualified(i, group)
			checker, ok := a.Stack(cmp.Or(source, a.Config.Routes[i].Backend)).Leaf.(interface{ CheckGroup(name string) error })
			if !ok || !group.Group {
				continue
			}
			if err := checker.CheckGroup(name); err != nil {
				a.Report.Errorf(a.at(i, "rule", j, "require"), "%s: %v", group, err)
			}
		}
	}
}
