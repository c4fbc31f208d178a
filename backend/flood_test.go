package backend_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
)

func newFlood(tb testing.TB, b backend.Backend, cfg backend.FloodConfig) *backend.Flood {
	tb.Helper()
	f, err := backend.NewFlood(b, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// from asks b for a login from an address, and returns the verdict.
func from(ctx context.Context, b backend.Backend, address, user, password string) string {
	call := &backend.Call{}
	if address != "" {
		call.Source = netip.MustParseAddr(address)
	}
	_, err := b.Authenticate(backend.WithCall(ctx, call), user, password)
	if errors.Is(err, backend.ErrThrottled) {
		return "throttled"
	}
	return verdict(err)
}

// passed returns how many of n bad logins from an address, one after the other,
// are asked about.
func passed(t *testing.T, b backend.Backend, address string, n int) int {
	t.Helper()
	asked := 0
	for i := range n {
		switch got := from(t.Context(), b, address, "alice", guessed(i)); got {
		case "wrong password":
			asked++
		case "throttled":
		default:
			t.Errorf("%s: got verdict %q", address, got)
		}
	}
	return asked
}

func wantPassed(t *testing.T, b backend.Backend, address string, want int) {
	t.Helper()
	if got := passed(t, b, address, 2*want+10); got != want {
		t.Errorf("%s: %d bad logins were asked about, want %d", address, got, want)
	}
}

func TestFloodRefusesNegativeSettings(t *testing.T) {
	for _, cfg := range []backend.FloodConfig{{PerSource: -1}, {SourceBurst: -1}, {Total: -1}, {TotalBurst: -1}} {
		if _, err := backend.NewFlood(newFake(nil), cfg); err == nil {
			t.Errorf("NewFlood(%+v): got no error, want one", cfg)
		}
	}
}

func TestFloodLimitsTheFailuresOfASource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlood(t, newFake(people()), backend.FloodConfig{PerSource: 60, SourceBurst: 10, Total: 1000, TotalBurst: 1000})
		wantPassed(t, f, "192.0.2.1", 10)
		wantPassed(t, f, "192.0.2.2", 10)
		wantPassed(t, f, "", 10)
		time.Sleep(3 * time.Second)
		wantPassed(t, f, "192.0.2.1", 3)
		time.Sleep(time.Hour)
		wantPassed(t, f, "192.0.2.1", 10)
	})
}

// What was refused elsewhere counts like a login that failed here, and a login that is right
// is still asked about.
func TestFloodCountsFailuresThatItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlood(t, newFake(people()), backend.FloodConfig{PerSource: 60, SourceBurst: 10, Total: 1000, TotalBurst: 1000})
		c := newCache(t, f, backend.CacheConfig{})
		ctx := backend.WithCall(t.Context(), &backend.Call{Source: netip.MustParseAddr("192.0.2.1")})
		refusal := errors.New("refused elsewhere")
		for i := range 12 {
			want := refusal
			if i >= 10 {
				want = backend.ErrThrottled
			}
			if got := c.Fail(ctx, refusal); !errors.Is(got, want) {
				t.Errorf("failure %d: got %v, want %v", i, got, want)
			}
		}
		wantPassed(t, c, "192.0.2.1", 0)
		wantPassed(t, c, "192.0.2.2", 10)
		if got := backend.Extend(newFake(nil)).Fail(ctx, refusal); got != refusal {
			t.Errorf("where nothing is limited: got %v", got)
		}
	})
}

func TestFloodCountsANetworkOfIPv6AsOneSource(t *testing.T) {
	f := newFlood(t, newFake(people()), backend.FloodConfig{PerSource: 1, SourceBurst: 10, Total: 1000, TotalBurst: 1000})
	for _, source := range []struct {
		address string
		passed  int
	}{
		{"2001:db8:0:1::1", 10}, {"2001:db8:0:1:ffff::2", 0}, {"2001:db8:0:1::3%eth0", 0}, {"2001:db8:0:2::1", 10},
		{"::ffff:192.0.2.1", 10}, {"192.0.2.1", 0}, {"::ffff:192.0.2.2", 10},
	} {
		wantPassed(t, f, source.address, source.passed)
	}
}

func TestFloodLimitsTheFailuresInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFake(people())
		f := newFlood(t, b, backend.FloodConfig{Total: 10, TotalBurst: 20})
		for range 10 { // one second
			for range 100 {
				from(t.Context(), f, randomAddress(), "alice", "wrong")
			}
			time.Sleep(100 * time.Millisecond)
		}
		wantLogins(t, b, 20+9)
		if got := f.Stats(); got.Total != 1000-29 || got.Source != 0 {
			t.Errorf("got %+v", got)
		}
	})
}

var lastAddress atomic.Uint32

// randomAddress returns an address of a network that has not been seen.
func randomAddress() string {
	n := lastAddress.Add(1)
	return fmt.Sprintf("2001:db8:%x:%x::1", n>>16, n&0xffff)
}

func TestFloodTreatsKnownAndUnknownNamesTheSame(t *testing.T) {
	b := newFake(people())
	f := newFlood(t, b, backend.FloodConfig{PerSource: 1, SourceBurst: 5})
	passed(t, f, "192.0.2.1", 5)
	want := ""
	for _, user := range []string{"alice", "nobody", "carol", "bob"} {
		_, err := f.Authenticate(backend.WithCall(t.Context(), &backend.Call{Source: netip.MustParseAddr("192.0.2.1")}), user, "bob-5ecret")
		if !errors.Is(err, backend.ErrThrottled) || backend.Refused(err) || errors.Is(err, backend.ErrUnavailable) {
			t.Fatalf("%s: got %v, want ErrThrottled alone", user, err)
		}
		if want == "" {
			want = err.Error()
		}
		if err.Error() != want {
			t.Errorf("%s: got %q, want %q as for others", user, err, want)
		}
	}
	wantLogins(t, b, 5)
}

func TestFloodSaysWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlood(t, newFake(people()), backend.FloodConfig{PerSource: 2, SourceBurst: 1})
		passed(t, f, "", 1)
		time.Sleep(10 * time.Second)
		_, err := f.Authenticate(t.Context(), "alice", "guess")
		if got := backend.RetryAfter(err); got != 20*time.Second {
			t.Errorf("got %v for %v, want 20s", got, err)
		}
		time.Sleep(20*time.Second - 1)
		wantPassed(t, f, "", 0)
		time.Sleep(time.Nanosecond)
		wantPassed(t, f, "", 1)
		if got := backend.RetryAfter(backend.ErrUnavailable); got != 0 {
			t.Errorf("got %v for another error, want 0", got)
		}
	})
}

func TestFloodChargesFailuresAlone(t *testing.T) {
	b := newFake(people())
	f := newFlood(t, b, backend.FloodConfig{SourceBurst: 2, TotalBurst: 2, PerSource: 1, Total: 1})
	for i := range 100 {
		password := fmt.Sprint("right-", i) // a new one each time: a known one would not be limited
		b.set("alice", account{password: password})
		if got := from(t.Context(), f, "", "alice", password); got != "" {
			t.Fatalf("login %d: got %q, want success", i, got)
		}
	}
	outage := backend.ErrUnavailable
	b.during = func(context.Context) error { return outage }
	for range 100 {
		if got := from(t.Context(), f, "", "alice", "x"); got != "unavailable" {
			t.Fatalf("got %q, want unavailable", got)
		}
	}
	outage = errors.New("fault")
	if got := from(t.Context(), f, "", "alice", "x"); got != "fault" {
		t.Errorf("got %q, want the fault", got)
	}
	b.during = nil
	wantPassed(t, f, "", 2)
	if got := f.Stats(); got.Sources != 1 {
		t.Errorf("got %+v, want one source", got)
	}
}

// As many guesses at once as anybody likes are no more than as many one after the
// other.
func TestFloodTakesPendingQuestionsForFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFake(people())
		b.during = func(context.Context) error { time.Sleep(time.Second); return nil }
		f := newFlood(t, b, backend.FloodConfig{PerSource: 1, SourceBurst: 10})
		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() {
				if got := from(t.Context(), f, "192.0.2.1", "alice", guessed(i)); got != "wrong password" && got != "throttled" {
					t.Errorf("got %q", got)
				}
			})
		}
		wg.Wait()
		wantLogins(t, b, 10)
	})
}

// A whole office behind one address may log in at the same moment.
func TestFloodLetsAnOfficeLogInAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const staff = 1000
		b := newFake(map[string]account{})
		for i := range staff {
			b.users[fmt.Sprint("user-", i)] = account{password: guessed(i)}
		}
		b.during = func(context.Context) error { time.Sleep(10 * time.Millisecond); return nil }
		f := newFlood(t, b, backend.FloodConfig{})
		var wg sync.WaitGroup
		for i := range staff {
			wg.Go(func() {
				if got := from(t.Context(), f, "192.0.2.1", fmt.Sprint("user-", i), guessed(i)); got != "" {
					t.Errorf("user %d: got %q, want success", i, got)
				}
			})
		}
		wg.Wait()
	})
}

// Strangers do not stand in front of a user whom the flood control knows.
func TestFloodAsksFewQuestionsOfStrangersAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asking, most atomic.Int64
		b := newFake(people())
		b.during = func(context.Context) error {
			most.Store(max(most.Load(), asking.Add(1)))
			defer asking.Add(-1)
			time.Sleep(time.Second)
			return nil
		}
		f := newFlood(t, b, backend.FloodConfig{SourceBurst: 10_000, TotalBurst: 10_000})
		from(t.Context(), f, "", "bob", "bob-5ecret")
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() { from(t.Context(), f, randomAddress(), "alice", guessed(i)) })
		}
		synctest.Wait()
		start := time.Now()
		if got := from(t.Context(), f, "", "bob", "bob-5ecret"); got != "" || time.Since(start) != time.Second {
			t.Errorf("got %q after %v, want success after one second", got, time.Since(start))
		}
		wg.Wait()
		if limit := int64(16*runtime.GOMAXPROCS(0)) + 1; most.Load() > limit {
			t.Errorf("%d questions were asked at once, want at most %d", most.Load(), limit)
		}
	})
}

func TestFloodBoundsWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFake(people())
		b.during = func(ctx context.Context) error { <-ctx.Done(); return nil }
		f := newFlood(t, b, backend.FloodConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		var throttled, waiting atomic.Int64
		var wg sync.WaitGroup
		for i := range 5000 {
			waiting.Add(1)
			wg.Go(func() {
				defer waiting.Add(-1)
				if from(ctx, f, "192.0.2.1", "alice", guessed(i)) == "throttled" {
					throttled.Add(1)
				}
			})
		}
		synctest.Wait()
		if got := waiting.Load(); got > 2200 {
			t.Errorf("%d questions wait, want a bound", got)
		}
		time.Sleep(6 * time.Second) // longer than anybody waits
		synctest.Wait()
		if got := waiting.Load(); got > 100 {
			t.Errorf("%d questions still wait", got)
		}
		cancel()
		wg.Wait()
	})
}

func TestFloodWaitsNoLongerThanItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFake(people())
		b.during = func(context.Context) error { time.Sleep(time.Second); return nil }
		f := newFlood(t, b, backend.FloodConfig{SourceBurst: 1})
		var wg sync.WaitGroup
		wg.Go(func() { from(t.Context(), f, "", "alice", "guess") })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		start := time.Now()
		if got := from(ctx, f, "", "bob", "bob-5ecret"); got != "unavailable" || time.Since(start) != 10*time.Millisecond {
			t.Errorf("got %q after %v, want unavailable after 10ms", got, time.Since(start))
		}
		wg.Wait()
	})
}

func TestLoginsThatWereRightGoAheadOfStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFake(people())
		f := newFlood(t, b, backend.FloodConfig{Total: 1, TotalBurst: 5})
		if got := from(t.Context(), f, "192.0.2.1", "bob", "bob-5ecret"); got != "" {
			t.Fatal(got)
		}
		flood := func() {
			for range 20 {
				from(t.Context(), f, randomAddress(), "bob", "wrong")
			}
		}
		flood()
		for address, want := range map[string]string{"192.0.2.1": "", "198.51.100.7": ""} {
			if got := from(t.Context(), f, address, "bob", "bob-5ecret"); got != want {
				t.Errorf("bob from %s: got %q, want %q", address, got, want)
			}
		}
		if got := from(t.Context(), f, "192.0.2.1", "bob", "other"); got != "throttled" {
			t.Errorf("another password: got %q, want throttled", got)
		}
		if got := from(t.Context(), f, "192.0.2.1", "alice", "alice-5ecret"); got != "throttled" {
			t.Errorf("another user: got %q, want throttled", got)
		}
		time.Sleep(13 * time.Hour)
		flood()
		if got := from(t.Context(), f, "192.0.2.1", "bob", "bob-5ecret"); got != "throttled" {
			t.Errorf("after more than hours: got %q, want throttled", got)
		}
	})
}

// noting takes down which questions are said to go ahead.
type noting struct {
	backend.Backend
	ahead []bool
}

func (n *noting) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	n.ahead = append(n.ahead, backend.CallOf(ctx) != nil && backend.CallOf(ctx).Ahead)
	return n.Backend.Authenticate(ctx, user, password)
}

// The backend is told who goes ahead, so that strangers do not wait before them there.
func TestFloodTellsTheBackendWhoGoesAhead(t *testing.T) {
	n := &noting{Backend: newFake(people())}
	f := newFlood(t, n, backend.FloodConfig{})
	for _, password := range []string{"wrong", "bob-5ecret", "bob-5ecret", "other", "bob-5ecret"} {
		from(t.Context(), f, "192.0.2.1", "bob", password)
	}
	if _, err := f.Authenticate(t.Context(), "bob", "bob-5ecret"); err != nil { // nobody said who asks
		t.Error(err)
	}
	if want := []bool{false, false, true, false, true, true}; !slices.Equal(n.ahead, want) {
		t.Errorf("got %v, want %v", n.ahead, want)
	}
}

func TestLoginThatIsRefusedGoesAheadNoMore(t *testing.T) {
	b := newFake(people())
	f := newFlood(t, b, backend.FloodConfig{PerSource: 1, SourceBurst: 5})
	from(t.Context(), f, "", "bob", "bob-5ecret")
	passed(t, f, "", 5)
	b.during = func(context.Context) error { return backend.ErrUnavailable }
	from(t.Context(), f, "", "bob", "bob-5ecret") // no answer, which says nothing of the login
	b.during = nil
	b.set("bob", account{password: "changed"})
	for _, want := range []string{"wrong password", "throttled"} {
		if got := from(t.Context(), f, "", "bob", "bob-5ecret"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Other networks cannot have the failures of a source forgotten by being refused:
// only failures are remembered, and these are limited.
func TestFloodOfNetworksForgetsNoSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFake(people())
		f := newFlood(t, b, backend.FloodConfig{PerSource: 1, SourceBurst: 10, Total: 100, TotalBurst: 100})
		wantPassed(t, f, "192.0.2.1", 10)
		for range 10 { // a second
			for range 5000 {
				from(t.Context(), f, randomAddress(), "alice", "wrong")
			}
			time.Sleep(100 * time.Millisecond)
		}
		if got := f.Stats().Sources; got > 300 {
			t.Errorf("%d sources are remembered", got)
		}
		wantPassed(t, f, "192.0.2.1", 0)
	})
}

func TestFloodSurvivesAPanic(t *testing.T) {
	b := newFake(people())
	b.during = func(context.Context) error { panic("no") }
	f := newFlood(t, b, backend.FloodConfig{PerSource: 1, SourceBurst: 3})
	for range 2 {
		func() {
			defer func() { recover() }()
			from(t.Context(), f, "", "alice", "guess")
		}()
	}
	b.during = nil
	wantPassed(t, f, "", 1)
}

// What was not asked must be asked as soon as that is possible again.
func TestCacheDoesNotRememberThatThereWereTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFake(people())
		c := newCache(t, newFlood(t, b, backend.FloodConfig{PerSource: 60, SourceBurst: 1}), backend.CacheConfig{})
		for _, want := range []string{"wrong password", "throttled", "throttled"} {
			password := "bob-5ecret"
			if want == "wrong password" {
				password = "guess"
			}
			if got := from(t.Context(), c, "192.0.2.1", "bob", password); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		time.Sleep(time.Second)
		if got := from(t.Context(), c, "192.0.2.1", "bob", "bob-5ecret"); got != "" {
			t.Errorf("got %q, want success", got)
		}
	})
}

func TestCachedUsersAreNotDelayed(t *testing.T) {
	b := newFake(people())
	c := newCache(t, newFlood(t, b, backend.FloodConfig{PerSource: 1, SourceBurst: 1, Total: 1, TotalBurst: 1}), backend.CacheConfig{})
	from(t.Context(), c, "192.0.2.1", "bob", "bob-5ecret")
	for i := range 1000 {
		from(t.Context(), c, "192.0.2.1", "bob", guessed(i))
		if got := from(t.Context(), c, "192.0.2.1", "bob", "bob-5ecret"); got != "" {
			t.Fatalf("got %q, want success", got)
		}
	}
	wantLogins(t, b, 2)
}
