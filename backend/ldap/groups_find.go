package ldap

import (
	"context"
	"fmt"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// find returns the groups that match one of the alternatives. With keep, the
// answer is remembered: users in the same groups share it.
func (r *resolver) find(ctx context.Context, alternatives []string, keep bool) ([]group, error) {
	var found []group
	for _, filter := range oneOf(alternatives) {
		groups, known := r.memory.found.get(filter)
		if !known || !keep {
			asked := time.Now()
			var err error
			if groups, err = r.searchGroups(ctx, filter); err != nil {
				return nil, err
			}
			if keep {
				r.memory.found.put(filter, groups, asked)
			}
		}
		found = append(found, groups...)
	}
	return found, nil
}

// searchGroups returns the groups under the group bases that match a filter.
func (r *resolver) searchGroups(ctx context.Context, filter string) ([]group, error) {
	var found []group
	for _, base := range r.config.GroupBases {
		entries, err := r.search(ctx, query{
			base: base, scope: ldap.ScopeWholeSubtree, paged: true, attributes: r.groupAttributes(),
			filter: "(&" + r.config.GroupFilter + filter + ")",
		})
		if err != nil {
			return nil, fmt.Errorf("search groups: %w", err)
		}
		for _, e := range entries {
			found = append(found, r.groupOf(e))
		}
	}
	return found, nil
}

// groupAttributes returns what is read of a group: its name, the identifier by
// which a token names it, and, where that is how groups nest, its own groups.
func (b *Backend) groupAttributes() []string {
	names := []string{"objectSid"}
	if b.config.GroupNameAttr != nameIsDN {
		names = append(names, b.config.GroupNameAttr)
	}
	if b.config.GroupMode == groupsMemberOf {
		names = append(names, "memberOf")
	}
	return names
}

func (b *Backend) groupOf(e *ldap.Entry) group {
	g := group{dn: e.DN, parents: values(e, "memberOf")}
	if b.config.GroupNameAttr == nameIsDN {
		return g
	}
	for _, name := range values(e, b.config.GroupNameAttr) {
		if !looksLikeDN(name) && !b.isFilterGroup(fold(name)) {
			g.names = append(g.names, fold(name))
		}
	}
	return g
}

// isFilterGroup reports whether the configuration has a group of this name. One
// of the directory must not pass for it, nor by its short name for another's DN.
func (b *Backend) isFilterGroup(name string) bool {
	for _, g := range b.config.FilterGroups {
		if fold(g.Name) == name {
			return true
		}
	}
	return false
}

// filterGroups returns the configured groups whose filters match the user.
func (r *resolver) filterGroups(ctx context.Context) ([]string, error) {
	var names []string
	for _, g := range r.config.FilterGroups {
		entries, err := r.search(ctx, query{
			base: r.dn, scope: ldap.ScopeBaseObject, filter: g.Filter, attributes: []string{"1.1"},
		})
		if err != nil {
			return nil, fmt.Errorf("group %q: %w", g.Name, err)
		}
		if len(entries) > 0 {
			names = append(names, fold(g.Name))
		}
	}
	return names, nil
}

// groupMemory is what is remembered of groups.
type groupMemory struct {
	found  memo[[]group]  // by filter, by name, by security identifier
	unique memo[bool]     // by name: whether one group alone has it
	shared memo[[]string] // by name, for explanations: the groups that have it, where they are several
	hidden memo[bool]     // by DN, of what memberOf names and no search finds: whether nobody may read it
}

func newGroupMemory(c Config) groupMemory {
	return groupMemory{
		found: newMemo[[]group](c.GroupTTL), unique: newMemo[bool](c.GroupTTL),
		shared: newMemo[[]string](namesakesTTL), hidden: newMemo[bool](c.GroupTTL),
	}
}
