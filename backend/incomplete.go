package backend

import "errors"

// Incomplete is the error of Groups where some groups of a user could be found out and
// others not. The names beside it are groups of the user; there may be more, so that a
// rule which needs one that is missing, or the absence of one, cannot be decided. It
// wraps ErrUnavailable: a caller that does not know the type takes it for no answer.
type Incomplete struct {
	// Cause says why.
	Cause error

	// ShortNames says that short names alone are missing: a group that is not among the
	// names by its distinguished name is none of the user's.
	ShortNames bool
}

// Error returns the cause.
func (e *Incomplete) Error() string { return "not all groups are known: " + e.Cause.Error() }

// Unwrap returns the cause, and that the backend is unavailable.
func (e *Incomplete) Unwrap() []error { return []error{e.Cause, ErrUnavailable} }

// IncompleteOf returns what err says of groups that came with it, nil if none did.
func IncompleteOf(err error) *Incomplete {
	var e *Incomplete
	if errors.As(err, &e) {
		return e
	}
	return nil
}
