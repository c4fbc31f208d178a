package sockets

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"gatehouse/gateway/upstream"
)

// Socket is the connection of a client, below TLS. It counts until it is closed.
type Socket struct {
	net.Conn
	all    *Set
	remote net.Addr      // of the client, which a proxy may have told
	early  []byte        // received behind what the proxy told
	left   chan struct{} // closed when it does not count any more

	unnamed bool // see isUnnamed

	idling atomic.Pointer[idling] // nil for one of HTTP/1, which has another way

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
	standing    standing     // of where it comes from, when it came
	handshaking bool
	wide        bool // has a wide window
	guest       bool
	owner       upstream.Client // who has logged in on it; the zero value while nobody has
}

// Of returns the socket below c, nil for a connection of another origin.
func Of(c net.Conn) *Socket {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	s, _ := c.(*Socket)
	return s
}

// Vouch says that one of its requests is allowed, or from somebody who logged in.
func (s *Socket) Vouch() {
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
	s.all.reputation.praise(s.home())
}

// home returns the network that it comes from, which need not be one that it counts for.
func (s *Socket) home() netip.Prefix { return NetworkOf(AddrOf(s)) }

// Refuse notes that a login on it was refused, and with later that the client was told to
// come back.
func (s *Socket) Refuse(later bool) {
	if s == nil || s.vouched.Load() {
		return
	}
	s.refused.Add(1)
	if later {
		s.Hold()
	}
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	s.all.reputation.blame(s.home())
}

// IsTurnedAway reports whether its user has too many others.
func (s *Socket) IsTurnedAway() bool { return s != nil && s.turnedAway.Load() }

// IsUnnamed reports whether a proxy has handed it on without naming the client. The
// address is the proxy's then, and what is said on it is not.
func (s *Socket) IsUnnamed() bool { return s != nil && s.unnamed }

// SetWaiting says whether the client is the one to do something.
func (s *Socket) SetWaiting(waiting bool) {
	if s == nil {
		return
	}
	s.idling.Load().set(waiting)
	switch {
	case !s.vouched.Load():
	case waiting:
		s.waits.Store(time.Now().UnixNano())
	default:
		s.waits.Store(0)
	}
}

func (s *Socket) isWaiting() bool { return s.waits.Load() != 0 }

// isSettling reports whether s has just come and was refused nothing; see [Tenure].
func (s *Socket) isSettling(tenure time.Duration) bool {
	if !s.spoke.Load() {
		tenure = min(tenure, SilentTenure)
	}
	return !s.vouched.Load() && s.refused.Load() == 0 && time.Since(time.Unix(0, s.waits.Load())) < tenure
}

// Read implements [net.Conn].
func (s *Socket) Read(p []byte) (int, error) {
	if len(s.early) == 0 {
		n, err := s.Conn.Read(p)
		if n > 0 && !s.spoke.Load() {
			s.spoke.Store(true)
		}
		if err == nil {
			s.awaitRead() // also where it was held while this waited for the client
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
func (s *Socket) RemoteAddr() net.Addr { return s.remote }

// Close implements [net.Conn].
func (s *Socket) Close() error {
	s.idling.Load().end()
	s.all.leave(s)
	return s.Conn.Close()
}

// CloseWrite ends what the client receives, and nothing else.
func (s *Socket) CloseWrite() error {
	if c, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Reset closes the connection so that the client can tell that something is missing.
func (s *Socket) Reset() {
	if t, ok := s.Conn.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	s.Close()
}

// AddrOf returns the address that a connection comes from, the zero value for one
// that has none.
func AddrOf(c net.Conn) netip.Addr {
	addr, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	return addr.Addr().Unmap()
}
