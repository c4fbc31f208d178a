package backend

import (
	"slices"
	"time"
)

// members returns the stored groups of id, and what they are good for.
func (s *store) members(id Identity, version uint64) (roll, state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, age := s.groups.get(id, version)
	if e == nil {
		return roll{}, unknown
	}
	since := time.Since(e.value.login)
	switch alone := e.value.login.IsZero(); {
	case age < s.groups.ttl && (alone || since < s.good.ttl):
		return e.value.groups, current
	case !alone && since < s.good.ttl+s.good.grace:
		return e.value.groups, expired
	}
	s.groups.lru.Remove(id)
	return roll{}, unknown
}

// keepGroups stores what a Backend answered to a question asked during e, unless a
// later question was answered before.
func (s *store) keepGroups(e *era, id Identity, a answer[roll]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.groups.lru.Peek(id); e != s.era || ok && old.asked.After(a.asked) {
		return
	}
	value := membership{a.value, s.latest(id, key{})}
	s.putGroups(id, answer[membership]{value: value, version: a.version, asked: a.asked})
}

// putGroups stores groups, and makes room for them where there is none.
func (s *store) putGroups(id Identity, e answer[membership]) {
	s.groups.put(id, e)
	s.names += len(e.value.groups.names)
	for s.names > s.room && s.groups.lru.Len() > 1 {
		s.groups.lru.RemoveOldest()
		s.groups.evicted++
	}
}

// knowsGroups reports whether there are groups of id, of any age.
func (s *store) knowsGroups(id Identity) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups.lru.Contains(id)
}

// isConfirmed reports whether no login of id has to be confirmed, not even soon.
func (s *store) isConfirmed(id Identity) bool {
	confirmed := true
	s.each(id, func(l *login) { confirmed = confirmed && s.urgency(*l) == never })
	return confirmed
}

// confirm takes down that the Backend let the logins of id count when it was asked
// during e. If that is final, it need not be asked again.
func (s *store) confirm(e *era, id Identity, asked time.Time, final bool) {
	s.each(id, func(l *login) {
		if e == s.era && asked.After(l.confirmed) {
			l.confirmed, l.final = asked, final
		}
	})
}

// rename has the logins of id, and its groups, be those of now, which is the same user
// in another place. It was found out during e.
func (s *store) rename(e *era, id, now Identity) {
	now = now.clone()
	s.mu.Lock()
	defer s.mu.Unlock()
	if e != s.era {
		return
	}
	for _, k := range s.logins[id.User] {
		if e, ok := s.good.lru.Peek(k); ok && e.value.id == id {
			e.value.id = now
		}
	}
	if groups, ok := s.groups.lru.Peek(id); ok {
		s.groups.lru.Remove(id)
		s.putGroups(now, *groups)
	}
}

// outdate removes the logins of id, which are those with the password that it had at
// the time.
func (s *store) outdate(id Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range slices.Clone(s.logins[id.User]) {
		if e, ok := s.good.lru.Peek(k); ok && e.value.id == id {
			s.good.lru.Remove(k)
		}
	}
}

// each calls f for every good login of id.
func (s *store) each(id Identity, f func(*login)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.logins[id.User] {
		if e, ok := s.good.lru.Peek(k); ok && e.value.id == id {
			f(&e.value)
		}
	}
}

// dismiss removes all that is known of the user of id, whom the Backend has just
// refused.
func (s *store) dismiss(id Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(id.User)
	s.groups.lru.Remove(id)
}

// purge removes everything and returns how many good logins that was.
func (s *store) purge() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.good.lru.Len()
	s.era = new(era)
	s.good.lru.Purge()
	s.bad.lru.Purge()
	s.groups.lru.Purge()
	return n
}

// purgeUser removes all that is known of whoever the given function says, and
// returns how many good logins that was. The bad logins go as a whole: a refusal
// does not say whose it is.
func (s *store) purgeUser(is func(Identity) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.era = new(era)
	s.bad.lru.Purge()
	for _, k := range s.good.lru.Keys() {
		if e, ok := s.good.lru.Peek(k); ok && is(e.value.id) {
			n += s.drop(e.value.id.User)
		}
	}
	for _, id := range s.groups.lru.Keys() {
		if is(id) {
			s.groups.lru.Remove(id)
		}
	}
	return n
}

// contents returns how much is remembered of good logins, bad logins and groups.
func (s *store) contents() (good, bad, groups CacheContent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.good.content(), s.bad.content(), s.groups.content()
}
