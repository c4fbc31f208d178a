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

// byDN returns the groups with the given names that are under the group bases
// and match the group filter, or cannot be read. Names elsewhere are no groups.
func (r *resolver) byDN(ctx context.Context, names []string) ([]group, error) {
	bases := make([]dn, len(r.config.GroupBases))
	for i, base := range r.config.GroupBases {
		bases[i], _ = parseBase(base)
	}
	attribute := r.nameAttribute()
	filters := map[string]string{}
	for _, name := range names {
		if d, err := parseDN(name); err == nil && slices.ContainsFunc(bases, d.isBelow) {
			filters[d.String()] = equals(attribute, name)
		}
	}
	named, err := r.byName(ctx, filters)
	if err != nil {
		return nil, err
	}
	found, err := r.byKey(ctx, filters, func(g group) string { return g.key })
	if err != nil {
		return nil, err
	}
	found = append(found, named...)
	for _, g := range found {
		delete(filters, g.key)
	}
	hidden, err := r.hidden(ctx, filters)
	return append(found, hidden...), err
}

// nameAttribute returns the attribute that has the DN of an entry.
func (b *Backend) nameAttribute() string {
	if b.isAD() {
		return "distinguishedName"
	}
	return "entryDN" // RFC 5020
}

// absence is why a search for groups does not find what memberOf of a user names.
type absence int

const (
	isHidden  absence = iota // nobody may see it
	isNoGroup                // it does not match group_filter
	isOpen                   // the search for a member of it would find it, in whatever group that is
	isUnclear                // none of these is known
)

// byName returns those of the groups with the given names that are found by their short
// names, and takes them out. That is one question with whether others share the short
// names, and a server that keeps no index of the names of entries has one of these.
func (r *resolver) byName(ctx context.Context, filters map[string]string) ([]group, error) {
	owners := map[string][]string{}
	for key := range filters {
		if _, known := r.memory.found.get(key); known {
			continue
		}
		if name, ok := r.shortName(key); ok {
			owners[name] = nil
		}
	}
	asked := time.Now()
	_, groups, err := r.bearers(ctx, owners)
	if err != nil {
		return nil, err
	}
	var found []group
	for _, g := range groups {
		if _, wanted := filters[g.key]; wanted {
			delete(filters, g.key)
			found = append(found, g)
			r.memory.found.put(g.key, []group{g}, asked)
		}
	}
	return found, nil
}

// shortName returns the short name of a group, if its name begins with that.
func (r *resolver) shortName(key string) (name string, ok bool) {
	rdn, _, _ := strings.Cut(key, ",")
	name, ok = strings.CutPrefix(rdn, attributeName(r.config.GroupNameAttr)+"=")
	return name, ok && r.config.GroupNameAttr != nameIsDN && !strings.ContainsAny(name, `\+`)
}

// hidden returns those of the groups with the given names, which no search found, that
// nobody may see: the entry of the user says that they are its groups, and what there
// is to read of them is not known. The groups that such a group is in are known as far
// as they can be seen, unless memberOf has all. A group that can be read and was not
// found is none if group_filter is false of it.
func (r *resolver) hidden(ctx context.Context, filters map[string]string) ([]group, error) {
	reasons, err := r.absences(ctx, filters)
	if err != nil {
		return nil, err
	}
	var all []group
	flat := r.config.isFlat()
	var others []string // that can be seen; where groups nest, one that cannot may be in these
	maps.DeleteFunc(reasons, func(_ string, why absence) bool { return why == isNoGroup })
	if flat && len(reasons) > 0 {
		others = r.without(r.namesOfOthers(ctx), slices.Collect(maps.Keys(reasons)))
	}
	for _, key := range slices.Sorted(maps.Keys(reasons)) {
		switch reasons[key] {
		case isHidden:
			all = append(all, group{dn: key, key: key, hidden: true})
			r.lack(flat, fault.With("ldap.groups.hidden", fmt.Errorf("%s of the user names %s, which the service account may not read", r.config.memberOf(), key)), others...)
		case isUnclear:
			r.lack(false, fault.With("ldap.groups.undecided", fmt.Errorf("%s of the user names %s, and the service account may not read what group_filter asks for", r.config.memberOf(), key)), others...)
		}
	}
	return all, nil
}

// listsNestedGroups reports whether memberOf of a user has groups of groups, too.
func (c *Config) listsNestedGroups() bool { return c.Preset == "389ds" || c.Preset == "freeipa" }

// absences returns why each of the groups with the given names was not found.
func (r *resolver) absences(ctx context.Context, filters map[string]string) (map[string]absence, error) {
	reasons := map[string]absence{}
	var asked []string
	for key, filter := range filters {
		if why, known := r.memory.hidden.get(key); known {
			reasons[key] = why
		} else {
			asked = append(asked, filter)
		}
	}
	slices.Sort(asked)
	now := time.Now()
	seen, err := r.seen(ctx, asked, "")
	if err != nil {
		return nil, err
	}
	var others, open map[string]bool
	if len(seen) > 0 {
		if others, err = r.seen(ctx, asked, "(!"+r.config.GroupFilter+")"); err != nil {
			return nil, err
		}
	}
	if len(seen) > len(others) && r.config.GroupMode == groupsSearch {
		if open, err = r.seen(ctx, asked, r.config.openGroups()); err != nil {
			return nil, err
		}
	}
	for key := range filters {
		if _, known := reasons[key]; known {
			continue
		}
		why := isHidden
		switch {
		case others[key]:
			why = isNoGroup
		case open[key]:
			why = isOpen
		case seen[key]:
			why = isUnclear
		}
		reasons[key] = why
		r.memory.hidden.put(key, why, now)
	}
	return reasons, nil
}

// seen returns the names of the entries below the group bases that match one of some
// alternatives, and a condition if there is one.
func (r *resolver) seen(ctx context.Context, alternatives []string, condition string) (map[string]bool, error) {
	names := map[string]bool{}
	filters := oneOfNames(alternatives)
	for i, filter := range filters {
		if condition != "" {
			filters[i] = "(&" + condition + filter + ")"
		}
	}
	answers, err := r.searchAll(ctx, filters, []string{"1.1"})
	if err != nil {
		return nil, err
	}
	for _, e := range slices.Concat(answers...) {
		names[canonicalDN(e.DN)] = true
	}
	return names, nil
}

// byKey returns the groups with the given keys. Those that are not remembered
// are asked for together, with the filters given by their keys, and told apart
// by keyOf. A group that is not there is remembered too.
func (r *resolver) byKey(ctx context.Context, filters map[string]string, keyOf func(group) string) ([]group, error) {
	var found []group
	var missing []string
	answers := map[string][]group{}
	for key, filter := range filters {
		if groups, known := r.memory.found.get(key); known {
			found = append(found, groups...)
		} else {
			missing = append(missing, filter)
			answers[key] = nil
		}
	}
	slices.Sort(missing)
	asked := time.Now()
	groups, err := r.searchGroups(ctx, oneOfNames(missing))
	if err != nil {
		return nil, err
	}
	for _, g := range slices.Concat(groups...) {
		if key := keyOf(g); len(answers[key]) == 0 { // bases may overlap
			answers[key] = []group{g}
		}
	}
	for key, groups := range answers {
		if _, asked := filters[key]; !asked {
			continue // the server sent what it was not asked for
		}
		found = append(found, groups...)
		r.memory.found.put(key, groups, asked)
	}
	return found, nil
}
