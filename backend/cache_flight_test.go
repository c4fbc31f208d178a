package backend_test

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend"
)

// slowly makes each question to f take a second, or less if its context ends.
func slowly(f *fake) {
	f.during = func(ctx context.Context) error {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
		return nil
	}
}

func TestEqualQuestionsAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		slowly(f)
		c := newCache(t, f, backend.CacheConfig{})
		var wg sync.WaitGroup
		for i := range 2000 {
			wg.Go(func() {
				// Some come late, and all must be done when the first answer is in.
				time.Sleep(time.Duration(i%10) * 100 * time.Millisecond)
				login(t, c, "alice", "alice-5ecret", "")
			})
			if i%4 == 0 {
				wg.Go(func() { login(t, c, "alice", "bob-5ecret", "wrong password") })
				wg.Go(func() { login(t, c, "bob", "bob-5ecret", "") })
				wg.Go(func() {
					wantGroups(t, c, backend.Identity{User: "alice", Handle: "uid=alice"}, "dev", "pusher")
				})
			}
		}
		start := time.Now()
		wg.Wait()
		if got := time.Since(start); got != time.Second {
			t.Errorf("all were answered after %v, want 1s", got)
		}
		wantLogins(t, f, 3)
		if got := f.lists.Load(); got != 1 {
			t.Errorf("backend was asked for groups %d times, want 1", got)
		}
		if got, want := c.Stats().Shared, uint64(2000+3*500-4); got != want {
			t.Errorf("%d calls shared an answer, want %d", got, want)
		}
	})
}

// The same without the scheduler of synctest, for the race detector and for the
// moment at which one flight has landed and another may start.
func TestEqualQuestionsOfRealThreadsAreAskedOnce(t *testing.T) {
	for range 20 {
		f := newFake(people())
		c := newCache(t, f, backend.CacheConfig{})
		gate := make(chan struct{})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				<-gate
				login(t, c, "alice", "alice-5ecret", "")
			})
		}
		close(gate)
		wg.Wait()
		wantLogins(t, f, 1)
	}
}

func TestCallerWhoLeavesFailsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		slowly(f)
		c := newCache(t, f, backend.CacheConfig{})
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			start := time.Now()
			_, err := c.Authenticate(first, "alice", "alice-5ecret")
			if !errors.Is(err, backend.ErrUnavailable) || !errors.Is(err, context.Canceled) {
				t.Errorf("caller who left: got error %v, want ErrUnavailable and Canceled", err)
			}
			if got := time.Since(start); got != 100*time.Millisecond {
				t.Errorf("caller who left was held for %v, want 100ms", got)
			}
		})
		synctest.Wait()
		wg.Go(func() { login(t, c, "alice", "alice-5ecret", "") })
		time.Sleep(100 * time.Millisecond)
		cancel()
		wg.Wait()
		login(t, c, "alice", "alice-5ecret", "")
		wantLogins(t, f, 1)
	})
}

func TestAnswerIsKeptWhenAllCallersLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		slowly(f)
		c := newCache(t, f, backend.CacheConfig{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := c.Authenticate(ctx, "alice", "alice-5ecret"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want DeadlineExceeded", err)
		}
		time.Sleep(time.Second)
		login(t, c, "alice", "alice-5ecret", "")
		wantLogins(t, f, 1)
	})
}

func TestDoneCallerGetsNothingFromTheCache(t *testing.T) {
	f := newFake(people())
	c := newCache(t, f, backend.CacheConfig{})
	login(t, c, "alice", "alice-5ecret", "")
	id := backend.Identity{User: "alice", Handle: "uid=alice"}
	wantGroups(t, c, id, "dev", "pusher")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Authenticate(ctx, "alice", "alice-5ecret"); !errors.Is(err, context.Canceled) {
		t.Errorf("Authenticate: got error %v, want Canceled", err)
	}
	if _, err := c.Groups(ctx, id); !errors.Is(err, context.Canceled) {
		t.Errorf("Groups: got error %v, want Canceled", err)
	}
}

// A question that nobody waits for any more must not keep the request of a stranger, and
// its connection, in memory.
func TestSEC2QuestionHoldsNothingOfItsRequest(t *testing.T) {
	type request struct{}
	f := newFake(people())
	var kept any
	var call *backend.Call
	f.during = func(ctx context.Context) error {
		kept, call = ctx.Value(request{}), backend.CallOf(ctx)
		return nil
	}
	c := newCache(t, f, backend.CacheConfig{})
	source := netip.MustParseAddr("192.0.2.1")
	ctx := backend.WithCall(context.WithValue(t.Context(), request{}, "a large one"), &backend.Call{Source: source})
	if _, err := c.Authenticate(ctx, "alice", "alice-5ecret"); err != nil {
		t.Error(err)
	}
	if kept != nil {
		t.Errorf("the question holds %v of its request", kept)
	}
	if call == nil || call.Source != source {
		t.Errorf("the backend saw the call %v, want that of %v", call, source)
	}
}

func TestQuestionIsBounded(t *testing.T) {
	const timeout = 3 * time.Second
	tests := map[string]struct {
		during func(t *testing.T, ctx context.Context) error
		takes  time.Duration
	}{
		"heeds its context": {func(_ *testing.T, ctx context.Context) error {
			<-ctx.Done()
			return nil
		}, timeout},
		"disregards its context": {func(t *testing.T, _ context.Context) error {
			<-t.Context().Done()
			return nil
		}, timeout},
		"ends its goroutine": {func(*testing.T, context.Context) error {
			runtime.Goexit()
			return nil
		}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(people())
				f.during = func(ctx context.Context) error { return test.during(t, ctx) }
				c := newCache(t, f, backend.CacheConfig{Timeout: timeout})
				start := time.Now()
				login(t, c, "alice", "alice-5ecret", "unavailable")
				if got := time.Since(start); got != test.takes {
					t.Errorf("the answer took %v, want %v", got, test.takes)
				}
				_, err := c.Groups(t.Context(), backend.Identity{User: "alice", Handle: "uid=alice"})
				if verdict(err) != "unavailable" {
					t.Errorf("Groups: got error %v, want ErrUnavailable", err)
				}
			})
		})
	}
}

func TestPanicOfTheBackendFailsClosed(t *testing.T) {
	var none map[string]int
	panics := map[string]func(){
		"a value":       func() { panic("alice-5ecret is not to be told") },
		"the runtime's": func() { none["alice"]++ },
		"nil":           func() { panic(nil) },
	}
	for name, panics := range panics {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(people())
				f.during = func(context.Context) error {
					time.Sleep(time.Second)
					panics()
					return nil
				}
				c := newCache(t, f, backend.CacheConfig{})
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						id, err := c.Authenticate(t.Context(), "alice", "alice-5ecret")
						if verdict(err) != "fault" || id != (backend.Identity{}) {
							t.Errorf("Authenticate: got %+v, %v, want a fault", id, err)
						}
						if strings.Contains(err.Error(), "5ecret") || !strings.Contains(err.Error(), "cache_flight_test.go") {
							t.Errorf("got error %v, want one that tells the place and not the value", err)
						}
						if _, err := c.Groups(t.Context(), backend.Identity{User: "alice"}); verdict(err) != "fault" {
							t.Errorf("Groups: got error %v, want a fault", err)
						}
					})
				}
				wg.Wait()
				wantLogins(t, f, 1)
				f.during = nil
				login(t, c, "alice", "alice-5ecret", "")
			})
		})
	}
}

func TestPurgeReachesAnswersOnTheirWay(t *testing.T) {
	purges := map[string]func(*backend.Cache) int{
		"everything": (*backend.Cache).Purge,
		"one user":   func(c *backend.Cache) int { return c.PurgeUser("alice") },
	}
	// Who asks after a purge must neither join an older question that is still
	// on its way nor find its answer stored.
	waits := map[string]time.Duration{"still on the way": 0, "landed": time.Minute}
	for name, purge := range purges {
		for when, wait := range waits {
			t.Run(name+", "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake(people())
					c := newCache(t, late{f}, backend.CacheConfig{})
					id := backend.Identity{User: "alice", Handle: "uid=alice"}
					var wg sync.WaitGroup
					wg.Go(func() { login(t, c, "alice", "alice-5ecret", "") })
					wg.Go(func() { wantGroups(t, c, id, "dev", "pusher") })
					synctest.Wait()
					f.set("alice", account{password: "changed", groups: []string{"dev"}})
					purge(c)

					time.Sleep(wait)
					wg.Go(func() { login(t, c, "alice", "alice-5ecret", "wrong password") })
					wg.Go(func() { wantGroups(t, c, id, "dev") })
					wg.Wait()
					wantLogins(t, f, 2)
				})
			})
		}
	}
}

// late answers a second after it looked.
type late struct{ *fake }

func (l late) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	defer time.Sleep(time.Second)
	return l.fake.Authenticate(ctx, user, password)
}

func (l late) Groups(ctx context.Context, id backend.Identity) ([]string, error) {
	defer time.Sleep(time.Second)
	return l.fake.Groups(ctx, id)
}

func TestGroupsAreRememberedByIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := newCache(t, byIdentity{f}, backend.CacheConfig{TTL: time.Minute})
		ids := []backend.Identity{
			{User: "alice"}, {Handle: "alice"}, {Source: "alice"},
			{User: "alice", Source: "corp"}, {User: "alice", Handle: "corp"},
		}
		for range 2 {
			for _, id := range ids {
				wantGroups(t, c, id, id.User, id.Handle, id.Source)
			}
		}
		if got, want := f.lists.Load(), int64(len(ids)); got != want {
			t.Errorf("backend was asked %d times, want %d", got, want)
		}
		time.Sleep(time.Minute)
		wantGroups(t, c, ids[0], "alice", "", "")
		if got, want := f.lists.Load(), int64(len(ids)+1); got != want {
			t.Errorf("backend was asked %d times after the TTL, want %d", got, want)
		}
	})
}

// byIdentity answers with the parts of the identity that it was asked about.
type byIdentity struct{ *fake }

func (b byIdentity) Groups(_ context.Context, id backend.Identity) ([]string, error) {
	b.lists.Add(1)
	return []string{id.User, id.Handle, id.Source}, nil
}

func TestRememberedGroupsCannotBeChangedByACaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		slowly(f)
		c := newCache(t, f, backend.CacheConfig{})
		id := backend.Identity{User: "alice", Handle: "uid=alice"}
		var changed atomic.Int64
		var wg sync.WaitGroup
		// Two that wait for the same answer, and one that finds it stored.
		spoil := func() {
			groups, err := c.Groups(t.Context(), id)
			if err != nil || !cmp.Equal(groups, []string{"dev", "pusher"}) {
				t.Errorf("got %q, %v, want dev and pusher", groups, err)
				return
			}
			groups[0] = "admin"
			_ = append(groups[:1], "admin")
			changed.Add(1)
		}
		wg.Go(spoil)
		wg.Go(spoil)
		wg.Wait()
		spoil()
		wantGroups(t, c, id, "dev", "pusher")
		if f.lists.Load() != 1 || changed.Load() != 3 {
			t.Errorf("backend was asked %d times by %d callers, want 1 and 3", f.lists.Load(), changed.Load())
		}
	})
}
