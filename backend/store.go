package backend

import (
	"errors"
	"slices"
	"sync"
	"time"

	"gatehouse/backend/memory"
)

// maxLogins is how many good logins are kept of one user. There are several
// where many passwords are one to the Backend (bcrypt reads no more than 72
// bytes of it) or many user names, and whoever knows one can make up any number
// of the others: they must not push out anybody else's.
const maxLogins = 4

// maxNames is how many names of groups are kept of all users together at most. The groups
// of who was here last stay. A name takes nameMemory bytes beside its text, which users
// share; all of them may have a namesPart of the memory limit in force.
const (
	maxNames   = 4 << 20
	nameMemory = 16
	namesPart  = 16
)

func roomForNames() int {
	return int(min(maxNames, memory.Limit()/namesPart/nameMemory))
}

// A store holds what a [Cache] knows. Good logins, bad logins and groups are
// kept apart, so that a flood of one kind pushes out no other. One lock covers
// all: they change together, and under it nothing is done but that.
type store struct {
	mu     sync.Mutex
	config CacheConfig
	good   answers[key, login]
	bad    answers[key, error]
	groups answers[Identity, membership]
	names  int              // in groups
	room   int              // for names
	logins map[string][]key // of good, by Identity.User, oldest first
	era    *era
}

// A login is a success, and when the Backend last said that it still counts.
type login struct {
	id        Identity
	password  key // the same for two logins of one user with one password; zero for one without
	confirmed time.Time
	final     bool // the Backend cannot say that
}

// A membership is the groups of an Identity, and when the login was asked about
// that they end with; the zero time if there was none.
type membership struct {
	groups roll
	login  time.Time
}

// An era is the time between two purges, and the questions asked in it: after
// its end none of them is joined any more, and no answer to them is stored.
type era struct {
	logins, groups, checks flights
}

func newStore(cfg CacheConfig) (*store, error) {
	s := &store{logins: make(map[string][]key), era: new(era), room: roomForNames()}
	var errs [3]error
	s.good, errs[0] = newAnswers(cfg.Size, s.forget)
	s.bad, errs[1] = newAnswers[key, error](cfg.Size, nil)
	s.groups, errs[2] = newAnswers(cfg.Size, func(_ Identity, e *answer[membership]) { s.names -= len(e.value.groups.names) })
	s.configure(cfg)
	return s, errors.Join(errs[:]...)
}

// configure makes cfg count from now on, also for what is stored already.
func (s *store) configure(cfg CacheConfig) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = cfg
	s.good.configure(cfg.Size, cfg.TTL, cfg.Stale)
	s.bad.configure(cfg.Size, cfg.NegativeTTL, 0)
	s.groups.configure(cfg.Size, cfg.GroupsTTL, cfg.Stale)
}

// diesWith returns the states of an account that end proofs of it.
func (s *store) diesWith() []Standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config.DiesWith
}

// now returns the era in which a question begins, and how long it may take.
func (s *store) now() (*era, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.era, s.config.Timeout
}

// A finding is what a store knows about a login.
type finding struct {
	state state
	id    Identity // unless the state is unknown or refused
	err   error    // if it is refused
	check urgency
}

// state is what an answer is good for.
type state int

const (
	unknown state = iota
	refused
	current
	expired // good for nothing as long as the Backend can be asked
)

// urgency says whether a good login has to be confirmed.
type urgency int

const (
	never urgency = iota
	soon
	due
)

// login returns what is known of the login that k stands for.
func (s *store) login(k key, version uint64) finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, age := s.good.get(k, version); e != nil {
		if s.counts(e.value, age) {
			return finding{state: current, id: e.value.id, check: s.urgency(e.value)}
		}
		return finding{state: expired, id: e.value.id}
	}
	if e, _ := s.bad.get(k, version); e != nil {
		return finding{state: refused, err: e.value}
	}
	return finding{}
}

// counts reports whether a login of that age counts. One that the Backend counts goes
// on for as long as it is confirmed: to ask again would spend another.
func (s *store) counts(l login, age time.Duration) bool {
	return age < s.good.ttl || l.id.OnGrace && !l.final && s.config.Revalidate > 0 && age < graceTTL
}

// graceTTL bounds how long a login goes on that the Backend counts.
const graceTTL = 24 * time.Hour

func (s *store) urgency(l login) urgency {
	interval := s.config.Revalidate
	if interval <= 0 || l.final {
		return never
	}
	switch age := time.Since(l.confirmed); {
	case age >= interval:
		return due
	case age >= interval/2:
		return soon
	}
	return never
}

// outcome is what a Backend answered to a login, when it was asked, and about
// which version.
type outcome struct {
	id       Identity
	password key
	err      error
	asked    time.Time
	version  uint64
}

// keepLogin stores what a Backend answered to a question asked during e.
func (s *store) keepLogin(e *era, k key, o outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e != s.era:
	case o.err == nil:
		s.admit(k, o)
	case lasting(o.err):
		s.revoke(k, o.err)
		s.bad.put(k, answer[error]{value: o.err, version: o.version, asked: o.asked})
	default:
		s.revoke(k, o.err)
	}
}

// admit stores a success.
func (s *store) admit(k key, o outcome) {
	id := o.id.clone()
	s.supersede(id, o.password)
	s.bad.lru.Remove(k)
	e := answer[login]{value: login{id: id, password: o.password, confirmed: o.asked}, version: o.version, asked: o.asked}
	if id.OnGrace {
		e.lasts = graceTTL
	}
	s.good.put(k, e)
	keys := append(s.logins[id.User], k)
	s.logins[id.User] = keys
	if len(keys) > maxLogins {
		s.good.lru.Remove(keys[0])
	}
	// Groups that were on their way when the login before this one ended.
	if s.latest(id, k).IsZero() {
		s.groups.lru.Remove(id)
	}
}

// supersede removes the logins that end with one of id: those of another account
// which had the name before, and those of the same with another password, unless that
// is known to be as good. Where there was no password, the Backend alone knows of it.
func (s *store) supersede(id Identity, password key) {
	for _, k := range slices.Clone(s.logins[id.User]) {
		e, ok := s.good.lru.Peek(k)
		if !ok {
			continue
		}
		earlier := e.value
		switch same := earlier.id.SameAs(id); {
		case same == Different, same == Same && password.isAnother(earlier.password) && !hasSamePassword(earlier.id, id):
			s.good.lru.Remove(k)
		}
	}
}

// forget is called for each good login that leaves, for whatever reason. The last
// one of an Identity takes the groups with it.
func (s *store) forget(k key, e *answer[login]) {
	id := e.value.id
	keys := slices.DeleteFunc(s.logins[id.User], func(other key) bool { return other == k })
	s.logins[id.User] = keys
	if len(keys) == 0 {
		delete(s.logins, id.User)
	}
	if s.latest(id, k).IsZero() {
		s.groups.lru.Remove(id)
	}
}

// latest returns when the youngest login of id was asked about, leaving out k; the
// zero time if there is none.
func (s *store) latest(id Identity, k key) (asked time.Time) {
	for _, other := range s.logins[id.User] {
		if e, ok := s.good.lru.Peek(other); ok && other != k && e.value.id == id && e.asked.After(asked) {
			asked = e.asked
		}
	}
	return asked
}

// revoke removes what was let in under k if err refuses it, or whoever vouched for it
// does whatever others say. All else of the same user goes with it: whatever has
// happened, it is not about this one password alone.
func (s *store) revoke(k key, err error) {
	if e, ok := s.good.lru.Peek(k); ok && (lasting(err) || RefusedBy(err, e.value.id.Source)) {
		s.drop(e.value.id.User)
	}
}

// drop removes the good logins of user, and their groups with them. It returns how
// many they were.
func (s *store) drop(user string) int {
	keys := slices.Clone(s.logins[user])
	for _, k := range keys {
		s.good.lru.Remove(k)
	}
	return len(keys)
}
