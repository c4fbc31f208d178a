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

// Memory bounds what the hashes take that are computed at once, by all backends that
// share it. Each argon2id or yescrypt hash takes as much as its file says, before it is
// known whether the guess is right: enough guesses at once would end the process.
type Memory struct{ budget *budget }

// NewMemory returns a bound of so many bytes.
func NewMemory(total int) *Memory { return &Memory{newBudget(total)} }

// Stats returns how many of the total bytes are in use, and how many logins wait for some.
func (m *Memory) Stats() (used, total, waiting int) {
	used, waiting = m.budget.stats()
	return used, m.budget.total, waiting
}

// defaultMemory has room for two of the largest hashes.
const defaultMemory = 2 * argon2MemoryMax << 10

// check returns what is wrong with a file of users, of which no hash could be computed
// if it took more than there is.
func (m *Memory) check(u *users) error {
	if u.memory <= m.budget.total {
		return nil
	}
	return fmt.Errorf("%s: the hash takes %d MiB of memory, and all that are computed at once may take %d MiB: set the password anew with gatehouse passwd, or give the program more memory",
		u.memoryAt, u.memory>>20, m.budget.total>>20)
}

// slots bounds how many hashes are computed at once. More of them than there
// are processors would finish no sooner, and would take the processors away
// from the requests of everybody who is logged in already.
type slots struct {
	memory  *Memory
	running *budget
	present [lines]chan struct{} // running or waiting
}

func newSlots(running, waiting int, memory *Memory) slots {
	s := slots{memory: memory, running: newBudget(running)}
	for in := range s.present {
		s.present[in] = make(chan struct{}, running+waiting)
	}
	return s
}

// do calls f once there is a slot for it, and the memory that it takes. Whoever waits for
// memory keeps no slot from those who need none.
func (s slots) do(ctx context.Context, memory int, f func()) error {
	if ctx.Err() != nil {
		return gaveUp(ctx)
	}
	in := lineOf(ctx)
	select {
	case s.present[in] <- struct{}{}:
		defer func() { <-s.present[in] }()
	default:
		return fault.With("backend.overloaded", fmt.Errorf("%w: too many logins at once", backend.ErrUnavailable))
	}
	if memory > 0 { // else it would wait behind those who need some
		if s.memory.budget.acquire(ctx, memory, in) != nil {
			return gaveUp(ctx)
		}
		defer s.memory.budget.release(memory)
	}
	if s.running.acquire(ctx, 1, in) != nil {
		return gaveUp(ctx)
	}
	defer s.running.release(1)
	f()
	return nil
}

// lineOf returns the line of whoever asks.
func lineOf(ctx context.Context) line {
	if call := backend.CallOf(ctx); call != nil && call.Ahead {
		return ahead
	}
	return strangers
}

func gaveUp(ctx context.Context) error {
	return fault.With("backend.gave_up", fmt.Errorf("%w: the caller gave up: %w", backend.ErrUnavailable, ctx.Err()))
}
