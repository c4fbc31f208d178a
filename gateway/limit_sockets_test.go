package gateway

import (
	"gatehouse/gateway/limits"
	"gatehouse/gateway/strict"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// testTerms let in everybody whom a gateway lets in that nobody has limited.
func testTerms() terms {
	var l limits.Limits
	l.SetDefaults()
	return terms{limits: l.Bounded(), makeRoom: func() {}}
}

// clientAt is the accepted connection of a client at that address.
type clientAt struct {
	net.Conn
	from   net.Addr
	closed bool
}

func newClientAt(addr string) *clientAt {
	return &clientAt{from: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 40000))}
}

func (c *clientAt) Read([]byte) (int, error) { return 0, net.ErrClosed }
func (c *clientAt) RemoteAddr() net.Addr     { return c.from }
func (c *clientAt) Close() error             { c.closed = true; return nil }

// enterFrom has a client connect n times and returns what was let in.
func enterFrom(s *sockets, now terms, addr string, n int) []*socket {
	var in []*socket
	for range n {
		if c := s.enter(newClientAt(addr), now); c != nil {
			in = append(in, c)
		}
	}
	return in
}

func isClosed(c *socket) bool { return c.Conn.(*clientAt).closed }

func TestConnectionsOfOneAddressAreLimited(t *testing.T) {
	now := testTerms()
	now.proxies = strict.Networks{netip.MustParsePrefix("10.0.0.0/24")}
	now.limits.PerAddress = 3
	for name, tt := range map[string]struct {
		first, second string
		let           int // of three and three
	}{
		"one address":                   {"192.0.2.1", "192.0.2.1", 3},
		"two addresses":                 {"192.0.2.1", "192.0.2.2", 6},
		"one network of IPv6":           {"2001:db8::1", "2001:db8::ffff:1", 3},
		"two networks of IPv6":          {"2001:db8::1", "2001:db8:0:1::1", 6},
		"one address in two notations":  {"192.0.2.1", "::ffff:192.0.2.1", 3},
		"this machine":                  {"127.0.0.1", "127.0.0.1", 6},
		"this machine, of IPv6":         {"::1", "::1", 6},
		"a trusted proxy":               {"10.0.0.7", "10.0.0.7", 6},
		"beside a trusted proxy":        {"10.0.1.7", "10.0.1.7", 3},
		"link-local, on two interfaces": {"fe80::1%eth0", "fe80::1%eth1", 3},
	} {
		s := newSockets()
		in := append(enterFrom(s, now, tt.first, 3), enterFrom(s, now, tt.second, 3)...)
		if len(in) != tt.let {
			t.Errorf("%s: %d connections, want %d", name, len(in), tt.let)
		}
		if got, want := s.refused[refusedAddress].Load(), uint64(6-tt.let); got != want {
			t.Errorf("%s: %d were counted as refused, want %d", name, got, want)
		}
		for _, c := range in {
			c.Close()
			c.Close() // as two goroutines may
		}
		if len(s.open) != 0 || len(s.from) != 0 {
			t.Errorf("%s: after all were closed %d are open, from %v", name, len(s.open), s.from)
		}
		if in := enterFrom(s, now, tt.first, 3); len(in) != 3 {
			t.Errorf("%s: after all were closed %d are let in, want 3", name, len(in))
		}
	}
}

// Whoever waits longest for its client makes room, and no user with a request does.
func TestConnectionsThatWaitMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := testTerms()
		now.limits.Connections = 3
		s := newSockets()
		var in []*socket
		for range 3 {
			c := enterFrom(s, now, "192.0.2.1", 1)[0]
			c.vouch()
			c.setWaiting(true)
			in = append(in, c)
			time.Sleep(time.Second)
		}
		in[0].setWaiting(false)
		late := enterFrom(s, now, "192.0.2.2", 1)
		late[0].vouch()
		if len(late) != 1 || !isClosed(in[1]) || isClosed(in[0]) || isClosed(in[2]) {
			t.Errorf("closed: %v %v %v, want the second", isClosed(in[0]), isClosed(in[1]), isClosed(in[2]))
		}
		if got := s.closed.Load(); got != 1 {
			t.Errorf("%d closed, want 1", got)
		}
		in[2].setWaiting(false)
		if more := enterFrom(s, now, "192.0.2.3", 1); more != nil {
			t.Error("one too many was let in")
		}
		if got := s.refused[refusedTotal].Load(); got != 1 {
			t.Errorf("%d counted as refused, want 1", got)
		}
		in[0].setWaiting(true)
		if more := enterFrom(s, now, "192.0.2.3", 1); len(more) != 1 || !isClosed(in[0]) {
			t.Error("a request has ended, and still there is no room")
		}
	})
}

// Requests do not keep the place of a connection on which nobody has logged in.
func TestStrangersMakeRoomWithTheirRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := testTerms()
		now.limits.Connections = 3
		s := newSockets()
		user := enterFrom(s, now, "192.0.2.1", 1)[0]
		user.vouch()
		time.Sleep(time.Second)
		strangers := enterFrom(s, now, "192.0.2.2", 1)
		time.Sleep(time.Second)
		user.setWaiting(true)
		strangers = append(strangers, enterFrom(s, now, "192.0.2.2", 1)...)
		for _, c := range strangers {
			c.setWaiting(false)
		}
		if late := enterFrom(s, now, "192.0.2.3", 1); len(late) != 1 || !isClosed(strangers[0]) || isClosed(strangers[1]) || isClosed(user) {
			t.Errorf("closed: %v %v, and %v of the user; want the first", isClosed(strangers[0]), isClosed(strangers[1]), isClosed(user))
		}
	})
}

// A user who waits for longer than strangers keeps the place where these have more than
// half of all, and does not where they have less.
func TestStrangersHaveHalfOfTheConnections(t *testing.T) {
	for strangers, want := range map[int]bool{1: true, 2: false} {
		synctest.Test(t, func(t *testing.T) {
			now := testTerms()
			now.limits.Connections = strangers + 1
			s := newSockets()
			user := enterFrom(s, now, "192.0.2.1", 1)[0]
			user.vouch()
			user.setWaiting(true)
			time.Sleep(time.Minute)
			for _, c := range enterFrom(s, now, "192.0.2.2", strangers) {
				c.spoke.Store(true)
			}
			if late := enterFrom(s, now, "192.0.2.3", 1); len(late) != 1 || isClosed(user) != want {
				t.Errorf("beside %d strangers: the user is closed: %v, want %v", strangers, isClosed(user), want)
			}
		})
	}
}

// Whoever has sent nothing makes room before a user who waits, and has less time.
func TestSilentConnectionMakesRoomFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := testTerms()
		now.limits.Connections = 3
		s := newSockets()
		in := enterFrom(s, now, "192.0.2.1", 3)
		in[0].vouch()
		in[0].setWaiting(true)
		in[1].spoke.Store(true)
		began := time.Now()
		enterFrom(s, now, "192.0.2.2", 1)
		for i, want := range []bool{false, false, true} {
			if isClosed(in[i]) != want {
				t.Errorf("connection %d is closed: %v, want %v", i, !want, want)
			}
		}
		if waited := time.Since(began); waited < silentTenure || waited >= tenure {
			t.Errorf("it made room after %v, want %v", waited, silentTenure)
		}
	})
}

// Bad logins alone cost a connection its place first.
func TestConnectionOfBadLoginsMakesRoomFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := testTerms()
		now.limits.Connections = 2
		s := newSockets()
		old := enterFrom(s, now, "192.0.2.1", 1)[0]
		time.Sleep(time.Second)
		guesser := enterFrom(s, now, "192.0.2.2", 1)[0]
		guesser.refuse(true)
		if late := enterFrom(s, now, "192.0.2.3", 1); len(late) != 1 || !isClosed(guesser) || isClosed(old) {
			t.Errorf("closed: %v of bad logins, %v of none", isClosed(guesser), isClosed(old))
		}
	})
}

func TestOldestHandshakeMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := testTerms()
		s := newSockets()
		var in []*socket
		for range 4 {
			in = append(in, enterFrom(s, now, "192.0.2.1", 1)...)
			time.Sleep(time.Second)
		}
		for _, c := range in[1:] { // the first waits for a request
			s.beginHandshake(c, 2)
		}
		for i, want := range []bool{false, true, false, false} {
			if isClosed(in[i]) != want {
				t.Errorf("connection %d is closed: %v, want %v", i, !want, want)
			}
		}
		s.endHandshake(in[1])
		if _, got := s.counts(); got != 2 {
			t.Errorf("%d handshakes are under way, want 2", got)
		}
	})
}

// Only some connections have a wide window, and give it back.
func TestWideWindowsAreLimited(t *testing.T) {
	s, now := newSockets(), testTerms()
	var in []*socket
	for _, addr := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} {
		in = append(in, enterFrom(s, now, addr, 1)...)
	}
	for i, want := range []bool{true, true, false} {
		if got := in[i].widen(2); got != want {
			t.Errorf("connection %d: %v, want %v", i, got, want)
		}
	}
	in[0].Close()
	in[0].Close()
	if !in[2].widen(2) || in[0].widen(3) {
		t.Error("a window that was given back is not there, or a closed connection gets one")
	}
}

// One network cannot have all of them: it has them before anybody has logged in.
func TestWideWindowsAreSharedOut(t *testing.T) {
	s, now := newSockets(), testTerms()
	in := append(enterFrom(s, now, "192.0.2.1", 3), enterFrom(s, now, "192.0.2.2", 1)...)
	for i, want := range []bool{true, true, false, true} {
		if got := in[i].widen(8); got != want {
			t.Errorf("connection %d: %v, want %v", i, got, want)
		}
	}
	in[0].Close()
	if !in[2].widen(8) {
		t.Error("a window that was given back is not there")
	}
	this := enterFrom(s, now, "127.0.0.1", 3) // this machine is many clients
	for i, c := range this {
		if !c.widen(8) {
			t.Errorf("connection %d of this machine has no wide window", i)
		}
	}
}
