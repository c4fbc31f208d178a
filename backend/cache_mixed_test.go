package backend_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/backend"
)

// BenchmarkMixedOperations has 64 goroutines log in, change users, purge and fail
// at once, and fails at the first wrong verdict:
//
//	go test -race ./backend -run '^$' -bench MixedOperations -benchtime 64000000x -timeout 2h
func BenchmarkMixedOperations(b *testing.B) {
	mixedOperations(b, b.N/residents+1)
}

func TestNobodyGetsTheAnswerForAnother(t *testing.T) {
	mixedOperations(t, 2000)
}

// residents is how many goroutines there are, each with a user of its own.
const residents = 64

// A town is a Backend of residents, each of whom is changed by one goroutine alone,
// so that this one knows what every answer about the user must be.
type town struct{ houses [residents]house }

type house struct {
	mu sync.RWMutex
	household
}

type household struct {
	password string // empty if there is nobody
	groups   []string
	version  uint64
	out      bool // questions find no answer
}

// at returns who lives where user does, and whether a question would be answered.
func (w *town) at(user string) (household, error) {
	i, err := strconv.Atoi(strings.TrimPrefix(user, "user"))
	if err != nil || i >= residents {
		return household{}, backend.ErrUnknownUser
	}
	w.houses[i].mu.RLock()
	defer w.houses[i].mu.RUnlock()
	h := w.houses[i].household
	switch {
	case h.out:
		err = backend.ErrUnavailable
	case h.password == "":
		err = backend.ErrUnknownUser
	}
	return h, err
}

func (w *town) Version(user string) uint64 {
	h, _ := w.at(user)
	return h.version
}

func (w *town) Authenticate(_ context.Context, user, password string) (backend.Identity, error) {
	h, err := w.at(user)
	switch {
	case err != nil:
		return backend.Identity{}, err
	case h.password != password:
		return backend.Identity{}, backend.ErrWrongPassword
	}
	return identityOf(user), nil
}

func (w *town) Groups(_ context.Context, id backend.Identity) ([]string, error) {
	h, err := w.at(id.User)
	if err != nil || id != identityOf(id.User) {
		return nil, err
	}
	return slices.Clone(h.groups), nil
}

func (w *town) Revalidate(_ context.Context, id backend.Identity) (backend.Identity, error) {
	_, err := w.at(id.User)
	return id, err
}

func identityOf(user string) backend.Identity {
	return backend.Identity{User: user, Handle: "uid=" + user, Source: "house of " + user}
}

// A resident is one goroutine and what it knows of its own user.
type resident struct {
	testing.TB
	*rand.Rand
	town  *town
	cache *backend.Cache
	index int
	user  string
	had   map[string]bool // what had an answer since the last change: passwords, and groups
}

// mixedOperations has every resident do n things, of which most are logins.
func mixedOperations(tb testing.TB, n int) {
	tb.Helper()
	w := &town{}
	// There is not room for all refusals, and little time for anything.
	c := newCache(tb, w, backend.CacheConfig{Size: residents * 3 / 2, TTL: 500 * time.Millisecond, NegativeTTL: 300 * time.Millisecond,
		GroupsTTL: 300 * time.Millisecond, Revalidate: 150 * time.Millisecond, Stale: time.Hour})
	for i := range residents {
		w.houses[i].password, w.houses[i].groups = "password0", []string{fmt.Sprint("group of user", i)}
	}
	var wg sync.WaitGroup
	for i := range residents {
		r := &resident{tb, rand.New(rand.NewPCG(uint64(i), 1)), w, c, i, fmt.Sprint("user", i), make(map[string]bool)}
		wg.Go(func() {
			for range n {
				if tb.Failed() {
					return
				}
				r.step(context.Background())
			}
		})
	}
	wg.Wait()
}

func (r *resident) step(ctx context.Context) {
	switch op := r.IntN(100_000); {
	case op < 1:
		r.cache.Purge()
	case op < 20: // the backend says nothing of this change, and so somebody has to
		r.change(func(h *household) { h.password = fmt.Sprint("password", r.IntN(3)) })
		r.cache.PurgeUser(strings.ToUpper(r.user))
	case op < 400:
		r.change(func(h *household) { h.version++; h.password = fmt.Sprint("password", r.IntN(3)) })
	case op < 600:
		r.change(func(h *household) { h.version++; h.password = "" })
	case op < 1000:
		groups := []string{fmt.Sprint("group of ", r.user), "dev"}[:1+r.IntN(2)]
		r.change(func(h *household) { h.version++; h.groups = groups })
	case op < 2000:
		r.set(func(h *household) { h.out = r.IntN(6) == 0 })
	case op < 25_000:
		r.groups(ctx)
	default:
		r.login(ctx, fmt.Sprint("password", r.IntN(3)))
	}
}

// change changes the resident's user, of whom nothing is known afterwards.
func (r *resident) change(f func(*household)) {
	clear(r.had)
	r.set(f)
}

func (r *resident) set(f func(*household)) {
	h := &r.town.houses[r.index]
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.household)
}

// login checks that the verdict is the truth. In an outage there may be none, and
// must be none about a password that had no answer before.
func (r *resident) login(ctx context.Context, password string) {
	h := &r.town.houses[r.index]
	truth := "wrong password"
	switch h.password { // which nobody else changes
	case "":
		truth = "unknown user"
	case password:
		truth = ""
	}
	id, err := r.cache.Authenticate(ctx, r.user, password)
	got := verdict(err)
	switch {
	case h.out && got == "unavailable":
	case h.out && !r.had[password], got != truth:
		r.Errorf("%s with %s: got verdict %q, want %q (out: %v)", r.user, password, got, truth, h.out)
	case err == nil && id != identityOf(r.user):
		r.Errorf("%s: got %+v", r.user, id)
	default:
		r.had[password] = true
		r.had["groups"] = r.had["groups"] || err == nil // which a check of the login may have read
	}
}

// groups does so for groups.
func (r *resident) groups(ctx context.Context) {
	h := &r.town.houses[r.index]
	groups, err := r.cache.Groups(ctx, identityOf(r.user))
	got := verdict(err)
	switch {
	case h.out && got == "unavailable":
	case h.out && !r.had["groups"], (h.password == "") != (got == "unknown user"):
		r.Errorf("groups of %s: got verdict %q (out: %v)", r.user, got, h.out)
	case err == nil && strings.Join(groups, " ") != strings.Join(h.groups, " "):
		r.Errorf("groups of %s: got %q, want %q", r.user, groups, h.groups)
	default:
		r.had["groups"] = true
	}
}
