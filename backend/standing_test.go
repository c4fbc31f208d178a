package backend_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
)

// standings are all the reasons why an account may not log in.
var standings = []backend.Standing{backend.Gone, backend.Replaced, backend.Disabled, backend.Expired, backend.Locked, backend.PasswordExpired, backend.MustChange}

func TestStandingOfAnError(t *testing.T) {
	for _, s := range standings {
		if got := backend.StandingOf(fmt.Errorf("more: %w", backend.Stand(s, backend.ErrLocked))); got != s {
			t.Errorf("%s: got %q", s, got)
		}
		if got := backend.StandingOf(errors.Join(backend.Stand(s, backend.ErrLocked), backend.ErrUnavailable)); got != "" {
			t.Errorf("%s, which is no answer: got %q", s, got)
		}
	}
	for err, want := range map[error]backend.Standing{
		backend.ErrUnknownUser: backend.Gone, backend.ErrReplaced: backend.Replaced,
		backend.ErrLocked: "", backend.ErrWrongPassword: "", backend.ErrOutdated: "", backend.ErrUnavailable: "", nil: "",
	} {
		if got := backend.StandingOf(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}

func TestCheckStandings(t *testing.T) {
	for _, tt := range []struct {
		all  []backend.Standing
		good bool
	}{
		{[]backend.Standing{"gone"}, true},
		{[]backend.Standing{"gone", "disabled", "expired", "locked", "password_expired", "must_change"}, true},
		{nil, false},
		{[]backend.Standing{"disabled"}, false},
		{[]backend.Standing{"gone", "replaced"}, false},
		{[]backend.Standing{"gone", "Locked"}, false},
	} {
		if err := backend.CheckStandings(tt.all); (err == nil) != tt.good {
			t.Errorf("%v: %v", tt.all, err)
		}
	}
	if _, err := backend.NewCache(newRegistrar(kim, "pw"), backend.CacheConfig{DiesWith: []backend.Standing{"disabled"}}); err == nil {
		t.Error("a cache that goes on as accounts that are gone")
	}
}

// Which states end what somebody can prove without the password is a choice, but for those
// of an account that is not there any more. A refusal that does not say why always ends it.
func TestConfirmGoesByTheStatesThatWereChosen(t *testing.T) {
	locking := []backend.Standing{backend.Gone, backend.Locked, backend.MustChange}
	for _, tt := range []struct {
		diesWith []backend.Standing
		ends     map[backend.Standing]bool
	}{
		{nil, map[backend.Standing]bool{backend.Gone: true, backend.Replaced: true, backend.Disabled: true, backend.Expired: true, "": true}},
		{locking, map[backend.Standing]bool{backend.Gone: true, backend.Replaced: true, backend.Locked: true, backend.MustChange: true, "": true}},
	} {
		for _, s := range append(standings, "") {
			for _, known := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v/%s/%v", tt.diesWith, s, known), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						r := newRegistrar(kim, "pw")
						c := newCache(t, r, backend.CacheConfig{DiesWith: tt.diesWith})
						if known {
							confirm(t, c, kim, "")
						}
						r.set(func() { r.refusal = backend.Stand(s, backend.ErrLocked) })
						time.Sleep(time.Minute)
						for name, ask := range map[string]func(context.Context, backend.Identity) (backend.Identity, error){"login": c.Confirm, "account": c.ConfirmAccount} {
							if _, err := ask(t.Context(), kim); (err != nil) != tt.ends[s] {
								t.Errorf("%s: %v, want an end: %v", name, err, tt.ends[s])
							}
						}
					})
				})
			}
		}
	}
}

// A lock by a stranger says nothing of the password, which may have been changed at the same
// time: a login that is locked and outdated is outdated.
func TestConfirmSeesThePasswordChangedBehindALock(t *testing.T) {
	r := newRegistrar(kim, "pw")
	c := newCache(t, r, backend.CacheConfig{})
	r.now[kim] = with(kim, func(id *backend.Identity) { id.Changed = "pwdChangedTime:2026-02-01T00:00:00.000000000Z" })
	r.refusal = backend.Stand(backend.Locked, backend.ErrLocked)
	confirm(t, c, kim, "changed")
	if _, err := c.ConfirmAccount(t.Context(), kim); err != nil {
		t.Errorf("a proof that does not depend on the password: %v", err)
	}
}

// What is proved of an account outlives its password, and no other account that has the name.
func TestConfirmAccountOutlivesThePasswordAlone(t *testing.T) {
	owner := backend.Identity{User: kim.User, Handle: kim.Handle, Source: kim.Source, Anchor: kim.Anchor}
	for name, tt := range map[string]struct {
		now  backend.Identity
		fail error
		ends bool
	}{
		"another password":     {with(kim, func(id *backend.Identity) { id.Changed = "pwdChangedTime:2027" }), backend.ErrOutdated, false},
		"another place":        {with(kim, func(id *backend.Identity) { id.Handle = "uid=kim,ou=b" }), nil, false},
		"another account":      {with(kim, func(id *backend.Identity) { id.Anchor = "entryUUID:2" }), nil, true},
		"another line":         {with(kim, func(id *backend.Identity) { id.Anchor = "entryUUID:2" }), backend.ErrOutdated, true},
		"another name":         {with(kim, func(id *backend.Identity) { id.User = "lee" }), nil, true},
		"refused, nobody said": {backend.Identity{}, backend.ErrOutdated, true},
	} {
		r := newRegistrar(kim, "pw")
		c := newCache(t, r, backend.CacheConfig{})
		r.now[owner], r.refusal = tt.now, tt.fail
		got, err := c.ConfirmAccount(t.Context(), owner)
		if backend.Refused(err) != tt.ends || err == nil && got != tt.now {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// An anchor of another kind, or none, is no difference and no sameness: whoever has the name
// in a backend that took the place of another one does not get the tokens, which end by that
// no more than by any outage.
func TestConfirmAccountNeedsTheSameAnchor(t *testing.T) {
	for name, tt := range map[string]struct {
		anchor string
		fail   error
	}{
		"of another kind":                       {"sha256:1", nil},
		"of another kind, with another line":    {"sha256:1", backend.ErrOutdated},
		"of another kind, locked by a guess":    {"sha256:1", backend.Stand(backend.Locked, backend.ErrLocked)},
		"none, as the right to read it is lost": {"", nil},
	} {
		r := newRegistrar(kim, "pw")
		c := newCache(t, r, backend.CacheConfig{})
		r.now[kim], r.refusal = with(kim, func(id *backend.Identity) { id.Anchor = tt.anchor }), tt.fail
		for kind, ask := range map[string]func(context.Context, backend.Identity) (backend.Identity, error){"remembered": c.ConfirmAccount, "not": backend.Extend(r).ConfirmAccount} {
			if got, err := ask(t.Context(), kim); !errors.Is(err, backend.ErrUnavailable) || backend.Refused(err) {
				t.Errorf("%s, %s: got %+v, %v, want no answer", name, kind, got, err)
			}
		}
	}
}

// What never ends by itself has no end where nobody can look at the account.
func TestConfirmAccountNeedsAnAnswer(t *testing.T) {
	r := newRegistrar(kim, "pw")
	c := newCache(t, r, backend.CacheConfig{})
	r.failure = errors.ErrUnsupported
	if _, err := c.ConfirmAccount(t.Context(), kim); !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	confirm(t, c, kim, "")
}

// A login and what outlives it are told apart, though they are of one account.
func TestConfirmKeepsLoginsAndAccountsApart(t *testing.T) {
	r := newRegistrar(kim, "pw")
	c := newCache(t, r, backend.CacheConfig{})
	r.refusal = backend.ErrOutdated
	r.now[kim] = kim
	if _, err := c.ConfirmAccount(t.Context(), kim); err != nil {
		t.Fatal(err)
	}
	confirm(t, c, kim, "changed")
}
