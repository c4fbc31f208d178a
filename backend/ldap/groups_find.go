package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend/fault"
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
	var names, others []string
	for _, g := range r.config.FilterGroups {
		is, err := r.matchesUser(ctx, g.Filter)
		switch {
		case err != nil:
			return nil, fmt.Errorf("group %q: %w", g.Name, err)
		case is:
			names = append(names, fold(g.Name))
		default:
			others = append(others, "(!"+g.Filter+")")
		}
	}
	return names, r.ruleOut(ctx, others)
}

// ruleOut makes sure that the opposites of the filters that did not match the user do. A
// filter on what the account may not read, or the directory does not know, is neither
// true nor false, and says nothing of the user.
func (r *resolver) ruleOut(ctx context.Context, opposites []string) error {
	if len(opposites) == 0 {
		return nil
	}
	unknown := slices.DeleteFunc(r.unknown(ctx, r.filterGroupReferences()), func(u reference) bool { return u.isClass })
	if len(unknown) > 0 {
		r.lack(true, unknownError(unknown))
		return nil
	}
	is, err := r.matchesUser(ctx, "(&"+strings.Join(opposites, "")+")")
	if err == nil && !is {
		r.lack(true, fault.With("ldap.groups.undecided", fmt.Errorf("neither a filter of these nor its opposite is true of the user: %s; the account may not read what it asks for", strings.Join(opposites, " "))))
	}
	return err
}

// matchesUser reports whether a filter matches the entry of the user.
func (r *resolver) matchesUser(ctx context.Context, filter string) (bool, error) {
	entries, err := r.search(ctx, query{base: r.dn, scope: ldap.ScopeBaseObject, filter: filter, attributes: []string{"1.1"}})
	return len(entries) > 0, err
}

// groupMemory is what is remembered of groups.
type groupMemory struct {
	found  memo[[]group]  // by filter, by name, by security identifier
	unique memo[bool]     // by name: whether one group alone has it
	shared memo[[]string] // by name, for explanations: the groups that have it, where they are several
	hidden memo[absence]  // by DN, of what memberOf names and no search finds: why
}

func newGroupMemory(c Config) groupMemory {
	return groupMemory{
		found: newMemo[[]group](c.GroupTTL), unique: newMemo[bool](c.GroupTTL),
		shared: newMemo[[]string](namesakesTTL), hidden: newMemo[absence](c.GroupTTL),
	}
}
