package ldap

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

// tally keeps what is observed.
type tally struct {
	mu  sync.Mutex
	ops []backend.Operation
}

func (l *tally) observe(o backend.Operation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ops = append(l.ops, o)
}

// take returns the names and results since it was called last.
func (l *tally) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, o := range l.ops {
		all = append(all, o.Name+" "+o.Result)
	}
	l.ops = nil
	return all
}

func TestEveryOperationIsCounted(t *testing.T) {
	answer := func(code int64) ldaptest.Fault { return ldaptest.Fault{Answer: &ldaptest.Answer{Code: code}} }
	mustChange := person("eve", alicePass)
	mustChange.State = &ldaptest.Answer{Controls: []ldaptest.Control{ldaptest.PasswordPolicy(-1, -1, ldaptest.ChangeAfterReset)}}
	tests := []struct {
		name, user, password string
		change               func(*Config)
		fault                func(ldaptest.Request) ldaptest.Fault
		want                 []string
	}{
		{name: "success", user: "alice", password: alicePass, want: []string{"dial ok", "tls ok", "account ok", "search ok", "dial ok", "tls ok", "bind ok"}},
		{name: "wrong password", user: "alice", password: wrongGuess, want: []string{"dial ok", "tls ok", "account ok", "search ok", "dial ok", "tls ok", "bind refused"}},
		{name: "success with a but", user: "eve", password: alicePass, want: []string{"dial ok", "tls ok", "account ok", "search ok", "dial ok", "tls ok", "bind refused"}},
		{name: "unknown user", user: "nobody", password: alicePass, want: []string{"dial ok", "tls ok", "account ok", "search ok"}},
		{name: "impossible name", user: "al\x00", password: alicePass},
		{name: "wrong service password", user: "alice", password: alicePass, want: []string{"dial ok", "tls ok", "account refused"},
			change: func(c *Config) { c.BindPassword = func() (string, error) { return wrongGuess, nil } }},
		{name: "no rights", user: "alice", password: alicePass, fault: onSearch(answer(50)), want: []string{"dial ok", "tls ok", "account ok", "search misconfigured"}},
		{name: "no base", user: "alice", password: alicePass, fault: onSearch(answer(32)), want: []string{"dial ok", "tls ok", "account ok", "search absent"}},
		{name: "limit", user: "alice", password: alicePass, fault: onSearch(answer(11)), want: []string{"dial ok", "tls ok", "account ok", "search incomplete"}},
		{name: "StartTLS refused", user: "alice", password: alicePass, want: []string{"dial ok", "starttls misconfigured"},
			change: func(c *Config) { c.StartTLS = true },
			fault: func(r ldaptest.Request) ldaptest.Fault {
				if r.Kind == ldaptest.StartTLS {
					return answer(2)
				}
				return ldaptest.Fault{}
			}},
		{name: "certificate of a stranger", user: "alice", password: alicePass, want: []string{"dial ok", "tls misconfigured"},
			change: func(c *Config) { c.CAFile = "" }},
		{name: "hangs", user: "alice", password: alicePass, fault: onUserBind(ldaptest.Fault{Hang: true}), change: func(c *Config) { c.OperationTimeout = 100 * time.Millisecond },
			want: []string{"dial ok", "tls ok", "account ok", "search ok", "dial ok", "tls ok", "bind timeout", "dial ok", "tls ok", "account ok", "ping ok"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, ldaptest.Config{Entries: append(company(), mustChange)})
			var seen tally
			c := configFor(t, s)
			c.Observe = seen.observe
			if tt.change != nil {
				tt.change(&c)
			}
			if c.StartTLS {
				c.URLs = []string{s.URL("ldap")}
			}
			b := open(t, c)
			s.OnRequest(tt.fault)
			authenticate(t, b, tt.user, tt.password)
			got := seen.take()
			if len(got) > len(tt.want) {
				got = got[:len(tt.want)] // a probe may have begun
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("operations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOperationsHaveTheirServerAndTime(t *testing.T) {
	s := start(t, ldaptest.Config{})
	var seen tally
	c := configFor(t, s)
	c.Observe = seen.observe
	b := open(t, c)
	s.OnRequest(onUserBind(ldaptest.Fault{Delay: 20 * time.Millisecond}))
	authenticate(t, b, "alice", alicePass)
	for _, o := range seen.ops {
		if o.Server != s.URL("ldaps") || o.Took < 0 || o.Name == opBind && o.Took < 20*time.Millisecond {
			t.Errorf("got %+v", o)
		}
	}
}

func TestWaitForAConnectionIsCounted(t *testing.T) {
	s := start(t, ldaptest.Config{})
	var seen tally
	c := configFor(t, s)
	c.Observe, c.MaxConnections, c.Log = seen.observe, 1, nil
	b := open(t, c)
	s.OnRequest(onUserBind(ldaptest.Fault{Delay: 50 * time.Millisecond}))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { verdictOf(b, "alice", alicePass) })
	}
	wg.Wait()
	if ops := seen.take(); !slices.Contains(ops, "wait ok") {
		t.Errorf("three logins at one connection: got %q, want a wait among them", ops)
	}
}

func TestStatus(t *testing.T) {
	first, second, c := twoServers(t)
	b := open(t, c)
	want := backend.Status{Servers: []backend.ServerStatus{{Address: first.URL("ldaps")}, {Address: second.URL("ldaps")}}}
	if diff := cmp.Diff(want, b.Status()); diff != "" {
		t.Errorf("before anything (-want +got):\n%s", diff)
	}
	authenticate(t, b, "alice", alicePass)
	want.Servers[0].Idle = 2
	if diff := cmp.Diff(want, b.Status()); diff != "" {
		t.Errorf("after a login (-want +got):\n%s", diff)
	}

	first.OnRequest(onUserBind(ldaptest.Fault{Hang: true}))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { b.Authenticate(ctx, "alice", alicePass) })
	until(t, func() bool { s := b.Status().Servers[0]; return s.InUse == 1 && s.Idle == 1 })
	cancel()
	wg.Wait()
	if got := b.Status().Servers[0]; got.LastError != "" || got.Down {
		t.Errorf("after a caller went away: got %+v, want no fault", got)
	}

	first.Stop()
	authenticate(t, b, "alice", alicePass)
	got := b.Status()
	if s := got.Servers[0]; !s.Down || s.LastError == "" || time.Since(s.LastFault) > time.Minute || s.Idle != 0 || got.Degraded {
		t.Errorf("first server down: got %+v", got)
	}
	second.Stop()
	authenticate(t, b, "alice", alicePass)
	if got := b.Status(); !got.Degraded || !got.Servers[1].Down {
		t.Errorf("both servers down: got %+v", got)
	}
	for _, s := range b.Status().Servers {
		if strings.Contains(s.LastError, "alice") || strings.Contains(s.LastError, svcPass) {
			t.Errorf("it names a user or a password: %+v", s)
		}
	}
}

func TestStatusTellsOfTheServiceAccount(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	password := wrongGuess
	c.BindPassword = func() (string, error) { return password, nil }
	b := open(t, c)
	authenticate(t, b, "alice", alicePass)
	if got := b.Status(); !got.Degraded || !strings.HasPrefix(got.Servers[0].LastError, "account: ") {
		t.Errorf("refused: got %+v", got)
	}
	password = svcPass
	authenticate(t, b, "alice", alicePass)
	if got := b.Status(); got.Degraded {
		t.Errorf("corrected: got %+v", got)
	}
}

func TestStatusHasTheServersFromDNS(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.URLs = []string{"srv:_ldap._tcp.localhost"}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL("ldap"), "ldap://"))
	if err != nil {
		t.Fatal(err)
	}
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	c.names.srv = func(context.Context, string, string, string) (string, []*net.SRV, error) {
		return "", []*net.SRV{{Target: "localhost.", Port: uint16(number)}}, nil
	}
	c.names.hosts = hostsAt("127.0.0.1")
	b := open(t, c)
	if got := b.Status(); !got.Degraded || len(got.Servers) != 0 {
		t.Errorf("before DNS was asked: got %+v", got)
	}
	authenticate(t, b, "alice", alicePass)
	if got := b.Status(); got.Degraded || len(got.Servers) != 1 || got.Servers[0].Address != "ldap://localhost:"+port+" (127.0.0.1)" || got.Servers[0].Idle != 2 {
		t.Errorf("got %+v", got)
	}
}
