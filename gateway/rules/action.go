package rules

import (
	"errors"
	"fmt"
	"strings"

	"gatehouse/backend/fault"
	"gatehouse/gateway/oci"
)

// actionSet has a bit for each action that a rule may be about.
type actionSet uint8

const (
	pullBit actionSet = 1 << iota
	pushBit
	deleteBit
	catalogBit
	extensionBit
)

// usualActions are those of a rule that names repositories and no actions.
const usualActions = pullBit | pushBit | deleteBit

// Actions are those that a rule may be about, as it names them.
var Actions = []string{string(oci.Pull), string(oci.Push), string(oci.Delete), string(oci.ListCatalog), string(oci.Extend)}

// bitOf returns no bit for what no rule is about: to log in, and what is no request of
// the specification.
func bitOf(a oci.Action) actionSet {
	switch a {
	case oci.Pull:
		return pullBit
	case oci.Push:
		return pushBit
	case oci.Delete:
		return deleteBit
	case oci.ListCatalog:
		return catalogBit
	case oci.Extend:
		return extensionBit
	}
	return 0
}

// compileActions tells a missing list from an empty one, which never means everything.
func compileActions(names []string) (actionSet, error) {
	if names == nil {
		return usualActions, nil
	}
	if len(names) == 0 {
		return 0, errors.New("actions is an empty list: name the actions, or leave the key out for pull, push and delete")
	}
	var set actionSet
	var errs []error
	for i, name := range names {
		if err := CheckAction(name); err != nil {
			errs = append(errs, fault.At(fmt.Errorf("actions[%d]: %w", i, err), i))
		}
		set |= bitOf(oci.Action(name))
	}
	return set, errors.Join(errs...)
}

// CheckAction reports why no rule can be about an action of that name.
func CheckAction(name string) error {
	if bitOf(oci.Action(name)) == 0 {
		return fmt.Errorf("%q: no action; %s", name, actionAdvice(name))
	}
	return nil
}

// meantActions are the actions that other words are tried for.
var meantActions = map[string]oci.Action{
	"read": oci.Pull, "get": oci.Pull, "head": oci.Pull, "download": oci.Pull, "tags": oci.Pull,
	"write": oci.Push, "put": oci.Push, "post": oci.Push, "patch": oci.Push, "upload": oci.Push, "mount": oci.Push,
	"remove": oci.Delete, "rm": oci.Delete, "del": oci.Delete,
	"list": oci.ListCatalog, "_catalog": oci.ListCatalog,
	"extensions": oci.Extend, "ext": oci.Extend,
}

func actionAdvice(name string) string {
	lower := strings.ToLower(name)
	meant := meantActions[lower]
	switch {
	case bitOf(oci.Action(lower)) != 0:
		meant = oci.Action(lower)
	case lower == string(oci.Login):
		return "whoever may pull something may log in: leave it out"
	case meant == "":
		return "want some of " + strings.Join(Actions, ", ")
	}
	return fmt.Sprintf("did you mean %q?", meant)
}

// names returns the actions of s, in the order in which the documentation has them.
func (s actionSet) names() []string {
	var list []string
	for _, name := range Actions {
		if s&bitOf(oci.Action(name)) != 0 {
			list = append(list, name)
		}
	}
	return list
}
