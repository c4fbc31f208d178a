package ldap

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
	"gatehouse/internal/testkit"
)

// quick shortens the times of a configuration for tests of what waits.
func quick(c Config) Config {
	c.LoginTimeout, c.ConnectTimeout, c.OperationTimeout = 300*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
	return c
}

// slack is what a deadline may be overrun by: what a busy machine needs to notice, and
// less than the minute that what is waited for takes without a deadline.
const slack = 30 * time.Second

// faultsOf returns what a server may do in place of answering, at each point of a
// login.
func faultsOf() map[string]func(ldaptest.Request) ldaptest.Fault {
	all := map[string]func(ldaptest.Request) ldaptest.Fault{}
	faults := map[string]ldaptest.Fault{
		"hangs": {Hang: true}, "stops reading": {StopReading: true}, "closes": {Close: true}, "resets": {Reset: true}, "is late": {Delay: time.Minute},
		"stalls TLS": {StallTLS: true}, "disconnects": {Raw: ldaptest.Disconnection(), Hang: false},
		"answers another request": {IDShift: 5}, "sends half an answer": {Raw: []byte{0x30, 0x40, 0x02, 0x01}},
	}
	for _, kind := range []ldaptest.Kind{ldaptest.Connect, ldaptest.StartTLS, ldaptest.Bind, ldaptest.Search, "user bind"} {
		for name, fault := range faults {
			if kind == ldaptest.Connect && (fault.Raw != nil || fault.Delay > 0 || fault.IDShift > 0 || fault.StallTLS) || fault.StallTLS && kind != ldaptest.StartTLS {
				continue
			}
			all[string(kind)+" "+name] = func(r ldaptest.Request) ldaptest.Fault {
				isUser := r.Kind == ldaptest.Bind && r.DN != svcDN
				if r.Kind == kind && !isUser || isUser && kind == "user bind" {
					return fault
				}
				return ldaptest.Fault{}
			}
		}
	}
	return all
}

// Whatever a server does in place of answering, and wherever, a login ends in
// time, as an outage and not as a refusal.
func TestNoFaultOutlastsTheDeadline(t *testing.T) {
	for name, fault := range faultsOf() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, ldaptest.Config{})
			c := quick(configFor(t, s))
			c.URLs, c.StartTLS = []string{s.URL("ldap")}, true
			s.OnRequest(fault)
			b := open(t, c)
			start := time.Now()
			if _, got := authenticate(t, b, "alice", alicePass); got != "unavailable" {
				t.Errorf("got %s, want unavailable", got)
			}
			if took := time.Since(start); took > c.LoginTimeout+slack {
				t.Errorf("it took %v", took)
			}
			if n := userBinds(s); n > 1 {
				t.Errorf("the user was bound %d times", n)
			}
		})
	}
}

func TestCallerWhoGoesAwayIsNotKept(t *testing.T) {
	s := start(t, ldaptest.Config{})
	b := open(t, configFor(t, s))
	s.OnRequest(onSearch(ldaptest.Fault{Hang: true}))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	_, err := b.Authenticate(ctx, "alice", alicePass)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("got %v, want Canceled and ErrUnavailable", err)
	}
	if took := time.Since(start); took > 50*time.Millisecond+slack {
		t.Errorf("it took %v", took)
	}
	s.OnRequest(nil)
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("a server was given up because a caller went away: got %s", got)
	}
}

// A connection that the server closed while it lay idle costs nobody a login.
func TestKeptConnectionThatIsGoneIsReplaced(t *testing.T) {
	s := start(t, ldaptest.Config{})
	b := open(t, configFor(t, s))
	for range 20 {
		if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
			t.Fatalf("got %s", got)
		}
		s.CloseConnections()
	}
	// Closed in the moment of the question:
	authenticate(t, b, "bob", "bob-5ecret")
	var once atomic.Bool
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		return ldaptest.Fault{Close: r.Kind == ldaptest.Search && once.CompareAndSwap(false, true)}
	})
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("closed instead of an answer: got %s", got)
	}
}

// The server may have counted a bind that it did not answer.
func TestBindWithoutAnAnswerIsNotRepeated(t *testing.T) {
	first, second, c := twoServers(t)
	b := open(t, c)
	authenticate(t, b, "alice", alicePass) // keeps connections
	first.OnRequest(onUserBind(ldaptest.Fault{Close: true}))
	first.Forget()
	if _, got := authenticate(t, b, "alice", alicePass); got != "unavailable" {
		t.Errorf("got %s, want unavailable", got)
	}
	if n := userBinds(first) + userBinds(second); n != 1 {
		t.Errorf("the user was bound %d times, want once", n)
	}
}

// Nor is one that was lost on a fresh connection put to the next server, whether
// that was closed or silent, although the first server is given up.
func TestLostBindIsNotPutToTheNextServer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]ldaptest.Fault{"closes": {Close: true}, "resets": {Reset: true}, "hangs": {Hang: true}, "is busy": {Answer: &ldaptest.Answer{Code: 51}}} {
		first, second, c := twoServers(t)
		c.OperationTimeout = 500 * time.Millisecond
		first.OnRequest(onUserBind(fault))
		second.OnRequest(onUserBind(fault))
		if _, got := authenticate(t, open(t, c), "alice", alicePass); got != "unavailable" {
			t.Errorf("%s: got %s, want unavailable", name, got)
		}
		if n := userBinds(first) + userBinds(second); n != 1 {
			t.Errorf("%s: the user was bound %d times, want once", name, n)
		}
	}
}

// An answer is an answer, also one that no login can go on with.
func TestAnswerIsNotAskedForAtTheNextServer(t *testing.T) {
	first, second, c := twoServers(t)
	c.headStart = time.Minute // for a busy machine, where the first server may be slow
	for _, code := range []int64{4, 11, 32, 50, 80} {
		first.OnRequest(onSearch(ldaptest.Fault{Answer: &ldaptest.Answer{Code: code}}))
		b := open(t, c)
		if _, got := authenticate(t, b, "alice", alicePass); got == "in" || got == "unknown" {
			t.Errorf("code %d: got %s", code, got)
		}
		if down := b.directory.servers[0].breaker.state(); down != nil {
			t.Errorf("code %d: the server was given up: %v", code, down)
		}
	}
	if n := second.Count(ldaptest.Connect); n != 0 {
		t.Errorf("the next server saw %d connections", n)
	}
}

func TestWrongPasswordIsOneBindAtOneServer(t *testing.T) {
	first, second, c := twoServers(t)
	c.headStart = time.Minute // for a busy machine, where the first server may be slow
	b := open(t, c)
	if _, got := authenticate(t, b, "alice", wrongGuess); got != "wrong" {
		t.Errorf("got %s", got)
	}
	if n, m := userBinds(first), userBinds(second); n != 1 || m != 0 {
		t.Errorf("there were %d and %d binds, want 1 and 0", n, m)
	}
}

// A silent server costs one login its time, and the others nothing.
func TestDeadServerOfTwo(t *testing.T) {
	first, second, c := twoServers(t)
	c.ConnectTimeout, c.OperationTimeout = 2*time.Second, 2*time.Second
	c.Log = nil
	b := open(t, c)
	login := func() time.Duration {
		start := time.Now()
		if _, err := b.Authenticate(t.Context(), "alice", alicePass); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	login()
	first.OnRequest(func(ldaptest.Request) ldaptest.Fault { return ldaptest.Fault{Hang: true} })
	if took := login(); took > 9*time.Second {
		t.Errorf("the first login took %v", took)
	}
	second.Forget()
	slow := 0
	for range 1000 {
		if login() > time.Second { // what waited for the dead server took longer
			slow++
		}
	}
	if slow > 10 {
		t.Errorf("%d of 1000 logins waited for the dead server", slow)
	}
	first.OnRequest(nil)
	first.CloseConnections()
	until(t, func() bool { login(); return b.directory.servers[0].breaker.state() == nil })
	first.Forget()
	until(t, func() bool { login(); return first.Count(ldaptest.Bind) > 0 }) // it is in use again
}

func TestServersAreSpread(t *testing.T) {
	first, second, c := twoServers(t)
	c.Spread = true
	b := open(t, c)
	for range 40 {
		authenticate(t, b, "alice", alicePass)
	}
	if n, m := first.Count(ldaptest.Search), second.Count(ldaptest.Search); n == 0 || m == 0 {
		t.Errorf("there were %d and %d searches, want some at each", n, m)
	}
}

// Servers that are busy are not asked for long; the next one is.
func TestBusyServerIsPassedOver(t *testing.T) {
	first, _, c := twoServers(t)
	for _, code := range []int64{51, 52} {
		first.OnRequest(func(ldaptest.Request) ldaptest.Fault {
			return ldaptest.Fault{Answer: &ldaptest.Answer{Code: code}}
		})
		if _, got := authenticate(t, open(t, c), "alice", alicePass); got != "in" {
			t.Errorf("code %d: got %s", code, got)
		}
	}
}

// The gateway starts while no server is there, and logs in soon after one is.
func TestDirectoryThatComesBack(t *testing.T) {
	s := start(t, ldaptest.Config{})
	s.Stop()
	b := open(t, configFor(t, s))
	for range 5 {
		if _, got := authenticate(t, b, "alice", alicePass); got != "unavailable" {
			t.Errorf("without a server: got %s", got)
		}
	}
	for range 2 {
		time.Sleep(200 * time.Millisecond)
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		until(t, func() bool { return verdictOf(b, "alice", alicePass) == "in" })
		if took := time.Since(start); took > slack {
			t.Errorf("it took %v to notice that the server is back", took)
		}
		s.Stop()
		if got := verdictOf(b, "alice", alicePass); got != "unavailable" {
			t.Errorf("after it went again: got %s", got)
		}
	}
}

// A service account that is tried again and again gets locked.
func TestRefusedServiceAccountIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	first, second, c := twoServers(t)
	var password atomic.Value
	password.Store("old-5ecret")
	c.BindPassword = func() (string, error) { return password.Load().(string), nil }
	var log countingLog
	c.Log = log.logger()
	b := open(t, c)
	slowly := func(r ldaptest.Request) ldaptest.Fault { // so that all of them come before the answer to the first
		if r.Kind == ldaptest.Bind {
			return ldaptest.Fault{Delay: 200 * time.Millisecond}
		}
		return ldaptest.Fault{}
	}
	first.OnRequest(slowly)
	second.OnRequest(slowly)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if got := verdictOf(b, "alice", alicePass); got != "unavailable" {
				t.Errorf("got %s, want unavailable", got)
			}
		})
	}
	wg.Wait()
	if n := first.Count(ldaptest.Bind) + second.Count(ldaptest.Bind); n != 1 {
		t.Errorf("the password was tried %d times, want once", n)
	}
	if n := log.count("the service account cannot log in"); n != 1 {
		t.Errorf("the log says so %d times, want once", n)
	}
	if log.count("old-5ecret") > 0 {
		t.Error("the log holds the password")
	}
	password.Store(svcPass)
	if got := verdictOf(b, "alice", alicePass); got != "in" {
		t.Errorf("with a corrected password: got %s", got)
	}
}

func TestRefusedServiceAccountIsTriedAgainLater(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.BindPassword = func() (string, error) { return "old-5ecret", nil }
	b := open(t, c)
	var waits []time.Duration
	for range 5 {
		authenticate(t, b, "alice", alicePass)
		r := b.directory.account.refused["old-5ecret"]
		waits = append(waits, r.wait)
		r.until = time.Now()
	}
	if want := []time.Duration{4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 30 * time.Minute, 30 * time.Minute}; !slices.Equal(waits, want) {
		t.Errorf("got waits %v, want %v", waits, want)
	}
	if n := s.Count(ldaptest.Bind); n != 5 {
		t.Errorf("there were %d binds, want 5", n)
	}
}

// What fails inside a server is no refusal, and may pass soon.
func TestServiceAccountThatFailsIsTriedAgainSoon(t *testing.T) {
	t.Parallel()
	s := start(t, ldaptest.Config{})
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		if r.Kind == ldaptest.Bind {
			return ldaptest.Fault{Answer: &ldaptest.Answer{Code: 80}}
		}
		return ldaptest.Fault{}
	})
	b := open(t, configFor(t, s))
	a := b.directory.account
	setPause := func(until time.Time) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.pause.wait != failureWait {
			t.Errorf("the pause is %v, want %v", a.pause.wait, failureWait)
		}
		a.pause.until = until
	}
	for i := range 20 {
		if _, got := authenticate(t, b, "alice", alicePass); got != "unavailable" {
			t.Errorf("got %s, want unavailable", got)
		}
		if i == 0 {
			setPause(time.Now().Add(time.Hour)) // a slow machine needs longer than the pause
		}
	}
	if n := s.Count(ldaptest.Bind); n != 1 {
		t.Errorf("there were %d binds, want 1", n)
	}
	s.OnRequest(nil)
	setPause(time.Now())
	if got := verdictOf(b, "alice", alicePass); got != "in" {
		t.Errorf("after the pause: got %s, want in", got)
	}
}

// One question that takes too long leaves the server to everybody else.
func TestSlowQuestionIsNoDeadServer(t *testing.T) {
	t.Parallel()
	first, second, c := twoServers(t)
	c.headStart = time.Minute // for a busy machine, where the first server may be slow
	c.OperationTimeout = 2 * time.Second
	b := open(t, c)
	first.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		return ldaptest.Fault{Hang: r.Kind == ldaptest.Search && strings.Contains(r.Filter, "uid=bob")}
	})
	if _, got := authenticate(t, b, "bob", "bob-5ecret"); got != "unavailable" {
		t.Errorf("bob: got %s, want unavailable", got)
	}
	if err := b.directory.servers[0].breaker.state(); err != nil {
		t.Errorf("the server was given up: %v", err)
	}
	if n := second.Count(ldaptest.Connect); n != 0 {
		t.Errorf("the question was put to the next server")
	}
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("alice: got %s, want in", got)
	}
}

func TestPasswordThatCannotBeReadIsAnOutage(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	for _, f := range []func() (string, error){
		func() (string, error) { return "", nil }, func() (string, error) { return "", os.ErrNotExist },
	} {
		c.BindPassword = f
		if _, got := authenticate(t, open(t, c), "alice", alicePass); got != "unavailable" {
			t.Errorf("got %s, want unavailable", got)
		}
	}
	if n := s.Count(ldaptest.Bind); n != 0 {
		t.Errorf("there were %d binds", n)
	}
}

// An idle connection is closed after its time, and tried out before it is
// trusted with a question that cannot be asked twice.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.aliveTimeout = time.Second
	b := open(t, c)
	authenticate(t, b, "alice", alicePass)
	idleFor(b, b.directory.config.IdleTimeout)
	authenticate(t, b, "alice", alicePass)
	if n := s.Count(ldaptest.Connect); n != 4 {
		t.Errorf("connections past their time: %d were made, want 4", n)
	}

	b = open(t, c)
	authenticate(t, b, "alice", alicePass)
	idleFor(b, time.Minute)
	old := 0
	for _, r := range s.Requests() {
		old = max(old, r.Conn)
	}
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault { // as if a firewall had forgotten the old ones
		return ldaptest.Fault{Hang: r.Conn <= old}
	})
	start := time.Now()
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("got %s, want in", got)
	}
	if took := time.Since(start); took > 2*b.config.aliveTimeout+slack {
		t.Errorf("finding out took %v", took)
	}
}

// idleFor has the connections that a login left behind been idle for some time.
func idleFor(b *Backend, d time.Duration) {
	for _, p := range []*pool{b.directory.servers[0].search, b.directory.servers[0].users} {
		p.idle[0].since = time.Now().Add(-d)
	}
}

// More logins than connections wait their turn; nobody waits beyond the deadline.
func TestPoolIsBounded(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.MaxConnections, c.Log = 3, nil
	b := open(t, c)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if got := verdictOf(b, "alice", alicePass); got != "in" {
				t.Errorf("got %s", got)
			}
		})
	}
	wg.Wait()
	if n := s.Open(); n > 6 {
		t.Errorf("there are %d connections, want 6 at most", n)
	}
	s.OnRequest(onUserBind(ldaptest.Fault{Delay: 150 * time.Millisecond}))
	c = quick(c)
	c.MaxConnections = 1
	b = open(t, c)
	start := time.Now()
	var unavailable atomic.Int64
	for range 20 {
		wg.Go(func() {
			if verdictOf(b, "alice", alicePass) == "unavailable" {
				unavailable.Add(1)
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took > c.LoginTimeout+slack || unavailable.Load() < 10 {
		t.Errorf("20 logins with one connection took %v, %d were told that it is not available", took, unavailable.Load())
	}
}

func TestClosedBackendLeavesNothing(t *testing.T) {
	s := start(t, ldaptest.Config{})
	before := runtime.NumGoroutine()
	b, err := New(configFor(t, s))
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		authenticate(t, b, "alice", alicePass)
	}
	b.Close()
	until(t, func() bool { return s.Open() == 0 && runtime.NumGoroutine() <= before })
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" && got != "unavailable" {
		t.Errorf("after Close: got %s", got)
	}
	until(t, func() bool { return s.Open() == 0 })
}

// One black hole is an address that takes connections and says nothing.
func TestAddressThatNeverAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := start(t, ldaptest.Config{})
	c := quick(configFor(t, s))
	c.LoginTimeout, c.ConnectTimeout, c.OperationTimeout = 9*time.Second, 2*time.Second, 2*time.Second
	c.URLs = []string{"ldaps://" + l.Addr().String(), s.URL("ldaps")}
	if _, got := authenticate(t, open(t, c), "alice", alicePass); got != "in" {
		t.Errorf("got %s", got)
	}
}

// countingLog keeps what is logged.
type countingLog struct{ testkit.Buffer }

func (l *countingLog) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *countingLog) count(s string) int { return strings.Count(l.String(), s) }
