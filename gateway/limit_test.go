package gateway

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/gateway/upstream"
	"gatehouse/internal/testkit"
)

// testLimits are those of a gateway that nobody has limited.
func testLimits() bounds {
	var l Limits
	l.setDefaults()
	return l.bounded()
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
func enterFrom(s *sockets, now *site, addr string, n int) []*socket {
	var in []*socket
	for range n {
		if c := s.enter(newClientAt(addr), now); c != nil {
			in = append(in, c)
		}
	}
	return in
}

func TestConnectionsOfOneAddressAreLimited(t *testing.T) {
	now := &site{slots: upstream.NewSlots(), limits: testLimits(), door: door{proxies: proxies{netip.MustParsePrefix("10.0.0.0/24")}}}
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
		now := &site{slots: upstream.NewSlots(), limits: testLimits()}
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
		now := &site{slots: upstream.NewSlots(), limits: testLimits()}
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
			now := &site{slots: upstream.NewSlots(), limits: testLimits()}
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
		now := &site{slots: upstream.NewSlots(), limits: testLimits()}
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
		now := &site{slots: upstream.NewSlots(), limits: testLimits()}
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

func isClosed(c *socket) bool { return c.Conn.(*clientAt).closed }

func TestOldestHandshakeMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := &site{slots: upstream.NewSlots(), limits: testLimits()}
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

// The whole way: the connection that is idle goes, the one with a request stays.
func TestIdleConnectionMakesRoomForANewOne(t *testing.T) {
	for name, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		up := newCapture(t)
		m := NewMetrics("v1", "go1")
		tg := startGateway(t, func(c *Config) {
			c.Limits.Connections, c.Metrics = 2, m
			if change != nil {
				change(c)
			}
		}, recipeRoute(t, up.url()))
		feed, answer := uploading(t, tg, up)
		idle := tg.dial(t)
		idle.send(t, head("GET /v2/ HTTP/1.1"))
		if resp := idle.answer(t, "GET"); resp.StatusCode != 200 {
			t.Fatalf("%s: status %d", name, resp.StatusCode)
		}
		// The answer is sent before its connection is one that waits.
		testkit.Await(t, name+": the connection is idle", func() bool { return tg.Stats().IdleConnections == 1 })
		fresh := tg.dial(t)
		fresh.send(t, head("GET /v2/ HTTP/1.1"))
		if resp := fresh.answer(t, "GET"); resp.StatusCode != 200 {
			t.Errorf("%s: the new connection: status %d", name, resp.StatusCode)
		}
		if !idle.ended() {
			t.Errorf("%s: the idle connection goes on", name)
		}
		feed.Write([]byte(" and end"))
		feed.Close()
		if resp := <-answer; resp == nil || resp.StatusCode != 200 {
			t.Errorf("%s: the upload beside it ended with %v", name, resp)
		}
		if got := samples(t, m, "gatehouse_connections_shed_total")[""]; got != 1 {
			t.Errorf("%s: %v connections made room, want 1", name, got)
		}
	}
}

func TestConnectionsBeyondAllRequestsAreClosed(t *testing.T) {
	t.Parallel()
	up := newCapture(t)
	m := NewMetrics("v1", "go1")
	tg := startGateway(t, func(c *Config) { c.Limits.Connections, c.Metrics = 1, m }, recipeRoute(t, up.url()))
	feed, answer := uploading(t, tg, up)
	if !tg.dial(t).ended() {
		t.Error("a connection more than there may be goes on")
	}
	if got := samples(t, m, "gatehouse_connections_refused_total")["reason=total"]; got != 1 {
		t.Errorf("%v connections were refused, want 1", got)
	}
	feed.Close()
	if resp := <-answer; resp == nil || resp.StatusCode != 200 {
		t.Errorf("the upload ended with %v", resp)
	}
}

// A trickle is found out; a silence, a slow link and a slow upstream are not.
func TestRateOfBodies(t *testing.T) {
	l := Limits{BodyRate: 1024, BodyWindow: time.Minute}
	for name, tt := range map[string]struct {
		n      int
		took   time.Duration
		before []time.Duration // silences, with a byte behind each
		slow   bool
	}{
		"a byte in 10 s":                       {n: 1, took: 10 * time.Second, slow: true},
		"a byte in 4 min":                      {n: 1, took: 4 * time.Minute, slow: true},
		"half of the rate":                     {n: 512, took: time.Second, slow: true},
		"half of the rate in large pieces":     {n: 128 << 10, took: 256 * time.Second, slow: true},
		"a little more than the rate":          {n: 1100, took: time.Second},
		"the same in large pieces":             {n: 128 << 10, took: 127 * time.Second},
		"100 KiB/s":                            {n: 16 << 10, took: 160 * time.Millisecond},
		"100 KiB/s after a silence of 4 min":   {n: 16 << 10, took: 160 * time.Millisecond, before: []time.Duration{4 * time.Minute}},
		"100 KiB/s after three such silences":  {n: 16 << 10, before: []time.Duration{4 * time.Minute, 4 * time.Minute, 4 * time.Minute}, slow: true},
		"all at once, from behind an upstream": {n: 1},
	} {
		r := newRate(l)
		var err error
		for _, silence := range tt.before {
			if err == nil {
				err = r.moved(1, silence)
			}
		}
		for range 100_000 {
			if err == nil {
				err = r.moved(tt.n, tt.took)
			}
		}
		if (err != nil) != tt.slow {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// With a rate that nobody reaches over a window of no time, whoever makes the gateway
// wait is slow, and whoever makes its upstream wait is not.
func TestSlowBodyIsCutOff(t *testing.T) {
	for name, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		up := newCapture(t)
		m := NewMetrics("v1", "go1")
		tg := startGateway(t, func(c *Config) {
			c.Limits.BodyRate, c.Limits.BodyWindow, c.Metrics = 1<<40, 2*time.Nanosecond, m
			if change != nil {
				change(c)
			}
		}, recipeRoute(t, up.url()))
		feed, answer := uploading(t, tg, up)
		go func() {
			for {
				if _, err := feed.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		testkit.Await(t, name+": the upload is cut off", func() bool { _, _, broken := up.counts(); return broken == 1 })
		feed.CloseWithError(io.ErrUnexpectedEOF)
		if resp := <-answer; resp != nil {
			t.Errorf("%s: answer %v", name, resp.Status)
		}
		testkit.Await(t, name+": it is counted", func() bool { return samples(t, m, "gatehouse_slow_bodies_total")[""] == 1 })
	}
}

func TestSlowReaderOfAnAnswerIsCutOff(t *testing.T) {
	up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, zeros(64<<20)) })
	tg := startGateway(t, func(c *Config) { c.Limits.BodyRate, c.Limits.BodyWindow = 1<<40, 2*time.Nanosecond }, recipeRoute(t, up.URL))
	w := tg.dial(t)
	w.send(t, head("GET /v2/x HTTP/1.1"))
	resp, err := http.ReadResponse(w.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Errorf("all of the answer came, %d bytes", n)
	}
	if !strings.Contains(fmt.Sprint(tg.records(t, 1)[0]["cause"]), errTooSlow.Error()) {
		t.Errorf("the record says %v", tg.records(t, 1)[0])
	}
}

func TestHeadLimitsAreThoseOfTheConfiguration(t *testing.T) {
	tg := startGateway(t, func(c *Config) { c.Limits.HeadBytes, c.Limits.HeadFields = 64<<10, 200 }, recipeRoute(t, newCapture(t).url()))
	for name, tt := range map[string]struct {
		fields []string
		status int
	}{
		"40 KiB":     {slicesRepeat("X-Long: "+strings.Repeat("x", 4000), 10), 200},
		"80 KiB":     {slicesRepeat("X-Long: "+strings.Repeat("x", 8000), 10), 431},
		"150 fields": {slicesRepeat("X-A: b", 150), 200},
		"250 fields": {slicesRepeat("X-A: b", 250), 431},
	} {
		w := tg.dial(t)
		go io.WriteString(w, head("GET /v2/ HTTP/1.1", tt.fields...))
		if resp := w.answer(t, "GET"); resp.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d", name, resp.StatusCode, tt.status)
		}
	}
}

func slicesRepeat(s string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}

// What the process has no room for is not promised, and said.
func TestLimitsAreWhatThereIsRoomFor(t *testing.T) {
	var log bytes.Buffer
	l := bounds{Limits: Limits{Connections: 100, UpstreamConnections: 100}}
	l.reduce("connections", &l.Connections, 50, 70)
	l.reduce("upstream_connections", &l.UpstreamConnections, 90, 80)
	l.reduce("upstream_connections", &l.UpstreamConnections, 80, 80)
	if l.Connections != 50 || l.UpstreamConnections != 80 {
		t.Errorf("%d connections and %d to upstreams, want 50 and 80", l.Connections, l.UpstreamConnections)
	}
	l.tell(slog.New(slog.NewTextHandler(&log, nil)))
	for _, want := range []string{`key=limits.connections configured=100 admitted=50 for_want_of="file descriptors"`, "key=limits.upstream_connections configured=100 admitted=80 for_want_of=memory"} {
		if !strings.Contains(log.String(), want) || strings.Count(log.String(), "\n") != 2 {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
}

// Connections of clients and upstreams leave descriptors for everything else.
func TestSEC3DescriptorsAreReserved(t *testing.T) {
	for all, reserved := range map[int]int{64: 24, 1024: 128, 16384: 512, 1 << 20: 512} {
		shared := sharedOf(all)
		used := shared * 2 / 5
		if taken := shared/2 + used + used/4; taken > all-reserved || taken < (all-reserved)*9/10 {
			t.Errorf("of %d descriptors connections may take %d, and %d are reserved", all, taken, reserved)
		}
	}
}
