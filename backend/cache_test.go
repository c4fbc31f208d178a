package backend_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend"
)

func newCache(tb testing.TB, b backend.Backend, cfg backend.CacheConfig) *backend.Cache {
	tb.Helper()
	c, err := backend.NewCache(b, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// verdict names the kind of an error, "" for none.
func verdict(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, backend.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, backend.ErrUnknownUser):
		return "unknown user"
	case errors.Is(err, backend.ErrWrongPassword):
		return "wrong password"
	case errors.Is(err, backend.ErrLocked):
		return "locked"
	}
	return "fault"
}

// login asks b and checks that the verdict is want ("" for success).
func login(tb testing.TB, b backend.Backend, user, password, want string) {
	tb.Helper()
	id, err := b.Authenticate(tb.Context(), user, password)
	if got := verdict(err); got != want {
		tb.Errorf("Authenticate(%.40q, %.40q): got verdict %q (%v), want %q", user, password, got, err, want)
	}
	if err != nil && id != (backend.Identity{}) {
		tb.Errorf("Authenticate(%.40q, %.40q): got identity %+v beside error %v", user, password, id, err)
	}
}

func wantLogins(tb testing.TB, f *fake, want int64) {
	tb.Helper()
	if got := f.logins.Load(); got != want {
		tb.Errorf("backend was asked about %d logins, want %d", got, want)
	}
}

func TestCacheAsksOnceForEachLogin(t *testing.T) {
	f := newFake(people())
	c := newCache(t, f, backend.CacheConfig{})
	want := backend.Identity{User: "alice", Handle: "uid=alice"}
	for range 3 {
		got, err := c.Authenticate(t.Context(), "Alice", "alice-5ecret")
		if err != nil || got != want {
			t.Errorf("Authenticate: got %+v, %v, want %+v", got, err, want)
		}
		login(t, c, "Alice", "wrong", "wrong password")
		login(t, c, "nobody", "wrong", "unknown user")
		login(t, c, "carol", "carol-5ecret", "locked")
	}
	wantLogins(t, f, 4)
}

func TestWrongPasswordIsRefusedRightAfterACachedSuccess(t *testing.T) {
	c := newCache(t, newFake(people()), backend.CacheConfig{})
	login(t, c, "alice", "alice-5ecret", "")
	for _, password := range []string{"", "alice-5ecre", "alice-5ecret ", "alice-5ecret\x00", "ALICE-5ECRET", "bob-5ecret"} {
		login(t, c, "alice", password, "wrong password")
	}
	login(t, c, "bob", "alice-5ecret", "wrong password")
	// The same bytes cut at another place are another login.
	login(t, c, "alicealice", "-5ecret", "unknown user")
	login(t, c, "alic", "ealice-5ecret", "unknown user")
	login(t, c, "alice", "alice-5ecret", "")
}

func TestTwoCachesShareNothing(t *testing.T) {
	ours, theirs := newFake(people()), newFake(nil)
	login(t, newCache(t, ours, backend.CacheConfig{}), "alice", "alice-5ecret", "")
	login(t, newCache(t, theirs, backend.CacheConfig{}), "alice", "alice-5ecret", "unknown user")
}

func TestCacheKeepsTheErrorItself(t *testing.T) {
	f := newFake(people())
	told := fmt.Errorf("data 775: %w", backend.ErrLocked)
	f.during = func(context.Context) error { return told }
	c := newCache(t, f, backend.CacheConfig{})
	for range 2 {
		if _, err := c.Authenticate(t.Context(), "alice", "x"); err != told {
			t.Errorf("got error %v, want the backend's own", err)
		}
	}
	wantLogins(t, f, 1)
}

func TestNoIdentityComesBesideAnError(t *testing.T) {
	c := newCache(t, careless{newFake(people())}, backend.CacheConfig{})
	for range 2 {
		login(t, c, "alice", "wrong", "wrong password")
	}
	if groups, err := c.Groups(t.Context(), backend.Identity{User: "alice"}); err == nil || groups != nil {
		t.Errorf("Groups: got %q, %v, want none and an error", groups, err)
	}
}

// careless says who it is and that it is not.
type careless struct{ *fake }

func (careless) Authenticate(_ context.Context, user, _ string) (backend.Identity, error) {
	return backend.Identity{User: user}, backend.ErrWrongPassword
}

func (careless) Groups(context.Context, backend.Identity) ([]string, error) {
	return []string{"admin"}, backend.ErrUnavailable
}

func TestCacheForgetsWhatIsNoAnswer(t *testing.T) {
	tests := map[string]error{
		"unavailable":              fmt.Errorf("dial: %w", backend.ErrUnavailable),
		"cancelled":                context.Canceled,
		"deadline":                 fmt.Errorf("search: %w", context.DeadlineExceeded),
		"fault":                    errors.New("result code 80"),
		"refusal while cancelled":  errors.Join(backend.ErrUnknownUser, context.Canceled),
		"refusal past a deadline":  errors.Join(backend.ErrWrongPassword, context.DeadlineExceeded),
		"refusal of half a chain":  errors.Join(backend.ErrUnknownUser, backend.ErrUnavailable),
		"lock-out of half a chain": errors.Join(backend.ErrLocked, backend.ErrUnavailable),
	}
	for name, failure := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(people())
			c := newCache(t, f, backend.CacheConfig{})
			f.during = func(context.Context) error { return failure }
			if _, err := c.Authenticate(t.Context(), "alice", "alice-5ecret"); !errors.Is(err, failure) {
				t.Errorf("Authenticate: got error %v, want %v", err, failure)
			}
			if _, err := c.Groups(t.Context(), backend.Identity{User: "alice", Handle: "uid=alice"}); !errors.Is(err, failure) {
				t.Errorf("Groups: got error %v, want %v", err, failure)
			}
			f.during = nil
			login(t, c, "alice", "alice-5ecret", "")
			wantGroups(t, c, backend.Identity{User: "alice", Handle: "uid=alice"}, "dev", "pusher")
		})
	}
}

func TestLoginEndsWithItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := newCache(t, f, backend.CacheConfig{TTL: time.Minute, NegativeTTL: 10 * time.Second})
		// The backend takes a second, and that is part of the answer's age.
		f.during = func(context.Context) error { time.Sleep(time.Second); return nil }
		login(t, c, "alice", "alice-5ecret", "")
		f.set("alice", account{password: "changed"})

		// Use does not prolong it.
		for range 58 {
			time.Sleep(time.Second)
			login(t, c, "alice", "alice-5ecret", "")
		}
		time.Sleep(time.Second - time.Nanosecond)
		login(t, c, "alice", "alice-5ecret", "")
		wantLogins(t, f, 1)
		time.Sleep(time.Nanosecond)
		login(t, c, "alice", "alice-5ecret", "wrong password")
		wantLogins(t, f, 2)
	})
}

func TestDefaultsOfTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := newCache(t, f, backend.CacheConfig{})
		login(t, c, "alice", "alice-5ecret", "")
		login(t, c, "alice", "wrong", "wrong password")
		time.Sleep(30*time.Second - time.Nanosecond)
		login(t, c, "alice", "wrong", "wrong password")
		wantLogins(t, f, 2)
		time.Sleep(time.Nanosecond)
		login(t, c, "alice", "wrong", "wrong password")
		wantLogins(t, f, 3)
		time.Sleep(270*time.Second - time.Nanosecond)
		login(t, c, "alice", "alice-5ecret", "")
		wantLogins(t, f, 3)
		time.Sleep(time.Nanosecond)
		login(t, c, "alice", "alice-5ecret", "")
		wantLogins(t, f, 4)
	})
}

func TestNewUserIsLetInAfterTheNegativeTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(people())
		c := newCache(t, f, backend.CacheConfig{NegativeTTL: 30 * time.Second})
		login(t, c, "dave", "dave-5ecret", "unknown user")
		f.set("dave", account{password: "dave-5ecret"})
		time.Sleep(30*time.Second - time.Nanosecond)
		login(t, c, "dave", "dave-5ecret", "unknown user")
		time.Sleep(time.Nanosecond)
		login(t, c, "dave", "dave-5ecret", "")

		// A corrected password is another question and need not wait.
		login(t, c, "bob", "typo", "wrong password")
		login(t, c, "bob", "bob-5ecret", "")
	})
}

func TestChangedVersionCountsAtOnce(t *testing.T) {
	f := newFake(people())
	c := newCache(t, f, backend.CacheConfig{})
	login(t, c, "alice", "alice-5ecret", "")
	login(t, c, "dave", "dave-5ecret", "unknown user")
	wantGroups(t, c, backend.Identity{User: "alice", Handle: "uid=alice"}, "dev", "pusher")

	f.set("alice", account{password: "changed", groups: []string{"dev"}})
	f.set("dave", account{password: "dave-5ecret"})
	f.version.Add(1)
	login(t, c, "alice", "alice-5ecret", "wrong password")
	login(t, c, "alice", "changed", "")
	login(t, c, "dave", "dave-5ecret", "")
	wantGroups(t, c, backend.Identity{User: "alice", Handle: "uid=alice"}, "dev")
}

func TestAnswerOfAnOldVersionIsNotStoredAsNew(t *testing.T) {
	f := newFake(people())
	c := newCache(t, f, backend.CacheConfig{})
	// The file changes after the backend was asked and before it answers.
	f.during = func(context.Context) error { f.version.Add(1); return nil }
	login(t, c, "alice", "alice-5ecret", "")
	wantGroups(t, c, backend.Identity{User: "alice", Handle: "uid=alice"}, "dev", "pusher")

	f.during = nil
	f.set("alice", account{password: "changed"})
	login(t, c, "alice", "alice-5ecret", "wrong password")
	wantGroups(t, c, backend.Identity{User: "alice", Handle: "uid=alice"})
}

// Who puts an edited file back has the old version again, and must not find what
// was answered from the edited one.
func TestAnswerBetweenTwoEqualVersionsIsNotStored(t *testing.T) {
	f := newFake(people())
	c := newCache(t, f, backend.CacheConfig{})
	id := backend.Identity{User: "alice", Handle: "uid=alice"}
	f.during = func(context.Context) error {
		f.version.Store(1)
		f.set("alice", account{password: "edited", groups: []string{"admin"}})
		return nil
	}
	restore := func() {
		f.version.Store(0)
		f.set("alice", people()["alice"])
	}
	login(t, c, "alice", "edited", "")
	restore()
	wantGroups(t, c, id, "admin")
	restore()

	f.during = nil
	login(t, c, "alice", "edited", "wrong password")
	wantGroups(t, c, id, "dev", "pusher")
}

func TestBackendWithoutVersionsIsCached(t *testing.T) {
	f := newFake(people())
	c := newCache(t, bare{f}, backend.CacheConfig{})
	for range 2 {
		login(t, c, "alice", "alice-5ecret", "")
		f.version.Add(1)
	}
	wantLogins(t, f, 1)
	if got := c.Version("alice"); got != 0 {
		t.Errorf("Version: got %d, want 0", got)
	}
	if got := c.CanonicalUser("ALICE") + c.CanonicalGroup("DEV"); got != "ALICEDEV" {
		t.Errorf("canonical names: got %q, want them unchanged", got)
	}
}

func TestCachePassesOnVersionsAndSpellings(t *testing.T) {
	f := newFake(people())
	f.version.Store(7)
	c := newCache(t, f, backend.CacheConfig{})
	if got := c.Version("alice"); got != 7 {
		t.Errorf("Version: got %d, want 7", got)
	}
	if got := c.CanonicalUser("ALICE") + c.CanonicalGroup("DEV"); got != "alicedev" {
		t.Errorf("canonical names: got %q, want alicedev", got)
	}
}

func TestPurgeForgets(t *testing.T) {
	tests := map[string]struct {
		purge      func(*backend.Cache) int
		forgotten  int // good logins
		bobIsAsked int64
	}{
		"everything":               {(*backend.Cache).Purge, 3, 1},
		"one user":                 {func(c *backend.Cache) int { return c.PurgeUser("alice") }, 2, 0},
		"one user, other spelling": {func(c *backend.Cache) int { return c.PurgeUser("ALICE") }, 2, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(people())
			c := newCache(t, f, backend.CacheConfig{})
			alice, bob := backend.Identity{User: "alice", Handle: "uid=alice"}, backend.Identity{User: "bob", Handle: "uid=bob"}
			everybody := func() {
				login(t, c, "alice", "alice-5ecret", "")
				login(t, c, "Alice", "alice-5ecret", "")
				login(t, c, "alice", "wrong", "wrong password")
				wantGroups(t, c, alice, "dev", "pusher")
			}
			everybody()
			login(t, c, "bob", "bob-5ecret", "")
			wantGroups(t, c, bob)

			if got := tt.purge(c); got != tt.forgotten {
				t.Errorf("purge: got %d logins, want %d", got, tt.forgotten)
			}
			f.logins.Store(0)
			f.lists.Store(0)
			everybody()
			wantLogins(t, f, 3)
			login(t, c, "bob", "bob-5ecret", "")
			wantGroups(t, c, bob)
			wantLogins(t, f, 3+tt.bobIsAsked)
			if got, want := f.lists.Load(), 1+tt.bobIsAsked; got != want {
				t.Errorf("backend was asked for groups %d times, want %d", got, want)
			}
		})
	}
}

func TestAliasesOfOneLoginPushOutNobody(t *testing.T) {
	f := newFake(people())
	c := newCache(t, firstBytes{f}, backend.CacheConfig{Size: 8})
	login(t, c, "bob", "bob-5ecret", "")
	for i := range 100 {
		login(t, c, "alice", fmt.Sprint("alice-5ecret", i), "")
	}
	f.logins.Store(0)
	login(t, c, "bob", "bob-5ecret", "")
	for i := 96; i < 100; i++ {
		login(t, c, "alice", fmt.Sprint("alice-5ecret", i), "")
	}
	wantLogins(t, f, 0)
	login(t, c, "alice", "alice-5ecret95", "")
	wantLogins(t, f, 1)
}

// firstBytes cuts passwords, as bcrypt does, and says that they were not changed.
type firstBytes struct{ *fake }

func (f firstBytes) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	id, err := f.fake.Authenticate(ctx, user, password[:min(len(password), len(user)+len("-5ecret"))])
	id.Changed = "changed:2026-01-01T00:00:00Z"
	return id, err
}

func TestCacheHoldsNoMoreThanItsSize(t *testing.T) {
	users := make(map[string]account)
	for i := range 20 {
		users[fmt.Sprint("user", i)] = account{password: "x"}
	}
	f := newFake(users)
	c := newCache(t, f, backend.CacheConfig{Size: 10})
	for i := range 20 {
		login(t, c, fmt.Sprint("user", i), "x", "")
	}
	f.logins.Store(0)
	for i := 10; i < 20; i++ {
		login(t, c, fmt.Sprint("user", i), "x", "")
	}
	wantLogins(t, f, 0)
	login(t, c, "user9", "x", "")
	wantLogins(t, f, 1)
}

func TestErrorsOfTheCacheHoldNoPassword(t *testing.T) {
	const marker = "mArKeR-pAsSwOrD"
	f := newFake(people())
	c := newCache(t, f, backend.CacheConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, cancelled := c.Authenticate(ctx, "alice", marker)
	f.during = func(context.Context) error { panic("cannot verify " + marker) }
	_, panicked := c.Authenticate(t.Context(), "alice", marker)
	for _, err := range []error{cancelled, panicked} {
		if err == nil || strings.Contains(err.Error(), marker) {
			t.Errorf("got error %v, want one without the password", err)
		}
	}
}

func wantGroups(tb testing.TB, b backend.Backend, id backend.Identity, want ...string) {
	tb.Helper()
	got, err := b.Groups(tb.Context(), id)
	if err != nil {
		tb.Errorf("Groups(%+v): %v", id, err)
	}
	if len(got)+len(want) > 0 && !cmp.Equal(got, want) {
		tb.Errorf("Groups(%+v): got %q, want %q", id, got, want)
	}
}
