package backend_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
)

func TestCacheRefusesNegativeSettings(t *testing.T) {
	c := newCache(t, newFake(people()), backend.CacheConfig{})
	for _, cfg := range []backend.CacheConfig{{Size: -1}, {TTL: -1}, {GroupsTTL: -1}, {NegativeTTL: -1}, {Stale: -1}, {Timeout: -1}} {
		if _, err := backend.NewCache(newFake(nil), cfg); err == nil {
			t.Errorf("NewCache(%+v): got no error, want one", cfg)
		}
		if err := c.Configure(cfg); err == nil {
			t.Errorf("Configure(%+v): got no error, want one", cfg)
		}
	}
}

func TestNewSettingsCountForWhatIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		c := newCache(t, d, backend.CacheConfig{TTL: time.Hour, NegativeTTL: time.Hour, Revalidate: -1})
		configure := func(cfg backend.CacheConfig) {
			t.Helper()
			if err := c.Configure(cfg); err != nil {
				t.Error(err)
			}
		}
		login(t, c, "alice", "alice-5ecret", "")
		login(t, c, "alice", "wrong", "wrong password")
		wantGroups(t, c, alice, "dev", "pusher")
		time.Sleep(2 * time.Minute)
		configure(backend.CacheConfig{TTL: time.Hour, NegativeTTL: time.Hour, Revalidate: -1})
		login(t, c, "alice", "alice-5ecret", "")
		login(t, c, "alice", "wrong", "wrong password")
		wantGroups(t, c, alice, "dev", "pusher")
		wantLogins(t, d.fake, 2) // nothing was forgotten

		configure(backend.CacheConfig{TTL: time.Hour, NegativeTTL: time.Minute, GroupsTTL: time.Minute})
		login(t, c, "alice", "alice-5ecret", "")
		d.wantChecks(t, 1)
		login(t, c, "alice", "wrong", "wrong password")
		wantLogins(t, d.fake, 3)
		d.lists.Store(0)
		time.Sleep(time.Minute)
		wantGroups(t, c, alice, "dev", "pusher")
		if got := d.lists.Load(); got != 1 {
			t.Errorf("backend was asked for groups %d times after their new TTL, want 1", got)
		}

		configure(backend.CacheConfig{TTL: time.Minute, Stale: time.Hour})
		fail(d.fake, backend.ErrUnavailable)
		wantState(t, c, "alice-5ecret", "", backend.CacheStale)
		configure(backend.CacheConfig{TTL: time.Minute})
		wantState(t, c, "alice-5ecret", "unavailable", backend.CacheMiss)
	})
}

func TestSmallerCacheKeepsWhatIsUsed(t *testing.T) {
	f := newFake(map[string]account{})
	c := newCache(t, f, backend.CacheConfig{Size: 20})
	users := make([]string, 20)
	for i := range users {
		users[i] = fmt.Sprint("user", i)
		f.set(users[i], account{password: "x"})
		login(t, c, users[i], "x", "")
	}
	if err := c.Configure(backend.CacheConfig{Size: 5}); err != nil {
		t.Fatal(err)
	}
	if got, want := c.Stats().GoodLogins, (backend.CacheContent{Entries: 5, Evicted: 15}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	f.logins.Store(0)
	for _, user := range users[15:] {
		login(t, c, user, "x", "")
	}
	wantLogins(t, f, 0)
}

func TestStatsSayWhatIsRemembered(t *testing.T) {
	f := newFake(people())
	c := newCache(t, f, backend.CacheConfig{Size: 3})
	login(t, c, "alice", "alice-5ecret", "")
	login(t, c, "bob", "bob-5ecret", "")
	wantGroups(t, c, alice, "dev", "pusher")
	for i := range 5 {
		login(t, c, "bob", fmt.Sprint("guess", i), "wrong password")
	}
	s := c.Stats()
	got := [...]backend.CacheContent{s.GoodLogins, s.BadLogins, s.GroupLists}
	if want := [...]backend.CacheContent{{Entries: 2}, {Entries: 3, Evicted: 2}, {Entries: 1}}; got != want {
		t.Errorf("good, bad, groups: got %+v, want %+v", got, want)
	}
	if s.Logins.Miss != 7 || s.Groups.Miss != 1 || s.Shared != 0 {
		t.Errorf("got %+v", s)
	}
	c.Purge()
	s = c.Stats()
	if s.GoodLogins.Entries+s.BadLogins.Entries+s.GroupLists.Entries != 0 || s.BadLogins.Evicted != 2 {
		t.Errorf("after a purge: got %+v", s)
	}
}

// domains knows its users under names with a domain too.
type domains struct{ *fake }

func (domains) CanonicalUser(name string) string { return strings.TrimPrefix(name, `CORP\`) }

func TestPurgeFindsAUserByAnyName(t *testing.T) {
	f := newFake(people())
	c := newCache(t, domains{f}, backend.CacheConfig{})
	login(t, c, "alice", "alice-5ecret", "")
	if got := c.PurgeUser(`CORP\alice`); got != 1 {
		t.Errorf("got %d logins forgotten, want 1", got)
	}
	login(t, c, "alice", "alice-5ecret", "")
	wantLogins(t, f, 2)
}
