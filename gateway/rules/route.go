package rules

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend"
)

// Route is what the rules of a route have to know of it.
type Route struct {
	// Path is the prefix of the paths that the route takes, in whole segments:
	// "/v2/" takes "/v2", "/v2/" and all below, and not "/v2x".
	Path string

	// Registry is the root of the registry that the route leads to: the path that
	// all requests to it begin with, whose last segment is "v2"; or [NoRegistry].
	// Default: "/v2/" where the route takes any of that, else none.
	Registry string

	// Backend checks the credentials. It is asked how it spells the names in rules.
	Backend backend.Backend

	// Backends are the names by which a rule may qualify a user or group
	// ("user corp:alice"); only the names in this list are read as qualifiers.
	Backends []string

	// Bearer says that clients are asked for a token, which those have too who do not log
	// in, and no requests to the root of the registry pass without one.
	Bearer bool

	// Rules decide who may do what. The first that is about a request decides
	// alone; where none is, the request is denied.
	Rules []Rule

	// ImmutableTags is [Rule.ImmutableTags] of the rules that have none.
	ImmutableTags []string
}

// Rule is one access rule of a route.
type Rule struct {
	// Name is what logs and refusals call the rule.
	Name string

	// Methods the rule is about; GET covers HEAD. Empty for all.
	Methods []string

	// Paths the rule is about, as patterns of whole segments in which * stands
	// for one segment and ** for any number, also none. Empty for all.
	Paths []string

	// Repositories and Actions are the other way to say what the rule is about, in
	// place of Methods and Paths: requests to a registry as its specification has them,
	// and nothing else. Repositories are patterns as Paths are, without the root of
	// the registry, in which {user} stands for the name of the user and {group} for that
	// of any group of the user. Empty for all.
	Repositories []string

	// Actions are some of [Actions]. Empty, where there are Repositories, for pull, push
	// and delete.
	Actions []string

	// Require says who is let in. It is made by [ParseRequire].
	Require Requirement

	// ImmutableTags are patterns of tags that, in requests which the rule decides, may
	// neither be deleted nor lead to another manifest: * stands for any characters, and a
	// pattern behind "!" takes tags out again. The last pattern that matches counts. Nil
	// for those of the route.
	ImmutableTags []string

	// Position is where the rule was read, as FILE:LINE, for explanations.
	Position string
}

// ByAction reports whether r says by repositories and actions what it is about.
func (r Rule) ByAction() bool { return r.Repositories != nil || r.Actions != nil }

// hasPlace reports whether r is not about everything that its methods can do.
func (r Rule) hasPlace() bool { return r.ByAction() || r.Paths != nil }

// Describes reports whether one of the patterns of r describes path. A malformed one, of
// which there is an error elsewhere, describes none.
func (r Rule) Describes(path string) bool {
	return slices.ContainsFunc(r.Paths, func(text string) bool {
		p, err := ParsePattern(text)
		return err == nil && p.match(path)
	})
}

// CheckPrefix reports why requests cannot be told by path as the prefix of theirs.
func CheckPrefix(path string) error {
	if err := checkPattern(path); err != nil {
		return fmt.Errorf("path %q: %w", path, err)
	}
	if strings.Contains(path, "*") {
		return fmt.Errorf("path %q: it is a prefix and takes everything below it already: leave the * out", path)
	}
	return nil
}

// Takes reports whether path is prefix, which has no slash at its end, or below it. It
// compares whole segments: "/v2" is not the beginning of "/v2x".
func Takes(prefix, path string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}
