package token

import (
	"errors"
	"slices"
	"strings"

	"gatehouse/gateway/oci"
)

// Scopes are what a token may be used for, as the token specification of the distribution
// project has it: TYPE:NAME:ACTION,ACTION, with blanks between several.
type Scopes string

// The types of what scopes are about.
const (
	repositoryType = "repository"
	registryType   = "registry"
)

// catalogName is the name by which the list of all repositories is asked for, with the
// action *.
const catalogName = "catalog"

// Scope is one of them: actions in one repository, or the list of all of them.
type Scope struct {
	Repository string       // empty for the list
	Actions    []oci.Action // each once, in the order of [Actions]; for the list [oci.ListCatalog]
}

// Actions are those that scopes have of repositories.
var Actions = []oci.Action{oci.Pull, oci.Push, oci.Delete}

// maxRepositories bounds what one token may be asked for.
const maxRepositories = 64

// ErrTooMany says that scopes name more repositories than one token is made for.
var ErrTooMany = errors.New("the scopes name more than 64 repositories")

// ParseScopes reads the scopes that a client asks for. Some clients send each in a field of
// its own and others all in one; what is asked of the same repository twice is united. The
// action * stands for all. What is no scope of a registry, and any action that does not
// exist, is left out: the specification has a server give less than was asked for.
func ParseScopes(values []string) ([]Scope, error) {
	var all []Scope
	for _, value := range values {
		for text := range strings.FieldsSeq(value) {
			a, ok := parseScope(text)
			if !ok {
				continue
			}
			if all = united(all, a); len(all) > maxRepositories {
				return nil, ErrTooMany
			}
		}
	}
	return all, nil
}

// united returns the scopes in list with a among them.
func united(list []Scope, a Scope) []Scope {
	i := slices.IndexFunc(list, func(other Scope) bool { return other.Repository == a.Repository })
	switch {
	case i < 0:
		return append(list, a)
	case a.Repository != "":
		list[i].Actions = ordered(append(list[i].Actions, a.Actions...))
	}
	return list
}

// parseScope reads one scope. The name stands between the first colon and the last: hosts
// with a port have one, too, and are names of no repository here.
func parseScope(text string) (a Scope, ok bool) {
	kind, rest, _ := strings.Cut(text, ":")
	i := strings.LastIndexByte(rest, ':')
	if i < 0 {
		return a, false
	}
	name, actions := rest[:i], strings.Split(rest[i+1:], ",")
	kind, _, _ = strings.Cut(kind, "(") // as in repository(plugin), by which docker asks for plugins
	switch {
	case kind == registryType && name == catalogName && slices.Contains(actions, "*"):
		return Scope{Actions: []oci.Action{oci.ListCatalog}}, true
	case kind != repositoryType || !oci.IsRepository(name):
		return a, false
	}
	a.Repository = name
	for _, action := range actions {
		if action == "*" {
			a.Actions = append(a.Actions, Actions...)
			continue
		}
		a.Actions = append(a.Actions, oci.Action(action))
	}
	a.Actions = ordered(a.Actions)
	return a, len(a.Actions) > 0
}

// ordered returns those of the actions that there are, each once and in the usual order.
func ordered(actions []oci.Action) []oci.Action {
	var list []oci.Action
	for _, a := range Actions {
		if slices.Contains(actions, a) {
			list = append(list, a)
		}
	}
	return list
}

// String returns a as a scope, empty if it has no actions.
func (a Scope) String() string {
	switch {
	case len(a.Actions) == 0:
		return ""
	case a.Repository == "":
		return registryType + ":" + catalogName + ":*"
	}
	words := make([]string, len(a.Actions))
	for i, action := range a.Actions {
		words[i] = string(action)
	}
	return repositoryType + ":" + a.Repository + ":" + strings.Join(words, ",")
}

// NewScopes returns the scopes in list that have actions.
func NewScopes(list []Scope) Scopes {
	var texts []string
	for _, a := range list {
		if text := a.String(); text != "" {
			texts = append(texts, text)
		}
	}
	return Scopes(strings.Join(texts, " "))
}

// Allow reports whether s has an action in a repository, or with [oci.ListCatalog] and
// without a repository the list of all of them. S must be made by [NewScopes].
func (s Scopes) Allow(repository string, action oci.Action) bool {
	for scope := range strings.SplitSeq(string(s), " ") {
		kind, rest, _ := strings.Cut(scope, ":")
		name, actions, _ := strings.Cut(rest, ":") // no valid name has a colon in it
		switch {
		case action == oci.ListCatalog && repository == "":
			if kind == registryType && name == catalogName {
				return true
			}
		case kind == repositoryType && name == repository:
			return hasWord(actions, string(action))
		}
	}
	return false
}

// hasWord reports whether a list with commas has a word.
func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}
