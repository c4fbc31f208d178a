package gateway

import (
	"errors"
	"sync/atomic"

	"gatehouse/backend/fault"
	"gatehouse/gateway/listing"
)

// lists is what all lists that are made have in common.
type lists struct {
	seal *listing.Seal
	left atomic.Int64 // bytes that names may take in memory
}

func newLists() *lists {
	l := &lists{seal: listing.NewSeal()}
	l.left.Store(int64(affordable(listsPart, 1)))
	return l
}

// listStep is how many bytes are taken at once.
const listStep = 64 << 10

var errListMemory = fault.With("request.lists_memory", errors.New("the lists that are made take all of the memory for them"))

// listMemory is what one list has taken of it.
type listMemory struct {
	from        *lists
	taken, used int64
}

func (l *lists) borrow() *listMemory { return &listMemory{from: l} }

// keep takes memory for so many bytes more.
func (m *listMemory) keep(bytes int) error {
	m.used += int64(bytes)
	for m.used > m.taken {
		if m.from.left.Add(-listStep) < 0 {
			m.from.left.Add(listStep)
			return errListMemory
		}
		m.taken += listStep
	}
	return nil
}

func (m *listMemory) giveBack() { m.from.left.Add(m.taken) }
