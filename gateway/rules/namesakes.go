package rules

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend"
)

// WithNamesakes returns who with what b has found out of the groups that the rules ask
// about and that share their names with others.
func (p *Policy) WithNamesakes(who Subject, b backend.Backend) Subject {
	if b == nil || !who.LoggedIn {
		return who
	}
	source := who.Identity.Source
	for _, g := range p.groups {
		name := g.spelledBy(source)
		if all := backend.Extend(b).Namesakes(source, name); len(all) > 1 {
			if who.Namesakes == nil {
				who.Namesakes = map[string][]string{}
			}
			who.Namesakes[name] = all
		}
	}
	return who
}

// namesakes returns the groups that share the name of p among the users of who's
// backend, none where it is the name of one alone.
func (p principal) namesakes(who Subject) []string {
	if p.kind != groupKind || p.source != "" && p.source != who.Identity.Source {
		return nil
	}
	return who.Namesakes[p.spelledBy(who.Identity.Source)]
}

// sharedNames says of each group of a rule whether it shares its name with others.
func (r *rule) sharedNames(who Subject) []string {
	if r == nil {
		return nil
	}
	var notes []string
	leaves(r.require, func(leaf Requirement) {
		p, ok := leaf.(principal)
		if !ok {
			return
		}
		if all := p.namesakes(who); len(all) > 0 {
			notes = append(notes, fmt.Sprintf("%d groups share the name %s, so that it counts for none of them, and \"not %s\" keeps the members of all of them out: %s",
				len(all), p.name, p, strings.Join(all, "; ")))
		}
	})
	return notes
}

// byDN says which group to name in place of p, whose name several share: one that who
// is in, if there is one.
func (p principal) byDN(who Subject, all []string) string {
	named := p
	named.name = all[0]
	if i := slices.IndexFunc(all, func(name string) bool { return slices.Contains(who.Groups, name) }); i >= 0 {
		named.name = all[i]
	}
	return fmt.Sprintf("write the DN of the group that is meant in place of %q, such as %q: %d groups share the name", p, named, len(all))
}
