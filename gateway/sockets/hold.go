package sockets

import (
	"time"

	"gatehouse/gateway/upstream"
)

// A client that asks for more than it may have is answered with 503, and its connection is
// held: nothing is read from it for a moment, which grows each time until it gets what it
// asks for. An honest client does not notice; one that floods the gateway waits instead of
// costing others their turn.
//
// Of several connections of one user that are held, one after the other is read from again.
// All requests of a connection may come at once then, and if those of all connections did,
// the requests of others would wait until these were refused.
const (
	MinPause = 100 * time.Millisecond // half of the first one
	MaxPause = 4 * time.Second        // less than a client is told to wait

	WideGap   = 50 * time.Millisecond // behind a wide connection
	NarrowGap = 5 * time.Millisecond  // behind any other
	MaxTurn   = 30 * time.Second      // until the turn of the last one
)

// Hold has nothing read from s for a moment. Further calls within it make the next one
// longer.
func (s *Socket) Hold() {
	if s == nil {
		return
	}
	now, times := time.Now(), s.held.Add(1)
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if s.pause.Load() <= now.UnixNano() {
		until := now.Add(min(MinPause<<min(times, 8), MaxPause))
		s.pause.Store(s.all.turnOf(s, until, now.Add(MaxTurn)).UnixNano())
	}
}

// turnOf returns when it is the turn of c, which is between those times. It is called with
// mu held.
func (s *Set) turnOf(c *Socket, earliest, latest time.Time) time.Time {
	if _, open := s.open[c]; !open || c.owner == (upstream.Client{}) {
		return earliest
	}
	turn := earliest
	if next := s.nextTurn[c.owner]; next.After(turn) {
		turn = next
	}
	if turn.After(latest) {
		turn = latest
	}
	gap := NarrowGap
	if c.wide {
		gap = WideGap
	}
	s.nextTurn[c.owner] = turn.Add(gap)
	return turn
}

// IsHeld reports whether it is held.
func (s *Socket) IsHeld() bool { return s != nil && s.held.Load() > 0 }

// Resume says that its client got what it asked for.
func (s *Socket) Resume() {
	if s.IsHeld() {
		s.held.Store(0)
	}
}

// awaitRead waits while s is held.
func (s *Socket) awaitRead() {
	until := s.pause.Load()
	if until == 0 {
		return
	}
	s.all.delayed[delayedRequests].Add(1)
	select {
	case <-time.After(time.Until(time.Unix(0, until))):
	case <-s.left: // or it would keep its memory meanwhile
	}
	s.pause.CompareAndSwap(until, 0)
}
