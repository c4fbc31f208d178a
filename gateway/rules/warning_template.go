package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"gatehouse/backend"
)

// maxOwners bounds the rules that a warning about a template names, and maxOwnersTried the
// names that are tried for all templates of a route together.
const (
	maxOwners      = 5
	maxOwnersTried = 4_000
)

// owners warns of templates under which names fall that another rule is about: whoever is
// called so owns them. It takes the names that it tries off left.
func (p *Policy) owners(i int, left *int) []string {
	var texts []string
	r := &p.rules[i]
	for _, q := range r.repositories {
		at := q.templateAt()
		if at < 0 || slices.Contains(q[:at], anySegments) {
			continue
		}
		for j := range p.route.Rules {
			if len(texts) == maxOwners || *left <= 0 {
				return texts
			}
			if name := p.ownedName(i, j, q, left); name != "" {
				texts = append(texts, ownsText(q, at, name, p.rules[j].Rule))
			}
		}
	}
	return texts
}

// templateAt returns the index of the first template in q, -1 if there is none.
func (q Pattern) templateAt() int {
	return slices.IndexFunc(q, func(segment string) bool { return segment == userSegment || segment == groupSegment })
}

// ownedName returns what the rule at index j has where the pattern q of the rule at i
// has a template, if that is a name and the rules before i leave it any of that.
func (p *Policy) ownedName(i, j int, q Pattern, left *int) string {
	if i == j {
		return ""
	}
	at := q.templateAt()
	for _, other := range p.repositoriesOf(&p.rules[j]) {
		if len(other) <= at || !isSegment(other[at]) || !q[:at].overlaps(other[:at]) {
			continue
		}
		*left--
		owned := slices.Clone(q)
		owned[at] = other[at]
		if by, _ := p.hides(i, p.partsByAction(p.rules[i].actions, []Pattern{owned})); len(by) == 0 {
			return other[at]
		}
	}
	return ""
}

// repositoriesOf returns the patterns of repositories that r is about, as far as it
// names any.
func (p *Policy) repositoriesOf(r *rule) []Pattern {
	list := r.repositories
	for _, q := range r.paths {
		if rest, ok := p.belowRoot(q); ok {
			list = append(slices.Clone(list), rest)
		}
	}
	return list
}

func ownsText(q Pattern, at int, name string, other Rule) string {
	whose := "a user called " + quoted([]string{name})[0] + " owns"
	below := "users/"
	if q[at] == groupSegment {
		whose, below = "the members of a group called "+quoted([]string{name})[0]+" own", "groups/"
	}
	where := fmt.Sprintf("rule %q", other.Name)
	if _, line, ok := strings.Cut(other.Position, ":"); ok {
		where += " (line " + line + ")"
	}
	if at > 0 {
		return fmt.Sprintf("%s stands where %s has %q: %s what that is about; put it below a name of its own", q[at], where, name, whose)
	}
	return fmt.Sprintf("%s is the first segment: %s what %s is about; put it below a name of its own, such as %q", q[at], whose, where, below+strings.Join(q, "/"))
}

// namesakesOf warns of templates on a chain, where a name may be of several people.
func (p *Policy) namesakesOf(r *rule) []string {
	if !r.templates {
		return nil
	}
	var sources []string
	for _, source := range p.route.Backends {
		if r.mayAdmit(source) {
			sources = append(sources, source)
		}
	}
	if len(sources) < 2 {
		return nil
	}
	template, name := userSegment, "alice"
	if !slices.ContainsFunc(r.repositories, func(q Pattern) bool { return slices.Contains(q, userSegment) }) {
		template, name = groupSegment, "devs"
	}
	one := voucher{name: sources[0]}.String()
	return []string{fmt.Sprintf("%s may be %s of %s: add %q to require, as in { all = [\"valid-user\", %q] }", template, name, strings.Join(sources, " or of "), one, one)}
}

// mayAdmit reports whether r may let in anybody whom that backend vouches for.
func (r *rule) mayAdmit(source string) bool {
	who := Subject{Identity: backend.Identity{Source: source}}
	return slices.ContainsFunc(r.sources(), func(from netip.Addr) bool {
		return r.require.eval(Request{Source: from}, who).settled() != Denied
	})
}
