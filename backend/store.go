package backend

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// maxLogins is how many good logins are kept of one user. There are several
// where many passwords are one to the Backend (bcrypt reads no more than 72
// bytes of it) or many user names, and whoever knows one can make up any number
// of the others: they must not push out anybody else's.
const maxLogins = 4

// A store holds what a [Cache] knows. Good logins, bad logins and groups are
// kept apart, so that a flood of one kind pushes out no other. One lock covers
// all: they change together, and under it nothing is done but that.
type store struct {
	mu     sync.Mutex
	good   answers[key, Identity]
	bad    answers[key, error]
	groups answers[membership, []string]
	logins map[string][]key // of good, by Identity.User, oldest first
	era    *era
}

// A membership is the question for the groups of an Identity.
type membership struct {
	id      Identity
	version uint64
}

// An era is the time between two purges, and the questions asked in it: after
// its end none of them is joined any more, and no answer to them is stored.
type era struct {
	logins, groups singleflight.Group
}

func newStore(cfg CacheConfig) (*store, error) {
	s := &store{logins: make(map[string][]key), era: new(era)}
	var errs [3]error
	s.good, errs[0] = newAnswers(cfg.Size, cfg.TTL, s.forget)
	s.bad, errs[1] = newAnswers[key, error](cfg.Size, cfg.NegativeTTL, nil)
	s.groups, errs[2] = newAnswers[membership, []string](cfg.Size, cfg.TTL, nil)
	return s, errors.Join(errs[:]...)
}

func (s *store) now() *era {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.era
}

// login returns the stored answer for k, if known.
func (s *store) login(k key) (id Identity, known bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, known = s.good.get(k); known {
		return id, true, nil
	}
	err, known = s.bad.get(k)
	return Identity{}, known, err
}

// outcome is what a Backend answered to a login, and when it was asked.
type outcome struct {
	id    Identity
	err   error
	asked time.Time
}

// keepLogin stores what a Backend answered to a question asked during e.
func (s *store) keepLogin(e *era, k key, o outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e != s.era:
	case o.err == nil:
		s.good.put(k, o.id, o.asked)
		s.remember(k, o.id)
	case lasting(o.err):
		s.bad.put(k, o.err, o.asked)
	}
}

// lasting reports whether a failed login would fail again the next moment. An
// error that says in any way that the Backend was not asked is no answer.
func lasting(err error) bool {
	return Refused(err) && !errors.Is(err, ErrUnavailable) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// remember enters k as the newest of the user's logins.
func (s *store) remember(k key, id Identity) {
	keys := append(s.logins[id.User], k)
	s.logins[id.User] = keys
	if len(keys) > maxLogins {
		s.good.lru.Remove(keys[0])
	}
}

// forget is called for each good login that leaves, for whatever reason.
func (s *store) forget(k key, a answer[Identity]) {
	user := a.value.User
	keys := slices.DeleteFunc(s.logins[user], func(other key) bool { return other == k })
	if len(keys) == 0 {
		delete(s.logins, user)
		return
	}
	s.logins[user] = keys
}

// members returns the stored groups for m, if known.
func (s *store) members(m membership) (groups []string, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups.get(m)
}

// keepGroups stores what a Backend answered to a question asked during e.
func (s *store) keepGroups(e *era, m membership, groups []string, asked time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e == s.era {
		s.groups.put(m, groups, asked)
	}
}

func (s *store) purge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.era = new(era)
	s.good.lru.Purge()
	s.bad.lru.Purge()
	s.groups.lru.Purge()
}

// purgeUser removes all that is known of user. The bad logins go as a whole: a
// refusal does not say whose it is.
func (s *store) purgeUser(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.era = new(era)
	for _, k := range slices.Clone(s.logins[user]) {
		s.good.lru.Remove(k)
	}
	s.bad.lru.Purge()
	for _, m := range s.groups.lru.Keys() {
		if m.id.User == user {
			s.groups.lru.Remove(m)
		}
	}
}
