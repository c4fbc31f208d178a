package backend

import (
	"context"
	"errors"

	"gatehouse/backend/fault"
)

// A Backend checks credentials. Its methods may be called from any number of
// goroutines at once, and return soon after ctx is done, with an error that
// wraps ctx.Err() and [ErrUnavailable].
type Backend interface {
	// Authenticate checks that password belongs to user and returns who that
	// is. The name and the password are what the client sent, checked for
	// nothing: a Backend answers ErrUnknownUser or ErrWrongPassword for what
	// it cannot hold (an empty or an over-long password, a NUL in a name) and
	// must not be confused by it.
	Authenticate(ctx context.Context, user, password string) (Identity, error)

	// Groups returns the names of all groups that id, an Identity returned by
	// Authenticate of the same Backend, is in. No groups is an empty slice and
	// no error; an error means that they are not known, or, where it is an
	// [Incomplete], not all of them. The caller may keep and modify the slice.
	Groups(ctx context.Context, id Identity) ([]string, error)
}

// Identity is a user as a backend knows it. It is comparable.
type Identity struct {
	// User is the name as the backend spells it, which need not be what was
	// typed. Rules, caches, logs and upstream headers use this name alone.
	User string

	// Handle is what the backend needs to find the user again, such as a
	// distinguished name. It may be empty and means nothing to anybody else.
	Handle string

	// Source is the name of the configured backend that vouched for the user.
	Source string

	// Anchor says who the user is whatever else becomes of the account: its name,
	// its place, its password. It is "kind:value", such as "entryUUID:3f2a…", with
	// a value that the backend never gives to another account. Empty where the
	// backend has none. Compare anchors with [Identity.SameAs].
	Anchor string

	// Changed says when the password was last changed, as "kind:time" with a time
	// as RFC 3339 has it, in UTC, so that times sort as text, or with a date alone.
	// Empty where the backend does not tell.
	Changed string

	// OnGrace says that the password has expired, and that the backend counts the
	// logins which it still lets in. A [Cache] spends no further one for as long as
	// a [Revalidator] lets the user go on.
	OnGrace bool

	// Expires says when the password expires, as RFC 3339 has it, in UTC. Empty where
	// the backend does not tell, or is configured to find that too far off.
	Expires string
}

// The answers that are not a success; see the package documentation.
var (
	// ErrUnknownUser: this backend has no such user. It is the only answer
	// after which a chain asks its next member.
	ErrUnknownUser = fault.Kind("login.unknown_user", "unknown user")

	// ErrWrongPassword: the user is known here, and the password is wrong.
	ErrWrongPassword = fault.Kind("login.wrong_password", "wrong password")

	// ErrLocked: the user may not log in whatever the password: locked,
	// disabled, expired, or bound to change the password first.
	ErrLocked = fault.Kind("login.locked", "account may not log in")

	// ErrUnavailable: the backend could not be asked, or not in time.
	ErrUnavailable = fault.Kind("backend.unavailable", "backend unavailable")

	// ErrThrottled: too many logins failed; [RetryAfter] says how long to wait.
	ErrThrottled = fault.Kind("flood.throttled", "too many failed logins")
)

// Refuse returns a refusal of a kind, such as [ErrLocked], that says why in words which
// leave nothing for the text of the kind to add.
func Refuse(kind error, why string) error { return &refusal{kind, why} }

type refusal struct {
	kind error
	why  string
}

// Error returns why.
func (r *refusal) Error() string { return r.why }

// Unwrap returns the kind.
func (r *refusal) Unwrap() error { return r.kind }

// Refused reports whether err is a definitive answer about the credentials, as
// against a failure to get one. It is none if it says in any way that a backend
// could not be asked.
func Refused(err error) bool {
	return !errors.Is(err, ErrUnavailable) &&
		(errors.Is(err, ErrUnknownUser) || errors.Is(err, ErrWrongPassword) || errors.Is(err, ErrLocked))
}

// RefusedBy reports whether err, of a Backend that is made of others, says that the
// one called source has refused, even if it is no answer as a whole. Such an error
// has a method of that name.
func RefusedBy(err error, source string) bool {
	var parts interface{ RefusedBy(source string) bool }
	return errors.As(err, &parts) && parts.RefusedBy(source)
}
