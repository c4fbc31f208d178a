package backend_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
)

func TestCallSaysWhatTheCacheDid(t *testing.T) {
	c := newCache(t, newFake(people()), backend.CacheConfig{})
	wantState(t, c, "alice-5ecret", "", backend.CacheMiss)
	wantState(t, c, "alice-5ecret", "", backend.CacheHit)
	wantState(t, c, "wrong", "wrong password", backend.CacheMiss)
	wantState(t, c, "wrong", "wrong password", backend.CacheNegative)
	call := &backend.Call{Cache: backend.CacheHit}
	if _, err := c.Groups(backend.WithCall(t.Context(), call), alice); err != nil || call.Cache != backend.CacheHit {
		t.Errorf("Groups: got %v and state %s, want that of the login left alone", err, call.Cache)
	}
}

// A server that serves one request after the other has one Call for all, also when
// it has left the question of the last one behind. The race detector sees to it that
// nobody looks at it then.
func TestCallIsTheCallersAgainWhenItHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		first, second := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		var mu sync.Mutex
		sources := make(map[netip.Addr]int)
		d.during = func(ctx context.Context) error {
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			call := backend.CallOf(ctx)
			sources[call.Source]++
			call.Cache = "spoilt"
			return nil
		}
		c := newCache(t, d, backend.CacheConfig{})
		call := &backend.Call{Source: first}
		ask := func(patience time.Duration) {
			ctx, cancel := context.WithTimeout(backend.WithCall(t.Context(), call), patience)
			defer cancel()
			c.Authenticate(ctx, "alice", "alice-5ecret")
			c.Groups(ctx, alice)
			*call = backend.Call{Source: second}
		}
		ask(time.Minute) // a login and groups, which are waited for
		time.Sleep(59 * time.Second)
		ask(time.Minute) // a check meanwhile
		time.Sleep(time.Minute)
		ask(100 * time.Millisecond) // a check that is given up, and the caller with it
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		// The first login and its groups; twice a check, and groups with it.
		if sources[first] != 2 || sources[second] != 4 {
			t.Errorf("questions came from %v, want 2 of %v and 4 of %v", sources, first, second)
		}
	})
}

func TestQuestionWithoutACallHasNone(t *testing.T) {
	f := newFake(people())
	f.during = func(ctx context.Context) error {
		if call := backend.CallOf(ctx); call != nil {
			t.Errorf("got %+v, want no Call", call)
		}
		return nil
	}
	login(t, newCache(t, f, backend.CacheConfig{}), "alice", "alice-5ecret", "")
}

// A Call may want no answer but one that is remembered.
func TestCallMayWantTheRememberedAnswerAlone(t *testing.T) {
	f := newFake(people())
	c := newCache(t, f, backend.CacheConfig{})
	remembered := func(password string) error {
		_, err := c.Authenticate(backend.WithCall(t.Context(), &backend.Call{Remembered: true}), "alice", password)
		return err
	}
	if err := remembered("alice-5ecret"); !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("a login that is not remembered: %v", err)
	}
	wantState(t, c, "alice-5ecret", "", backend.CacheMiss)
	wantState(t, c, "wrong", "wrong password", backend.CacheMiss)
	if err := remembered("alice-5ecret"); err != nil {
		t.Errorf("a login that is remembered: %v", err)
	}
	if err := remembered("wrong"); !errors.Is(err, backend.ErrWrongPassword) {
		t.Errorf("a refusal that is remembered: %v", err)
	}
}
