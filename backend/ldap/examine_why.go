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

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// Explain returns the groups of id, each with the shortest way by which the user
// came to be in it. It asks for the parents of each group by itself, and may take
// longer than a login.
func (b *Backend) Explain(ctx context.Context, id backend.Identity) ([]backend.Membership, error) {
	if b.asUser() {
		return nil, fmt.Errorf("users search with their own rights: %w", errors.ErrUnsupported)
	}
	r := b.resolver(id, newGroupMemory(b.config))
	direct, groups, names, err := r.resolve(ctx)
	if err != nil {
		return nil, err
	}
	paths, err := r.paths(ctx, direct)
	if err != nil {
		return nil, err
	}
	var all []backend.Membership
	for _, g := range groups {
		m := backend.Membership{Group: g.key, Path: paths[g.key]}
		for _, name := range g.names {
			if slices.Contains(names, name) {
				m.Names = append(m.Names, name)
			} else {
				m.Shared = append(m.Shared, name)
			}
		}
		all = append(all, m)
	}
	matching, err := r.filterGroups(ctx)
	for _, name := range matching {
		all = append(all, backend.Membership{Group: name, Path: []string{name}})
	}
	slices.SortFunc(all, func(a, b backend.Membership) int { return strings.Compare(a.Group, b.Group) })
	return all, err
}

// paths returns for each group the groups that lead to it, the shortest way there
// is.
func (r *resolver) paths(ctx context.Context, direct []group) (map[string][]string, error) {
	parents := func(g group) ([]group, error) { return r.parents(ctx, []group{g}) }
	switch r.config.GroupMode {
	case groupsTokens, groupsInChain:
		// The server walked the groups and does not tell how.
		direct, err := r.listed(ctx, r.dn)
		if err != nil {
			return nil, err
		}
		return follow(direct, func(g group) ([]group, error) { return r.listed(ctx, g.dn) }, maxDepth)
	case groupsMemberOf:
		// It may have groups of groups in it. Their members tell which those are.
		s := r.searching()
		members, err := s.direct(ctx)
		if err != nil {
			return nil, err
		}
		paths, err := follow(members, func(g group) ([]group, error) { return s.parents(ctx, []group{g}) }, r.config.GroupDepth)
		if err != nil {
			return nil, err
		}
		rest, err := follow(direct, parents, r.config.GroupDepth)
		maps.Copy(rest, paths)
		return rest, err
	}
	return follow(direct, parents, r.config.GroupDepth)
}

// searching returns a resolver that finds groups by their members.
func (r *resolver) searching() *resolver {
	b := &Backend{config: r.config}
	b.config.GroupMode = groupsSearch
	return &resolver{Backend: b, search: r.search, alone: r.alone, memory: newGroupMemory(b.config), dn: r.dn, entry: r.entry}
}

// follow returns the way to each group that can be come to from some groups
// through their parents.
func follow(level []group, parents func(group) ([]group, error), depth int) (map[string][]string, error) {
	paths := map[string][]string{}
	for _, g := range level {
		paths[g.key] = []string{g.key}
	}
	for ; depth > 1 && len(level) > 0; depth-- {
		var next []group
		for _, g := range level {
			above, err := parents(g)
			if err != nil {
				return nil, err
			}
			for _, p := range above {
				if _, known := paths[p.key]; !known {
					paths[p.key] = append(slices.Clone(paths[g.key]), p.key)
					next = append(next, p)
				}
			}
		}
		level = next
		if len(paths) > maxEntries {
			return nil, fault.With("ldap.groups.too_many", fmt.Errorf("the user is in more than %d groups", maxEntries))
		}
	}
	return paths, nil
}

// maxDepth bounds how deep groups of Active Directory are followed, whose server
// follows them without a bound.
const maxDepth = 100

// listed returns the groups that an entry of Active Directory says it is in,
// wherever they are, and its primary group. Groups of another domain may not be
// there to be read.
func (r *resolver) listed(ctx context.Context, name string) ([]group, error) {
	entries, err := r.search(ctx, query{
		base: name, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{r.config.memberOf(), "primaryGroupID", "objectSid"},
	})
	if code, answered := codeOf(err); answered && (code == ldap.LDAPResultNoSuchObject || code == ldap.LDAPResultReferral) {
		return nil, nil
	}
	if err != nil || len(entries) != 1 {
		return nil, err
	}
	var found []group
	for _, dn := range values(entries[0], r.config.memberOf()) {
		found = append(found, r.memory.newGroup(dn))
	}
	if len(values(entries[0], "primaryGroupID")) == 0 {
		return found, nil // it is a group
	}
	own := *r
	own.entry = entries[0]
	primary, err := own.primary(ctx)
	return append(found, primary...), err
}

// groupsOf finds the groups of a user as a login does, and why.
func (e *examination) groupsOf(ctx context.Context, id backend.Identity) {
	r := e.resolver(id, newGroupMemory(e.config))
	e.step("groups", id.User, e.ldapsearch(e.groupQuery(ctx, r)), func(f *backend.Finding) error {
		start := time.Now()
		names, err := e.Groups(ctx, id)
		took := time.Since(start)
		if err = backend.MissingGroups(err); err != nil {
			return err
		}
		all, err := e.Explain(ctx, id)
		if err != nil {
			return err
		}
		nested := 0
		for _, m := range all {
			if len(m.Path) != 1 {
				nested++
			}
			if len(m.Shared) > 0 {
				f.Advice = "name the group by its DN in rules, or narrow group_bases"
			}
			f.Details = append(f.Details, wayTo(m))
		}
		short := slices.DeleteFunc(slices.Clone(names), looksLikeDN)
		f.Text = fmt.Sprintf("%d groups, %d of them through others, found in %v; rules may call them %s",
			len(all), nested, took.Round(100*time.Microsecond), quoted(append(short, "their DNs")))
		if err = e.doubt(ctx, f, id, len(all)); err != nil {
			return err
		}
		return e.unseenGroups(ctx, f, id)
	})
}

func quoted(names []string) string { return strings.Join(names, ", ") }

// wayTo writes a membership on a line.
func wayTo(m backend.Membership) string {
	way := strings.Join(m.Path, " -> ")
	if way == "" {
		way = "(by a way that cannot be read) -> " + m.Group
	}
	if len(m.Shared) > 0 {
		way += " (other groups share the name " + quoted(m.Shared) + ", so that it counts for none of them)"
	}
	return way
}

// groupQuery returns the first question that a login asks for groups.
func (e *examination) groupQuery(ctx context.Context, r *resolver) query {
	if e.config.GroupMode == groupsSearch || e.config.GroupMode == groupsInChain {
		filters := []string{"(member:1.2.840.113556.1.4.1941:=" + ldap.EscapeFilter(r.dn) + ")"}
		if e.config.GroupMode == groupsSearch && r.readEntry(ctx) == nil {
			filters, _ = r.memberFilters() // the failure is reported below
		}
		if len(filters) > 0 {
			return query{base: e.config.GroupBases[0], scope: ldap.ScopeWholeSubtree, filter: "(&" + e.config.GroupFilter + anyOf(filters) + ")", attributes: e.groupAttributes()}
		}
	}
	return query{base: r.dn, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: append(e.memberAttributes(), "1.1")}
}

// unseenGroups says where nobody can tell whether there are groups that a search for members
// passes over, since the service account may not see them: the entry of the user names none.
func (e *examination) unseenGroups(ctx context.Context, f *backend.Finding, id backend.Identity) error {
	if !e.config.asksForMembers() {
		return nil // what these read names the groups
	}
	attribute := e.config.memberOf()
	entries, err := e.asService(ctx, query{base: id.Handle, scope: ldap.ScopeBaseObject, filter: "(" + attribute + "=*)", attributes: []string{"1.1"}})
	if err == nil && len(entries) == 0 {
		f.Text += fmt.Sprintf("; the user has no %s that the service account may read, so that nobody can tell whether there are groups that it cannot see: those do not count", attribute)
	}
	return err
}

// slowChain is what in_chain may take for one user.
const slowChain = time.Second

// doubt says what is likely wrong where fewer groups were found than there are.
func (e *examination) doubt(ctx context.Context, f *backend.Finding, id backend.Identity, found int) error {
	start := time.Now()
	switch e.config.GroupMode {
	case groupsNone:
		f.Advice = "group_mode is none, so that nobody is in any group but those of filter_group; set it or a preset"
	case groupsInChain:
		if _, err := e.Groups(ctx, id); backend.MissingGroups(err) == nil && time.Since(start) > slowChain {
			f.Advice = "the directory takes long to walk the groups: set group_mode = \"token_groups\""
		}
	case groupsMemberOf:
		if found > 0 {
			return nil
		}
		r := (&resolver{Backend: e.Backend, search: e.asService, dn: id.Handle}).searching()
		if groups, err := r.find(ctx, []string{equals("member", id.Handle), equals("uniqueMember", id.Handle)}, false); err == nil && len(groups) > 0 {
			return e.config.noMemberOf(groups[0])
		}
	}
	return nil
}
