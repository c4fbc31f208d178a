package backend_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
)

// FuzzCacheAgreesWithItsReference lets bytes choose what happens: logins and
// groups asked for, users and versions changed, sources failing and recovering,
// purges, and time going by.
func FuzzCacheAgreesWithItsReference(f *testing.F) {
	for seed := range 24 {
		story := make([]byte, 3000)
		rand.NewChaCha8([32]byte{byte(seed)}).Read(story)
		story[0] = byte(seed) // every setting
		f.Add(story)
	}
	f.Fuzz(func(t *testing.T, story []byte) {
		synctest.Test(t, func(t *testing.T) {
			r := bytes.NewReader(story)
			settings, _ := r.ReadByte()
			trial := newTrial(t, settings)
			for !t.Failed() && r.Len() > 0 {
				op, _ := r.ReadByte()
				what, _ := r.ReadByte()
				trial.step(op, what)
			}
		})
	})
}

// A trial does the same with a cache and with its reference.
type trial struct {
	*testing.T
	world     *world
	cache     *backend.Cache
	reference *reference
}

func newTrial(t *testing.T, settings byte) *trial {
	cfg := backend.CacheConfig{TTL: time.Minute, GroupsTTL: time.Minute, NegativeTTL: 10 * time.Second, Timeout: 10 * time.Second}
	cfg.Stale = []time.Duration{0, time.Minute, 10 * time.Minute}[settings%3]
	cfg.Revalidate = []time.Duration{-1, 10 * time.Second, 30 * time.Second, 2 * time.Minute}[settings/3%4]
	if settings/12%2 == 1 {
		cfg.GroupsTTL = 20 * time.Second
	}
	w := newWorld()
	return &trial{t, w, newCache(t, w, cfg), newReference(w, cfg)}
}

// step does one thing of many, most often a login.
func (t *trial) step(op, what byte) {
	user := fmt.Sprint("user", what%3)
	p := pair{user, fmt.Sprint("password", what/3%3)}
	names := []string{"", "dev", "dev pusher"}[what/9%3]
	switch op % 32 {
	case 0, 1:
		t.world.users[user] = account{password: p.password, groups: strings.Fields(names), locked: what > 200}
	case 2:
		delete(t.world.users, user)
	case 3: // an older one may come back
		t.world.versions[user] = uint64(what / 3 % 2)
	case 4, 5:
		t.world.failures[source(user)] = "unavailable"
	case 6, 7:
		t.world.failures[source(user)] = ""
	case 8:
		t.world.failures[source(user)] = "fault"
	case 9:
		if what < 64 {
			t.cache.Purge()
			t.reference.purge()
			break
		}
		t.cache.PurgeUser(strings.ToUpper(user))
		t.reference.purgeUser(user)
	case 10, 11, 12, 13, 14:
		time.Sleep([]time.Duration{time.Nanosecond, time.Second, 3 * time.Second, 10 * time.Second, 31 * time.Second, time.Minute}[what%6])
	case 15, 16, 17, 18, 19, 20:
		t.groups(user)
	default:
		t.login(p)
	}
}

func (t *trial) login(p pair) {
	t.Helper()
	call := &backend.Call{}
	id, err := t.cache.Authenticate(backend.WithCall(t.Context(), call), p.user, p.password)
	want, state := t.reference.login(p)
	if got := verdict(err); got != want || call.Cache != state || (err == nil) != (id.User == p.user) {
		t.Errorf("login %v: got %+v, verdict %q, %s, want verdict %q, %s", p, id, got, call.Cache, want, state)
	}
	count(&t.reference.stats.Logins, state)
	t.compare()
}

func (t *trial) groups(user string) {
	t.Helper()
	call := &backend.Call{}
	id := backend.Identity{User: user, Handle: "uid=" + user, Source: source(user)}
	groups, err := t.cache.Groups(backend.WithCall(t.Context(), call), id)
	want, failure, state := t.reference.members(user)
	if got := strings.Join(groups, " "); got != want || verdict(err) != failure {
		t.Errorf("groups of %s: got %q, %v, want %q, %q", user, got, err, want, failure)
	}
	if (call.Cache == backend.CacheStale) != (state == backend.CacheStale) {
		t.Errorf("groups of %s: got state %q, want %q", user, call.Cache, state)
	}
	count(&t.reference.stats.Groups, state)
	t.compare()
}

// compare looks at what was asked, once all has been that nobody waits for.
func (t *trial) compare() {
	t.Helper()
	synctest.Wait()
	if got, want := t.world.asked, t.reference.asks; got != want {
		t.Errorf("asked: got %+v, want %+v", got, want)
	}
	got := t.cache.Stats()
	got.GoodLogins, got.BadLogins, got.GroupLists = backend.CacheContent{}, backend.CacheContent{}, backend.CacheContent{}
	if got != t.reference.stats {
		t.Errorf("counted: got %+v, want %+v", got, t.reference.stats)
	}
}
