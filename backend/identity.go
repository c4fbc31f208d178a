package backend

import (
	"fmt"
	"strconv"
	"strings"

	"gatehouse/backend/fault"
)

// Sameness is what two identities say of each other.
type Sameness int

// The values of Sameness. The zero value claims nothing.
const (
	Unrelated Sameness = iota // nothing can be said: an anchor is missing, or of another kind
	Same                      // both are of one account
	Different                 // they are of two accounts, whatever their names
)

// SameAs compares the anchors of two users of one source. An anchor that is missing
// on one side, or of another kind, is no difference: a directory that has stopped to
// show an attribute has not replaced its users. Two users without anchors are the
// same if they have the same name and handle.
func (id Identity) SameAs(other Identity) Sameness {
	kind, _, anchored := strings.Cut(id.Anchor, ":")
	otherKind, _, otherAnchored := strings.Cut(other.Anchor, ":")
	switch {
	case id.Source != other.Source:
		return Unrelated
	case !anchored && !otherAnchored && id.User == other.User && id.Handle == other.Handle:
		return Same
	case !anchored || !otherAnchored || kind != otherKind:
		return Unrelated
	case id.Anchor == other.Anchor:
		return Same
	}
	return Different
}

// account returns what the wrong passwords of id are counted under. An entry that is
// moved keeps its count, and one that is made anew under an old name begins another.
func (id Identity) account() Identity {
	if id.Anchor == "" {
		id.Changed, id.OnGrace, id.Expires = "", false, ""
		return id
	}
	return Identity{User: id.User, Source: id.Source, Anchor: id.Anchor}
}

// parts returns all of id for a key.
func (id Identity) parts() []string {
	return []string{id.User, id.Handle, id.Source, id.Anchor, id.Changed, strconv.FormatBool(id.OnGrace), id.Expires}
}

// clone returns id with texts of its own. A text that is part of what a client sent
// would keep all of that in memory, and the password is in it.
func (id Identity) clone() Identity {
	for _, text := range []*string{&id.User, &id.Handle, &id.Source, &id.Anchor, &id.Changed, &id.Expires} {
		*text = strings.Clone(*text)
	}
	return id
}

// PasswordChanged reports whether the password was changed between two looks at one
// user, or may have been: the later look shows a later time of the same kind, or one
// where there was none, since some directories note the first change only. A server
// that lags behind another shows an earlier time, which says nothing.
func PasswordChanged(earlier, later Identity) bool {
	kind, _, known := strings.Cut(earlier.Changed, ":")
	if !known {
		return later.Changed != ""
	}
	return strings.HasPrefix(later.Changed, kind+":") && later.Changed > earlier.Changed
}

// hasSamePassword reports whether the password is known not to have been changed
// between two logins. A date without a time does not tell: a password may be changed
// twice a day.
func hasSamePassword(a, b Identity) bool {
	_, moment, known := strings.Cut(a.Changed, ":")
	return known && a.Changed == b.Changed && strings.Contains(moment, "T")
}

// ErrOutdated says of an error of [Revalidator.Revalidate] that the login was made
// with a password that has been changed since. Only a login with the password at
// hand tells whether that is the new one.
var ErrOutdated = fault.With("login.outdated", fmt.Errorf("the password was changed after the login: %w", ErrWrongPassword))

// ErrForgotten says of an error of Groups that the groups are read at a login alone, and
// are not remembered any more: there is no answer without a login. A [Cache] forgets the
// login too, so that the next request is one.
var ErrForgotten = fault.With("login.forgotten", fmt.Errorf("the groups are read at a login alone, and have been forgotten since: %w", ErrUnavailable))
