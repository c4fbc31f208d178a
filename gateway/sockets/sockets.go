// Package sockets holds the connections of clients from the moment that they are
// accepted: how many there may be, whose they are, and which of them makes room for the
// next one. It works below TLS and knows no requests. Whoever serves a connection says
// what came of it: somebody has logged in on it, a login was refused, it waits for its
// client.
//
// A [Set] lets connections in on the [Terms] of the configuration in force. Each is a
// [Socket]. [Of] returns nil for a connection that no set has let in, and what is said of
// a nil socket has no effect.
package sockets

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/gateway/limits"
	"gatehouse/gateway/tally"
	"gatehouse/gateway/upstream"
)

// Set is the connections of clients that are open. Where there are too many,
// those make room that have been of no use for longest: on which nobody has logged in
// since they came, or that wait for their client. It costs an honest one no more than
// to connect again, and one that means to shut others out gives up a place with each
// that it takes.
type Set struct {
	mu          sync.Mutex
	open        map[*Socket]struct{}
	from        tally.Of[netip.Prefix]
	of          tally.Of[upstream.Client]
	nextTurn    map[upstream.Client]time.Time // see [Socket.Hold]
	handshaking int
	nextShake   time.Time // see [Set.BeginHandshake]
	wide        int       // that have a wide window
	wideFrom    tally.Of[netip.Prefix]
	guests      int
	guestLine   line          // of those who are to be received
	guestLeft   chan struct{} // told when a guest has left
	reputation  reputation    // of networks
	apart       waiters

	shed     atomic.Uint64 // to make room
	delayed  [delayedKinds]atomic.Uint64
	refusals [refusedKinds]atomic.Uint64
}

// NewSet returns a set without connections.
func NewSet() *Set {
	return &Set{
		open: map[*Socket]struct{}{}, from: tally.Of[netip.Prefix]{}, wideFrom: tally.Of[netip.Prefix]{}, of: tally.Of[upstream.Client]{},
		nextTurn: map[upstream.Client]time.Time{}, guestLeft: make(chan struct{}, 1), reputation: newReputation(),
	}
}

// shedPart is which part of those who wait make room at once. To find out who has
// waited longest takes a look at all of them, which must not be done for each new one.
const shedPart = 32

// Tenure is how long a client has its place at least before it makes room, unless a
// login of it was refused. It is enough for a handshake and a first request on a busy
// machine: where strangers come faster than those are done, each would push out the
// next one, and a user among them would never come in.
const Tenure = 2 * time.Second

// SilentTenure is that of a client that has sent nothing. An honest one begins its
// handshake at once.
const SilentTenure = 500 * time.Millisecond

// placed is what place returns where it has found room.
const placed = -1

// place takes in a connection, or returns why it cannot be.
func (s *Set) place(a arrival) (refused int) {
	sock, network, now := a.Socket, a.network, a.now
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isCrowded(network, now.Limits) {
		return refusedAddress
	}
	sock.standing = s.reputation.of(sock.home())
	if len(s.open) >= now.Limits.Connections && s.closeSome((*Socket).isWaiting, sock.spares(Tenure)) == 0 {
		now.MakeRoom()
		return refusedTotal
	}
	s.open[sock] = struct{}{}
	s.count(sock, network)
	return placed
}

// isCrowded reports whether no further connection may come from network. It is called
// with mu held.
func (s *Set) isCrowded(network netip.Prefix, l limits.Bounds) bool {
	return network.IsValid() && s.from[network] >= l.PerAddress
}

var errTooManyFrom = errors.New("too many connections come from there")

// readdress counts c for the client that a proxy speaks for.
func (s *Set) readdress(c *Socket, addr net.Addr, now Terms) error {
	c.remote = addr
	network := now.cappedNetwork(AddrOf(c))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isCrowded(network, now.Limits) {
		s.refusals[refusedAddress].Add(1)
		return errTooManyFrom
	}
	if _, ok := s.open[c]; ok {
		s.discount(c)
		s.count(c, network)
		c.standing = s.reputation.of(c.home())
	}
	return nil
}

// count and discount are called with mu held.
func (s *Set) count(c *Socket, network netip.Prefix) {
	c.network = network
	if network.IsValid() {
		s.from.Add(network)
	}
}

func (s *Set) discount(c *Socket) {
	s.from.Drop(c.network)
}

// leave takes out a connection that is closed. It may be called again.
func (s *Set) leave(c *Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(c)
}

// remove is leave with mu held.
func (s *Set) remove(c *Socket) {
	if _, ok := s.open[c]; !ok {
		return
	}
	delete(s.open, c)
	close(c.left)
	s.discount(c)
	s.setHandshaking(c, false)
	s.partWith(c)
	if c.wide {
		s.wide--
		s.wideFrom.Drop(c.network)
	}
	if c.owner != (upstream.Client{}) {
		if s.of.Drop(c.owner); s.of[c.owner] == 0 {
			delete(s.nextTurn, c.owner)
		}
	}
}

// Claim counts c for the user who has logged in on it first, and reports false if that
// one has as many connections as limit.
func (s *Socket) Claim(user upstream.Client, limit int) bool {
	if s == nil {
		return true
	}
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	_, open := s.all.open[s]
	switch {
	case !open || s.owner != (upstream.Client{}):
	case s.all.of[user] >= limit:
		s.all.refusals[refusedUser].Add(1)
		s.turnedAway.Store(true)
		s.refused.Add(1) // and it makes room first
		s.all.reputation.banish(s.home())
		return false
	default:
		s.owner = user
		s.all.of.Add(user)
	}
	return true
}

// WideShare is the part of the wide windows that one network may have: connections have
// them before anybody has logged in.
const WideShare = 4

// Widen reports whether there is memory to give s a wide window, of which there may be
// limit.
func (s *Socket) Widen(limit int) bool {
	if s == nil {
		return false
	}
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if _, ok := s.all.open[s]; !ok || s.all.wide >= limit || s.network.IsValid() && s.all.wideFrom[s.network] >= max(1, limit/WideShare) {
		return false
	}
	s.all.wide++
	s.all.wideFrom.Add(s.network)
	s.wide = true
	return true
}

// All returns those that are open.
func (s *Set) All() []*Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.open))
}

// Shed returns how many were closed to make room.
func (s *Set) Shed() uint64 { return s.shed.Load() }

// Counts returns how many are open, and how many handshakes are under way.
func (s *Set) Counts() (open, handshaking int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open), s.handshaking
}
