package ldap

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/backend/ldap/ldaptest"
)

// twoServers starts two equal directories, and returns a configuration for both.
func twoServers(t *testing.T) (first, second *ldaptest.Server, c Config) {
	t.Helper()
	first, second = start(t, ldaptest.Config{}), start(t, ldaptest.Config{})
	c = configFor(t, first)
	c.URLs = append(c.URLs, second.URL("ldaps"))
	c.CAFile = writeFile(t, "both.pem", append(first.CA().PEM(), second.CA().PEM()...))
	return first, second, c
}

// A firewall that forgets connections forgets all of them at once: to try out
// each would keep a login waiting for as many seconds.
func TestOneDeadConnectionTellsOfTheOthers(t *testing.T) {
	t.Parallel()
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.aliveTimeout = time.Second
	b := open(t, c)
	s.OnRequest(onUserBind(ldaptest.Fault{Delay: 100 * time.Millisecond}))
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { authenticate(t, b, "alice", alicePass) })
	}
	wg.Wait()
	for _, p := range []*pool{b.directory.servers[0].search, b.directory.servers[0].users} {
		for _, c := range p.idle {
			c.since = time.Now().Add(-time.Minute)
		}
	}
	old := 0
	for _, r := range s.Requests() {
		old = max(old, r.Conn)
	}
	s.Forget()
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault { return ldaptest.Fault{Hang: r.Conn <= old} })
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("got %s, want in", got)
	}
	tried := 0
	for _, r := range s.Requests() {
		if r.Conn <= old && r.Kind == ldaptest.Search {
			tried++
		}
	}
	if tried != 1 {
		t.Errorf("%d dead connections were tried, want one", tried)
	}
}

// That a server closes a connection which it had kept, in the moment of a bind,
// is no reason to refuse others.
func TestKeptConnectionThatEndsIsNoDeadServer(t *testing.T) {
	s := start(t, ldaptest.Config{})
	b := open(t, configFor(t, s))
	authenticate(t, b, "alice", alicePass)
	s.OnRequest(onUserBind(ldaptest.Fault{Close: true}))
	if _, got := authenticate(t, b, "alice", alicePass); got != "unavailable" {
		t.Errorf("got %s, want unavailable", got)
	}
	if down := b.directory.servers[0].breaker.state(); down != nil {
		t.Errorf("the server was given up: %v", down)
	}
	s.OnRequest(nil)
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("got %s, want in", got)
	}
	s.CloseConnections()
	var gone atomic.Bool // from that bind on, so that no probe finds the server back before this test looks
	closes := onUserBind(ldaptest.Fault{Close: true})
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		f := closes(r)
		if f.Close {
			gone.Store(true)
		}
		f.Close = gone.Load()
		return f
	})
	authenticate(t, b, "alice", alicePass)
	if down := b.directory.servers[0].breaker.state(); down == nil {
		t.Error("a server that closes fresh connections was not given up")
	}
}

// When the time of a login ends before that of a question, there is none left to
// find out whether the server is dead. Both outcomes come out afterwards.
func TestEndOfALoginIsNoDeadServer(t *testing.T) {
	t.Parallel()
	s := start(t, ldaptest.Config{})
	c := usual(configFor(t, s))
	c.LoginTimeout, c.aliveTimeout = 300*time.Millisecond, 3*time.Second
	b := open(t, c)
	server := b.directory.servers[0]
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		return ldaptest.Fault{Hang: r.Kind == ldaptest.Search && strings.Contains(r.Filter, "uid=bob")}
	})
	authenticate(t, b, "carol", "carol-5ecret")
	if _, got := authenticate(t, b, "bob", "bob-5ecret"); got != "unavailable" {
		t.Errorf("bob: got %s, want unavailable", got)
	}
	until(t, func() bool { return !server.suspected.Load() })
	if down := server.breaker.state(); down != nil {
		t.Errorf("the server was given up for one slow question: %v", down)
	}
	s.OnRequest(func(ldaptest.Request) ldaptest.Fault { return ldaptest.Fault{Hang: true} })
	authenticate(t, b, "bob", "bob-5ecret")
	until(t, func() bool { return server.breaker.state() != nil })
}

// Questions that keep all connections busy do not make a server look dead.
func TestBusyConnectionsAreNoDeadServer(t *testing.T) {
	t.Parallel()
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.MaxConnections, c.OperationTimeout, c.Log = 1, 200*time.Millisecond, nil
	b := open(t, c)
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		return ldaptest.Fault{Hang: r.Kind == ldaptest.Search && strings.Contains(r.Filter, "uid=bob")}
	})
	var wg sync.WaitGroup
	var down atomic.Int64
	for range 8 {
		wg.Go(func() {
			verdictOf(b, "bob", "bob-5ecret")
			if b.directory.servers[0].breaker.state() != nil {
				down.Add(1)
			}
		})
	}
	wg.Wait()
	if down.Load() > 0 {
		t.Error("the server was given up")
	}
}

// One who goes away while DNS is asked must not spoil the answer for others.
func TestCallerWhoLeavesDNSBehind(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.URLs = []string{"srv:_ldap._tcp.localhost"}
	asked, answer := make(chan bool, 8), make(chan bool)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL("ldap"), "ldap://"))
	if err != nil {
		t.Fatal(err)
	}
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	c.names.srv = func(ctx context.Context, _, _, _ string) (string, []*net.SRV, error) {
		asked <- true
		select {
		case <-answer:
			return "", []*net.SRV{{Target: "localhost", Port: uint16(number)}}, nil
		case <-ctx.Done():
			return "", nil, ctx.Err()
		}
	}
	b := open(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := b.Authenticate(ctx, "alice", alicePass); verdict(err) != "unavailable" {
			t.Errorf("who left: got %v", err)
		}
	})
	<-asked
	wg.Go(func() {
		if got := verdictOf(b, "alice", alicePass); got != "in" {
			t.Errorf("who waited: got %s, want in", got)
		}
	})
	cancel()
	close(answer)
	wg.Wait()
}

// Servers that are named themselves are used while DNS is down.
func TestNamedServersDoWithoutDNS(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.URLs = []string{"srv:_ldap._tcp.directory.invalid", s.URL("ldaps")}
	if _, got := authenticate(t, open(t, c), "alice", alicePass); got != "in" {
		t.Errorf("got %s, want in", got)
	}
}

// Nothing goes on about a server that DNS no longer names.
func TestServerThatDNSDropsIsForgotten(t *testing.T) {
	dead, s := start(t, ldaptest.Config{}), start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.URLs = []string{dead.URL("ldaps")}
	b := open(t, c)
	dead.Stop()
	authenticate(t, b, "alice", alicePass)
	old := b.directory.known()[0]
	if old.breaker.state() == nil {
		t.Fatal("the dead server was not given up")
	}
	a, err := parseAddress(s.URL("ldaps"))
	if err != nil {
		t.Fatal(err)
	}
	b.directory.replace([]address{a})
	if old.ctx.Err() == nil {
		t.Error("it is probed still")
	}
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("with the other one: got %s", got)
	}
}

// A certificate is no guess at a password: when it is put right, that counts.
func TestRefusedCertificateIsTriedAgainSoon(t *testing.T) {
	s := start(t, ldaptest.Config{Socket: t.TempDir() + "/ldapi", External: svcDN})
	c := configFor(t, s)
	c.URLs, c.BindDN, c.BindPassword, c.SASLExternal = []string{s.URL("ldapi")}, "", nil, true
	b := open(t, c)
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		if r.SASL != "" {
			return ldaptest.Fault{Answer: &ldaptest.Answer{Code: 49}}
		}
		return ldaptest.Fault{}
	})
	for range 3 {
		authenticate(t, b, "alice", alicePass)
		b.directory.account.mu.Lock()
		left := time.Until(b.directory.account.pause.until)
		b.directory.account.pause.until = time.Now()
		b.directory.account.mu.Unlock()
		if left <= 0 || left > failureWait {
			t.Errorf("it is held for %v, want %v at most", left, failureWait)
		}
	}
}

// What a server says unasked, above all that it is about to close, ends the use
// of a connection.
func TestConnectionWithAnUnaskedMessageIsDropped(t *testing.T) {
	for name, raw := range map[string][]byte{
		"disconnection":                     ldaptest.Disconnection(),
		"success to a bind that is to come": {0x30, 0x0c, 0x02, 0x01, 0x03, 0x61, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00},
	} {
		client, server := net.Pipe()
		c := newConn(client, client)
		if c.isClosing() {
			t.Errorf("%s: a fresh connection counts as ended", name)
		}
		if _, err := server.Write(raw); err != nil {
			t.Fatal(err)
		}
		until(t, c.isClosing)
		server.Close()
		c.close()
	}
}

// Replicas differ for a while: who is found at one server is bound at that one,
// and has the groups of that one.
func TestLoginIsAtOneServer(t *testing.T) {
	first, second, c := twoServers(t)
	c.Spread, c.Log = true, nil
	b := open(t, c)
	var seen []string
	for range 40 {
		first.Forget()
		second.Forget()
		id, err := b.Resolve(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Verify(t.Context(), id, alicePass); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Groups(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Revalidate(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Authenticate(t.Context(), "bob", "bob-5ecret"); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, fmt.Sprint(about(first, "alice"), about(second, "alice")))
		for _, s := range []*ldaptest.Server{first, second} {
			if n, m := userBindsOf(s, "bob"), strings.Count(fmt.Sprint(s.Requests()), "(uid=bob)"); n != m {
				t.Errorf("bob was searched %d times and bound %d times at one server", m, n)
			}
		}
	}
	slices.Sort(seen)
	if got := slices.Compact(seen); !slices.Equal(got, []string{"false true", "true false"}) {
		t.Errorf("servers asked about one login: got %q, want each at times, and one at a time", got)
	}
	first.Stop()
	for range 10 {
		if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
			t.Errorf("with one server down: got %s, want in", got)
		}
	}
}

// about reports whether a server was asked about a user, or bound the user.
func about(s *ldaptest.Server, user string) bool {
	return slices.ContainsFunc(s.Requests(), func(r ldaptest.Request) bool {
		return strings.Contains(r.DN+r.Filter, "uid="+user)
	})
}

func userBindsOf(s *ldaptest.Server, user string) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Kind == ldaptest.Bind && r.DN == uidDN(user) {
			n++
		}
	}
	return n
}

// hostsAt returns a DNS by which every name has the given addresses.
func hostsAt(ips ...string) func(context.Context, string, string) ([]netip.Addr, error) {
	return func(context.Context, string, string) ([]netip.Addr, error) {
		var all []netip.Addr
		for _, ip := range ips {
			all = append(all, netip.MustParseAddr(ip))
		}
		return all, nil
	}
}
