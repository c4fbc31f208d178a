package ldap

import (
	"context"
	"maps"
	"slices"
	"time"
)

// namesakesTTL is how long it is remembered, for explanations, which groups share a
// name: longer than it takes until it is found out again; see
// [Backend.FindNamesakes].
const namesakesTTL = 24 * time.Hour

// Namesakes returns the names of the groups that share a short name, as far as it was
// found out when groups were looked for.
func (b *Backend) Namesakes(_, name string) []string {
	all, _ := b.memory.shared.get(fold(name))
	return slices.Clone(all)
}

// FindNamesakes finds out which of some short names of groups are shared. It takes an
// account that searches, and without one finds out nothing.
func (b *Backend) FindNamesakes(ctx context.Context, names []string) error {
	if b.asUser() || b.config.GroupMode == groupsNone || b.config.GroupNameAttr == nameIsDN {
		return nil
	}
	owners := map[string][]string{}
	for _, name := range names {
		if !looksLikeDN(name) && !b.isFilterGroup(fold(name)) {
			owners[fold(name)] = nil
		}
	}
	r := &resolver{Backend: b, search: b.asService, memory: b.memory}
	_, _, err := r.bearers(ctx, owners)
	return err
}

// learn remembers which groups have a name.
func (m groupMemory) learn(name string, bearers map[string]bool, asked time.Time) {
	keys := slices.Sorted(maps.Keys(bearers))
	switch len(keys) {
	case 0:
	case 1:
		m.sole.put(name, keys[0], asked)
	default:
		m.sole.put(name, "", asked)
		m.shared.put(name, keys, asked)
		return
	}
	m.shared.forget(name)
}
