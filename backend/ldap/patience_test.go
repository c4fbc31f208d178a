package ldap

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/backend/ldap/ldaptest"
)

// highest returns the number of the connection that was made last.
func highest(s *ldaptest.Server) int {
	last := 0
	for _, r := range s.Requests() {
		last = max(last, r.Conn)
	}
	return last
}

// A firewall that forgets connections tells nobody. The search is asked again on a
// fresh one, and the bind is sent on another fresh one, once.
func TestLDAP10ForgottenConnection(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"as it comes":  func(*Config) {},
		"short logins": func(c *Config) { c.LoginTimeout, c.aliveTimeout = 6*time.Second, time.Second },
		"long silence": func(c *Config) { c.OperationTimeout = 9 * time.Second },
		"short search": func(c *Config) { c.OperationTimeout = 300 * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, ldaptest.Config{})
			c := configFor(t, s)
			c.aliveTimeout = 2 * time.Second
			change(&c)
			b := open(t, c)
			authenticate(t, b, "alice", alicePass)
			old := highest(s)
			s.Forget()
			s.OnRequest(func(r ldaptest.Request) ldaptest.Fault { return ldaptest.Fault{Hang: r.Conn <= old} })
			id, err := b.Resolve(t.Context(), "bob") // as whoever counts guesses does first
			if err != nil {
				t.Fatalf("got %v", err)
			}
			if _, err := b.Verify(t.Context(), id, "bob-5ecret"); err != nil {
				t.Errorf("got %v", err)
			}
			if n := userBinds(s); n != 1 {
				t.Errorf("the user was bound %d times, want once", n)
			}
			if down := b.directory.known()[0].breaker.state(); down != nil {
				t.Errorf("the server was given up: %v", down)
			}
		})
	}
}

// A search that waits for a slow server is not asked twice: the connection passes on
// an answer meanwhile.
func TestLDAP10SlowSearchIsAskedOnce(t *testing.T) {
	t.Parallel()
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.LoginTimeout = 10 * time.Second // after a tenth of which the connection is looked at
	b := open(t, c)
	authenticate(t, b, "alice", alicePass)
	s.Forget()
	isBob := func(r ldaptest.Request) bool { return strings.Contains(r.Filter, "uid=bob") }
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		if isBob(r) {
			return ldaptest.Fault{Delay: 1500 * time.Millisecond}
		}
		return ldaptest.Fault{}
	})
	if _, got := authenticate(t, b, "bob", "bob-5ecret"); got != "in" {
		t.Errorf("got %s", got)
	}
	asked := 0
	for _, r := range s.Requests() {
		if isBob(r) {
			asked++
		}
	}
	if n := s.Count(ldaptest.Connect); asked != 1 || n != 0 {
		t.Errorf("it was asked %d times, over %d more connections, want once", asked, n)
	}
}

// A search on which the server hangs up, on fresh connections too, fails alone.
func TestOneSearchCondemnsNoServer(t *testing.T) {
	for name, fault := range map[string]ldaptest.Fault{"closes": {Close: true}, "resets": {Reset: true}} {
		for _, kept := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, kept %v", name, kept), func(t *testing.T) {
				first, second, c := twoServers(t)
				var log countingLog
				c.Log = log.logger()
				b := open(t, c)
				if kept {
					authenticate(t, b, "alice", alicePass)
				}
				var asked atomic.Int64
				first.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
					if !strings.Contains(r.Filter, "uid=bob") {
						return ldaptest.Fault{}
					}
					asked.Add(1)
					return fault
				})
				if _, got := authenticate(t, b, "bob", "bob-5ecret"); got != "unavailable" {
					t.Errorf("got %s", got)
				}
				want := int64(2)
				if kept {
					want = 3
				}
				if n := asked.Load(); n != want || second.Count(ldaptest.Search) != 0 {
					t.Errorf("it was asked %d times, and %d searches were put to the other server, want %d and 0", n, second.Count(ldaptest.Search), want)
				}
				if down := b.directory.known()[0].breaker.state(); down != nil {
					t.Errorf("the server was given up: %v", down)
				}
				if n := log.count("filter_bytes="); n != 1 || log.count("code=ldap.search.hung_up") != 1 {
					t.Errorf("the log has the size %d times, want once: %s", n, log.String())
				}
				if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
					t.Errorf("another login: got %s", got)
				}
			})
		}
	}
}

// A server that hangs up on everything is given up all the same.
func TestServerThatHangsUpOnEverySearch(t *testing.T) {
	first, _, c := twoServers(t)
	first.OnRequest(onSearch(ldaptest.Fault{Close: true}))
	b := open(t, c)
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("got %s", got)
	}
	if b.directory.known()[0].breaker.state() == nil {
		t.Error("it was not given up")
	}
}

// A server that cannot answer one search is not asked it again, the next one is; while
// it answers others it stays in use.
func TestBusySearchIsAskedElsewhere(t *testing.T) {
	first, second, c := twoServers(t)
	b := open(t, c)
	first.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		if strings.Contains(r.Filter, "uid=bob") {
			return ldaptest.Fault{Answer: &ldaptest.Answer{Code: 51}}
		}
		return ldaptest.Fault{}
	})
	if _, got := authenticate(t, b, "bob", "bob-5ecret"); got != "in" {
		t.Errorf("got %s", got)
	}
	if n := second.Count(ldaptest.Search); n == 0 {
		t.Error("the next server was not asked")
	}
	server := b.directory.known()[0]
	until(t, func() bool { return !server.suspected.Load() })
	if down := server.breaker.state(); down != nil {
		t.Errorf("the server was given up: %v", down)
	}
}

// Filters are cut by their length, whatever the number of alternatives.
func TestFiltersAreCutByBytes(t *testing.T) {
	for _, tt := range []struct{ number, length int }{{1, 10}, {1, filterMax * 2}, {20000, 12}, {10000, 330}, {3, filterMax - 20}} {
		var alternatives []string
		for i := range tt.number {
			alternatives = append(alternatives, equals("member", fmt.Sprintf("%0*d", tt.length, i)))
		}
		var joined strings.Builder
		for _, filter := range oneOf(alternatives, alternativesMax) {
			if len(filter) > filterMax+len("(|)") && tt.length < filterMax {
				t.Errorf("%+v: a filter of %d bytes", tt, len(filter))
			}
			joined.WriteString(strings.TrimSuffix(strings.TrimPrefix(filter, "(|"), "))"))
			if strings.HasPrefix(filter, "(|") {
				joined.WriteString(")")
			}
		}
		if want := strings.Join(alternatives, ""); tt.number > 1 && tt.length < filterMax && joined.String() != want {
			t.Errorf("%+v: %d bytes come out of %d", tt, joined.Len(), len(want))
		}
	}
}
