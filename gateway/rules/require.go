package rules

import (
	"net/netip"
	"slices"
	"strings"

	"gatehouse/backend"
)

// Requirement is a condition on who sent a request, and from where. It is made
// by [ParseRequire].
type Requirement interface {
	// String returns the condition in words, such as "group pusher or user
	// ci-bot".
	String() string

	// eval takes its arguments by value: pointers would escape through the
	// interface, and every request would pay an allocation.
	eval(req Request, who Subject) Verdict

	// rename returns the requirement with f applied to each user and group in it.
	rename(f func(principal) (principal, error)) (Requirement, error)
}

type (
	validUser struct{}
	everybody bool // "all granted" or "all denied"
	network   struct{ netip.Prefix }
	anyOf     []Requirement // never empty
	allOf     []Requirement // never empty
	not       struct{ Requirement }
)

// voucher is the backend of that name, which vouches for the user.
type voucher struct {
	name string
	at   place // where it stands in require; empty where it is none of a rule
}

// principal is a user or a group by name. With a source it is one of that
// backend alone: another backend's user of the same name is somebody else.
type principal struct {
	kind   principalKind
	source string
	name   string

	spellings []spelling // of each backend, where they differ; see spelledBy

	at place // where it stands in require; empty where it is none of a rule
}

type principalKind string

const (
	userKind  principalKind = "user"
	groupKind principalKind = "group"
)

func (validUser) eval(_ Request, who Subject) Verdict {
	if !who.LoggedIn {
		return NeedsLogin
	}
	return Allowed
}

func (e everybody) eval(Request, Subject) Verdict {
	return verdictOf(bool(e))
}

// eval compares the address without its zone, which netip would never find in
// any prefix: "not ip fe80::/10" must hold on every interface.
func (n network) eval(req Request, _ Subject) Verdict {
	return verdictOf(n.Contains(req.Source.Unmap().WithZone("")))
}

func (p principal) eval(_ Request, who Subject) Verdict {
	elsewhere := p.source != "" && p.source != who.Identity.Source
	switch {
	case !who.LoggedIn && (who.Identity.Source == "" || !elsewhere):
		return NeedsLogin
	case elsewhere:
		return Denied
	case p.kind == userKind:
		return verdictOf(p.spelledBy(who.Identity.Source) == who.Identity.User)
	}
	return who.isIn(p.spelledBy(who.Identity.Source))
}

// isIn says whether who is in a group. Where not all groups could be found out, those
// that were count, and of the others nobody knows. A name that several groups share says
// nothing: by "not group" it would let in the members of the one that is meant.
func (who Subject) isIn(group string) Verdict {
	switch {
	case slices.Contains(who.Groups, group):
		return Allowed
	case slices.Contains(who.Shared, group):
		return shared
	case who.GroupsKnown, who.OnlyShortNames && backend.ReadsAsDN(group), slices.Contains(who.RuledOut, group):
		return Denied
	}
	return NeedsGroups
}

func (a anyOf) eval(req Request, who Subject) Verdict {
	v := Denied
	for _, r := range a {
		if v = max(v, r.eval(req, who)); v == Allowed {
			break
		}
	}
	return v
}

func (a allOf) eval(req Request, who Subject) Verdict {
	v := Allowed
	for _, r := range a {
		if v = min(v, r.eval(req, who)); v == Denied {
			break
		}
	}
	return v
}

func (n not) eval(req Request, who Subject) Verdict {
	return n.Requirement.eval(req, who).negate()
}

func (validUser) String() string { return "valid-user" }

func (e everybody) String() string {
	if e {
		return "all granted"
	}
	return "all denied"
}

func (n network) String() string {
	if n.IsSingleIP() {
		return "ip " + n.Addr().String()
	}
	return "ip " + n.Prefix.String()
}

func (p principal) String() string {
	name := p.name
	if p.source != "" {
		name = p.source + ":" + name
	}
	return string(p.kind) + " " + written(name)
}

// written returns name as a requirement has it, in quotes where it needs them.
func written(name string) string {
	if strings.ContainsAny(name, ` "`) || checkName(word{text: name}, 1) != nil {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
	}
	return name
}

func (a anyOf) String() string { return join(a, " or ") }
func (a allOf) String() string { return join(a, " and ") }
func (n not) String() string   { return "not " + bracketed(n.Requirement) }

func join(list []Requirement, word string) string {
	texts := make([]string, len(list))
	for i, r := range list {
		texts[i] = bracketed(r)
	}
	return strings.Join(texts, word)
}

func bracketed(r Requirement) string {
	switch r.(type) {
	case anyOf, allOf:
		return "(" + r.String() + ")"
	}
	return r.String()
}

type renamer = func(principal) (principal, error)

func (v validUser) rename(renamer) (Requirement, error)   { return v, nil }
func (e everybody) rename(renamer) (Requirement, error)   { return e, nil }
func (n network) rename(renamer) (Requirement, error)     { return n, nil }
func (p principal) rename(f renamer) (Requirement, error) { return f(p) }

func (a anyOf) rename(f renamer) (Requirement, error) {
	list, err := renameAll(a, f)
	return anyOf(list), err
}

func (a allOf) rename(f renamer) (Requirement, error) {
	list, err := renameAll(a, f)
	return allOf(list), err
}

func (n not) rename(f renamer) (Requirement, error) {
	r, err := n.Requirement.rename(f)
	return not{r}, err
}

func renameAll(list []Requirement, f renamer) ([]Requirement, error) {
	renamed := make([]Requirement, len(list))
	for i, r := range list {
		var err error
		if renamed[i], err = r.rename(f); err != nil {
			return nil, err
		}
	}
	return renamed, nil
}

// parts returns what a requirement is composed of.
func parts(r Requirement) []Requirement {
	switch r := r.(type) {
	case anyOf:
		return r
	case allOf:
		return r
	case not:
		return []Requirement{r.Requirement}
	}
	return nil
}

// leaves calls f with each elementary condition in r.
func leaves(r Requirement, f func(Requirement)) {
	list := parts(r)
	if list == nil {
		f(r)
	}
	for _, part := range list {
		leaves(part, f)
	}
}

// groupsIn returns the groups that r asks about.
func groupsIn(r Requirement) []principal {
	var groups []principal
	leaves(r, func(leaf Requirement) {
		if p, ok := leaf.(principal); ok && p.kind == groupKind {
			groups = append(groups, p)
		}
	})
	return groups
}

// Name is a user or a group in a requirement, as it is written there: the name of a
// backend may stand before it, with a colon.
type Name struct {
	Group bool // and not a user
	Name  string
}

// String returns the name as a requirement has it, such as "group pusher".
func (n Name) String() string {
	if n.Group {
		return principal{kind: groupKind, name: n.Name}.String()
	}
	return principal{kind: userKind, name: n.Name}.String()
}

// Names returns the users and groups in r, which [ParseRequire] made, each once.
func Names(r Requirement) []Name {
	var names []Name
	leaves(r, func(leaf Requirement) {
		if p, ok := leaf.(principal); ok {
			if n := (Name{p.kind == groupKind, p.name}); !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	})
	return names
}

// NamedGroups returns the groups that r asks about, each once and in words, such
// as "group pusher".
func NamedGroups(r Requirement) []string {
	var groups []string
	for _, p := range groupsIn(r) {
		if !slices.Contains(groups, p.String()) {
			groups = append(groups, p.String())
		}
	}
	return groups
}
