package ldap

import (
	"context"
	"slices"
	"time"
)

// names returns what rules call the groups: the distinguished name of each, and
// its short name where no other group has the same.
func (r *resolver) names(ctx context.Context, groups []group) ([]string, error) {
	owners := map[string][]string{} // DNs by short name
	for _, g := range groups {
		for _, name := range g.names {
			owners[name] = append(owners[name], g.key)
		}
	}
	unique, _, err := r.bearers(ctx, owners)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, g := range groups {
		all = append(all, g.key)
	}
	r.shared = nil
	for name := range owners {
		if unique[name] {
			all = append(all, name)
		} else {
			r.shared = append(r.shared, name)
		}
	}
	slices.Sort(r.shared)
	return all, nil
}

// bearers finds out of each name whether one group alone has it, and returns the groups
// that have those names of which that is not remembered. The user need not be in the
// other one: who may make a group somewhere must not be able to pass for a member of
// any. What is remembered of one group says nothing of a new one with its name, so that
// it counts only where the owners are that group.
func (r *resolver) bearers(ctx context.Context, owners map[string][]string) (unique map[string]bool, found []group, err error) {
	unique = map[string]bool{}
	bearers := map[string]map[string]bool{} // canonical DNs by name
	var filters []string
	for name, own := range owners {
		if sole, known := r.memory.sole.get(name); known && (sole == "" || isAll(own, sole)) {
			unique[name] = sole != ""
			continue
		}
		filters = append(filters, equals(r.config.GroupNameAttr, name))
		bearers[name] = map[string]bool{}
		for _, key := range own {
			bearers[name][key] = true
		}
	}
	slices.Sort(filters)
	asked := time.Now()
	answers, err := r.searchGroups(ctx, oneOfNames(filters))
	if err != nil {
		return nil, nil, err
	}
	found = slices.Concat(answers...)
	for _, g := range found {
		for _, name := range g.names {
			if seen := bearers[name]; seen != nil {
				seen[g.key] = true
			}
		}
	}
	for name, seen := range bearers {
		unique[name] = len(seen) == 1
		r.memory.learn(name, seen, asked)
	}
	return unique, found, nil
}

// isAll reports whether there is nothing else among some keys of groups than this one.
func isAll(keys []string, key string) bool {
	return !slices.ContainsFunc(keys, func(k string) bool { return k != key })
}
