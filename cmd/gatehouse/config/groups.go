package config

import (
	"fmt"
	"slices"
)

// KnowsGroups reports whether somebody may be in a group by b, or by a backend
// that it is made of. It says yes where that cannot be known, which is reported.
func (c *Document) KnowsGroups(b Backend) bool {
	if !c.IsComposite(b) {
		key := c.kinds[b.Type()].GroupsKey
		return key == "" || b[key] != nil
	}
	return slices.ContainsFunc(c.Mentions(b), func(m Mention) bool {
		i := slices.Index(c.BackendNames(), m.Name)
		return i < 0 || c.IsComposite(c.Backends[i]) || c.KnowsGroups(c.Backends[i])
	})
}

// WhyNoGroups says why nobody is in a group by the backend at index i, and where
// to change that.
func (c *Document) WhyNoGroups(i int) (at Place, why string) {
	b := c.Backends[i]
	if c.IsComposite(b) {
		return c.Origin.At("backend", i, "name"), fmt.Sprintf("none of those that the backend %q is made of knows groups; "+
			"have one of them know some, or take the group out of the rule", b.Name())
	}
	key := c.kinds[b.Type()].GroupsKey
	at = c.Origin.At("backend", i, key)
	if at.Line == 0 {
		return at, at.Name + " is not given"
	}
	return at, fmt.Sprintf("the backend %q has no %s; set it, or take the group out of the rule", b.Name(), key)
}
