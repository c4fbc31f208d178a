package backend_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/backend"
)

func TestSameAs(t *testing.T) {
	id := backend.Identity{User: "kim", Handle: "uid=kim", Source: "corp", Anchor: "entryUUID:1"}
	tests := map[string]struct {
		change func(*backend.Identity)
		want   backend.Sameness
	}{
		"equal":           {func(*backend.Identity) {}, backend.Same},
		"moved":           {func(o *backend.Identity) { o.Handle = "uid=kim,ou=other" }, backend.Same},
		"renamed":         {func(o *backend.Identity) { o.User = "kimberly" }, backend.Same},
		"new password":    {func(o *backend.Identity) { o.Changed = "pwdLastSet:1" }, backend.Same},
		"made anew":       {func(o *backend.Identity) { o.Anchor = "entryUUID:2" }, backend.Different},
		"hidden anchor":   {func(o *backend.Identity) { o.Anchor = "" }, backend.Unrelated},
		"another kind":    {func(o *backend.Identity) { o.Anchor = "dn:uid=kim" }, backend.Unrelated},
		"of another kind": {func(o *backend.Identity) { o.Anchor = "nsUniqueId:1" }, backend.Unrelated},
		"another source":  {func(o *backend.Identity) { o.Source = "local" }, backend.Unrelated},
	}
	for name, tt := range tests {
		other := id
		tt.change(&other)
		if got, back := id.SameAs(other), other.SameAs(id); got != tt.want || back != tt.want {
			t.Errorf("%s: got %v, and %v the other way round, want %v", name, got, back, tt.want)
		}
	}
	bare, other := backend.Identity{User: "kim", Handle: "1"}, backend.Identity{User: "kim", Handle: "2"}
	if bare.SameAs(bare) != backend.Same || bare.SameAs(other) != backend.Unrelated {
		t.Error("without anchors name and handle tell")
	}
}

// A registrar is a directory in which each test sets who a user is.
type registrar struct {
	mu       sync.Mutex
	password map[string]string // by name
	is       map[string]backend.Identity
	now      map[backend.Identity]backend.Identity // who they are by now, of those that were moved
	failure  error                                 // of Revalidate
	refusal  error                                 // of Revalidate, with who they are by now
	logins   int
	checks   int
}

func newRegistrar(id backend.Identity, password string) *registrar {
	return &registrar{
		password: map[string]string{id.User: password},
		is:       map[string]backend.Identity{id.User: id},
		now:      map[backend.Identity]backend.Identity{},
	}
}

func (r *registrar) Authenticate(_ context.Context, user, password string) (backend.Identity, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logins++
	id, known := r.is[user]
	switch {
	case !known:
		return backend.Identity{}, backend.ErrUnknownUser
	case r.password[user] != password:
		return backend.Identity{}, backend.ErrWrongPassword
	}
	return id, nil
}

func (r *registrar) Groups(_ context.Context, id backend.Identity) ([]string, error) {
	return []string{"of " + id.Handle}, nil
}

func (r *registrar) Revalidate(_ context.Context, id backend.Identity) (backend.Identity, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks++
	if r.failure != nil {
		return backend.Identity{}, r.failure
	}
	if now, ok := r.now[id]; ok {
		return now, r.refusal
	}
	return id, r.refusal
}

func (r *registrar) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

var kim = backend.Identity{User: "kim", Handle: "uid=kim,ou=a", Source: "corp", Anchor: "entryUUID:1", Changed: "pwdChangedTime:2026-01-01T00:00:00.000000000Z"}

func with(id backend.Identity, change func(*backend.Identity)) backend.Identity {
	change(&id)
	return id
}

func TestMovedUserGoesOnInTheNewPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistrar(kim, "pw")
		c := newCache(t, r, backend.CacheConfig{})
		login(t, c, "kim", "pw", "")
		wantGroups(t, c, kim, "of uid=kim,ou=a")
		moved := with(kim, func(id *backend.Identity) { id.Handle = "uid=kim,ou=b" })
		r.set(func() { r.now[kim] = moved })
		time.Sleep(time.Minute)
		id, err := c.Authenticate(t.Context(), "kim", "pw")
		if err != nil || id != moved {
			t.Fatalf("got %+v, %v, want %+v", id, err, moved)
		}
		wantGroups(t, c, moved, "of uid=kim,ou=b")
		time.Sleep(time.Minute)
		login(t, c, "kim", "pw", "")
		if r.logins != 1 || r.checks != 2 {
			t.Errorf("there were %d logins and %d checks, want one and two", r.logins, r.checks)
		}
	})
}

// To rules a user of another name is somebody else.
func TestRenamedUserHasToLogInAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistrar(kim, "pw")
		c := newCache(t, r, backend.CacheConfig{})
		login(t, c, "kim", "pw", "")
		r.set(func() {
			r.now[kim] = with(kim, func(id *backend.Identity) { id.User = "kimberly" })
			delete(r.is, "kim")
		})
		time.Sleep(time.Minute)
		login(t, c, "kim", "pw", "unknown user")
	})
}

func TestCheckThatFailsLeavesItToThePassword(t *testing.T) {
	tests := map[string]struct {
		failure error
		change  func(*registrar)
		want    string
		logins  int
	}{
		"gone":                   {backend.ErrUnknownUser, func(r *registrar) { delete(r.is, "kim") }, "unknown user", 2},
		"gone and there again":   {backend.ErrUnknownUser, func(*registrar) {}, "", 2},
		"made anew":              {backend.ErrUnknownUser, func(r *registrar) { r.password["kim"] = "other" }, "wrong password", 2},
		"password changed to it": {backend.ErrOutdated, func(*registrar) {}, "", 2},
		"password changed":       {backend.ErrOutdated, func(r *registrar) { r.password["kim"] = "other" }, "wrong password", 2},
		"locked":                 {backend.ErrLocked, func(*registrar) {}, "locked", 1},
		"no answer":              {backend.ErrUnavailable, func(*registrar) {}, "", 1},
		"no answer, and unknown": {errors.Join(backend.ErrUnavailable, backend.ErrUnknownUser), func(*registrar) {}, "", 1},
		"nobody waited":          {errors.Join(context.Canceled, backend.ErrUnknownUser), func(*registrar) {}, "unknown user", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegistrar(kim, "pw")
				c := newCache(t, r, backend.CacheConfig{})
				login(t, c, "kim", "pw", "")
				r.set(func() { r.failure = tt.failure; tt.change(r) })
				time.Sleep(time.Minute)
				login(t, c, "kim", "pw", tt.want)
				if r.logins != tt.logins {
					t.Errorf("there were %d logins, want %d", r.logins, tt.logins)
				}
			})
		})
	}
}

func TestLaterLoginEndsEarlierOnes(t *testing.T) {
	changed := func(when string) func(*backend.Identity) {
		return func(id *backend.Identity) { id.Changed = when }
	}
	tests := map[string]struct {
		before, after func(*backend.Identity)
		ends          bool
	}{
		"made anew":                  {nil, func(id *backend.Identity) { id.Anchor = "entryUUID:2" }, true},
		"changed since":              {nil, changed("pwdChangedTime:2026-01-02T00:00:00.000000000Z"), true},
		"nobody says when":           {changed(""), changed(""), true},
		"changed the same day":       {changed("shadowLastChange:2026-01-01"), changed("shadowLastChange:2026-01-01"), true},
		"two passwords, not changed": {nil, nil, false},
		"anchor is hidden":           {nil, func(id *backend.Identity) { id.Anchor, id.Changed = "", "" }, false},
		"anchor of another kind":     {nil, func(id *backend.Identity) { id.Anchor, id.Changed = "dn:uid=kim,ou=a", "" }, false},
		"of another source":          {changed(""), func(id *backend.Identity) { id.Source, id.Changed = "local", "" }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before, after := kim, kim
			if tt.before != nil {
				tt.before(&before)
			}
			if tt.after != nil {
				tt.after(&after)
			}
			r := newRegistrar(before, "old")
			c := newCache(t, r, backend.CacheConfig{})
			login(t, c, "kim", "old", "")
			r.set(func() { r.is["kim"], r.password["kim"] = after, "new" })
			login(t, c, "kim", "new", "")
			want := map[bool]string{true: "wrong password"}[tt.ends]
			login(t, c, "kim", "old", want)
			login(t, c, "kim", "new", map[bool]string{true: ""}[tt.ends]) // a refused password ends no other of another account's
		})
	}
}

// A login by another spelling of the name has the same password, and ends nothing.
func TestSpellingsOfANameEndNoLogin(t *testing.T) {
	f := newFake(people())
	c := newCache(t, f, backend.CacheConfig{})
	login(t, c, "alice", "alice-5ecret", "")
	login(t, c, "ALICE", "alice-5ecret", "")
	login(t, c, "alice", "alice-5ecret", "")
	wantLogins(t, f, 2)
}

// partial is a directory that knows some groups of everybody.
type partial struct {
	*fake
	short bool
}

var errHidden = errors.New("groups are hidden")

func (p partial) Groups(ctx context.Context, id backend.Identity) ([]string, error) {
	groups, err := p.fake.Groups(ctx, id)
	if err != nil {
		return nil, err
	}
	return groups, &backend.Incomplete{Cause: errHidden, ShortNames: p.short}
}

// Groups that are known in part come through everything that a Backend is wrapped in,
// as such: less would be a denial, and more an answer.
func TestIncompleteGroupsStayIncomplete(t *testing.T) {
	for _, short := range []bool{false, true} {
		p := partial{newFake(people()), short}
		c := newCache(t, backend.Named("corp", p), backend.CacheConfig{})
		for name, b := range map[string]backend.Backend{"named": backend.Named("corp", p), "cache": c, "cache again": c, "floor": newFloor(t, p, backend.FloorConfig{}), "flood": newFlood(t, p, backend.FloodConfig{})} {
			groups, err := b.Groups(t.Context(), backend.Identity{User: "alice", Handle: "uid=alice"})
			missing := backend.IncompleteOf(err)
			if missing == nil || missing.ShortNames != short || !errors.Is(err, errHidden) || !errors.Is(err, backend.ErrUnavailable) || len(groups) != 2 {
				t.Errorf("%s: got %q, %v, want two groups and that others are missing", name, groups, err)
			}
		}
		if n := p.lists.Load(); n != 4 {
			t.Errorf("the backend was asked %d times, want once for the cache and once for each of the others", n)
		}
	}
}

// A login that the directory counts is asked for once, however often the ttl is over.
func TestLDAP7GraceLoginIsSpentOnce(t *testing.T) {
	onGrace := with(kim, func(id *backend.Identity) { id.OnGrace = true })
	for name, tt := range map[string]struct {
		cfg    backend.CacheConfig
		fail   error
		want   string
		logins int
	}{
		"confirmed":          {backend.CacheConfig{}, nil, "", 1},
		"nobody confirms":    {backend.CacheConfig{Revalidate: -1}, nil, "", 4},
		"cannot be":          {backend.CacheConfig{}, errors.ErrUnsupported, "", 4},
		"locked meanwhile":   {backend.CacheConfig{}, backend.ErrLocked, "locked", 1},
		"directory is down":  {backend.CacheConfig{}, backend.ErrUnavailable, "", 1},
		"password was reset": {backend.CacheConfig{}, backend.ErrOutdated, "", 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegistrar(onGrace, "pw")
				c := newCache(t, r, tt.cfg)
				login(t, c, "kim", "pw", "")
				r.set(func() { r.failure = tt.fail })
				for range 3 {
					time.Sleep(10 * time.Minute) // the ttl is five
					login(t, c, "kim", "pw", tt.want)
					if tt.want != "" {
						break
					}
				}
				if r.logins != tt.logins {
					t.Errorf("there were %d logins, want %d", r.logins, tt.logins)
				}
				time.Sleep(24 * time.Hour)
				r.set(func() { r.failure = nil })
				login(t, c, "kim", "pw", "")
				if r.logins != tt.logins+1 {
					t.Errorf("a day later there were %d logins, want one more than %d", r.logins, tt.logins)
				}
			})
		})
	}
}
