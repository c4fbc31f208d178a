package gateway

import (
	"errors"
	"sync/atomic"

	"gatehouse/backend/fault"
)

// heldMemory is what requests may take together of the memory for what they hold until
// there is an answer: names of a list, or a manifest.
type heldMemory struct{ left atomic.Int64 }

func newHeldMemory() *heldMemory {
	m := &heldMemory{}
	m.left.Store(int64(affordable(heldPart, 1)))
	return m
}

// heldStep is how many bytes are taken at once.
const heldStep = 64 << 10

var errHeldMemory = fault.With("request.held_memory", errors.New("the lists and manifests that are held take all of the memory for them"))

// loan is what one request has taken of it. The zero value has taken nothing.
type loan struct {
	from        *heldMemory
	taken, used int64
}

// lend begins a loan.
func (m *heldMemory) lend() loan { return loan{from: m} }

// keep takes memory for so many bytes more; for less than none it may be taken again.
func (l *loan) keep(bytes int) error {
	l.used += int64(bytes)
	for l.used > l.taken {
		if l.from.left.Add(-heldStep) < 0 {
			l.from.left.Add(heldStep)
			return errHeldMemory
		}
		l.taken += heldStep
	}
	return nil
}

// giveBack ends the loan.
func (l *loan) giveBack() {
	if l.from != nil {
		l.from.left.Add(l.taken)
	}
	*l = loan{}
}

// noRoom is the answer where there is no memory for it.
func noRoom(err error) *problem {
	return unavailable("the gateway has too much to do at the moment; please try again", err)
}
