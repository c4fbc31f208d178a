package sockets

import (
	"errors"
	"time"
)

// A guest is a connection of HTTP/2 on which nobody has logged in yet. It may have
// requests under way for all of which net/http has taken memory before anybody has
// decided, so that guests are far fewer than connections may be. Those for whom there is
// no room wait behind the handshake, where they take little.

// GuestTenure is how long a guest has its place at least, as [Tenure]. The request of an
// honest client is there before it is received, and is decided at once if its user is
// remembered. Where many wait, one who keeps the gateway waiting must not hold them up.
const GuestTenure = 250 * time.Millisecond

// ErrNoRoom says that a connection had to go before it was a guest.
var ErrNoRoom = errors.New("it was closed while it waited for room")

// Receive waits until c may be a guest, of whom there may be limit. Whoever has the better
// standing goes first, and then whoever came first. It reports false if c was closed
// meanwhile.
func (s *Set) Receive(c *Socket, limit int) bool {
	c.waits.Store(0) // it waits for the gateway
	s.guestLine.enter(s.standingOf(c))
	defer s.guestLine.leave()
	for {
		if open, received := s.tryReceive(c, limit); received || !open {
			return received
		}
		select {
		case <-s.guestLeft:
		case <-time.After(roomPause): // one that came before has been silent for long enough
		}
	}
}

// tryReceive makes c a guest if there is room, or if another guest can make room.
func (s *Set) tryReceive(c *Socket, limit int) (open, received bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open = s.open[c]; !open {
		return false, false
	}
	if s.guests >= limit && s.closeSome(func(c *Socket) bool { return c.guest }, c.spares(GuestTenure)) == 0 {
		return true, false
	}
	c.guest = true
	s.guests++
	c.waits.Store(time.Now().UnixNano()) // its tenure begins
	return true, true
}

func (s *Set) standingOf(c *Socket) standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.standing
}

// partWith makes c no guest any more: somebody has logged in on it, or it is closed. It
// may be called again, and is called with mu held.
func (s *Set) partWith(c *Socket) {
	if !c.guest {
		return
	}
	c.guest = false
	s.guests--
	select {
	case s.guestLeft <- struct{}{}:
	default: // the one who waits knows
	}
}
