package rules

import (
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"

	"gatehouse/gateway/oci"
)

// part is a part of what a rule is about: one method on paths of one pattern.
type part struct {
	method methodSet
	path   Pattern

	// action and repository are set where it is a part of a rule with actions. A
	// repository of nil stands for what is about none.
	action     actionSet
	repository Pattern

	specified bool // it has nothing that only the registry itself knows
}

// partsOfActions are what makes up the actions, as patterns behind the name of a repository.
var partsOfActions = []struct {
	action  actionSet
	path    Pattern
	methods []string
}{
	{pullBit, compact("manifests/*"), reading},
	{pullBit, compact("blobs/*"), reading},
	{pullBit, compact("tags/list"), reading},
	{pullBit, compact("referrers/*"), reading},
	{pushBit, compact("blobs/uploads"), []string{http.MethodPost}},
	{pushBit, compact("manifests/*"), []string{http.MethodPut}},
	{pushBit, compact("blobs/uploads/*"), []string{http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPut, http.MethodDelete}},
	{deleteBit, compact("manifests/*"), []string{http.MethodDelete}},
	{deleteBit, compact("blobs/*"), []string{http.MethodDelete}},
	{catalogBit, compact("_catalog"), reading},
	{extensionBit, compact("**"), knownMethods[:]},
}

var reading = []string{http.MethodGet, http.MethodHead}

// partsOf yields the parts of what r is about.
func (p *Policy) partsOf(r *rule) iter.Seq[part] {
	if r.actions != 0 {
		return p.partsByAction(r.actions, r.repositories)
	}
	paths := r.paths
	if len(paths) == 0 {
		paths = []Pattern{append(p.prefix(), anySegments)}
	}
	return func(yield func(part) bool) {
		for _, method := range knownMethods {
			for _, path := range paths {
				bit := methodBit(method)
				if r.coversMethod(bit) && !yield(part{method: bit, path: path, specified: len(r.paths) == 0}) {
					return
				}
			}
		}
	}
}

// partsByAction yields the parts of actions on repositories, of which none stands for all.
func (p *Policy) partsByAction(actions actionSet, repositories []Pattern) iter.Seq[part] {
	if len(repositories) == 0 {
		repositories = []Pattern{{anySegments}}
	}
	return func(yield func(part) bool) {
		for _, of := range partsOfActions {
			if actions&of.action == 0 {
				continue
			}
			for _, repository := range repositories {
				if of.action == catalogBit {
					repository = nil
				}
				path := p.pathOf(append(slices.Clone(repository), of.path...))
				for _, method := range of.methods {
					if !yield(part{methodBit(method), path, of.action, repository, of.action != extensionBit}) {
						return
					}
				}
			}
		}
	}
}

// pathOf returns the pattern of the paths that have q behind the root of the registry.
func (p *Policy) pathOf(q Pattern) Pattern {
	return append(slices.Collect(segments(p.registry)), q...)
}

// takes reports whether r is about all of a part, or about all of it that the
// specification of registries has.
func (p *Policy) takes(r *rule, t part) (taken, all bool) {
	switch {
	case r.actions != 0 && len(r.repositories) == 0:
		return r.actions&t.action != 0, true
	case r.actions != 0:
		return r.actions&t.action != 0 && t.repository != nil && coversAny(r.repositories, t.repository), true
	case !r.coversMethod(t.method):
		return false, false
	case len(r.paths) > 0:
		return coversAny(r.paths, t.path), true
	case t.specified || p.registry == "" || !t.path.meets(slices.Collect(segments(p.registry))):
		return true, true
	}
	return p.anyEndpoint(t.path, oci.Endpoint.IsSpecified) && t.action != extensionBit, false
}

func coversAny(patterns []Pattern, q Pattern) bool {
	return slices.ContainsFunc(patterns, func(p Pattern) bool { return p.covers(q) })
}

// hiddenBy returns the names of earlier rules that take every request of a client that
// the rule at index i is about, none where there are no such. It misses rules that only
// several earlier ones together hide on one path, and never accuses one wrongly.
func (p *Policy) hiddenBy(i int) []string {
	by, _ := p.hides(i, p.partsOf(&p.rules[i]))
	return by
}

// hides returns the names of rules before the one at index i that take all of some parts,
// and whether they take also what only the registry itself knows.
func (p *Policy) hides(i int, parts iter.Seq[part]) (by []string, all bool) {
	all = true
	for t := range parts {
		j, whole := p.firstToTake(i, t)
		if j < 0 {
			return nil, false
		}
		all = all && whole
		if name := p.rules[j].Name; !slices.Contains(by, name) {
			by = append(by, name)
		}
	}
	return by, all
}

// firstToTake returns the index of the first rule before the one at index i that takes t,
// -1 if there is none. See takes for all.
func (p *Policy) firstToTake(i int, t part) (j int, all bool) {
	for _, j := range p.index.findCovering(t.path, t.repository) {
		if j >= i {
			break
		}
		if taken, all := p.takes(&p.rules[j], t); taken {
			return j, all
		}
	}
	return -1, false
}

// hidden warns of a rule that decides nothing.
func (p *Policy) hidden(i int) []string {
	by, all := p.hides(i, p.partsOf(&p.rules[i]))
	if len(by) == 0 {
		return nil
	}
	slices.Sort(by)
	names := strings.Join(quoted(by), ", ")
	if !all {
		return []string{"it decides nothing but about extensions and pages of the registry's own: earlier rules (" + names + ") take every request of its clients; move it before them or take it out"}
	}
	return []string{fmt.Sprintf("it never decides: earlier rules (%s) take every request that it is about; move it before them or take it out", names)}
}
