package backend_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
)

func newFloor(tb testing.TB, b backend.Backend, cfg backend.FloorConfig) *backend.Floor {
	tb.Helper()
	f, err := backend.NewFloor(b, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// slow has f take some time over each login as one of these users.
func (f *fake) slow(delays map[string]time.Duration) *slowFake { return &slowFake{f, delays} }

type slowFake struct {
	*fake
	delays map[string]time.Duration
}

func (f *slowFake) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	time.Sleep(f.delays[user])
	return f.fake.Authenticate(ctx, user, password)
}

// took returns how long b takes over a login, and its verdict.
func took(t *testing.T, b backend.Backend, user, password string) (time.Duration, string) {
	t.Helper()
	asked := time.Now()
	_, err := b.Authenticate(t.Context(), user, password)
	return time.Since(asked), verdict(err)
}

// wantHeld checks that a refusal takes as long as the floor says, and no longer
// than chance may add.
func wantHeld(t *testing.T, b backend.Backend, user string, floor time.Duration) {
	t.Helper()
	if got, refusal := took(t, b, user, "wrong"); got < floor || got > floor+floor/8 || refusal == "" {
		t.Errorf("%s: refused (%q) after %v, want after %v and at most an eighth more", user, refusal, got, floor)
	}
}

// Whoever is refused, for whatever reason and by whomever, is refused after the
// same time; what is no refusal is not held.
func TestAllRefusalsTakeAsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := newFake(people()).slow(map[string]time.Duration{"bob": 9 * time.Millisecond, "carol": 30 * time.Millisecond})
		second := newFake(map[string]account{"dave": {password: "dave-5ecret"}}).slow(map[string]time.Duration{"dave": 60 * time.Millisecond})
		b := newFloor(t, newCache(t, newChain(t, first, second), backend.CacheConfig{}), backend.FloorConfig{})
		for range 2 { // the second time, refusals are remembered
			for _, user := range []string{"alice", "bob", "carol", "dave", "mallory"} {
				wantHeld(t, b, user, 100*time.Millisecond)
			}
		}
		for user, want := range map[string]time.Duration{"alice": 0, "bob": 9 * time.Millisecond, "dave": 60 * time.Millisecond} {
			if got, _ := took(t, b, user, user+"-5ecret"); got != want {
				t.Errorf("%s logs in after %v, want %v", user, got, want)
			}
		}
		for _, err := range []error{backend.ErrUnavailable, backend.ErrThrottled, errors.Join(backend.ErrUnknownUser, backend.ErrUnavailable), errors.New("fault")} {
			first.during = func(context.Context) error { return err }
			if got, _ := took(t, b, "erin", "wrong"); got != 0 {
				t.Errorf("%v is told after %v, want at once", err, got)
			}
		}
	})
}

func TestRefusalsAreNotAllHeldForTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFloor(t, newFake(people()), backend.FloorConfig{})
		seen := map[time.Duration]bool{}
		for range 20 {
			d, _ := took(t, b, "alice", "wrong")
			seen[d] = true
		}
		if len(seen) < 10 {
			t.Errorf("20 refusals took but %d different times: what differs by less than chance adds is to be hidden", len(seen))
		}
	})
}

// settled returns a Floor before a Backend that takes 400 ms over bob and nothing
// over others, after it has seen enough of bob.
func settled(t *testing.T) *backend.Floor {
	t.Helper()
	b := newFloor(t, newFake(people()).slow(map[string]time.Duration{"bob": 400 * time.Millisecond}), backend.FloorConfig{})
	for range 100 {
		took(t, b, "bob", "bob-5ecret")
	}
	return b
}

func TestFloorFollowsWhatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := settled(t)
		for _, user := range []string{"alice", "bob", "mallory"} {
			got, _ := took(t, b, user, "wrong")
			if got < 490*time.Millisecond || got > 563*time.Millisecond {
				t.Errorf("%s: refused after %v, want 500 ms, an eighth more at most", user, got)
			}
		}
	})
}

// A floor that was a share of the answers would sink while a stranger asks for
// names that nobody has, until the answer about somebody stands out.
func TestFastAnswersDoNotLowerTheFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := settled(t)
		var wg sync.WaitGroup
		for i := range 4000 {
			wg.Go(func() { took(t, b, fmt.Sprint("nobody-", i), "wrong") })
		}
		wg.Wait()
		unknown, _ := took(t, b, "mallory", "wrong")
		known, _ := took(t, b, "bob", "wrong")
		if unknown < 490*time.Millisecond || known < 490*time.Millisecond {
			t.Errorf("after 4,000 fast refusals, an unknown user is refused after %v and a known one after %v, want at least 490ms", unknown, known)
		}
	})
}

func TestFloorSinksWithTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := settled(t)
		time.Sleep(10 * time.Minute)
		if got, _ := took(t, b, "mallory", "wrong"); got < 245*time.Millisecond || got > 282*time.Millisecond {
			t.Errorf("ten minutes later a refusal takes %v, want half of 500 ms, an eighth more at most", got)
		}
		time.Sleep(2 * time.Hour)
		wantHeld(t, b, "mallory", 100*time.Millisecond)
	})
}

func TestFloorIsNotMovedByOneSlowMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFloor(t, newFake(people()).slow(map[string]time.Duration{"bob": time.Minute}), backend.FloorConfig{})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { took(t, b, "bob", "bob-5ecret") })
		}
		wg.Wait()
		if got, _ := took(t, b, "alice", "wrong"); got > 400*time.Millisecond {
			t.Errorf("after logins that took a minute at the same moment, a refusal takes %v", got)
		}
	})
}

func TestFloorHasACeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFloor(t, newFake(people()).slow(map[string]time.Duration{"bob": time.Minute}), backend.FloorConfig{Max: 300 * time.Millisecond})
		for range 100 {
			took(t, b, "bob", "wrong")
		}
		wantHeld(t, b, "alice", 300*time.Millisecond)
		if got, _ := took(t, b, "bob", "wrong"); got != time.Minute {
			t.Errorf("what is slower is held for %v", got-time.Minute)
		}
	})
}

func TestRefusalIsNotHeldForWhoHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		asked := time.Now()
		_, err := newFloor(t, newFake(people()), backend.FloorConfig{}).Authenticate(ctx, "alice", "wrong")
		if got := time.Since(asked); got != 20*time.Millisecond || backend.Refused(err) || !errors.Is(err, backend.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v after %v, want no answer after 20ms", err, got)
		}
	})
}

// What waits has given back everything that others need: a refusal that is held
// takes no turn of the flood control, and no place in the queue of its address.
func TestHeldRefusalsKeepNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flood := newFlood(t, newFake(people()), backend.FloodConfig{})
		b := newFloor(t, flood, backend.FloorConfig{Min: time.Second, Max: time.Second})
		var wg sync.WaitGroup
		for i := range 90 {
			wg.Go(func() { from(t.Context(), b, "192.0.2.1", "alice", guessed(i)) })
		}
		synctest.Wait()
		asked := time.Now()
		if got := from(t.Context(), b, "192.0.2.1", "bob", "bob-5ecret"); got != "" || time.Since(asked) != 0 {
			t.Errorf("while 90 refusals are held, a login from the same address: %q after %v", got, time.Since(asked))
		}
		wg.Wait()
	})
}

// Whoever sends the same wrong password over thousands of connections at once fills
// no memory with those who wait, and takes nothing from those who log in.
func TestHeldRefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFloor(t, newCache(t, newFake(people()), backend.CacheConfig{}), backend.FloorConfig{})
		took(t, b, "alice", "wrong")
		var wg sync.WaitGroup
		var held, throttled atomic.Int64
		for range 10_000 {
			wg.Go(func() {
				asked := time.Now()
				_, err := b.Authenticate(t.Context(), "alice", "wrong")
				at := time.Since(asked)
				switch {
				case backend.Refused(err) && at >= 100*time.Millisecond:
					held.Add(1)
				case errors.Is(err, backend.ErrThrottled) && at == 0 && backend.RetryAfter(err) > 0:
					throttled.Add(1)
				default:
					t.Errorf("got %v after %v", err, at)
				}
			})
		}
		synctest.Wait()
		if got, refusal := took(t, b, "bob", "bob-5ecret"); got != 0 || refusal != "" {
			t.Errorf("meanwhile a good login ends after %v: %q", got, refusal)
		}
		wg.Wait()
		if held.Load() != 4096 || throttled.Load() != 10_000-4096 {
			t.Errorf("%d refusals were held and %d put off, want 4096 and the rest", held.Load(), throttled.Load())
		}
		wantHeld(t, b, "alice", 100*time.Millisecond)
	})
}

func TestFloorsThatCannotBe(t *testing.T) {
	for _, cfg := range []backend.FloorConfig{{Min: -1}, {Max: -1}, {Min: 2 * time.Second}, {Min: time.Second, Max: time.Millisecond}} {
		if _, err := backend.NewFloor(newFake(nil), cfg); err == nil {
			t.Errorf("%+v: no error", cfg)
		}
	}
}

func TestFloorPassesOnWhatTheBackendCanDo(t *testing.T) {
	f := able{newFake(people())}
	f.version.Store(7)
	b := newFloor(t, f, backend.FloorConfig{})
	if v := backend.Extend(b).Version("alice"); v != 7 {
		t.Errorf("version: got %d, want 7", v)
	}
	if got := backend.Extend(b).CanonicalUser("ALICE") + backend.Extend(b).CanonicalGroup("DEV") + backend.Extend(b).Spelling("x").CanonicalUser("BOB"); got != "alicedevbob" {
		t.Errorf("spellings: got %q", got)
	}
	id, err := backend.Extend(b).Resolve(t.Context(), "ALICE")
	if err != nil || id.User != "alice" {
		t.Errorf("resolve: got %+v, %v", id, err)
	}
	if now, err := backend.Extend(b).Revalidate(t.Context(), id); err != nil || now != id {
		t.Errorf("revalidate: got %+v, %v", now, err)
	}
	if _, err := backend.Extend(b).Revalidate(t.Context(), backend.Identity{User: "mallory"}); !errors.Is(err, backend.ErrUnknownUser) {
		t.Errorf("revalidate: got %v", err)
	}
	if !backend.Extend(b).Status().Degraded {
		t.Error("it hides that the backend is degraded")
	}
}
