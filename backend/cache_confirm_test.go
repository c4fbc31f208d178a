package backend_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
)

// confirm has c confirm id, and checks what comes of it; want is a part of the error.
func confirm(t *testing.T, c *backend.Cache, id backend.Identity, want string) backend.Identity {
	t.Helper()
	got, err := c.Confirm(t.Context(), id)
	switch {
	case want == "" && err != nil:
		t.Fatalf("confirm: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Fatalf("confirm: got %+v, %v, want an error with %q", got, err, want)
	}
	return got
}

func TestConfirmAsksOnceAndThenWithinRevalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistrar(kim, "pw")
		c := newCache(t, r, backend.CacheConfig{})
		for range 3 {
			if got := confirm(t, c, kim, ""); got != kim {
				t.Errorf("got %+v", got)
			}
		}
		if r.checks != 1 || r.logins != 0 {
			t.Errorf("%d checks and %d logins, want one and none", r.checks, r.logins)
		}
		time.Sleep(time.Minute)
		confirm(t, c, kim, "")
		if r.checks != 2 {
			t.Errorf("%d checks after revalidate, want two", r.checks)
		}
		moved := with(kim, func(id *backend.Identity) { id.Handle = "uid=kim,ou=b" })
		r.set(func() { r.now[kim] = moved })
		time.Sleep(time.Minute)
		if got := confirm(t, c, kim, ""); got != moved {
			t.Errorf("after a move: %+v", got)
		}
		wantGroups(t, c, moved, "of uid=kim,ou=b")
	})
}

// Whoever is refused is so at once at the first question, and within revalidate after it.
func TestConfirmEndsWithTheAccount(t *testing.T) {
	for name, tt := range map[string]struct {
		failure error
		want    string
	}{
		"gone":             {backend.ErrUnknownUser, "unknown user"},
		"locked":           {backend.ErrLocked, "may not log in"},
		"password changed": {backend.ErrOutdated, "changed"},
		"fault":            {errors.New("bug"), "bug"},
	} {
		for _, known := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRegistrar(kim, "pw")
					c := newCache(t, r, backend.CacheConfig{})
					if known {
						confirm(t, c, kim, "")
					}
					r.set(func() { r.failure = tt.failure })
					time.Sleep(time.Minute)
					confirm(t, c, kim, tt.want)
				})
			})
		}
	}
}

// A password of the user is another matter: neither ends the other, unless the account is
// another one.
func TestConfirmLeavesPasswordsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		undated := with(kim, func(id *backend.Identity) { id.Changed = "" })
		r := newRegistrar(undated, "pw")
		c := newCache(t, r, backend.CacheConfig{})
		for range 3 {
			login(t, c, "kim", "pw", "")
			confirm(t, c, undated, "")
		}
		if r.logins != 1 || r.checks != 1 {
			t.Errorf("%d logins and %d checks, want one each", r.logins, r.checks)
		}
		other := with(undated, func(id *backend.Identity) { id.Anchor = "entryUUID:2" })
		r.set(func() { r.is["kim"], r.password["kim"], r.failure = other, "new", backend.ErrUnknownUser })
		login(t, c, "kim", "new", "")
		confirm(t, c, undated, "unknown user")
	})
}

func TestConfirmRefusesAnotherName(t *testing.T) {
	r := newRegistrar(kim, "pw")
	r.now[kim] = with(kim, func(id *backend.Identity) { id.User = "root" })
	confirm(t, newCache(t, r, backend.CacheConfig{}), kim, "unknown user")
}

func TestConfirmGoesStaleAsLoginsDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistrar(kim, "pw")
		c := newCache(t, r, backend.CacheConfig{TTL: 5 * time.Minute, Stale: time.Hour})
		r.set(func() { r.failure = backend.ErrUnavailable })
		confirm(t, c, kim, "unavailable")
		r.set(func() { r.failure = nil })
		confirm(t, c, kim, "")
		r.set(func() { r.failure = backend.ErrUnavailable })
		time.Sleep(6 * time.Minute)
		call := backend.Call{}
		if _, err := c.Confirm(backend.WithCall(t.Context(), &call), kim); err != nil || call.Cache != backend.CacheStale {
			t.Errorf("got %v, %q", err, call.Cache)
		}
		time.Sleep(2 * time.Hour)
		confirm(t, c, kim, "unavailable")
	})
}

func TestConfirmOfACrowdIsRememberedOrNot(t *testing.T) {
	r := newRegistrar(kim, "pw")
	c := newCache(t, r, backend.CacheConfig{})
	ctx := backend.WithCall(t.Context(), &backend.Call{Remembered: true})
	if _, err := c.Confirm(ctx, kim); !errors.Is(err, backend.ErrUnavailable) || r.checks != 0 {
		t.Errorf("got %v after %d checks", err, r.checks)
	}
	confirm(t, c, kim, "")
	if _, err := c.Confirm(ctx, kim); err != nil {
		t.Errorf("remembered: %v", err)
	}
}

// Without a cache the backend is asked each time, and one that cannot tell lets go on.
func TestConfirmWithoutACache(t *testing.T) {
	r := newRegistrar(kim, "pw")
	b := backend.Extend(backend.Named("corp", r))
	if got, err := b.Confirm(t.Context(), kim); err != nil || got != kim {
		t.Errorf("got %+v, %v", got, err)
	}
	r.set(func() { r.failure = backend.ErrLocked })
	if _, err := b.Confirm(t.Context(), kim); !errors.Is(err, backend.ErrLocked) {
		t.Errorf("locked: %v", err)
	}
	r.set(func() { r.failure = errors.ErrUnsupported })
	if got, err := b.Confirm(t.Context(), kim); err != nil || got != kim {
		t.Errorf("unsupported: %+v, %v", got, err)
	}
}

// Whoever has given up asks nothing, and whoever was refused does not have the backend asked
// each time.
func TestConfirmSparesTheBackend(t *testing.T) {
	r := newRegistrar(kim, "pw")
	c := newCache(t, r, backend.CacheConfig{})
	confirm(t, c, kim, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.ConfirmAccount(ctx, kim); !errors.Is(err, backend.ErrUnavailable) || r.checks != 1 {
		t.Errorf("given up: %v after %d checks", err, r.checks)
	}
	if _, err := c.Confirm(ctx, kim); !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("given up, and remembered: %v", err)
	}
	r.refusal = backend.Stand(backend.Disabled, backend.ErrLocked)
	for range 5 {
		if _, err := c.ConfirmAccount(t.Context(), kim); !errors.Is(err, backend.ErrLocked) {
			t.Errorf("refused: %v", err)
		}
	}
	if r.checks != 2 {
		t.Errorf("%d checks of one who is refused, want one", r.checks-1)
	}
}

// A server that lags behind does not make a login older than it is: the change that it has
// not heard of is no news when it has.
func TestConfirmKeepsTheTimeOfTheLogin(t *testing.T) {
	for name, changed := range map[string]string{"earlier": "pwdChangedTime:2025-01-01T00:00:00.000000000Z", "none": ""} {
		r := newRegistrar(kim, "pw")
		r.now[kim] = with(kim, func(id *backend.Identity) { id.Changed = changed })
		if got := confirm(t, newCache(t, r, backend.CacheConfig{}), kim, ""); got != kim {
			t.Errorf("%s: got %+v, want %+v", name, got, kim)
		}
	}
}

// changing is a registrar whose users have groups and versions that change.
type changing struct {
	*registrar
	groups  []string
	version uint64
	during  func() // while it is asked about an account
}

func (b *changing) Version(string) uint64 { return b.version }
func (b *changing) Groups(context.Context, backend.Identity) ([]string, error) {
	return b.groups, nil
}
func (b *changing) Revalidate(ctx context.Context, id backend.Identity) (backend.Identity, error) {
	if b.during != nil {
		b.during()
	}
	return b.registrar.Revalidate(ctx, id)
}

// With the account its groups are read again: a token has the rights that its owner has now.
func TestConfirmReadsTheGroupsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &changing{registrar: newRegistrar(kim, "pw"), groups: []string{"pusher"}}
		c := newCache(t, b, backend.CacheConfig{})
		if _, err := c.ConfirmAccount(t.Context(), kim); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Second)
		wantGroups(t, c, kim, "pusher")
		b.groups = nil
		time.Sleep(10 * time.Second)
		if _, err := c.ConfirmAccount(t.Context(), kim); err != nil {
			t.Fatal(err)
		}
		wantGroups(t, c, kim)
	})
}

// What was said of an account while its file was being edited does not count when the old one
// is put back.
func TestConfirmBetweenTwoEqualVersionsIsNotStored(t *testing.T) {
	b := &changing{registrar: newRegistrar(kim, "pw")}
	c := newCache(t, b, backend.CacheConfig{})
	b.during = func() { b.version = 1 }
	if _, err := c.ConfirmAccount(t.Context(), kim); err != nil {
		t.Fatal(err)
	}
	b.during, b.version, b.refusal = nil, 0, backend.ErrUnknownUser
	b.now[kim] = backend.Identity{}
	if _, err := c.ConfirmAccount(t.Context(), kim); err == nil {
		t.Error("an answer of another version counts")
	}
}
