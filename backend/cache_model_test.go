package backend_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
)

// A model says what a cache of unlimited size must answer, and when it must ask.
type model struct {
	answers map[question]remembered
	asked   int64
}

type question struct {
	version        uint64
	user, password string
}

type remembered struct {
	verdict string
	until   time.Time
}

func (m *model) login(q question, truth string, ttl, negative time.Duration) string {
	if a, ok := m.answers[q]; ok && time.Now().Before(a.until) {
		return a.verdict
	}
	m.asked++
	a := remembered{truth, time.Now().Add(ttl)}
	if truth != "" {
		a.until = time.Now().Add(negative)
	}
	m.answers[q] = a
	return truth
}

// purge forgets what is known of user ("" for all), and every refusal.
func (m *model) purge(user string) {
	for q, a := range m.answers {
		if user == "" || q.user == user || a.verdict != "" {
			delete(m.answers, q)
		}
	}
}

func TestCacheAgreesWithItsModel(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			const ttl, negative = time.Minute, 10 * time.Second
			r := rand.New(rand.NewPCG(seed, 0))
			f := newFake(map[string]account{})
			c := newCache(t, f, backend.CacheConfig{TTL: ttl, NegativeTTL: negative})
			m := &model{answers: make(map[question]remembered)}
			pick := func(prefix string, n int) string { return fmt.Sprint(prefix, r.IntN(n)) }

			for step := range 2000 {
				user := pick("user", 4)
				switch op := r.IntN(100); {
				case op < 4:
					f.set(user, account{password: pick("password", 3), locked: r.IntN(4) == 0})
				case op < 5:
					f.version.Add(1)
				case op < 6:
					c.Purge()
					m.purge("")
				case op < 8:
					c.PurgeUser(user)
					m.purge(user)
				case op < 20:
					time.Sleep(time.Duration(r.IntN(20)) * time.Second)
				default:
					q := question{f.version.Load(), user, pick("password", 3)}
					want := m.login(q, truth(f, q.user, q.password), ttl, negative)
					login(t, c, q.user, q.password, want)
				}
				wantLogins(t, f, m.asked)
				if t.Failed() {
					t.Fatalf("seed %d, step %d", seed, step)
				}
			}
		})
	}
}

// truth is the verdict that f itself would give.
func truth(f *fake, user, password string) string {
	a, ok := f.account(user)
	switch {
	case !ok:
		return "unknown user"
	case a.locked:
		return "locked"
	case a.password != password:
		return "wrong password"
	}
	return ""
}

// Every answer must be about who was asked about, whatever else goes on.
func TestNobodyGetsTheAnswerForAnother(t *testing.T) {
	const users = 16
	all := make(map[string]account)
	for i := range users {
		all[fmt.Sprint("user", i)] = account{password: fmt.Sprint("password", i), groups: []string{fmt.Sprint("group", i)}}
	}
	f := newFake(all)
	// Far too small, so that entries come and go all the time.
	c := newCache(t, f, backend.CacheConfig{Size: users / 2})

	var wg sync.WaitGroup
	for worker := range uint64(64) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(worker, 1))
			for range 500 {
				i, j := r.IntN(users), r.IntN(users+1)
				user, password := fmt.Sprint("user", i), fmt.Sprint("password", j)
				switch r.IntN(40) {
				case 0:
					c.Purge()
				case 1:
					c.PurgeUser(user)
				case 2:
					f.version.Add(1)
				}
				want := backend.Identity{User: user, Handle: "uid=" + user}
				got, err := c.Authenticate(t.Context(), user, password)
				switch {
				case i == j && (err != nil || got != want):
					t.Errorf("right password of %s: got %+v, %v", user, got, err)
				case i != j && verdict(err) != "wrong password":
					t.Errorf("wrong password of %s: got %+v, %v", user, got, err)
				}
				wantGroups(t, c, want, fmt.Sprint("group", i))
			}
		})
	}
	wg.Wait()
}

func TestFloodOfRefusalsPushesOutNoSuccess(t *testing.T) {
	const size, flood = 500, 50_000
	f := newFake(people())
	c := newCache(t, f, backend.CacheConfig{Size: size})
	login(t, c, "alice", "alice-5ecret", "")
	login(t, c, "bob", "bob-5ecret", "")
	wantGroups(t, c, backend.Identity{User: "alice", Handle: "uid=alice"}, "dev", "pusher")

	guess := func(i int) {
		user := [...]string{"alice", "nobody", "carol"}[i%3]
		if _, err := c.Authenticate(t.Context(), user, fmt.Sprint("guess", i)); !backend.Refused(err) {
			t.Fatalf("guess %d: got error %v, want a refusal", i, err)
		}
	}
	for i := range flood / 10 {
		guess(i)
	}
	before := heapInUse()
	for i := range flood {
		guess(flood + i)
	}
	if after := heapInUse(); after > before+1<<20 {
		t.Errorf("heap grew from %d to %d bytes in a flood of refusals", before, after)
	}

	f.logins.Store(0)
	f.lists.Store(0)
	login(t, c, "alice", "alice-5ecret", "")
	login(t, c, "bob", "bob-5ecret", "")
	wantGroups(t, c, backend.Identity{User: "alice", Handle: "uid=alice"}, "dev", "pusher")
	wantLogins(t, f, 0)
	if got := f.lists.Load(); got != 0 {
		t.Errorf("backend was asked for groups %d times, want 0", got)
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
