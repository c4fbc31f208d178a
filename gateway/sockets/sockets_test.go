package sockets

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/gateway/limits"
	"gatehouse/gateway/strict"
)

// testTerms let in everybody whom a gateway lets in that nobody has limited.
func testTerms() Terms {
	var l limits.Limits
	l.SetDefaults()
	return Terms{Limits: l.Bounded(), MakeRoom: func() {}}
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
func enterFrom(s *Set, now Terms, addr string, n int) []*Socket {
	var in []*Socket
	for range n {
		if c := s.Enter(newClientAt(addr), now); c != nil {
			in = append(in, c)
		}
	}
	return in
}

func isClosed(c *Socket) bool { return c.Conn.(*clientAt).closed }

func TestConnectionsOfOneAddressAreLimited(t *testing.T) {
	now := testTerms()
	now.Proxies = strict.Networks{netip.MustParsePrefix("10.0.0.0/24")}
	now.Limits.PerAddress = 3
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
		s := NewSet()
		in := append(enterFrom(s, now, tt.first, 3), enterFrom(s, now, tt.second, 3)...)
		if len(in) != tt.let {
			t.Errorf("%s: %d connections, want %d", name, len(in), tt.let)
		}
		if got, want := s.refusals[refusedAddress].Load(), uint64(6-tt.let); got != want {
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
		now.Limits.Connections = 3
		s := NewSet()
		var in []*Socket
		for range 3 {
			c := enterFrom(s, now, "192.0.2.1", 1)[0]
			c.Vouch()
			c.SetWaiting(true)
			in = append(in, c)
			time.Sleep(time.Second)
		}
		in[0].SetWaiting(false)
		late := enterFrom(s, now, "192.0.2.2", 1)
		late[0].Vouch()
		if len(late) != 1 || !isClosed(in[1]) || isClosed(in[0]) || isClosed(in[2]) {
			t.Errorf("closed: %v %v %v, want the second", isClosed(in[0]), isClosed(in[1]), isClosed(in[2]))
		}
		if got := s.shed.Load(); got != 1 {
			t.Errorf("%d closed, want 1", got)
		}
		in[2].SetWaiting(false)
		if more := enterFrom(s, now, "192.0.2.3", 1); more != nil {
			t.Error("one too many was let in")
		}
		if got := s.refusals[refusedTotal].Load(); got != 1 {
			t.Errorf("%d counted as refused, want 1", got)
		}
		in[0].SetWaiting(true)
		if more := enterFrom(s, now, "192.0.2.3", 1); len(more) != 1 || !isClosed(in[0]) {
			t.Error("a request has ended, and still there is no room")
		}
	})
}

// Requests do not keep the place of a connection on which nobody has logged in.
func TestStrangersMakeRoomWithTheirRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := testTerms()
		now.Limits.Connections = 3
		s := NewSet()
		user := enterFrom(s, now, "192.0.2.1", 1)[0]
		user.Vouch()
		time.Sleep(time.Second)
		strangers := enterFrom(s, now, "192.0.2.2", 1)
		time.Sleep(time.Second)
		user.SetWaiting(true)
		strangers = append(strangers, enterFrom(s, now, "192.0.2.2", 1)...)
		for _, c := range strangers {
			c.SetWaiting(false)
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
			now.Limits.Connections = strangers + 1
			s := NewSet()
			user := enterFrom(s, now, "192.0.2.1", 1)[0]
			user.Vouch()
			user.SetWaiting(true)
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
		now.Limits.Connections = 3
		s := NewSet()
		in := enterFrom(s, now, "192.0.2.1", 3)
		in[0].Vouch()
		in[0].SetWaiting(true)
		in[1].spoke.Store(true)
		began := time.Now()
		enterFrom(s, now, "192.0.2.2", 1)
		for i, want := range []bool{false, false, true} {
			if isClosed(in[i]) != want {
				t.Errorf("connection %d is closed: %v, want %v", i, !want, want)
			}
		}
		if waited := time.Since(began); waited < SilentTenure || waited >= Tenure {
			t.Errorf("it made room after %v, want %v", waited, SilentTenure)
		}
	})
}

// Bad logins alone cost a connection its place first.
func TestConnectionOfBadLoginsMakesRoomFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := testTerms()
		now.Limits.Connections = 2
		s := NewSet()
		old := enterFrom(s, now, "192.0.2.1", 1)[0]
		time.Sleep(time.Second)
		guesser := enterFrom(s, now, "192.0.2.2", 1)[0]
		guesser.Refuse(true)
		if late := enterFrom(s, now, "192.0.2.3", 1); len(late) != 1 || !isClosed(guesser) || isClosed(old) {
			t.Errorf("closed: %v of bad logins, %v of none", isClosed(guesser), isClosed(old))
		}
	})
}

func TestOldestHandshakeMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := testTerms()
		s := NewSet()
		var in []*Socket
		for range 4 {
			in = append(in, enterFrom(s, now, "192.0.2.1", 1)...)
			time.Sleep(time.Second)
		}
		for _, c := range in[1:] { // the first waits for a request
			s.BeginHandshake(c, 2)
		}
		for i, want := range []bool{false, true, false, false} {
			if isClosed(in[i]) != want {
				t.Errorf("connection %d is closed: %v, want %v", i, !want, want)
			}
		}
		s.EndHandshake(in[1])
		if _, got := s.Counts(); got != 2 {
			t.Errorf("%d handshakes are under way, want 2", got)
		}
	})
}

// Only some connections have a wide window, and give it back.
func TestWideWindowsAreLimited(t *testing.T) {
	s, now := NewSet(), testTerms()
	var in []*Socket
	for _, addr := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} {
		in = append(in, enterFrom(s, now, addr, 1)...)
	}
	for i, want := range []bool{true, true, false} {
		if got := in[i].Widen(2); got != want {
			t.Errorf("connection %d: %v, want %v", i, got, want)
		}
	}
	in[0].Close()
	in[0].Close()
	if !in[2].Widen(2) || in[0].Widen(3) {
		t.Error("a window that was given back is not there, or a closed connection gets one")
	}
}

// One network cannot have all of them: it has them before anybody has logged in.
func TestWideWindowsAreSharedOut(t *testing.T) {
	s, now := NewSet(), testTerms()
	in := append(enterFrom(s, now, "192.0.2.1", 3), enterFrom(s, now, "192.0.2.2", 1)...)
	for i, want := range []bool{true, true, false, true} {
		if got := in[i].Widen(8); got != want {
			t.Errorf("connection %d: %v, want %v", i, got, want)
		}
	}
	in[0].Close()
	if !in[2].Widen(8) {
		t.Error("a window that was given back is not there")
	}
	this := enterFrom(s, now, "127.0.0.1", 3) // this machine is many clients
	for i, c := range this {
		if !c.Widen(8) {
			t.Errorf("connection %d of this machine has no wide window", i)
		}
	}
}
