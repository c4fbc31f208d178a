package backend

import "sync/atomic"

// CacheStats is what a [Cache] has done since it was made, and what it holds.
type CacheStats struct {
	// Logins and Groups count the calls of Authenticate and of Groups by what
	// was said to them.
	Logins, Groups CacheAnswers

	// Shared counts the calls that waited for the answer to an equal question
	// of another; they are among the misses.
	Shared uint64

	// Checks counts what came of asking whether a login still counts.
	Checks CacheChecks

	// GoodLogins, BadLogins and GroupLists are what is remembered.
	GoodLogins, BadLogins, GroupLists CacheContent
}

// CacheAnswers counts calls. Each is counted once, when it has been answered.
type CacheAnswers struct {
	Hit      uint64 // a success was remembered
	Miss     uint64 // the Backend was asked, or did not confirm what was remembered
	Negative uint64 // a refusal was remembered
	Stale    uint64 // a success was remembered longer than usual
}

// CacheChecks counts what a [Revalidator] answered.
type CacheChecks struct {
	OK          uint64 // the login still counts
	Refused     uint64 // it does not, and all of the user was forgotten
	Unavailable uint64 // it could not be found out
	Failed      uint64 // the Backend failed in another way
}

// CacheContent is how much of one kind is remembered.
type CacheContent struct {
	Entries int    // now
	Evicted uint64 // pushed out by others for want of room, ever
}

// counters are those of CacheStats that are counted without the store's lock.
type counters struct {
	logins, groups                         tally
	shared                                 atomic.Uint64
	confirmed, revoked, unasked, unchecked atomic.Uint64
}

// tally counts answers by CacheState.
type tally struct{ hit, miss, negative, stale atomic.Uint64 }

func (t *tally) count(s CacheState) {
	switch s {
	case CacheHit:
		t.hit.Add(1)
	case CacheMiss:
		t.miss.Add(1)
	case CacheNegative:
		t.negative.Add(1)
	case CacheStale:
		t.stale.Add(1)
	}
}

func (t *tally) read() CacheAnswers {
	return CacheAnswers{Hit: t.hit.Load(), Miss: t.miss.Load(), Negative: t.negative.Load(), Stale: t.stale.Load()}
}

// Stats is cheap. Its figures are each right, but not all of the same moment.
func (c *Cache) Stats() CacheStats {
	s := CacheStats{
		Logins: c.counted.logins.read(),
		Groups: c.counted.groups.read(),
		Shared: c.counted.shared.Load(),
		Checks: CacheChecks{
			OK:          c.counted.confirmed.Load(),
			Refused:     c.counted.revoked.Load(),
			Unavailable: c.counted.unasked.Load(),
			Failed:      c.counted.unchecked.Load(),
		},
	}
	s.GoodLogins, s.BadLogins, s.GroupLists = c.store.contents()
	return s
}
