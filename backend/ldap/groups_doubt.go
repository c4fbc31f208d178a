package ldap

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gatehouse/backend/fault"
)

// A group of the user that cannot be read may be any that a rule means, but for those
// that can be: a rule about one of these is decided by what is known.

// asksForMembers reports whether groups are found by who is a member of them.
func (c *Config) asksForMembers() bool {
	return c.GroupMode == groupsSearch || c.GroupMode == groupsInChain
}

// doubtUnseen notes the groups that a search for members passes over since the account may
// not see them, or not who is in them. The entry of the user names them, or that of a group
// which the user is in, and comes with the search. What these say is no proof: servers that
// do not keep it themselves let others write it. So it is a doubt, and nobody is in a group
// by it.
//
// Where the server looks for members of members, a group that can be seen may be missing,
// too: Samba passes over others where it comes to one that the account may not read.
func (r *resolver) doubtUnseen(ctx context.Context, found []group) error {
	if !r.config.asksForMembers() {
		return nil
	}
	reasons, err := r.absences(ctx, r.namedBeside(found))
	maps.DeleteFunc(reasons, func(_ string, why absence) bool { return why == isNoGroup || why == isOpen })
	if err != nil || len(reasons) == 0 {
		return err
	}
	unseen := slices.Sorted(maps.Keys(reasons))
	var others []string
	if r.config.isFlat() {
		others = r.without(r.namesOfOthers(ctx), unseen)
	}
	r.lack(false, fault.With("ldap.groups.hidden", fmt.Errorf("%s of the user, or of a group that the user is in, names %s, which the search for members does not find: the service account may not read it, or not who is in it", r.config.memberOf(), strings.Join(some(unseen), "; "))), others...)
	return nil
}

// namedBeside returns the filters for the groups that the user, or one of the groups found,
// says it is in and that are none of those, by their keys.
func (r *resolver) namedBeside(found []group) map[string]string {
	known := map[string]bool{}
	for _, g := range found {
		known[g.key] = true
	}
	filters := map[string]string{}
	add := func(names []string) {
		for _, name := range names {
			key := r.memory.newGroup(name).key
			if d, err := parseDN(key); !known[key] && err == nil && r.isPlaceOfGroups(d) {
				filters[key] = equals(r.nameAttribute(), name)
			}
		}
	}
	if r.entry != nil {
		add(values(r.entry, r.config.memberOf()))
	}
	if !r.config.DirectGroups {
		for _, g := range found {
			add(g.parents)
		}
	}
	return filters
}

// isFlat reports whether a group that cannot be seen puts nobody into another one: groups
// in groups do not count, or memberOf of the user has these too.
func (c *Config) isFlat() bool { return c.DirectGroups || c.listsNestedGroups() }

// doubtNames notes the groups of the user that do not show what they are called: "not
// group X" would let in the members of one that is called X. A group that has no name,
// which the account can see, is none of them.
func (r *resolver) doubtNames(ctx context.Context, groups []group) error {
	filters := map[string]string{}
	for _, g := range groups {
		if g.nameless {
			filters[g.key] = equals(r.nameAttribute(), g.dn)
		}
	}
	silent, err := r.silent(ctx, filters)
	if err != nil || len(silent) == 0 {
		return err
	}
	err = fault.With("ldap.groups.unreadable", fmt.Errorf("the service account may not read %s (group_name_attr) of %s, which the user is in, so that nobody can say what rules call it", r.config.GroupNameAttr, strings.Join(silent, "; ")))
	r.lack(true, err, r.without(r.namesOfOthers(ctx), silent)...)
	return nil
}

// silent returns which of some groups that show no name may have one: that they have none
// is not true of them. To Samba an attribute that may not
// be read is one that is not there, so that in an Active Directory all of them may; there
// cn and sAMAccountName are in every group.
func (r *resolver) silent(ctx context.Context, filters map[string]string) ([]string, error) {
	if r.isAD() {
		return slices.Sorted(maps.Keys(filters)), nil
	}
	var silent, asked []string
	unknown := map[string]bool{}
	for key, filter := range filters {
		is, known := r.memory.silent.get(key)
		switch {
		case !known:
			asked, unknown[key] = append(asked, filter), true
		case is:
			silent = append(silent, key)
		}
	}
	slices.Sort(asked)
	now := time.Now()
	open, err := r.seen(ctx, asked, isAbsent(r.config.GroupNameAttr))
	if err != nil {
		return nil, err
	}
	for key := range unknown {
		r.memory.silent.put(key, !open[key], now)
		if !open[key] {
			silent = append(silent, key)
		}
	}
	slices.Sort(silent)
	return silent, nil
}

// isReadable is the filter for entries that have an attribute or have none. Of one that
// the account may not read it is neither true nor false; RFC 4511, section 4.5.1.7.
func isReadable(attribute string) string {
	return "(|(" + attribute + "=*)(!(" + attribute + "=*)))"
}

// isAbsent is the filter for entries that have no value of an attribute. It is true of
// none whose value is there and may not be read.
func isAbsent(attribute string) string { return "(!(" + attribute + "=*))" }

// without returns those of the names of visible groups that none of the missing groups,
// which are given by their own names, may have too: the one that is missing may share its
// short name with one that can be seen. Its own name begins with its short name, unless
// group_name_attr is another attribute.
func (r *resolver) without(others, missing []string) []string {
	taken := map[string]bool{}
	named := true // all of the missing ones
	for _, key := range missing {
		name, ok := r.shortName(key)
		taken[fold(name)], named = true, named && ok
	}
	return slices.DeleteFunc(slices.Clone(others), func(name string) bool {
		return slices.Contains(missing, name) || taken[fold(name)] || !named && !r.hasUniqueNames() && !looksLikeDN(name)
	})
}

// hasUniqueNames reports whether no two groups of the directory have one short name: a
// domain has each sAMAccountName once.
func (r *resolver) hasUniqueNames() bool {
	return r.isAD() && strings.EqualFold(r.config.GroupNameAttr, "sAMAccountName")
}

// namesOfOthers returns those names of rules that are of groups which can be seen, which
// are other groups than a missing one. Where that cannot be found out there are none, so
// that nothing is decided.
func (r *resolver) namesOfOthers(ctx context.Context) []string {
	others, err := r.namedGroups(ctx)
	if err != nil {
		return nil
	}
	for _, g := range r.config.FilterGroups {
		others[fold(g.Name)] = true // which no group of the directory passes for
	}
	rules, _, _, _ := r.blind.recall()
	return slices.DeleteFunc(r.canonicalGroups(rules), func(name string) bool { return !others[name] })
}

// namedGroups returns the keys and short names of the groups that can be seen and that
// rules name.
func (r *resolver) namedGroups(ctx context.Context) (map[string]bool, error) {
	rules, _, _, _ := r.blind.recall()
	groups, err := r.find(ctx, r.filtersFor(rules), true)
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for _, g := range groups {
		named[g.key] = true
		for _, name := range g.names {
			named[name] = true
		}
	}
	return named, nil
}

// canonicalGroups returns the one spelling of each of some names of groups.
func (b *Backend) canonicalGroups(names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, b.CanonicalGroup(name))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// filtersFor returns the filters for the groups with some names, which are short ones or
// those of entries.
func (b *Backend) filtersFor(names []string) []string {
	var filters []string
	for _, name := range names {
		switch {
		case looksLikeDN(name):
			filters = append(filters, equals(b.nameAttribute(), name))
		case b.config.GroupNameAttr != nameIsDN && !b.isFilterGroup(fold(name)):
			filters = append(filters, equals(b.config.GroupNameAttr, name))
		}
	}
	return filters
}

// rulesWithout returns the names of rules but some.
func (b *Backend) rulesWithout(names []string) []string {
	rules, _, _, _ := b.blind.recall()
	return slices.DeleteFunc(b.canonicalGroups(rules), func(name string) bool { return slices.Contains(names, name) })
}
