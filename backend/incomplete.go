package backend

import (
	"errors"
	"slices"
	"strings"

	"gatehouse/backend/fault"
)

// Incomplete is the error of Groups where some groups of a user could be found out and
// others not. The names beside it are groups of the user; there may be more, so that a
// rule which needs one that is missing, or the absence of one, cannot be decided. It
// wraps ErrUnavailable: a caller that does not know the type takes it for no answer.
type Incomplete struct {
	// Cause says why. It is nil where no group is missing; see Shared.
	Cause error

	// ShortNames says that short names alone are missing: a group that is not among the
	// names by its distinguished name is none of the user's.
	ShortNames bool

	// RuledOut are names of groups, of those that rules ask about, that are known to be none
	// of the user's if they are not among the names, whatever else is missing.
	RuledOut []string

	// Shared are the short names of groups of the user that other groups have too, and
	// that are not among the names. Such a name says neither that the user is in the
	// group that a rule means nor that the user is not.
	Shared []string
}

// Error returns the cause.
func (e *Incomplete) Error() string {
	if e.Cause == nil {
		return "several groups share the names " + strings.Join(e.Shared, ", ")
	}
	return "not all groups are known: " + e.Cause.Error()
}

// Unwrap returns the cause, and that the backend is unavailable.
func (e *Incomplete) Unwrap() []error {
	if e.Cause == nil {
		return []error{errShared, ErrUnavailable}
	}
	return []error{e.Cause, ErrUnavailable}
}

var errShared = fault.Kind("groups.ambiguous", "a name of several groups")

// IncompleteOf returns what err says of groups that came with it, nil if none did.
func IncompleteOf(err error) *Incomplete {
	var e *Incomplete
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// MissingGroups returns err, an error of Groups, and nil where no group is missing: for
// those to whom names that several groups share mean nothing.
func MissingGroups(err error) error {
	if e := IncompleteOf(err); e != nil && e.Cause == nil {
		return nil
	}
	return err
}

// Together returns what is missing of the groups of two backends, where each may be nil.
func Together(a, b *Incomplete) *Incomplete {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	both := &Incomplete{Cause: errors.Join(a.Cause, b.Cause), Shared: slices.Concat(a.Shared, b.Shared)}
	both.ShortNames = (a.Cause == nil || a.ShortNames) && (b.Cause == nil || b.ShortNames)
	for _, name := range slices.Concat(a.RuledOut, b.RuledOut) {
		if a.rulesOut(name) && b.rulesOut(name) {
			both.RuledOut = append(both.RuledOut, name)
		}
	}
	slices.Sort(both.RuledOut)
	both.RuledOut = slices.Compact(both.RuledOut)
	return both
}

// rulesOut reports whether a name that is not among the names is known to be of no group
// of the user.
func (e *Incomplete) rulesOut(name string) bool {
	return e.Cause == nil || e.ShortNames && ReadsAsDN(name) || slices.Contains(e.RuledOut, name)
}
