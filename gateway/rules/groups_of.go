package rules

import "slices"

// GroupsOf returns the names of the groups that the rules ask about of users of
// the backend called source by that name, as in "group corp:dev", each once. With
// no source they are those of the users of any backend.
func (p *Policy) GroupsOf(source string) []string {
	var names []string
	for _, r := range p.rules {
		leaves(r.require, func(leaf Requirement) {
			who, ok := leaf.(principal)
			if ok && who.kind == groupKind && who.source == source && !slices.Contains(names, who.name) {
				names = append(names, who.name)
			}
		})
	}
	return names
}
