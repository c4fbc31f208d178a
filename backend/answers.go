package backend

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// answers is an LRU whose entries age. It is the bare simplelru, not the LRU
// with a lock around it: a [store] has a lock, and changes other things under
// the same. (expirable.LRU of that module would start a goroutine that nothing
// ends.)
type answers[K comparable, V any] struct {
	lru     *simplelru.LRU[K, *answer[V]]
	ttl     time.Duration // how long an answer counts
	grace   time.Duration // how long it is kept besides
	evicted uint64        // answers that had to make room
}

// An answer is what a Backend said to a question about a user who had a version.
type answer[V any] struct {
	value   V
	version uint64
	asked   time.Time // with a monotonic reading: setting the clock changes nothing

	lasts time.Duration // how long it counts, if that is longer than others do
}

func newAnswers[K comparable, V any](size int, left func(K, *answer[V])) (answers[K, V], error) {
	lru, err := simplelru.NewLRU(size, left)
	return answers[K, V]{lru: lru}, err
}

// get returns the answer stored for k and how old it is, or nil if it is not known
// or that of another version. An answer's age begins when the question was asked:
// the Backend may have looked at once and answered late.
func (a *answers[K, V]) get(k K, version uint64) (*answer[V], time.Duration) {
	e, ok := a.lru.Get(k)
	if !ok || e.version != version {
		return nil, 0
	}
	age := time.Since(e.asked)
	if age >= max(a.ttl, e.lasts)+a.grace {
		a.lru.Remove(k)
		return nil, 0
	}
	return e, age
}

// put stores an answer in place of the one that k had.
func (a *answers[K, V]) put(k K, e answer[V]) {
	a.lru.Remove(k)
	if a.lru.Add(k, &e) {
		a.evicted++
	}
}

// configure sets how many answers there may be, how long they count, and how long
// they are kept besides.
func (a *answers[K, V]) configure(size int, ttl, grace time.Duration) {
	a.ttl, a.grace = ttl, grace
	a.evicted += uint64(a.lru.Resize(size))
}

func (a *answers[K, V]) content() CacheContent {
	return CacheContent{Entries: a.lru.Len(), Evicted: a.evicted}
}
