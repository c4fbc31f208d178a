package backend

import (
	"context"
	"errors"
	"time"
)

// The interfaces below are abilities that a Backend may have besides. [Extend] gives
// it those that it has not.

// A Versioner's answers about a user change at moments that it knows of.
type Versioner interface {
	// Version returns a number that differs from an earlier one when what
	// Authenticate or Groups would say of user may have changed since. It is
	// cheap, and changes for as few users as the backend can tell apart.
	Version(user string) uint64
}

// A Canonicalizer has more than one spelling for the name of a user or group.
type Canonicalizer interface {
	// CanonicalUser returns the spelling that Identity.User would have.
	CanonicalUser(name string) string

	// CanonicalGroup returns the spelling that Groups would return.
	CanonicalGroup(name string) string
}

// A Composite has users of several backends, each with spellings of its own: what
// is one user to one of them may be two to another.
type Composite interface {
	// Spelling returns how the names of users are spelled whose
	// Identity.Source is source, and of the groups that they are in.
	Spelling(source string) Canonicalizer
}

// A Resolver can say who somebody is without a password.
type Resolver interface {
	// Resolve returns the Identity that a login as user would have. Its errors
	// are those of Authenticate, but for a wrong password, and
	// [errors.ErrUnsupported] where it cannot tell.
	Resolve(ctx context.Context, user string) (Identity, error)
}

// A Guarded backend counts wrong passwords and locks an account after too many of
// them. Its Authenticate is Resolve and then Verify, so that whoever stands in
// front of it knows whose account a guess would count against before it is made.
type Guarded interface {
	Backend
	Resolver

	// Verify checks the password of an Identity that Resolve has just returned,
	// with one guess at most. The Identity that it returns may say more than
	// the one that it was given. An error that is no answer wraps ErrUntried if
	// the guess has certainly not been made.
	Verify(ctx context.Context, id Identity, password string) (Identity, error)
}

// ErrUntried says of an error of [Guarded.Verify] that no guess was made, so that
// none can have been counted.
var ErrUntried = errors.New("password not tried")

// A Revalidator can say without a password whether a login still counts.
type Revalidator interface {
	// Revalidate returns who the user is now that logged in as id, which differs
	// from id where the account was moved. It fails with an error that is
	// [Refused] if there is no such account any more, it may not log in, or its
	// password was changed since ([ErrOutdated]), with one that wraps
	// ErrUnavailable if that could not be found out, and with
	// [errors.ErrUnsupported] if it never can be. With a refusal that says how the
	// account stands, see [StandingOf], it may return who the user is all the same.
	Revalidate(ctx context.Context, id Identity) (Identity, error)
}

// A Confirmer can say whether an Identity of some time ago still counts, for somebody who
// can prove without the password that it is theirs.
type Confirmer interface {
	// Confirm returns who id is by now. Its errors are those of Authenticate. An
	// Identity that the backend can tell nothing of without a password counts.
	Confirm(ctx context.Context, id Identity) (Identity, error)

	// ConfirmAccount does so for somebody who can prove that the account of id is theirs,
	// whatever its password. id needs no more than what says which account it is. There is
	// no answer where the backend shows nothing to compare that with.
	ConfirmAccount(ctx context.Context, id Identity) (Identity, error)
}

// A Follower can say what a Revalidator is good for.
type Follower interface {
	// Follows reports whether Revalidate can tell for as long as one likes whether id
	// still counts: it needs no password, and tells the account from another one that was
	// made anew under its name. It is cheap, and asks nobody.
	Follows(id Identity) bool
}

// A Throttler bounds how many logins fail.
type Throttler interface {
	// Fail counts a login that was refused before it came here, which refusal says why.
	// It returns that, or an error that wraps [ErrThrottled] if too many have failed.
	Fail(ctx context.Context, refusal error) error
}

// A Reporter can say how it is.
type Reporter interface {
	// Status is cheap, and asks nobody.
	Status() Status
}

// A Prober leaves servers and accounts that failed alone for a while. Somebody who has put
// them in order can tell it so.
type Prober interface {
	// Retry lets the next request try a service account again whose password was
	// refused. It connects to no server itself. It reports false, and changes
	// nothing, less than a minute after the last time.
	Retry() bool

	// Probe does what Retry does, and tries each server at once. A server that
	// answers is in use again.
	Probe(ctx context.Context) []Trial
}

// Trial is what came of trying a server.
type Trial struct {
	Server string // its address
	Took   time.Duration
	Err    error // nil if it can be used
}
