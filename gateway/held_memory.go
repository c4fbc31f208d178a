package gateway

import (
	"errors"
	"sync"

	"gatehouse/backend/fault"
	"gatehouse/gateway/limits"
	"gatehouse/gateway/upstream"
)

// heldMemory is what requests may take together of the memory for what they hold until
// there is an answer: names of a list, or a manifest.
type heldMemory struct {
	mu      sync.Mutex
	left    int64
	each    int64                     // that one client may have at once
	clients map[upstream.Client]int64 // what they have
}

// newHeldMemory returns as much as the memory of the process allows. One client may have
// half of it, and in any case what the largest manifest takes while its buffer grows.
func newHeldMemory() *heldMemory {
	all := limits.Affordable(limits.HeldPart, 1)
	return &heldMemory{left: int64(all), each: int64(heldShare(all)), clients: map[upstream.Client]int64{}}
}

// heldShare returns what one client may have of all.
func heldShare(all int) int { return min(all, max(all/2, 3*maxManifest)) }

// heldStep is how many bytes are taken at once.
const heldStep = 64 << 10

var errHeldMemory = fault.With("request.held_memory", errors.New("the lists and manifests that are held take all of the memory for them, or this client has its share"))

// loan is what one request has taken of it. The zero value has taken nothing.
type loan struct {
	from        *heldMemory
	client      upstream.Client
	taken, used int64
}

// lend begins a loan for a client.
func (m *heldMemory) lend(client upstream.Client) loan { return loan{from: m, client: client} }

// take takes one step for a client, and reports whether it may.
func (m *heldMemory) take(client upstream.Client) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left < heldStep || m.clients[client]+heldStep > m.each {
		return false
	}
	m.left -= heldStep
	m.clients[client] += heldStep
	return true
}

// keep takes memory for so many bytes more; for less than none it may be taken again.
func (l *loan) keep(bytes int) error {
	l.used += int64(bytes)
	for l.used > l.taken {
		if !l.from.take(l.client) {
			return errHeldMemory
		}
		l.taken += heldStep
	}
	return nil
}

// giveBack ends the loan.
func (l *loan) giveBack() {
	if m := l.from; m != nil && l.taken > 0 {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.left += l.taken
		if m.clients[l.client] -= l.taken; m.clients[l.client] == 0 {
			delete(m.clients, l.client)
		}
	}
	*l = loan{}
}

// noRoom is the answer where there is no memory for it.
func noRoom(err error) *problem {
	return unavailable("the gateway has too much to do at the moment; please try again", err)
}
