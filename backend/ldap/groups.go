package ldap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// group is a group as the directory has it.
type group struct {
	dn      string   // as the server spells it
	names   []string // folded values of the attribute with the name
	parents []string // names of the groups that it says it is in
}

// key is the spelling of the name that all equal names share.
func (g group) key() string { return canonicalDN(g.dn) }

// resolver finds the groups of one user.
type resolver struct {
	*Backend
	search searcher
	memory groupMemory // what search found; another account may see other groups
	dn     string
	entry  *ldap.Entry // nil where the mode does not need it
}

// groups returns the names of all groups that the user is in.
func (r *resolver) groups(ctx context.Context) ([]string, error) {
	if err := r.readEntry(ctx); err != nil {
		return nil, err
	}
	direct, err := r.direct(ctx)
	if err != nil {
		return nil, err
	}
	all, err := r.walk(ctx, direct)
	if err != nil {
		return nil, err
	}
	names, err := r.names(ctx, all)
	if err != nil {
		return nil, err
	}
	matching, err := r.filterGroups(ctx)
	if err != nil {
		return nil, err
	}
	names = append(names, matching...)
	slices.Sort(names)
	return slices.Compact(names), nil
}

// readEntry reads what the mode needs of the user's entry.
func (r *resolver) readEntry(ctx context.Context) error {
	attributes := r.userAttributes()
	if len(attributes) == 0 {
		return nil
	}
	entries, err := r.search(ctx, query{base: r.dn, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: attributes})
	if err != nil {
		return fmt.Errorf("read the entry of the user: %w", err)
	}
	if len(entries) != 1 {
		return errors.New("read the entry of the user: it is not there")
	}
	r.entry = entries[0]
	return nil
}

// userAttributes returns what must be read of a user's entry to find groups.
func (b *Backend) userAttributes() []string {
	c := b.config
	var names []string
	switch c.GroupMode {
	case groupsNone:
		return nil
	case groupsTokens:
		return []string{"tokenGroups"}
	case groupsMemberOf:
		names = append(names, "memberOf")
	case groupsSearch:
		if slices.ContainsFunc(c.GroupMemberAttrs, holdsNames) {
			names = append(names, c.UserNameAttr)
		}
	}
	switch c.PrimaryGroup {
	case primarySID:
		names = append(names, "primaryGroupID", "objectSid")
	case primaryGID:
		names = append(names, "gidNumber")
	}
	return names
}

// holdsNames reports whether the values of an attribute with members are the
// names of users and not of entries; RFC 2307, section 3.
func holdsNames(attribute string) bool { return strings.EqualFold(attribute, "memberUid") }

// direct returns the groups that the user is in without regard to nesting, as
// far as the mode tells one from the other.
func (r *resolver) direct(ctx context.Context) ([]group, error) {
	switch r.config.GroupMode {
	case groupsTokens:
		sids := slices.Clone(values(r.entry, "tokenGroups"))
		return r.bySID(ctx, sids)
	case groupsMemberOf:
		found, err := r.byDN(ctx, values(r.entry, "memberOf"))
		if err != nil {
			return nil, err
		}
		primary, err := r.primary(ctx)
		return append(found, primary...), err
	case groupsSearch:
		return r.find(ctx, r.memberFilters(), false)
	case groupsInChain:
		found, err := r.find(ctx, []string{"(member:1.2.840.113556.1.4.1941:=" + ldap.EscapeFilter(r.dn) + ")"}, false)
		if err != nil {
			return nil, err
		}
		primary, err := r.primary(ctx)
		return append(found, primary...), err
	}
	return nil, nil
}

// memberFilters returns the filters that match the groups with the user as a
// member, and the primary group.
func (r *resolver) memberFilters() []string {
	var filters []string
	for _, attribute := range r.config.GroupMemberAttrs {
		if !holdsNames(attribute) {
			filters = append(filters, equals(attribute, r.dn))
			continue
		}
		// The directory compares these with regard to case: it is the stored
		// name that counts, and not the folded one.
		if name, err := singleName(r.entry, r.config.UserNameAttr); err == nil {
			filters = append(filters, equals(attribute, name))
		}
	}
	if r.config.PrimaryGroup == primaryGID {
		for _, gid := range values(r.entry, "gidNumber") {
			filters = append(filters, equals("gidNumber", gid))
		}
	}
	if sid := r.primarySID(); sid != "" {
		filters = append(filters, equals("objectSid", sid))
	}
	return filters
}

// walk adds the groups that groups are in, level by level, each level with one
// question for all groups of the one before. Groups in a circle come once.
func (r *resolver) walk(ctx context.Context, level []group) ([]group, error) {
	found := map[string]group{}
	flat := r.config.GroupMode == groupsTokens || r.config.GroupMode == groupsInChain
	for depth := 1; len(level) > 0; depth++ {
		var added []group
		for _, g := range level {
			if _, known := found[g.key()]; !known {
				found[g.key()] = g
				added = append(added, g)
			}
		}
		if len(found) > maxEntries {
			return nil, fmt.Errorf("the user is in more than %d groups", maxEntries)
		}
		if flat || depth >= r.config.GroupDepth || len(added) == 0 {
			break
		}
		var err error
		if level, err = r.parents(ctx, added); err != nil {
			return nil, err
		}
	}
	return slices.Collect(maps.Values(found)), nil
}

// parents returns the groups that any of the given groups is in.
func (r *resolver) parents(ctx context.Context, of []group) ([]group, error) {
	if r.config.GroupMode == groupsMemberOf {
		var names []string
		for _, g := range of {
			names = append(names, g.parents...)
		}
		return r.byDN(ctx, names)
	}
	slices.SortFunc(of, func(a, b group) int { return strings.Compare(a.key(), b.key()) })
	var filters []string
	for _, g := range of {
		for _, attribute := range r.config.GroupMemberAttrs {
			if !holdsNames(attribute) {
				filters = append(filters, equals(attribute, g.dn))
			}
		}
	}
	return r.find(ctx, filters, true)
}

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
	if b.config.GroupNameAttr != nameIsDN {
		for _, name := range values(e, b.config.GroupNameAttr) {
			g.names = append(g.names, fold(name))
		}
	}
	return g
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
	found  memo[[]group] // by filter, by name, by security identifier
	unique memo[bool]    // by name: whether one group alone has it
}

func newGroupMemory(c Config) groupMemory {
	return groupMemory{newMemo[[]group](c.GroupTTL), newMemo[bool](c.GroupTTL)}
}
