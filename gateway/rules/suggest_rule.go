package rules

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gatehouse/gateway/oci"
)

// writes are the methods of a push, besides those by which clients ask how far it is.
var writes = methodBit(http.MethodPost) | methodBit(http.MethodPut) | methodBit(http.MethodPatch)

// byAction returns r said by repositories and actions, or why it cannot be.
func (p *Policy) byAction(r *rule) (Rule, error) {
	where, err := p.registryPlaces(r)
	if err != nil {
		return Rule{}, err
	}
	actions, err := actionsOf(r.methods, where)
	if err != nil {
		return Rule{}, err
	}
	said := Rule{Name: r.Name, Require: r.Require, ImmutableTags: r.ImmutableTags, Position: r.Position, Actions: actions.names()}
	for _, q := range where.repositories {
		said.Repositories = append(said.Repositories, strings.Join(q, "/"))
	}
	if said.Repositories != nil && actions == usualActions {
		said.Actions = nil
	}
	return said, nil
}

// registryPlaces is what a rule by paths is about, as far as it is a part of a registry.
type registryPlaces struct {
	all, catalog bool
	repositories []Pattern
}

// registryPlaces reads the paths of r, or says which of them is something else.
func (p *Policy) registryPlaces(r *rule) (registryPlaces, error) {
	var where registryPlaces
	if len(r.paths) == 0 {
		if !p.isWithinRegistry() {
			return where, fmt.Errorf("it is about all paths, and the route takes more than what is below %s", p.registry)
		}
		return registryPlaces{all: true}, nil
	}
	for i, q := range r.paths {
		if err := p.addPlace(&where, q); err != nil {
			return where, fmt.Errorf("its path %s %w", r.Paths[i], err)
		}
	}
	switch {
	case where.all:
		return registryPlaces{all: true}, nil
	case where.catalog && where.repositories != nil:
		return where, fmt.Errorf("it is about some repositories and about the list of all: make a rule of its own of the path %s_catalog", p.registry)
	case !where.catalog && where.repositories == nil:
		return where, fmt.Errorf("to log in at %s is no action: clients may wherever some rule for pull may let them in", p.registry)
	}
	return where, nil
}

// isWithinRegistry reports whether the route takes nothing but what is below the root of
// the registry.
func (p *Policy) isWithinRegistry() bool {
	return Takes(strings.TrimSuffix(p.registry, "/"), strings.TrimSuffix(p.route.Path, "/"))
}

// addPlace adds what q is about to where.
func (p *Policy) addPlace(where *registryPlaces, q Pattern) error {
	rest, below := p.belowRoot(q)
	switch {
	case q.covers(p.pathOf(Pattern{anySegments})) && (below || p.isWithinRegistry()):
		where.all = true
		return nil
	case !below:
		return fmt.Errorf("is about more than what is below %s, or about something else", p.registry)
	case len(rest) == 0:
		return nil // the root, which follows from what may be pulled
	case len(rest) == 1 && rest[0] == "_catalog":
		where.catalog = true
		return nil
	}
	repository, err := repositoryOf(rest)
	if err == nil && !slices.ContainsFunc(where.repositories, func(known Pattern) bool { return slices.Equal(known, repository) }) {
		where.repositories = append(where.repositories, repository)
	}
	return err
}

// endpointWords are what may stand behind the name of a repository.
var endpointWords = []string{"manifests", "blobs", "uploads", "tags", "list", "referrers"}

// shortestEndpoint is how many segments stand behind the name of a repository at least.
const shortestEndpoint = 2

// repositoryOf returns the pattern of the repositories of which q, behind the root of a
// registry, describes all that is asked, and nothing of others.
func repositoryOf(q Pattern) (Pattern, error) {
	if strings.HasPrefix(q[0], "_") {
		return nil, errors.New("is one of an extension, which this registry alone knows")
	}
	if q[len(q)-1] != anySegments {
		return nil, errors.New("is a part of what is asked of a repository: a pattern for all of it ends with /**")
	}
	name := q[:len(q)-1]
	for n := 0; n < shortestEndpoint && len(name) > 1 && name[len(name)-1] == oneSegment; n++ {
		name = name[:len(name)-1] // which is there in each request
	}
	for i, segment := range name {
		switch {
		case segment == oneSegment && (i > 0 || len(name) == 1), segment == anySegments:
			return nil, errors.New("has a wildcard that can stand for words such as manifests or for a tag too, and not for a part of a name alone")
		case segment != oneSegment && !isSegment(segment):
			return nil, fmt.Errorf("has %q, which can be no part of a repository's name", segment)
		case i > 0 && slices.Contains(endpointWords, segment):
			return nil, fmt.Errorf("has %q, behind which it is about a part of what is asked of a repository", segment)
		}
	}
	return append(slices.Clone(name), anySegments), nil
}

// actionsOf returns the actions that are made up of methods at such places.
func actionsOf(methods methodSet, where registryPlaces) (actionSet, error) {
	var set actionSet
	reads := methods&methodBit(http.MethodGet) != 0
	some := where.all || where.repositories != nil
	switch {
	case !reads && methods&methodBit(http.MethodHead) != 0:
		return 0, errors.New("HEAD by itself is a part of a pull: actions have GET with it")
	case some && methods&writes != 0 && methods&writes != writes:
		return 0, errors.New("its methods are a part of a push, which has POST, PUT and PATCH")
	}
	if some && reads {
		set |= pullBit
	}
	if reads && (where.all || where.catalog) {
		set |= catalogBit
	}
	if some && methods&writes != 0 {
		set |= pushBit
	}
	if some && methods&methodBit(http.MethodDelete) != 0 {
		set |= deleteBit
	}
	if set == 0 {
		return 0, errors.New("no request of the OCI distribution specification has its methods there")
	}
	return set, nil
}

// withoutTaken returns the actions of the rule at index i but for those of which earlier
// rules take every request.
func (p *Policy) withoutTaken(i int) actionSet {
	r := &p.rules[i]
	left := r.actions
	for _, name := range r.actions.names() {
		action := bitOf(oci.Action(name))
		if by, _ := p.hides(i, p.partsByAction(action, r.repositories)); len(by) > 0 {
			left &^= action
		}
	}
	return left
}
