package ldap

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend/fault"
)

// walk adds the groups that groups are in, level by level, each level with few
// questions for all groups of the one before. Groups in a circle come once. Where there
// are groups deeper than group_depth, the walk lacks them: without a look, a user who
// is in a group that way would pass for one who is not.
func (r *resolver) walk(ctx context.Context, level []group) ([]group, error) {
	found := map[string]group{}
	flat := r.config.GroupMode == groupsTokens || r.config.GroupMode == groupsInChain
	for depth := 1; len(level) > 0; depth++ {
		var added []group
		for _, g := range level {
			if _, known := found[g.key]; !known {
				found[g.key] = g
				added = append(added, g)
			}
		}
		if len(found) > maxEntries {
			return nil, fault.With("ldap.groups.too_many", fmt.Errorf("the user is in more than %d groups", maxEntries))
		}
		if flat || r.config.DirectGroups || len(added) == 0 {
			break
		}
		var err error
		if level, err = r.parents(ctx, added); err != nil {
			return nil, err
		}
		isNew := func(g group) bool { _, known := found[g.key]; return !known }
		if depth == r.config.GroupDepth {
			if slices.ContainsFunc(level, isNew) {
				r.lack(false, fault.With("ldap.groups.too_deep", fmt.Errorf("the user is in groups nested deeper than group_depth = %d", depth)))
			}
			break
		}
	}
	return slices.Collect(maps.Values(found)), nil
}

// parents returns the groups that any of the given groups is in. One that nobody may
// read does not say in which it is, so that these are asked whom they have as members.
func (r *resolver) parents(ctx context.Context, of []group) ([]group, error) {
	if r.config.GroupMode != groupsMemberOf {
		return r.holders(ctx, of)
	}
	var names []string
	var hidden []group
	for _, g := range of {
		names = append(names, g.parents...)
		if g.hidden {
			hidden = append(hidden, g)
		}
	}
	found, err := r.byDN(ctx, names)
	if err != nil {
		return nil, err
	}
	others, err := r.holders(ctx, hidden)
	return append(found, others...), err
}

// holders returns the groups that have any of the given groups as a member.
func (r *resolver) holders(ctx context.Context, of []group) ([]group, error) {
	slices.SortFunc(of, func(a, b group) int { return strings.Compare(a.key, b.key) })
	attributes := r.config.memberDNs()
	if len(of) > manyGroups {
		var err error
		if attributes, err = r.inUse(ctx, attributes); err != nil {
			return nil, err
		}
	}
	return r.find(ctx, holderFilters(of, attributes), true)
}

// manyGroups are so many that it is worth a question whether any group has members in
// an attribute. A server that keeps no index of an attribute looks at all groups to
// answer each question about it.
const manyGroups = alternativesMax / 2

// inUse returns those of some attributes that any group has.
func (r *resolver) inUse(ctx context.Context, attributes []string) ([]string, error) {
	var used []string
	for _, attribute := range attributes {
		is, known := r.memory.used.get(attribute)
		if !known {
			asked := time.Now()
			var err error
			if is, err = r.anyGroupHas(ctx, attribute); err != nil {
				return nil, err
			}
			r.memory.used.put(attribute, is, asked)
		}
		if is {
			used = append(used, attribute)
		}
	}
	return used, nil
}

// anyGroupHas reports whether any group has an attribute.
func (r *resolver) anyGroupHas(ctx context.Context, attribute string) (bool, error) {
	for _, base := range r.config.GroupBases {
		entries, err := r.search(ctx, query{
			base: base, scope: ldap.ScopeWholeSubtree, limit: 1, attributes: []string{"1.1"},
			filter: "(&" + r.config.GroupFilter + "(" + attribute + "=*))",
		})
		code, answered := codeOf(err)
		switch {
		case len(entries) > 0, answered && code == ldap.LDAPResultSizeLimitExceeded:
			return true, nil
		case err != nil:
			return false, fmt.Errorf("search groups: %w", err)
		}
	}
	return false, nil
}

// memberDNs returns the attributes of groups that hold the names of entries.
func (c *Config) memberDNs() []string {
	return slices.DeleteFunc(slices.Clone(c.GroupMemberAttrs), holdsNames)
}

// holderFilters returns the filters for what has any of the given entries as a member,
// in one of some attributes.
func holderFilters(of []group, attributes []string) []string {
	var filters []string
	for _, g := range of {
		for _, attribute := range attributes {
			filters = append(filters, equals(attribute, g.dn))
		}
	}
	return filters
}
