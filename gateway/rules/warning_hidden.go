package rules

import (
	"fmt"
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

// requestsOf are what makes up an action, as patterns behind the name of a repository.
var requestsOf = map[actionSet]map[string][]string{
	pullBit: {
		"/manifests/*": {http.MethodGet, http.MethodHead}, "/blobs/*": {http.MethodGet, http.MethodHead},
		"/tags/list": {http.MethodGet, http.MethodHead}, "/referrers/*": {http.MethodGet, http.MethodHead},
	},
	pushBit: {
		"/blobs/uploads": {http.MethodPost}, "/manifests/*": {http.MethodPut},
		"/blobs/uploads/*": {http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPut, http.MethodDelete},
	},
	deleteBit:    {"/manifests/*": {http.MethodDelete}, "/blobs/*": {http.MethodDelete}},
	catalogBit:   {"_catalog": {http.MethodGet, http.MethodHead}},
	extensionBit: {"/**": knownMethods[:]},
}

// partsOf returns the parts of what r is about.
func (p *Policy) partsOf(r *rule) []part {
	if r.actions != 0 {
		return p.partsByAction(r)
	}
	var list []part
	paths := r.paths
	if len(paths) == 0 {
		paths = []Pattern{append(p.prefix(), anySegments)}
	}
	for _, method := range knownMethods {
		for _, path := range paths {
			if bit := methodBit(method); r.coversMethod(bit) {
				list = append(list, part{method: bit, path: path, specified: len(r.paths) == 0})
			}
		}
	}
	return list
}

func (p *Policy) partsByAction(r *rule) []part {
	var list []part
	repositories := r.repositories
	if len(repositories) == 0 {
		repositories = []Pattern{{anySegments}}
	}
	for action, requests := range requestsOf {
		if r.actions&action == 0 {
			continue
		}
		for _, repository := range repositories {
			if action == catalogBit {
				repository = nil
			}
			for path, methods := range requests {
				for _, method := range methods {
					list = append(list, part{methodBit(method), p.pathOf(append(slices.Clone(repository), compact(path)...)), action, repository, action != extensionBit})
				}
			}
		}
	}
	return list
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
	by, _ := p.hides(p.rules[:i], p.partsOf(&p.rules[i]))
	return by
}

// hides returns the names of rules that take all of some parts, and whether they take
// also what only the registry itself knows.
func (p *Policy) hides(rules []rule, parts []part) (by []string, all bool) {
	all = true
	for _, t := range parts {
		whole := false
		j := slices.IndexFunc(rules, func(r rule) bool {
			taken, every := p.takes(&r, t)
			whole = every
			return taken
		})
		if j < 0 {
			return nil, false
		}
		all = all && whole
		if name := rules[j].Name; !slices.Contains(by, name) {
			by = append(by, name)
		}
	}
	return by, all
}

// hidden warns of a rule that decides nothing.
func (p *Policy) hidden(i int) []string {
	by, all := p.hides(p.rules[:i], p.partsOf(&p.rules[i]))
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
