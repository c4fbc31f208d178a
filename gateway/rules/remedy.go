package rules

import (
	"fmt"
	"net/http"
	"strings"

	"gatehouse/backend"
)

// remedies says what would let the request pass that the rules do not let pass,
// each a way by itself, for those who write the rules.
func (p *Policy) remedies(deciding *rule, q *question, who *Subject) []string {
	ways := p.lengthenings(q, who)
	if deciding == nil {
		return append(append(ways, "add "+p.newRule(q, p.itemsFor(*who))), p.widenings(q, who)...)
	}
	if deciding.covers(q, who) == NeedsLogin {
		return append(ways, LogIn)
	}
	ways = append(ways, waysTo(deciding.require, q.Request, *who)...)
	if who.LoggedIn && deciding.Name != BuiltinRule {
		ways = append(ways, "add "+strings.Join(quoted(p.itemsFor(*who)), " or ")+" to require of "+deciding.label())
	}
	return append(ways, p.laterRules(deciding, q, who)...)
}

// label names a rule and where it stands.
func (r Rule) label() string {
	if r.Position == "" {
		return fmt.Sprintf("rule %q", r.Name)
	}
	return fmt.Sprintf("rule %q (%s)", r.Name, r.Position)
}

// itemsFor returns items of a require that who meets: the user, and one group.
func (p *Policy) itemsFor(who Subject) []string {
	if !who.LoggedIn {
		return []string{validUser{}.String()}
	}
	source := ""
	if len(p.route.Backends) > 1 {
		source = who.Identity.Source
	}
	names := []string{principal{kind: userKind, source: source, name: who.Identity.User}.String()}
	for _, group := range who.Groups {
		if !backend.ReadsAsDN(group) { // it is shorter than one
			return append(names, principal{kind: groupKind, source: source, name: group}.String())
		}
	}
	return names
}

// quoted returns texts as TOML writes them.
func quoted(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = fmt.Sprintf("%q", text)
	}
	return out
}

// widenings finds rules that would let the request pass if they were about it, and
// lack only what is done or what it is done to.
func (p *Policy) widenings(q *question, who *Subject) []string {
	var ways []string
	for i := range p.rules {
		r := &p.rules[i]
		if r.Name == BuiltinRule || r.require.eval(q.Request, *who) != Allowed {
			continue
		}
		if key, value := p.lacks(r, q, who); key != "" {
			ways = append(ways, fmt.Sprintf("add %q to %s of %s, for all that it lets in (%s)", value, key, r.label(), r.wants))
		}
	}
	return ways
}

// lacks returns the one key of r that has to have a value more for r to be about q, and
// no key where there is none.
func (p *Policy) lacks(r *rule, q *question, who *Subject) (key, value string) {
	verb, place := r.coversVerb(q), r.coversPlace(q, who) == Allowed
	switch {
	case verb == place:
	case place && r.actions == 0:
		return "methods", q.Method
	case r.actions == 0:
		if len(r.paths) > 0 {
			return "paths", p.pathsOf(q)
		}
	case verb && q.at.Repository != "":
		return "repositories", q.at.Repository
	case place && q.action != 0:
		return "actions", q.action.names()[0]
	}
	return "", ""
}

// newRule describes a rule that lets q pass.
func (p *Policy) newRule(q *question, require []string) string {
	if q.action == 0 {
		method := q.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		return fmt.Sprintf("a rule with methods = [%q], paths = [%q] and require = [%q]", method, q.Path, require[0])
	}
	repositories := ""
	if q.at.Repository != "" {
		repositories = fmt.Sprintf("repositories = [%q], ", q.at.Repository)
	}
	return fmt.Sprintf("a rule with %sactions = [%q] and require = [%q]", repositories, q.action.names()[0], require[0])
}

// pathsOf returns the pattern of the repository that q is about, or else of its
// path alone.
func (p *Policy) pathsOf(q *question) string {
	if q.at.Repository != "" {
		return p.registry + q.at.Repository + "/**"
	}
	return q.Path
}

// laterRules finds rules that would let the request pass if they were asked before
// the one that decides.
func (p *Policy) laterRules(deciding *rule, q *question, who *Subject) []string {
	var ways []string
	after := false
	for i := range p.rules {
		r := &p.rules[i]
		if after && r.Name != BuiltinRule && r.covers(q, who) == Allowed && r.require.eval(q.Request, *who) == Allowed {
			ways = append(ways, "move "+r.label()+" before "+deciding.label())
		}
		after = after || r == deciding
	}
	return ways
}

// LogIn is the remedy for anybody who has not logged in.
const LogIn = "log in"

// waysTo says what could change about a request or its user so that r, which does
// not hold, does. There is no way around "all denied".
func waysTo(r Requirement, req Request, who Subject) []string {
	switch r := r.(type) {
	case validUser:
		return []string{LogIn}
	case network:
		return []string{"send it from " + r.address()}
	case voucher:
		return []string{"log in as a user of the " + r.String()}
	case Way:
		return []string{"log in with " + r.Words()}
	case principal:
		return []string{r.wayIn(who)}
	case not:
		return waysOut(r.Requirement, req, who)
	case anyOf:
		return alternatives(r, func(part Requirement) []string { return waysTo(part, req, who) })
	case allOf:
		return together(r, func(part Requirement) ([]string, bool) {
			return waysTo(part, req, who), part.eval(req, who) == Allowed
		})
	}
	return nil
}

// waysOut says what could change so that r, which holds, does not.
func waysOut(r Requirement, req Request, who Subject) []string {
	switch r := r.(type) {
	case network:
		return []string{"send it from outside of " + r.address()}
	case voucher:
		return []string{"log in as a user of another backend than " + r.name}
	case principal:
		return []string{r.wayOut(who)}
	case allOf:
		return alternatives(r, func(part Requirement) []string { return waysOut(part, req, who) })
	case anyOf:
		return together(r, func(part Requirement) ([]string, bool) {
			return waysOut(part, req, who), part.eval(req, who) == Denied
		})
	}
	return nil
}

func (n network) address() string { return strings.TrimPrefix(n.String(), "ip ") }

// wayIn says how somebody who is not p comes to be.
func (p principal) wayIn(who Subject) string {
	switch {
	case p.kind == userKind:
		return "log in as " + strings.TrimPrefix(p.String(), "user ")
	case !who.LoggedIn || p.source != "" && p.source != who.Identity.Source:
		return "log in as a member of the " + p.String()
	}
	if all := p.namesakes(who); len(all) > 0 {
		return p.byDN(who, all)
	}
	return "add " + who.Identity.User + " to the " + p.String()
}

// wayOut says how somebody who is p, or may be, comes not to be.
func (p principal) wayOut(who Subject) string {
	switch {
	case !who.LoggedIn:
		return "log in as somebody who is not " + p.String()
	case p.kind == userKind:
		return "log in as another user"
	}
	return "take " + who.Identity.User + " out of the " + p.String()
}

func alternatives(parts []Requirement, ways func(Requirement) []string) []string {
	var all []string
	for _, part := range parts {
		all = append(all, ways(part)...)
	}
	return all
}

// together returns one way that does what all parts need that are not done. There
// is none if there is none for one of them.
func together(parts []Requirement, ways func(Requirement) (list []string, done bool)) []string {
	var steps []string
	for _, part := range parts {
		list, done := ways(part)
		if done {
			continue
		}
		if len(list) == 0 {
			return nil
		}
		steps = append(steps, strings.Join(list, " or "))
	}
	return []string{strings.Join(steps, ", and ")}
}
