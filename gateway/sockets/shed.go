package sockets

import (
	"cmp"
	"slices"
	"time"
)

// closeSome closes some of the sockets that are meant, and returns how many: those first on
// which only bad logins were tried, then those that are unwelcome, then those that have sent
// nothing, and then those that have waited longest. Where strangers have more than half of
// all, only they make room.
// One that is spared ends the list: those behind it have more of a right to their place.
// It is called with mu held.
func (s *Set) closeSome(meant, spared func(*Socket) bool) int {
	type waiter struct {
		*Socket
		rank  int
		since int64 // which changes meanwhile in the socket
	}
	strangers := 0
	var all []waiter
	for c := range s.open {
		if !c.vouched.Load() {
			strangers++
		}
		if meant(c) {
			all = append(all, waiter{c, 0, c.waits.Load()})
		}
	}
	if strangers > len(s.open)/2 {
		all = slices.DeleteFunc(all, func(w waiter) bool { return w.vouched.Load() })
	}
	for i, c := range all {
		all[i].rank = c.rankToShed()
	}
	slices.SortFunc(all, func(a, b waiter) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.since, b.since))
	})
	longest := all[:(len(all)+shedPart-1)/shedPart]
	if i := slices.IndexFunc(longest, func(w waiter) bool { return spared(w.Socket) }); i >= 0 {
		longest = longest[:i]
	}
	for _, w := range longest {
		if !w.vouched.Load() {
			s.reputation.blame(w.home())
		}
		s.remove(w.Socket)
		w.Conn.Close()
	}
	s.shed.Add(uint64(len(longest)))
	return len(longest)
}

// rankToShed says how soon s makes room; the least first.
func (s *Socket) rankToShed() int {
	switch {
	case s.vouched.Load():
	case s.refused.Load() > 0:
		return 0
	case s.standing == unwelcome:
		return 1
	case !s.spoke.Load():
		return 2
	}
	return 3
}

// spares returns which sockets do not make room for s: those that have just come, if their
// standing is not worse.
func (s *Socket) spares(tenure time.Duration) func(*Socket) bool {
	return func(c *Socket) bool { return c.standing >= s.standing && c.isSettling(tenure) }
}

// MakeRoom closes some of those that wait, where file descriptors have run out.
func (s *Set) MakeRoom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeSome((*Socket).isWaiting, nobody)
}
