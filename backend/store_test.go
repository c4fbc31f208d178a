package backend

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// checkIndex checks that the index by user holds the good logins, and nothing
// else, in the order of their arrival.
func checkIndex(t *testing.T, s *store, size int) {
	t.Helper()
	n := 0
	for user, keys := range s.logins {
		n += len(keys)
		if len(keys) == 0 || len(keys) > maxLogins {
			t.Errorf("user %s: got %d logins, want 1 to %d", user, len(keys), maxLogins)
		}
		for _, k := range keys {
			if a, ok := s.good.lru.Peek(k); !ok || a.value.id.User != user {
				t.Errorf("user %s: an indexed login is gone or that of %q", user, a.value.id.User)
			}
		}
	}
	if got := s.good.lru.Len(); n != got || got > size {
		t.Errorf("index has %d logins, store %d, want equal and at most %d", n, got, size)
	}
}

func TestIndexByUserHoldsNoMoreThanTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 20
		s, err := newStore(CacheConfig{Size: size, TTL: time.Minute, NegativeTTL: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 2))
		for range 20_000 {
			user, k := fmt.Sprint("user", r.IntN(50)), key{byte(r.IntN(8))}
			copy(k[1:], user)
			switch op := r.IntN(1000); {
			case op < 2:
				s.purge()
			case op < 20:
				s.purgeUser(func(id Identity) bool { return id.User == user })
			case op < 60:
				time.Sleep(20 * time.Second)
			case op < 500:
				s.login(k, 0)
			default:
				s.keepLogin(s.era, k, outcome{id: Identity{User: user}, asked: time.Now()})
			}
			checkIndex(t, s, size)
			if t.Failed() {
				return
			}
		}
		s.purge()
		if len(s.logins) != 0 {
			t.Errorf("index has %d users after a purge, want none", len(s.logins))
		}
	})
}

func TestExpiredAnswersAreRemovedOnSight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := newStore(CacheConfig{Size: 9, TTL: time.Minute, GroupsTTL: time.Minute, NegativeTTL: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		good, bad, id := key{1}, key{2}, Identity{User: "alice"}
		s.keepLogin(s.era, good, outcome{id: id, asked: time.Now()})
		s.keepLogin(s.era, bad, outcome{err: ErrLocked, asked: time.Now()})
		s.keepGroups(s.era, id, answer[roll]{value: roll{names: []string{"dev"}}, asked: time.Now()})
		time.Sleep(time.Minute)
		s.login(good, 0)
		s.login(bad, 0)
		s.members(id, 0)
		if s.good.lru.Len()+s.bad.lru.Len()+s.groups.lru.Len()+len(s.logins) != 0 {
			t.Errorf("got %d good and %d bad logins, %d groups, %d users in the index, want none",
				s.good.lru.Len(), s.bad.lru.Len(), s.groups.lru.Len(), len(s.logins))
		}
	})
}

// A check may have read the groups again while an older question was on its way.
func TestGroupsAreNotReplacedByOlderOnes(t *testing.T) {
	s := newTestStore(t)
	id, now := Identity{User: "alice"}, time.Now()
	s.keepGroups(s.era, id, answer[roll]{value: roll{names: []string{"dev"}}, asked: now})
	s.keepGroups(s.era, id, answer[roll]{value: roll{names: []string{"dev", "admin"}}, asked: now.Add(-time.Second)})
	if groups, _ := s.members(id, 0); len(groups.names) != 1 {
		t.Errorf("got groups %q, want those that were asked for last", groups.names)
	}
}

// The name may be cut from what has the password too.
func TestStoreHoldsNamesOfItsOwn(t *testing.T) {
	s, k := newTestStore(t), key{1}
	credentials := string([]byte("alice:alice-5ecret"))
	s.keepLogin(s.era, k, outcome{id: Identity{User: credentials[:5]}, asked: time.Now()})
	if got := s.login(k, 0).id.User; got != "alice" || unsafe.StringData(got) == unsafe.StringData(credentials) {
		t.Errorf("got user %q in the memory of the credentials", got)
	}
}

func newTestStore(t *testing.T) *store {
	t.Helper()
	cfg, err := CacheConfig{}.complete()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newStore(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Users in many groups push out each other's groups, by the names that there are, and
// whatever leaves is not counted any more.
func TestNamesOfGroupsAreBounded(t *testing.T) {
	s, err := newStore(CacheConfig{Size: 100, TTL: time.Minute, GroupsTTL: time.Minute, NegativeTTL: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s.room = 1000
	id := func(i int) Identity { return Identity{User: fmt.Sprint("user", i)} }
	keep := func(i, names int) {
		s.keepGroups(s.era, id(i), answer[roll]{value: roll{names: make([]string, names)}, asked: time.Now()})
	}
	for i := range 20 {
		keep(i, 300)
		keep(i, 300) // in place of the former
	}
	if got := s.groups.lru.Len(); got != 3 || s.names != 900 || !s.knowsGroups(id(19)) || s.knowsGroups(id(16)) || s.groups.evicted != 17 {
		t.Errorf("got the groups of %d users with %d names, %d pushed out, want the last 3 with 900, and 17", got, s.names, s.groups.evicted)
	}
	s.rename(s.era, id(19), id(20))
	keep(21, 2000) // more than there is room for
	if !s.knowsGroups(id(21)) || s.groups.lru.Len() != 1 || s.names != 2000 {
		t.Errorf("got the groups of %d users with %d names, want the last one's alone", s.groups.lru.Len(), s.names)
	}
	if s.purge(); s.names != 0 {
		t.Errorf("%d names are counted after a purge", s.names)
	}
}
