package gateway

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

// sockets are the connections of clients that are open. Where there are too many,
// those make room that have been of no use for longest: on which nobody has logged in
// since they came, or that wait for their client. It costs an honest one no more than
// to connect again, and one that means to shut others out gives up a place with each
// that it takes.
type sockets struct {
	mu          sync.Mutex
	open        map[*socket]struct{}
	from        tally.Of[netip.Prefix]
	of          tally.Of[upstream.Client]
	handshaking int
	wide        int // that have a wide window
	wideFrom    tally.Of[netip.Prefix]
	guests      int
	guestLine   chan struct{} // held by the one who is to be received next
	guestLeft   chan struct{} // told when a guest has left

	closed  atomic.Uint64 // to make room
	refused [refusedKinds]atomic.Uint64
}

func newSockets() *sockets {
	return &sockets{
		open: map[*socket]struct{}{}, from: tally.Of[netip.Prefix]{}, wideFrom: tally.Of[netip.Prefix]{}, of: tally.Of[upstream.Client]{},
		guestLine: make(chan struct{}, 1), guestLeft: make(chan struct{}, 1),
	}
}

// shedPart is which part of those who wait make room at once. To find out who has
// waited longest takes a look at all of them, which must not be done for each new one.
const shedPart = 32

// tenure is how long a client has its place at least before it makes room, unless a
// login of it was refused. It is enough for a handshake and a first request on a busy
// machine: where strangers come faster than those are done, each would push out the
// next one, and a user among them would never come in.
const tenure = 2 * time.Second

// silentTenure is that of a client that has sent nothing. An honest one begins its
// handshake at once.
const silentTenure = 500 * time.Millisecond

// roomPause is how often somebody who waits for room looks for it.
const roomPause = 20 * time.Millisecond

// enter takes in a connection that was accepted. It returns nil for one too many,
// which it closes, after a moment in which room might have come. Nobody else is
// accepted meanwhile: those wait in the queue of the kernel, in their order.
func (s *sockets) enter(c net.Conn, now terms) *socket {
	sock := &socket{Conn: c, all: s, remote: c.RemoteAddr(), left: make(chan struct{})}
	sock.waits.Store(time.Now().UnixNano())
	network := now.cappedNetwork(addrOf(c))
	for began := time.Now(); ; time.Sleep(roomPause) {
		switch reason := s.place(sock, network, now); {
		case reason == placed:
			return sock
		case reason == refusedTotal && time.Since(began) < tenure:
		default:
			s.refuse(c, reason)
			return nil
		}
	}
}

// placed is what place returns where it has found room.
const placed = -1

// place takes in a connection, or returns why it cannot be.
func (s *sockets) place(sock *socket, network netip.Prefix, now terms) (refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isCrowded(network, now.limits) {
		return refusedAddress
	}
	if len(s.open) >= now.limits.Connections && s.shed((*socket).isWaiting, func(c *socket) bool { return c.isSettling(tenure) }) == 0 {
		now.makeRoom()
		return refusedTotal
	}
	s.open[sock] = struct{}{}
	s.count(sock, network)
	return placed
}

// isCrowded reports whether no further connection may come from network. It is called
// with mu held.
func (s *sockets) isCrowded(network netip.Prefix, l limits.Bounds) bool {
	return network.IsValid() && s.from[network] >= l.PerAddress
}

var errTooManyFrom = errors.New("too many connections come from there")

// readdress counts c for the client that a proxy speaks for.
func (s *sockets) readdress(c *socket, addr net.Addr, now terms) error {
	c.remote = addr
	network := now.cappedNetwork(addrOf(c))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isCrowded(network, now.limits) {
		s.refused[refusedAddress].Add(1)
		return errTooManyFrom
	}
	if _, ok := s.open[c]; ok {
		s.discount(c)
		s.count(c, network)
	}
	return nil
}

// count and discount are called with mu held.
func (s *sockets) count(c *socket, network netip.Prefix) {
	c.network = network
	if network.IsValid() {
		s.from.Add(network)
	}
}

func (s *sockets) discount(c *socket) {
	s.from.Drop(c.network)
}

// leave takes out a connection that is closed. It may be called again.
func (s *sockets) leave(c *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(c)
}

// remove is leave with mu held.
func (s *sockets) remove(c *socket) {
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
		s.of.Drop(c.owner)
	}
}

// claim counts c for the user who has logged in on it first, and reports false if that
// one has as many connections as limit.
func (s *socket) claim(user upstream.Client, limit int) bool {
	if s == nil {
		return true
	}
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	_, open := s.all.open[s]
	switch {
	case !open || s.owner != (upstream.Client{}):
	case s.all.of[user] >= limit:
		s.all.refused[refusedUser].Add(1)
		s.turnedAway.Store(true)
		s.refused.Add(1) // and it makes room first
		return false
	default:
		s.owner = user
		s.all.of.Add(user)
	}
	return true
}

// wideShare is the part of the wide windows that one network may have: connections have
// them before anybody has logged in.
const wideShare = 4

// widen reports whether there is memory to give s a wide window, of which there may be
// limit.
func (s *socket) widen(limit int) bool {
	if s == nil {
		return false
	}
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if _, ok := s.all.open[s]; !ok || s.all.wide >= limit || s.network.IsValid() && s.all.wideFrom[s.network] >= max(1, limit/wideShare) {
		return false
	}
	s.all.wide++
	s.all.wideFrom.Add(s.network)
	s.wide = true
	return true
}

// setHandshaking is called with mu held.
func (s *sockets) setHandshaking(c *socket, yes bool) {
	switch {
	case c.handshaking == yes:
		return
	case yes:
		s.handshaking++
	default:
		s.handshaking--
	}
	c.handshaking = yes
}

// beginHandshake makes room among the handshakes that are under way, of which there
// may be limit.
func (s *sockets) beginHandshake(c *socket, limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handshaking >= limit {
		s.shed(func(c *socket) bool { return c.handshaking }, nobody)
	}
	if _, ok := s.open[c]; ok {
		s.setHandshaking(c, true)
	}
}

// endHandshake says that c has made its handshake. It has as long for its first request
// as it had for that.
func (s *sockets) endHandshake(c *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setHandshaking(c, false)
	c.waits.Store(time.Now().UnixNano())
}

func nobody(*socket) bool { return false }

// all returns those that are open.
func (s *sockets) all() []*socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.open))
}

// shedCount returns how many were closed to make room.
func (s *sockets) shedCount() uint64 { return s.closed.Load() }

// counts returns how many are open, and how many handshakes are under way.
func (s *sockets) counts() (open, handshaking int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open), s.handshaking
}
