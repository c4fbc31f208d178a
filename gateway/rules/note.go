package rules

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/gateway/oci"
)

// notes says what of v, the verdict on q by the rule that decides, is not seen in the
// rules as they are written.
func (p *Policy) notes(deciding *rule, q *question, who *Subject, v Verdict) []string {
	var notes []string
	if deciding != nil && deciding.Name == BuiltinRule && p.asksForLogin(q) && p.firstAbout(q, who) != deciding {
		notes = append(notes, fmt.Sprintf("clients log in at %s, so that it asks for a login, whatever other rules say, where some rule for pull may let somebody in", p.registry))
	}
	if q.closed && v != Allowed {
		notes = append(notes, q.whyClosed())
	}
	if deciding != nil && v == NeedsLogin && deciding.covers(q, who) == NeedsLogin {
		notes = append(notes, fmt.Sprintf("whether rule %q is about this repository depends on who asks", deciding.Name))
	}
	if v == Denied {
		notes = append(notes, p.misfits(q, who)...)
	}
	return notes
}

// firstAbout returns the first rule that is about q.
func (p *Policy) firstAbout(q *question, who *Subject) *rule {
	for i := range p.rules {
		if r := &p.rules[i]; r.covers(q, who) == Allowed {
			return r
		}
	}
	return nil
}

// whyClosed says why rules without paths are not about q.
func (q *question) whyClosed() string {
	if q.at.Kind == oci.Extension {
		return fmt.Sprintf("%s belongs to an extension of the registry, which may tell anything: a rule needs actions = [\"extension\"], or a path in paths, to be about it", q.Path)
	}
	return fmt.Sprintf("%s is no request that the OCI distribution specification knows, so that nobody can say what it tells or does: a rule needs the path in paths to be about it", q.Path)
}

// misfits says of each template that could have been about q why it stands for nothing
// of who.
func (p *Policy) misfits(q *question, who *Subject) []string {
	var notes []string
	for i := range p.rules {
		r := &p.rules[i]
		if !who.LoggedIn || !r.templates || !r.coversVerb(q) {
			continue
		}
		if why := r.misfit(q, who); why != "" {
			notes = append(notes, fmt.Sprintf("rule %q: %s", r.Name, why))
		}
	}
	return notes
}

func (r *rule) misfit(q *question, who *Subject) string {
	uses := func(template string) bool {
		return slices.ContainsFunc(r.repositories, func(p Pattern) bool { return slices.Contains(p, template) })
	}
	if uses(userSegment) {
		if why := Unfit(who.Identity.User); why != "" {
			return why
		}
	}
	if !uses(groupSegment) {
		return ""
	}
	if r.coversPlace(q, who) == shared {
		return "several groups share the name that stands for {group} there, so that it counts for none of them"
	}
	if who.GroupsKnown && !slices.ContainsFunc(who.Groups, isSegment) {
		return fmt.Sprintf("no group of %s has a name that can be part of a repository's name, so {group} matches nothing", who.Identity.User)
	}
	return ""
}

// Unfit says why {user} stands for nothing where a user has that name, and nothing where
// it stands for the name.
func Unfit(user string) string {
	if isSegment(user) {
		return ""
	}
	return fmt.Sprintf("%q cannot be part of a repository's name, so {user} matches nothing; user_name_attr can give another name", user)
}

// isSegment reports whether a repository can have a segment of that name.
func isSegment(name string) bool { return oci.IsRepository(name) && !strings.Contains(name, "/") }
