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

// A directory is a fake that can tell without a password who still counts.
type directory struct {
	*fake
	checks atomic.Int64
}

func newDirectory() *directory { return &directory{fake: newFake(people())} }

func (d *directory) Revalidate(ctx context.Context, id backend.Identity) (backend.Identity, error) {
	d.checks.Add(1)
	if err := d.question(ctx); err != nil {
		return id, err
	}
	switch a, ok := d.account(id.User); {
	case !ok:
		return id, backend.ErrUnknownUser
	case a.locked:
		return id, backend.ErrLocked
	}
	return id, nil
}

func (d *directory) lock(user string) {
	a, _ := d.account(user)
	a.locked = true
	d.set(user, a)
}

func (d *directory) wantChecks(tb testing.TB, want int64) {
	tb.Helper()
	if got := d.checks.Load(); got != want {
		tb.Errorf("backend was asked %d times who still counts, want %d", got, want)
	}
}

func TestUserWhoIsDisabledIsOutWithinAMinute(t *testing.T) {
	tests := map[string]struct {
		hits   []time.Duration // after the login at which the user is let in
		locked time.Duration
		out    time.Duration
	}{
		"idle":              {nil, time.Second, time.Minute},
		"idle for long":     {nil, time.Second, 4 * time.Minute},
		"busy":              {[]time.Duration{10 * time.Second, 20 * time.Second, 29 * time.Second, 30 * time.Second}, 21 * time.Second, 31 * time.Second},
		"after a check":     {[]time.Duration{30 * time.Second, 59 * time.Second, 60 * time.Second}, 31 * time.Second, 61 * time.Second},
		"idle after checks": {[]time.Duration{30 * time.Second, 60 * time.Second, 89 * time.Second}, 61 * time.Second, 120 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDirectory()
				c := newCache(t, d, backend.CacheConfig{})
				login(t, c, "alice", "alice-5ecret", "")
				start := time.Now()
				time.AfterFunc(tt.locked, func() { d.lock("alice") })
				for _, after := range tt.hits {
					time.Sleep(after - time.Since(start))
					login(t, c, "alice", "alice-5ecret", "")
					synctest.Wait()
				}
				time.Sleep(tt.out - time.Since(start))
				login(t, c, "alice", "alice-5ecret", "locked")
			})
		})
	}
}

func TestRefusedCheckForgetsAllOfTheUser(t *testing.T) {
	for name, wait := range map[string]time.Duration{"meanwhile": 30 * time.Second, "before": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDirectory()
				c := newCache(t, d, backend.CacheConfig{Stale: time.Hour})
				login(t, c, "alice", "alice-5ecret", "")
				login(t, c, "ALICE", "alice-5ecret", "")
				login(t, c, "bob", "bob-5ecret", "")
				wantGroups(t, c, alice, "dev", "pusher")
				time.Sleep(wait)
				d.lock("alice")
				wantVerdict := map[bool]string{true: "locked"}[wait == time.Minute]
				call := &backend.Call{}
				if _, err := c.Authenticate(backend.WithCall(t.Context(), call), "alice", "alice-5ecret"); verdict(err) != wantVerdict {
					t.Errorf("got %v, want verdict %q", err, wantVerdict)
				}
				synctest.Wait()

				d.logins.Store(0)
				login(t, c, "ALICE", "alice-5ecret", "locked")
				wantLogins(t, d.fake, 1)
				fail(d.fake, backend.ErrUnavailable)
				login(t, c, "alice", "alice-5ecret", "unavailable")
				if groups, err := c.Groups(t.Context(), alice); err == nil {
					t.Errorf("got groups %q of a user who was refused", groups)
				}
				login(t, c, "bob", "bob-5ecret", "")
				if got := c.Stats().Checks; got.Refused != 1 || got.OK != 0 {
					t.Errorf("counted: got %+v, want one refusal", got)
				}
			})
		})
	}
}

func TestChangedGroupsCountWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		c := newCache(t, d, backend.CacheConfig{})
		login(t, c, "alice", "alice-5ecret", "")
		login(t, c, "bob", "bob-5ecret", "")
		wantGroups(t, c, alice, "dev", "pusher")
		a, _ := d.account("alice")
		a.groups = []string{"dev"}
		d.set("alice", a)
		time.Sleep(time.Minute)
		login(t, c, "alice", "alice-5ecret", "")
		login(t, c, "bob", "bob-5ecret", "")
		wantGroups(t, c, alice, "dev")
		wantLogins(t, d.fake, 2)
		d.wantChecks(t, 2)
		if got := d.lists.Load(); got != 2 { // none of bob, whose groups nobody knows
			t.Errorf("backend was asked for groups %d times, want 2", got)
		}
	})
}

func TestRefusalOfGroupsForgetsTheUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := newCache(t, f, backend.CacheConfig{GroupsTTL: time.Second})
		login(t, c, "alice", "alice-5ecret", "")
		wantGroups(t, c, alice, "dev", "pusher")
		time.Sleep(time.Second)
		fail(f, backend.ErrUnknownUser)
		if groups, err := c.Groups(t.Context(), alice); !errors.Is(err, backend.ErrUnknownUser) {
			t.Errorf("got %q, %v, want ErrUnknownUser", groups, err)
		}
		login(t, c, "alice", "alice-5ecret", "unknown user")
	})
}

func TestLoginCountsThatCannotBeChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		c := newCache(t, d, backend.CacheConfig{TTL: 5 * time.Minute, Timeout: 7 * time.Second})
		login(t, c, "alice", "alice-5ecret", "")
		begin := time.Now()
		most := hanging(d.fake)
		time.Sleep(time.Minute)
		start := time.Now()
		login(t, c, "alice", "alice-5ecret", "")
		if got := time.Since(start); got != 7*time.Second {
			t.Errorf("the first was held for %v, want 7s", got)
		}
		start = time.Now()
		for range 100 {
			time.Sleep(time.Second)
			login(t, c, "alice", "alice-5ecret", "")
		}
		if got := time.Since(start); got != 100*time.Second || most.Load() != 1 {
			t.Errorf("the others took %v, and %d were asked about at once, want 100s and 1", got, most.Load())
		}

		// It was never confirmed, and so the first answer counts.
		time.Sleep(7 * time.Second)
		fail(d.fake, nil)
		d.lock("alice")
		login(t, c, "alice", "alice-5ecret", "")
		synctest.Wait()
		login(t, c, "alice", "alice-5ecret", "locked")

		// Neither does that prolong it.
		hanging(d.fake)
		time.Sleep(5*time.Minute - time.Since(begin))
		login(t, c, "alice", "alice-5ecret", "unavailable")
		if got := c.Stats().Checks; got.Unavailable == 0 || got.OK != 0 || got.Refused != 1 {
			t.Errorf("counted: got %+v", got)
		}
	})
}

func TestLoginDoesNotCountAfterAFaultOfItsCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		c := newCache(t, d, backend.CacheConfig{})
		login(t, c, "alice", "alice-5ecret", "")
		fail(d.fake, errors.New("result code 80"))
		time.Sleep(time.Minute)
		for range 2 {
			login(t, c, "alice", "alice-5ecret", "fault")
		}
		fail(d.fake, nil)
		login(t, c, "alice", "alice-5ecret", "")
		wantLogins(t, d.fake, 1)
		if got, want := c.Stats().Checks, (backend.CacheChecks{Failed: 2, OK: 1}); got != want {
			t.Errorf("counted: got %+v, want %+v", got, want)
		}
	})
}

func TestBackendThatCannotTellIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		fail(d.fake, nil)
		c := newCache(t, d, backend.CacheConfig{})
		login(t, c, "alice", "alice-5ecret", "")
		fail(d.fake, fmt.Errorf("without a service account: %w", errors.ErrUnsupported))
		for range 4 {
			time.Sleep(time.Minute)
			login(t, c, "alice", "alice-5ecret", "")
		}
		d.wantChecks(t, 1)
		wantLogins(t, d.fake, 1)
	})
}

func TestNothingIsCheckedIfThatIsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		c := newCache(t, d, backend.CacheConfig{Revalidate: -1})
		login(t, c, "alice", "alice-5ecret", "")
		time.Sleep(4 * time.Minute)
		login(t, c, "alice", "alice-5ecret", "")
		d.wantChecks(t, 0)
	})
}

func TestUsersWhoAreIdleCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		c := newCache(t, d, backend.CacheConfig{TTL: time.Hour})
		login(t, c, "alice", "alice-5ecret", "")
		time.Sleep(59 * time.Minute)
		d.wantChecks(t, 0)
	})
}

func TestEqualLoginsAreCheckedOnce(t *testing.T) {
	for name, wait := range map[string]time.Duration{"meanwhile": 30 * time.Second, "before": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDirectory()
				c := newCache(t, d, backend.CacheConfig{})
				login(t, c, "alice", "alice-5ecret", "")
				login(t, c, "ALICE", "alice-5ecret", "")
				slowly(d.fake)
				time.Sleep(wait)
				start := time.Now()
				var wg sync.WaitGroup
				for i := range 200 {
					wg.Go(func() { login(t, c, [...]string{"alice", "ALICE"}[i%2], "alice-5ecret", "") })
				}
				wg.Wait()
				want := map[bool]time.Duration{true: time.Second}[wait == time.Minute]
				if got := time.Since(start); got != want {
					t.Errorf("all were answered after %v, want %v", got, want)
				}
				time.Sleep(time.Second)
				d.wantChecks(t, 1)
				wantLogins(t, d.fake, 2)
			})
		})
	}
}

func TestFewLoginsAreCheckedAtOnceMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		c := newCache(t, d, backend.CacheConfig{})
		users := make([]string, 100)
		for i := range users {
			users[i] = fmt.Sprint("user", i)
			d.set(users[i], account{password: "x"})
			login(t, c, users[i], "x", "")
		}
		most := hanging(d.fake)
		time.Sleep(30 * time.Second)
		start := time.Now()
		for _, user := range users {
			login(t, c, user, "x", "")
		}
		synctest.Wait()
		if got := most.Load(); got != 16 || time.Since(start) != 0 {
			t.Errorf("%d logins were checked at once, want 16, and nobody held", got)
		}
		time.Sleep(10 * time.Second)
		fail(d.fake, nil)
		for _, user := range users {
			time.Sleep(time.Second)
			login(t, c, user, "x", "")
			synctest.Wait()
		}
		d.wantChecks(t, 16+100)
	})
}

func TestCheckEndsWithAPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		c := newCache(t, d, backend.CacheConfig{})
		login(t, c, "alice", "alice-5ecret", "")
		slowly(d.fake)
		time.Sleep(time.Minute)
		time.AfterFunc(500*time.Millisecond, func() { c.PurgeUser("Alice") })
		d.logins.Store(0)
		login(t, c, "alice", "alice-5ecret", "")
		wantLogins(t, d.fake, 1) // what was purged was not let in without being asked
	})
}

func TestPanicOfACheckFailsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		c := newCache(t, d, backend.CacheConfig{})
		login(t, c, "alice", "alice-5ecret", "")
		d.during = func(context.Context) error { panic("cannot happen") }
		time.Sleep(30 * time.Second)
		login(t, c, "alice", "alice-5ecret", "") // by a goroutine of its own
		time.Sleep(30 * time.Second)
		login(t, c, "alice", "alice-5ecret", "fault")
	})
}
