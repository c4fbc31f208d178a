package htpasswd

import (
	"maps"
	"slices"
)

// UserNames returns the names of all users of the users file, in no order.
func (b *Backend) UserNames() []string {
	return slices.Collect(maps.Keys(b.current.Load().users.hashes))
}

// GroupNames returns the names of all groups of the groups file, as
// [Backend.CanonicalGroup] spells them. Some may have no members.
func (b *Backend) GroupNames() []string { return slices.Clone(b.current.Load().groups.names) }

// Strangers returns the members of groups for whom the users file has no line, in order.
func (b *Backend) Strangers() []string {
	c := b.current.Load()
	var names []string
	for name := range c.groups.of {
		if _, ok := c.users.hashes[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
