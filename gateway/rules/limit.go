package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/gateway/oci"
)

// A Limit says what of a registry a token is for, out of what its owner may do. It lets
// nobody do anything. The zero value is no limit.
type Limit struct {
	repositories []Pattern
	actions      actionSet // none for all
}

// NewLimit returns the Limit to repositories and actions, which are written as those of a
// rule. A list that is nil does not limit anything.
func NewLimit(repositories, actions []string) (Limit, error) {
	var l Limit
	var errs [2]error
	l.repositories, errs[0] = compileRepositories(repositories)
	if actions != nil {
		l.actions, errs[1] = compileActions(actions)
	}
	return l, errors.Join(errs[:]...)
}

// isNone reports whether l limits nothing.
func (l Limit) isNone() bool { return l.repositories == nil && l.actions == 0 }

// Allows reports whether l lets who do a request to e with a method. A limit speaks of a
// registry alone: what is no request to one is outside of every limit. Anybody may ask
// whether there is a registry, as clients do first. A list of all repositories is within a
// limit to some of them, since no others are shown.
func (l Limit) Allows(e oci.Endpoint, method string, who *Subject) bool {
	action := e.Action(method)
	if l.isNone() || action == oci.Login {
		return true
	}
	return l.AllowsAction(e.Repository, action, who)
}

// AllowsAction does so for an action in a repository, empty for none.
func (l Limit) AllowsAction(repository string, action oci.Action, who *Subject) bool {
	bit := bitOf(action)
	switch {
	case l.isNone():
		return true
	case bit == 0 || l.actions != 0 && l.actions&bit == 0:
		return false
	case repository == "":
		return l.repositories == nil || action == oci.ListCatalog
	}
	return l.isAbout(repository, who)
}

// isAbout reports whether the repository is one of those that the token is for.
func (l Limit) isAbout(repository string, who *Subject) bool {
	return l.repositories == nil || anyMatches(l.repositories, repository, &fit{who, Allowed})
}

// Hides reports whether a list of repositories has names that the token is not for.
func (l Limit) Hides() bool { return l.repositories != nil }

// AsksGroups reports whether it depends on the groups of the owner what the token is for.
func (l Limit) AsksGroups() bool {
	return slices.ContainsFunc(l.repositories, func(p Pattern) bool { return slices.Contains(p, groupSegment) })
}

// String says in words what the token is for.
func (l Limit) String() string {
	words := "all"
	if l.actions != 0 {
		words = strings.Join(l.actions.names(), " and ") + " only"
	}
	if l.repositories == nil {
		return words
	}
	names := make([]string, len(l.repositories))
	for i, p := range l.repositories {
		names[i] = strings.Join(p, "/")
	}
	return fmt.Sprintf("%s in %s", words, strings.Join(slices.Compact(names), ", "))
}
