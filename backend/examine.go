package backend

import (
	"context"
	"time"
)

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
