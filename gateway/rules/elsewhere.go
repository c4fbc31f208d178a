package rules

import (
	"slices"
	"strings"
)

// maxElsewhere bounds the repositories that a refusal names.
const maxElsewhere = 3

// Elsewhere returns patterns of repositories where who may do what req does, as far as
// rules name repositories, with who in place of templates. It is for somebody who is
// refused req, and names nothing of which that is not so.
func (p *Policy) Elsewhere(req Request, who Subject) []string {
	q := p.read(req)
	if !who.LoggedIn || q.action&usualActions == 0 {
		return nil
	}
	var list []string
	for i := range p.rules {
		r := &p.rules[i]
		if r.actions&q.action == 0 || r.require.eval(req, who) != Allowed {
			continue
		}
		for _, pattern := range r.repositories {
			for _, own := range pattern.of(&who) {
				if text := strings.Join(own, "/"); len(list) < maxElsewhere && !slices.Contains(list, text) && p.allowsAt(q, own, &who) {
					list = append(list, text)
				}
			}
		}
	}
	return list
}

// RepositoriesOf returns the patterns of repositories that r names, with who in place of
// templates. Those are left out that fit no name of who, and malformed ones.
func (r Rule) RepositoriesOf(who Subject) []string {
	var list []string
	for _, text := range r.Repositories {
		p, err := parseRepository(text)
		if err != nil {
			continue
		}
		for _, own := range p.of(&who) {
			list = append(list, strings.Join(own, "/"))
		}
	}
	return list
}

// GroupsAt returns the groups of who that a template may stand for in the name of a
// repository: what has been decided about it by {group} hangs on these.
func (p *Policy) GroupsAt(repository string, who Subject) []string {
	if !slices.ContainsFunc(p.rules, func(r rule) bool {
		return slices.ContainsFunc(r.repositories, func(q Pattern) bool { return slices.Contains(q, groupSegment) })
	}) {
		return nil
	}
	var list []string
	for segment := range segments(repository) {
		if slices.Contains(who.Groups, segment) && !slices.Contains(list, segment) {
			list = append(list, segment)
		}
	}
	return list
}

// of returns p with who in place of its template, once for each group of who. There is
// nothing where no name of who fits.
func (p Pattern) of(who *Subject) []Pattern {
	names := []string{who.Identity.User}
	at := slices.Index(p, userSegment)
	if at < 0 {
		at, names = slices.Index(p, groupSegment), who.Groups
	}
	if at < 0 {
		return []Pattern{p}
	}
	var list []Pattern
	for _, name := range names {
		if isSegment(name) {
			own := slices.Clone(p)
			own[at] = name
			list = append(list, own.of(who)...)
		}
	}
	return list
}

// allowsAt reports whether who may do what q does in a repository that pattern describes.
func (p *Policy) allowsAt(q question, pattern Pattern, who *Subject) bool {
	sample := slices.Clone(pattern)
	for i, segment := range sample {
		if segment == oneSegment || segment == anySegments {
			sample[i] = "any-name"
		}
	}
	e := q.at
	e.Repository = strings.Join(sample, "/")
	q = p.read(Request{Method: q.Method, Path: e.Path(p.registry), Source: q.Source})
	_, verdict := p.judge(&q, who)
	return verdict == Allowed
}
