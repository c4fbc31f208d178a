package rules

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/gateway/oci"
)

// maxJudgedWildcards bounds the paths that are tried for a pattern. Nothing is said of a
// pattern with more wildcards.
const maxJudgedWildcards = 3

// Texts that the wildcards of a pattern can stand for, as far as these make a difference
// to what a path of a registry is about. Extensions are left out: nearly every pattern
// matches one of them.
var (
	sampleSegments = []string{"x", "_catalog", "blobs", "uploads", "manifests", "referrers", "tags", "list"}
	sampleTails    = []string{
		"", "x", "_catalog", "list", "tags", "tags/list", "manifests", "manifests/x", "referrers", "referrers/x",
		"blobs", "blobs/x", "blobs/uploads", "blobs/uploads/x", "uploads", "uploads/x",
		"x/tags", "x/tags/list", "x/manifests", "x/manifests/x", "x/referrers/x", "x/blobs", "x/blobs/x", "x/blobs/uploads", "x/blobs/uploads/x",
	}
)

// shortPath is a path of a rule that no client of the registry asks for.
type shortPath struct {
	path string  // as it is written
	want Pattern // nil where that cannot be told
	why  string
}

func (s shortPath) String() string {
	if s.want == nil {
		return fmt.Sprintf("its path %s matches no request of a registry's client: %s", s.path, s.why)
	}
	return fmt.Sprintf("its path %s matches no request of a registry's client: %s; write %s", s.path, s.why, s.want)
}

// shortPaths returns the paths of r that no client of the registry asks for by a method
// of r, each with what was probably meant. A path for which nothing can be offered is
// left out: a registry may have more than its specification says.
func (p *Policy) shortPaths(r *rule) []shortPath {
	var all []shortPath
	for i, q := range r.paths {
		if i >= len(r.Paths) {
			continue
		}
		if want, why := p.misspelt(q); why != "" {
			all = append(all, shortPath{r.Paths[i], want, why})
			continue
		}
		if p.isAsked(r, q) {
			continue
		}
		if want, why := p.meantBy(r, r.Paths[i], q); why != "" {
			all = append(all, shortPath{r.Paths[i], want, why})
		}
	}
	return all
}

// meantBy returns the pattern that q, written as text, was probably meant to be, and
// what is wrong with it, an empty text where it cannot tell.
func (p *Policy) meantBy(r *rule, text string, q Pattern) (want Pattern, why string) {
	root := len(slices.Collect(segments(p.registry)))
	switch {
	case strings.Contains(text, "$"):
		return nil, "nothing is put in place of what begins with $, and no name of a repository has such a character"
	case len(q) <= root || text == p.registry+tokenEndpoint:
		return nil, ""
	}
	last := q[len(q)-1]
	name := slices.Clone(q[:len(q)-1])
	switch repository, _, tagged := cutReference(last); {
	case tagged:
		want, why = append(name, repository, anySegments), "a tag or digest stands behind manifests/ there, and not behind a colon"
	case last == oneSegment:
		want, why = append(name, anySegments), "it is one segment short, as what is asked of a repository stands below its name"
	default:
		want, why = append(name, last, anySegments), "it is the name of a repository, and what is asked of one stands below its name"
	}
	if lower := parseLower(want); !p.isAsked(r, want) && p.isAsked(r, lower) {
		want, why = lower, "names of repositories are in lower case"
	}
	if !p.isAsked(r, want) {
		return nil, ""
	}
	return want, why
}

// tokenEndpoint is where some registries give out tokens, below their root.
const tokenEndpoint = "token"

// cutReference takes a tag or digest off the last segment of what people call an image.
func cutReference(segment string) (repository, reference string, ok bool) {
	if i := strings.IndexAny(segment, ":@"); i > 0 {
		return segment[:i], segment[i+1:], true
	}
	return segment, "", false
}

func parseLower(q Pattern) Pattern {
	lower := slices.Clone(q)
	for i := range lower {
		lower[i] = strings.ToLower(lower[i])
	}
	return lower
}

// isAsked reports whether a client of the registry asks for a path that q describes by a
// method of r. It says yes where it cannot tell, as of what is not below the root of the
// registry.
func (p *Policy) isAsked(r *rule, q Pattern) bool {
	return r.methods&^methodBit("OPTIONS") == 0 || p.anyEndpoint(q, r.isOf)
}

// anyEndpoint reports whether f is true of the endpoint of any path that q describes. It
// says yes where it cannot tell, as of what is not below the root of the registry.
func (p *Policy) anyEndpoint(q Pattern, f func(oci.Endpoint) bool) bool {
	rest, ok := p.belowRoot(q)
	if !ok {
		return true
	}
	wildcards := 0
	for _, segment := range rest {
		if segment == oneSegment || segment == anySegments {
			wildcards++
		}
	}
	return wildcards > maxJudgedWildcards || anySample("", rest, func(path string) bool { return f(oci.Parse(p.registry, p.registry+path)) })
}

// isOf reports whether a client asks for e by a method of r.
func (r *rule) isOf(e oci.Endpoint) bool {
	return slices.ContainsFunc(knownMethods[:], func(method string) bool {
		return r.coversMethod(methodBit(method)) && e.Action(method) != oci.NoAction
	})
}

// belowRoot returns what follows the root of the registry in q, if q begins with it.
func (p *Policy) belowRoot(q Pattern) (Pattern, bool) {
	root := slices.Collect(segments(p.registry))
	if p.registry == "" || len(q) < len(root) || !slices.Equal(q[:len(root)], root) {
		return nil, false
	}
	return q[len(root):], true
}

// anySample reports whether f is true of any path that begins with path and goes on as q
// says.
func anySample(path string, q Pattern, f func(path string) bool) bool {
	if len(q) == 0 {
		return f(path)
	}
	choices := []string{q[0]}
	switch q[0] {
	case oneSegment:
		choices = sampleSegments
	case anySegments:
		choices = sampleTails
	}
	return slices.ContainsFunc(choices, func(choice string) bool {
		return anySample(strings.TrimPrefix(strings.TrimSuffix(path+"/"+choice, "/"), "/"), q[1:], f)
	})
}

// lengthenings finds rules that would let the request pass if a path of theirs that no
// client asks for were the one that was probably meant.
func (p *Policy) lengthenings(q *question, who *Subject) []string {
	var ways []string
	for i := range p.rules {
		r := &p.rules[i]
		if !r.coversMethod(q.method) || r.require.eval(q.Request, *who) != Allowed {
			continue
		}
		for _, s := range p.shortPaths(r) {
			if s.want != nil && s.want.match(q.Path) {
				ways = append(ways, fmt.Sprintf("write %s in place of %s in paths of %s: %s", s.want, s.path, r.label(), s.why))
			}
		}
	}
	return ways
}
