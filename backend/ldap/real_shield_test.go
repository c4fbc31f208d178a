package ldap

import (
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"gatehouse/backend"
)

// shieldedLogin is a way to log in that stands behind all that the gateway has.
type shieldedLogin struct {
	cache *backend.Cache
	user  string
}

// try asks for a login under the i-th spelling of the name and from the i-th
// address, and returns the verdict.
func (l shieldedLogin) try(t *testing.T, i int, password string) string {
	spellings := []string{
		l.user, "SHIELDED" + l.user[len("shielded"):], l.user + "@" + realDomain, `ADTEST\` + l.user,
		l.user + "@ADTEST", l.user + "@mail.example", realDomain + `\` + l.user,
	}
	call := &backend.Call{Source: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
	_, err := l.cache.Authenticate(backend.WithCall(t.Context(), call), spellings[i%len(spellings)], password)
	return verdict(err)
}

// The domain locks an account after three wrong passwords. Whatever is tried
// through a shield that passes on two of them locks nobody, nor keeps out an owner
// who has logged in before.
func (s *samba) checkShield(t *testing.T) {
	b := open(t, s.config(t))
	patterns := []struct {
		name  string
		most  int // wrong passwords that the domain may have counted
		guess func(t *testing.T, l shieldedLogin)
	}{
		{"one after the other", 2, func(t *testing.T, l shieldedLogin) {
			for i := range 30 {
				l.refused(t, 0, fmt.Sprint("guess-", i))
			}
		}},
		{"in all spellings and from everywhere", 2, func(t *testing.T, l shieldedLogin) {
			for i := range 30 {
				l.refused(t, i, fmt.Sprint("guess-", i))
			}
		}},
		{"at once", 2, func(t *testing.T, l shieldedLogin) {
			l.atOnce(func(i int) { l.refused(t, i, fmt.Sprint("guess-", i)) })
		}},
		{"one password at once", 1, func(t *testing.T, l shieldedLogin) {
			l.atOnce(func(i int) { l.refused(t, 0, "guess") })
		}},
		{"one password at once in all spellings", 1, func(t *testing.T, l shieldedLogin) {
			l.atOnce(func(i int) { l.refused(t, i, "guess") })
		}},
		{"few passwords again and again", 2, func(t *testing.T, l shieldedLogin) {
			for i := range 40 {
				l.refused(t, i/2, fmt.Sprint("guess-", i%3))
				time.Sleep(15 * time.Millisecond) // longer than one counts in the cache
			}
		}},
		{"between the owner's logins", 2, func(t *testing.T, l shieldedLogin) {
			for i := range 30 {
				l.refused(t, i, fmt.Sprint("guess-", i))
				l.cache.Purge()
				l.let(t, i)
			}
		}},
	}
	for i, p := range patterns {
		t.Run(p.name, func(t *testing.T) {
			l := shieldedLogin{newShielded(t, b), fmt.Sprint("shielded", i)}
			l.let(t, 0)
			p.guess(t, l)
			n, err := strconv.Atoi(s.attribute(t, b, l.user, "badPwdCount"))
			if err != nil || n > p.most {
				t.Errorf("badPwdCount is %d, %v, want at most %d", n, err, p.most)
			}
			if at := s.attribute(t, b, l.user, "lockoutTime"); at != "" && at != "0" {
				t.Errorf("the account is locked since %s", at)
			}
			l.cache.Purge()
			l.let(t, 0)
		})
	}
}

// newShielded returns b behind a shield, a flood control and a cache that forgets
// refusals at once.
func newShielded(t *testing.T, b *Backend) *backend.Cache {
	t.Helper()
	shield, err := backend.NewShield(b, backend.ShieldConfig{NegativeTTL: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	flood, err := backend.NewFlood(backend.Named("corp", shield), backend.FloodConfig{})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := backend.NewCache(flood, backend.CacheConfig{NegativeTTL: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

// refused checks that a guess is refused, as is any other.
func (l shieldedLogin) refused(t *testing.T, i int, password string) {
	t.Helper()
	if got := l.try(t, i, password); got != "wrong" {
		t.Errorf("guess %d: got %s, want wrong", i, got)
	}
}

// let checks that the owner can log in.
func (l shieldedLogin) let(t *testing.T, i int) {
	t.Helper()
	if got := l.try(t, i, realPass); got != "in" {
		t.Errorf("the owner: got %s, want in", got)
	}
}

func (l shieldedLogin) atOnce(guess func(i int)) {
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { guess(i) })
	}
	wg.Wait()
}
