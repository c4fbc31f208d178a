package gateway

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"gatehouse/gateway/upstream"
)

// socket is the connection of a client, below TLS. It counts until it is closed.
type socket struct {
	net.Conn
	all    *sockets
	remote net.Addr      // of the client, which a proxy may have told
	early  []byte        // received behind what the proxy told
	left   chan struct{} // closed when it does not count any more

	unnamed bool // see isUnnamed

	// waits is since when it has been of no use to anybody, in nanoseconds since 1970:
	// since it came, and, once somebody has vouched for it, since nobody has a request
	// on it. It is 0 while it is of use.
	waits      atomic.Int64
	vouched    atomic.Bool
	spoke      atomic.Bool  // the client has sent something
	refused    atomic.Int32 // logins on it, while nobody has vouched for it
	turnedAway atomic.Bool  // its user has too many others
	held       atomic.Int32 // how often in a row nothing was read from it for a moment
	pause      atomic.Int64 // until when nothing is read from it, as waits

	// Guarded by all.mu.
	network     netip.Prefix // that it counts for; the zero value for none
	handshaking bool
	wide        bool // has a wide window
	guest       bool
	owner       upstream.Client // who has logged in on it; the zero value while nobody has
}

// socketOf returns the socket below c, nil for a connection of another origin.
func socketOf(c net.Conn) *socket {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	s, _ := c.(*socket)
	return s
}

// vouch says that one of its requests is allowed, or from somebody who logged in.
func (s *socket) vouch() {
	if s == nil || s.vouched.Load() {
		return
	}
	s.all.mu.Lock() // or it would be shed between these steps
	defer s.all.mu.Unlock()
	if s.vouched.Swap(true) {
		return
	}
	s.waits.Store(0)
	s.all.partWith(s)
}

// refuse notes that a login on it was refused, and with later that the client was told to
// come back.
func (s *socket) refuse(later bool) {
	if s == nil || s.vouched.Load() {
		return
	}
	s.refused.Add(1)
	if later {
		s.hold()
	}
}

// isTurnedAway reports whether its user has too many others.
func (s *socket) isTurnedAway() bool { return s != nil && s.turnedAway.Load() }

// isUnnamed reports whether a proxy has handed it on without naming the client. The
// address is the proxy's then, and what is said on it is not.
func (s *socket) isUnnamed() bool { return s != nil && s.unnamed }

// hold has nothing read from s for a moment, which grows each time until resume. An
// honest client does not notice; one that floods the gateway waits instead of costing
// others their turn.
func (s *socket) hold() {
	if s != nil {
		s.pause.Store(time.Now().Add(min(minPause<<min(s.held.Add(1), 8), maxPause)).UnixNano())
	}
}

// isHeld reports whether it is held.
func (s *socket) isHeld() bool { return s.held.Load() > 0 }

// resume says that its client got what it asked for.
func (s *socket) resume() {
	if s != nil && s.isHeld() {
		s.held.Store(0)
	}
}

const (
	minPause = 100 * time.Millisecond
	maxPause = 4 * time.Second // less than a client is told to wait
)

// setWaiting says whether the client is the one to do something.
func (s *socket) setWaiting(waiting bool) {
	switch {
	case s == nil || !s.vouched.Load():
	case waiting:
		s.waits.Store(time.Now().UnixNano())
	default:
		s.waits.Store(0)
	}
}

func (s *socket) isWaiting() bool { return s.waits.Load() != 0 }

// isSettling reports whether s has just come and was refused nothing; see tenure.
func (s *socket) isSettling(tenure time.Duration) bool {
	if !s.spoke.Load() {
		tenure = min(tenure, silentTenure)
	}
	return !s.vouched.Load() && s.refused.Load() == 0 && time.Since(time.Unix(0, s.waits.Load())) < tenure
}

// Read implements [net.Conn].
func (s *socket) Read(p []byte) (int, error) {
	if until := s.pause.Load(); until != 0 {
		select {
		case <-time.After(time.Until(time.Unix(0, until))):
		case <-s.left: // or it would keep its memory meanwhile
		}
		s.pause.CompareAndSwap(until, 0)
	}
	if len(s.early) == 0 {
		n, err := s.Conn.Read(p)
		if n > 0 && !s.spoke.Load() {
			s.spoke.Store(true)
		}
		return n, err
	}
	n := copy(p, s.early)
	if s.early = s.early[n:]; len(s.early) == 0 {
		s.early = nil
	}
	return n, nil
}

// RemoteAddr implements [net.Conn].
func (s *socket) RemoteAddr() net.Addr { return s.remote }

// Close implements [net.Conn].
func (s *socket) Close() error {
	s.all.leave(s)
	return s.Conn.Close()
}

// CloseWrite ends what the client receives, and nothing else.
func (s *socket) CloseWrite() error {
	if c, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// reset closes the connection so that the client can tell that something is missing.
func (s *socket) reset() {
	if t, ok := s.Conn.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	s.Close()
}

// addrOf returns the address that a connection comes from, the zero value for one
// that has none.
func addrOf(c net.Conn) netip.Addr {
	addr, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	return addr.Addr().Unmap()
}
