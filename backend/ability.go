package backend

import (
	"context"
	"time"
)

// VersionOf returns b's version of user, and 0 where b is no [Versioner]. With
// it and its siblings a decorator passes on what the Backend inside it can do.
func VersionOf(b Backend, user string) uint64 {
	if v, ok := b.(Versioner); ok {
		return v.Version(user)
	}
	return 0
}

// CanonicalUserOf returns b's spelling of a user's name, and the name itself
// where b is no [Canonicalizer].
func CanonicalUserOf(b Backend, name string) string {
	if c, ok := b.(Canonicalizer); ok {
		return c.CanonicalUser(name)
	}
	return name
}

// CanonicalGroupOf returns b's spelling of a group's name, and the name itself
// where b is no [Canonicalizer].
func CanonicalGroupOf(b Backend, name string) string {
	if c, ok := b.(Canonicalizer); ok {
		return c.CanonicalGroup(name)
	}
	return name
}

// An Examiner can say step by step whether it works, for a command that finds
// out why it does not.
type Examiner interface {
	// Examine tries what a login takes and reports each step as it is done.
	// Without a user it stops before looking for one, and without a password
	// before checking it. It tries a password once.
	Examine(ctx context.Context, user, password string, report func(Finding))
}

// A Finding is the outcome of one step of an [Examiner].
type Finding struct {
	Step    string        // what was tried
	Subject string        // of what, such as the address of a server
	Text    string        // what came of it
	Advice  string        // what to do about it; empty if nothing
	Took    time.Duration // how long it took
	Failed  bool
}
