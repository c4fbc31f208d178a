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
	r.lack(true, err, r.namesOfOthers(ctx, func(group) bool { return true })...)
	return nil
}

// silent returns which of some groups that show no name may have one: that they have none
// is not true of them. To Samba an attribute that may not
// be read is one that is not there, so that in an Active Directory all of them may; there
// cn and sAMAccountName are in every group.
func (r *resolver) silent(ctx context.Context, filters map[string]string) ([]string, error) {
	if r.config.Preset == "activedirectory" {
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

// namesOfOthers returns those names of rules that are of groups which can be seen, and
// all of which are other groups than a missing one. Where that cannot be found out there
// are none, so that nothing is decided.
func (r *resolver) namesOfOthers(ctx context.Context, isOther func(group) bool) []string {
	rules, _, _, _ := r.blind.recall()
	groups, err := r.find(ctx, r.filtersFor(rules), true)
	if err != nil {
		return nil
	}
	others := map[string]bool{}
	note := func(name string, other bool) {
		before, noted := others[name]
		others[name] = other && (before || !noted)
	}
	for _, g := range groups {
		note(g.key, isOther(g))
		for _, name := range g.names {
			note(name, isOther(g))
		}
	}
	for _, g := range r.config.FilterGroups {
		others[fold(g.Name)] = true // which no group of the directory passes for
	}
	maps.DeleteFunc(others, func(_ string, other bool) bool { return !other })
	return slices.DeleteFunc(r.canonicalGroups(rules), func(name string) bool { return !others[name] })
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
