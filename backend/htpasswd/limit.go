package htpasswd

import (
	"context"
	"fmt"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// queueLength bounds how many callers wait for a slot. On two cores, bcrypt of
// cost 10 serves so many within the ten seconds that a login may take; whoever
// finds the queue full is told at once to come back later.
const queueLength = 256

// slots bounds how many hashes are computed at once. More of them than there
// are processors would finish no sooner, and would take the processors away
// from the requests of everybody who is logged in already.
type slots struct {
	running chan struct{}
	present chan struct{} // running or waiting
}

func newSlots(running, waiting int) slots {
	return slots{
		running: make(chan struct{}, running),
		present: make(chan struct{}, running+waiting),
	}
}

// do calls f once there is a slot for it.
func (s slots) do(ctx context.Context, f func()) error {
	if ctx.Err() != nil {
		return gaveUp(ctx)
	}
	select {
	case s.present <- struct{}{}:
		defer func() { <-s.present }()
	default:
		return fault.With("backend.overloaded", fmt.Errorf("%w: too many logins at once", backend.ErrUnavailable))
	}
	select {
	case s.running <- struct{}{}:
		defer func() { <-s.running }()
	case <-ctx.Done():
		return gaveUp(ctx)
	}
	f()
	return nil
}

func gaveUp(ctx context.Context) error {
	return fault.With("backend.gave_up", fmt.Errorf("%w: the caller gave up: %w", backend.ErrUnavailable, ctx.Err()))
}
