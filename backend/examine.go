package backend

import (
	"context"
	"time"

	"gatehouse/backend/fault"
)

// An Examiner can say step by step whether it works, for a command that finds
// out why it does not.
type Examiner interface {
	// Examine tries what a login takes and reports each step as it is done.
	Examine(ctx context.Context, what Examination, report func(Finding))
}

// An Examination is what an [Examiner] is to look at.
type Examination struct {
	// User is somebody to look for, as typed into a login, and Password is the
	// user's, which is tried once. What is empty is not looked at.
	User, Password string

	// Groups are the names in rules that must be those of groups. With
	// OptionalGroups it is no failure if they are not, since another backend
	// may have them.
	Groups, OptionalGroups []string

	// MaxFailures is how many wrong passwords of a user are let through within
	// FailureWindow, to be compared with how many lock an account. 0 means that
	// nobody counts.
	MaxFailures   int
	FailureWindow time.Duration
}

// A Finding is the outcome of one step of an [Examiner].
type Finding struct {
	Step    string        // what was tried
	Subject string        // of what, such as the address of a server
	Text    string        // what came of it
	Details []string      // what was found, one by one
	Advice  string        // what to do about it; empty if nothing
	Command string        // what does the same by hand, in a shell
	Took    time.Duration // how long it took
	Failed  bool
	Code    fault.Code // of what failed, where there is one
}

// An Explainer can say why a user is in a group.
type Explainer interface {
	// Explain returns the groups of id, an Identity of this Backend.
	Explain(ctx context.Context, id Identity) ([]Membership, error)
}

// A Membership is that of a user in a group.
type Membership struct {
	Group  string   // as Groups returns it
	Names  []string // the other names by which rules may call it
	Shared []string // names of it that count for no group, since others have them too
	Path   []string // the groups that lead to it, which is the last; empty if that cannot be told
	At     []string // where the group is defined, each as FILE:LINE; empty where no file says so
}
