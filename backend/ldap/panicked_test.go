package ldap

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

// What a library panics with may hold the password that it was given.
func TestPanicTellsNoPassword(t *testing.T) {
	if got := panicked("bind of alice with 5ecret").Error(); strings.Contains(got, "5ecret") {
		t.Errorf("the error is %q", got)
	}
	defer func() {
		if got := panicked(recover()).Error(); !strings.Contains(got, "out of range") {
			t.Errorf("the error is %q, want the runtime's own words", got)
		}
	}()
	var none []byte
	_ = none[len(none)]
}

// TestLDAP10PanicsOfTheBackgroundEndNothing has what is done beside a login panic: to
// connect, to find out whether a server is back, to look up its name. Each is a failure,
// holds no connection, and passes.
func TestLDAP10PanicsOfTheBackgroundEndNothing(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	var left atomic.Int64
	c.Observe = func(o backend.Operation) {
		if o.Name == opDial && left.Add(-1) >= 0 {
			panic("as a fault of this program would")
		}
	}
	c.MaxConnections = 1
	left.Store(4)
	b := open(t, c)
	if _, got := authenticate(t, b, "alice", alicePass); got != "unavailable" {
		t.Errorf("a panic while a connection is made: got %s, want unavailable", got)
	}
	until(t, func() bool { return left.Load() < 0 }) // the probes have come through
	until(t, func() bool { return verdictOf(b, "alice", alicePass) == "in" })
}

// A panic of a resolver keeps the servers that are known.
func TestLDAP10PanicOfAResolver(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	var log countingLog
	var broken atomic.Bool
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.URL("ldaps"), "ldaps://"))
	c.URLs, c.Log = []string{"ldaps://directory.example:" + port}, log.logger()
	c.names.hosts = func(context.Context, string, string) ([]netip.Addr, error) {
		if broken.Load() {
			panic("as a fault of a resolver would")
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	b := open(t, c)
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Fatalf("got %s", got)
	}
	broken.Store(true)
	b.directory.lookUp()
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" || log.count("panic") != 1 {
		t.Errorf("after a panic: got %s; the log tells of it %d times", got, log.count("panic"))
	}
	b.directory.background(func() { panic("of anything else") })
	until(t, func() bool { return log.count("in the background has failed") == 1 })
}
