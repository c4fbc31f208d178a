package backend_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
)

var alice = backend.Identity{User: "alice", Handle: "uid=alice"}

// fail makes every question to f fail with err; nil has it answer again. It waits
// for those that are asked already.
func fail(f *fake, err error) {
	synctest.Wait()
	f.during = func(context.Context) error { return err }
}

// wantState asks c and checks the verdict and what part the cache says it had.
func wantState(tb testing.TB, c *backend.Cache, password, want string, state backend.CacheState) {
	tb.Helper()
	call := &backend.Call{}
	id, err := c.Authenticate(backend.WithCall(tb.Context(), call), "alice", password)
	if got := verdict(err); got != want || call.Cache != state || (err == nil) != (id == alice) {
		tb.Errorf("alice with %q: got %+v, verdict %q (%v), %s, want verdict %q, %s", password, id, got, err, call.Cache, want, state)
	}
}

func TestLoginGoesOnInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := newCache(t, f, backend.CacheConfig{TTL: time.Minute, Stale: time.Hour})
		login(t, c, "alice", "alice-5ecret", "")
		fail(f, backend.ErrUnavailable)
		time.Sleep(time.Minute - time.Nanosecond)
		wantState(t, c, "alice-5ecret", "", backend.CacheHit)
		time.Sleep(time.Nanosecond)
		wantState(t, c, "alice-5ecret", "", backend.CacheStale)
		wantState(t, c, "alice-5ecret", "", backend.CacheStale)
		login(t, c, "alice", "wrong", "unavailable")
		login(t, c, "bob", "bob-5ecret", "unavailable")

		// It is not prolonged by its use.
		time.Sleep(time.Hour - time.Nanosecond)
		wantState(t, c, "alice-5ecret", "", backend.CacheStale)
		time.Sleep(time.Nanosecond)
		wantState(t, c, "alice-5ecret", "unavailable", backend.CacheMiss)
		if got, want := c.Stats().Logins, (backend.CacheAnswers{Hit: 1, Miss: 4, Stale: 3}); got != want {
			t.Errorf("counted: got %+v, want %+v", got, want)
		}
	})
}

func TestNothingIsStaleByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := newCache(t, f, backend.CacheConfig{})
		login(t, c, "alice", "alice-5ecret", "")
		wantGroups(t, c, alice, "dev", "pusher")
		fail(f, backend.ErrUnavailable)
		time.Sleep(5 * time.Minute)
		login(t, c, "alice", "alice-5ecret", "unavailable")
		if groups, err := c.Groups(t.Context(), alice); verdict(err) != "unavailable" {
			t.Errorf("Groups: got %q, %v, want ErrUnavailable", groups, err)
		}
	})
}

// A fault may be there to stay, such as a mistake in the configuration.
func TestNothingIsStaleAfterAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := newCache(t, f, backend.CacheConfig{TTL: time.Minute, Stale: time.Hour})
		login(t, c, "alice", "alice-5ecret", "")
		wantGroups(t, c, alice, "dev", "pusher")
		for _, failure := range []error{errors.New("result code 80"), backend.ErrThrottled, context.Canceled} {
			time.Sleep(time.Minute)
			fail(f, failure)
			wantState(t, c, "alice-5ecret", "fault", backend.CacheMiss)
			if groups, err := c.Groups(t.Context(), alice); err == nil {
				t.Errorf("%v: got groups %q and no error", failure, groups)
			}
		}
	})
}

func TestLoginThatWasRefusedIsNeverStale(t *testing.T) {
	tests := map[string]func(*testing.T, *fake, *backend.Cache){
		"password changed": func(t *testing.T, f *fake, c *backend.Cache) {
			f.set("alice", account{password: "changed"})
			login(t, c, "alice", "alice-5ecret", "wrong password")
		},
		"locked": func(t *testing.T, f *fake, c *backend.Cache) {
			f.set("alice", account{password: "alice-5ecret", locked: true})
			login(t, c, "alice", "alice-5ecret", "locked")
		},
		"refused in another spelling": func(t *testing.T, f *fake, c *backend.Cache) {
			f.set("alice", account{password: "changed"})
			login(t, c, "ALICE", "alice-5ecret", "wrong password")
		},
		"refused in another version": func(t *testing.T, f *fake, c *backend.Cache) {
			f.version.Store(1)
			f.set("alice", account{password: "changed"})
			login(t, c, "alice", "alice-5ecret", "wrong password")
			f.version.Store(0)
		},
		"refused between two versions": func(t *testing.T, f *fake, c *backend.Cache) {
			f.set("alice", account{password: "changed"})
			f.during = func(context.Context) error { f.version.Add(1); return nil }
			login(t, c, "alice", "alice-5ecret", "wrong password")
			f.version.Store(0)
		},
	}
	for name, refuse := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(people())
				c := newCache(t, f, backend.CacheConfig{TTL: time.Minute, Stale: time.Hour})
				login(t, c, "alice", "alice-5ecret", "")
				login(t, c, "ALICE", "alice-5ecret", "")
				wantGroups(t, c, alice, "dev", "pusher")
				time.Sleep(time.Minute)
				refuse(t, f, c)

				time.Sleep(30 * time.Second) // the refusal is forgotten too
				fail(f, backend.ErrUnavailable)
				login(t, c, "alice", "alice-5ecret", "unavailable")
				login(t, c, "ALICE", "alice-5ecret", "unavailable")
				if groups, err := c.Groups(t.Context(), alice); err == nil {
					t.Errorf("got groups %q of a login that was refused", groups)
				}
			})
		})
	}
}

func TestNothingIsStaleAcrossVersionsAndPurges(t *testing.T) {
	tests := map[string]func(*fake, *backend.Cache){
		"version":       func(f *fake, _ *backend.Cache) { f.version.Add(1) },
		"purge":         func(_ *fake, c *backend.Cache) { c.Purge() },
		"purge of user": func(_ *fake, c *backend.Cache) { c.PurgeUser("alice") },
	}
	for name, change := range tests {
		t.Run(name+", before", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(people())
				c := expiredCache(t, f)
				change(f, c)
				wantNothing(t, c)
			})
		})
		t.Run(name+", while it is asked", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(people())
				c := expiredCache(t, f)
				f.during = func(context.Context) error {
					time.Sleep(time.Second)
					return backend.ErrUnavailable
				}
				time.AfterFunc(500*time.Millisecond, func() { change(f, c) })
				wantNothing(t, c)
			})
		})
		t.Run(name+", in an outage", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(people())
				c := expiredCache(t, f)
				wantState(t, c, "alice-5ecret", "", backend.CacheStale)
				change(f, c)
				wantNothing(t, c)
			})
		})
	}
}

// expiredCache has a login and groups of alice that may be stale, as f is out.
func expiredCache(t *testing.T, f *fake) *backend.Cache {
	t.Helper()
	c := newCache(t, f, backend.CacheConfig{TTL: time.Minute, Stale: time.Hour})
	login(t, c, "alice", "alice-5ecret", "")
	wantGroups(t, c, alice, "dev", "pusher")
	time.Sleep(time.Minute)
	fail(f, backend.ErrUnavailable)
	return c
}

// wantNothing asks at once for a login and groups of alice, and wants neither.
func wantNothing(t *testing.T, c *backend.Cache) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() { wantState(t, c, "alice-5ecret", "unavailable", backend.CacheMiss) })
	wg.Go(func() {
		if groups, err := c.Groups(t.Context(), alice); verdict(err) != "unavailable" {
			t.Errorf("Groups: got %q, %v, want ErrUnavailable", groups, err)
		}
	})
	wg.Wait()
}

func TestCallerWhoLeavesGetsNothingStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := expiredCache(t, f)
		f.during = func(context.Context) error {
			time.Sleep(time.Second)
			return backend.ErrUnavailable
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if id, err := c.Authenticate(ctx, "alice", "alice-5ecret"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %+v, %v, want DeadlineExceeded", id, err)
		}
		time.Sleep(time.Second)
	})
}

// hanging counts how many questions hang at once, each until its context ends.
func hanging(f *fake) (most *atomic.Int64) {
	synctest.Wait()
	var now atomic.Int64
	most = new(atomic.Int64)
	f.during = func(ctx context.Context) error {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		<-ctx.Done()
		return nil
	}
	return most
}

func TestOutageMakesOnlyTheFirstWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := newCache(t, f, backend.CacheConfig{TTL: time.Minute, Stale: time.Hour, Timeout: 7 * time.Second})
		login(t, c, "alice", "alice-5ecret", "")
		login(t, c, "bob", "bob-5ecret", "")
		wantGroups(t, c, alice, "dev", "pusher")
		time.Sleep(time.Minute)
		most := hanging(f)

		start := time.Now()
		login(t, c, "alice", "alice-5ecret", "")
		if got := time.Since(start); got != 7*time.Second {
			t.Errorf("the first was held for %v, want 7s", got)
		}
		wantGroups(t, c, alice, "dev", "pusher")
		most.Store(0)
		f.logins.Store(0)
		start = time.Now()
		for range 120 {
			time.Sleep(time.Second)
			login(t, c, "alice", "alice-5ecret", "")
			login(t, c, "bob", "bob-5ecret", "")
			wantGroups(t, c, alice, "dev", "pusher")
		}
		if got := time.Since(start); got != 120*time.Second {
			t.Errorf("the others took %v, want 120s", got)
		}
		if got := most.Load(); got > 2 { // a login and groups
			t.Errorf("%d questions were asked at once, want no more than 2", got)
		}
		if got := f.logins.Load(); got < 12 || got > 120 {
			t.Errorf("%d logins were asked about, want one after the other", got)
		}
		time.Sleep(7 * time.Second) // after which synctest finds whatever goes on
	})
}

func TestOutageIsOverWithTheFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := expiredCache(t, f)
		for range 10 {
			wantState(t, c, "alice-5ecret", "", backend.CacheStale)
			time.Sleep(time.Second)
		}
		f.set("alice", account{password: "changed"})
		fail(f, nil)
		wantState(t, c, "alice-5ecret", "", backend.CacheStale)
		synctest.Wait() // the question that nobody waited for
		wantState(t, c, "alice-5ecret", "wrong password", backend.CacheNegative)
		wantState(t, c, "changed", "", backend.CacheMiss)
	})
}

// A question that nobody asks cannot say that the outage goes on.
func TestOutageIsForgottenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := expiredCache(t, f)
		wantState(t, c, "alice-5ecret", "", backend.CacheStale)
		f.set("alice", account{password: "changed"})
		fail(f, nil)
		time.Sleep(15 * time.Second)
		wantState(t, c, "alice-5ecret", "wrong password", backend.CacheMiss)
	})
}

func TestOutageOfOneSourceIsNotThatOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		c := newCache(t, w, backend.CacheConfig{TTL: time.Minute, Stale: time.Hour})
		for _, user := range []string{"user1", "user2"} {
			w.users[user] = account{password: "x", groups: []string{"dev"}}
			login(t, c, user, "x", "")
		}
		time.Sleep(time.Minute)
		w.failures[source("user2")] = "unavailable"
		login(t, c, "user2", "x", "")
		w.users["user1"] = account{password: "changed"}
		login(t, c, "user1", "x", "wrong password")
	})
}

func TestGroupsGoOnInAnOutageWithTheirLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := newCache(t, f, backend.CacheConfig{TTL: time.Minute, GroupsTTL: 10 * time.Second, Stale: time.Hour})
		login(t, c, "alice", "alice-5ecret", "")
		time.Sleep(5 * time.Second)
		wantGroups(t, c, alice, "dev", "pusher")
		fail(f, backend.ErrUnavailable)
		time.Sleep(10 * time.Second)
		call := &backend.Call{Cache: backend.CacheHit}
		groups, err := c.Groups(backend.WithCall(t.Context(), call), alice)
		if got := strings.Join(groups, " "); got != "dev pusher" || err != nil || call.Cache != backend.CacheStale {
			t.Errorf("got groups %q, %v, %s, want dev and pusher, stale", got, err, call.Cache)
		}
		wantState(t, c, "alice-5ecret", "", backend.CacheHit)
		if got, want := c.Stats().Groups, (backend.CacheAnswers{Miss: 1, Stale: 1}); got != want {
			t.Errorf("counted: got %+v, want %+v", got, want)
		}

		// They were asked for within their own time, and the login ends before.
		time.Sleep(time.Hour + time.Minute - 15*time.Second - time.Nanosecond)
		wantState(t, c, "alice-5ecret", "", backend.CacheStale)
		time.Sleep(time.Nanosecond)
		wantNothing(t, c)
	})
}

func TestGroupsHaveATTLOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := newCache(t, f, backend.CacheConfig{TTL: time.Minute, GroupsTTL: 10 * time.Second})
		login(t, c, "alice", "alice-5ecret", "")
		wantGroups(t, c, alice, "dev", "pusher")
		f.set("alice", account{password: "alice-5ecret", groups: []string{"dev"}})
		time.Sleep(10*time.Second - time.Nanosecond)
		wantGroups(t, c, alice, "dev", "pusher")
		time.Sleep(time.Nanosecond)
		wantGroups(t, c, alice, "dev")
		login(t, c, "alice", "alice-5ecret", "")
		wantLogins(t, f, 1)
	})
}

func TestGroupsNeverOutliveTheirLogin(t *testing.T) {
	tests := map[string]func(*testing.T, *fake, *backend.Cache){
		"expired": func(*testing.T, *fake, *backend.Cache) { time.Sleep(time.Minute - 50*time.Second) },
		"renewed": func(t *testing.T, _ *fake, c *backend.Cache) {
			time.Sleep(time.Minute - 50*time.Second)
			login(t, c, "alice", "alice-5ecret", "")
		},
		"pushed out": func(t *testing.T, f *fake, c *backend.Cache) {
			f.set("dave", account{password: "x"})
			login(t, c, "bob", "bob-5ecret", "")
			login(t, c, "dave", "x", "")
		},
		"refused": func(t *testing.T, f *fake, c *backend.Cache) {
			f.version.Store(1)
			fail(f, backend.ErrLocked)
			login(t, c, "alice", "alice-5ecret", "locked")
			f.version.Store(0)
			fail(f, nil)
		},
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(people())
				c := newCache(t, f, backend.CacheConfig{Size: 2, TTL: time.Minute, GroupsTTL: time.Hour, Revalidate: -1})
				login(t, c, "alice", "alice-5ecret", "")
				time.Sleep(50 * time.Second)
				wantGroups(t, c, alice, "dev", "pusher")
				a := people()["alice"]
				a.groups = []string{"dev"}
				f.set("alice", a)
				wantGroups(t, c, alice, "dev", "pusher")
				end(t, f, c)
				wantGroups(t, c, alice, "dev")
			})
		})
	}
}

// Groups that were asked for with one login are not those of the next.
func TestGroupsOnTheirWayEndWithTheLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := newCache(t, late{f}, backend.CacheConfig{TTL: time.Minute})
		login(t, c, "alice", "alice-5ecret", "")
		time.Sleep(58*time.Second + 500*time.Millisecond)
		var wg sync.WaitGroup
		wg.Go(func() { wantGroups(t, c, alice, "dev", "pusher") })
		synctest.Wait()
		a := people()["alice"]
		a.groups = []string{"dev"}
		f.set("alice", a)
		time.Sleep(500 * time.Millisecond)
		login(t, c, "alice", "alice-5ecret", "")
		wg.Wait()
		wantGroups(t, c, alice, "dev")
	})
}

// Groups that are read at a login alone are read by the next request again, where they
// have been forgotten. That is one user's, and no outage for others.
func TestForgottenGroupsEndTheLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := newCache(t, f, backend.CacheConfig{TTL: time.Minute, Stale: time.Hour})
		login(t, c, "alice", "alice-5ecret", "")
		bob := backend.Identity{User: "bob", Handle: "uid=bob"}
		login(t, c, "bob", "bob-5ecret", "")
		wantGroups(t, c, bob)
		fail(f, backend.ErrForgotten)
		if groups, err := c.Groups(t.Context(), alice); !errors.Is(err, backend.ErrUnavailable) || groups != nil {
			t.Errorf("got %q, %v, want that there is no answer", groups, err)
		}
		fail(f, nil)
		wantState(t, c, "alice-5ecret", "", backend.CacheMiss)
		wantGroups(t, c, alice, "dev", "pusher")
		time.Sleep(time.Minute)
		fail(f, backend.ErrForgotten)
		if _, err := c.Groups(t.Context(), alice); !errors.Is(err, backend.ErrForgotten) {
			t.Errorf("groups that are read at a login again: got %v", err)
		}
		fail(f, nil)
		lists := f.lists.Load()
		wantGroups(t, c, bob)
		if n := f.lists.Load() - lists; n != 1 {
			t.Errorf("the groups of another user were asked for %d times, want once: there is no outage", n)
		}
	})
}
