package backend

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// answers is an LRU whose entries expire. It is the bare simplelru, not the LRU
// with a lock around it: a [store] has a lock, and changes other things under
// the same. (expirable.LRU of that module would start a goroutine that nothing
// ends.)
type answers[K comparable, V any] struct {
	lru *simplelru.LRU[K, answer[V]]
	ttl time.Duration
}

type answer[V any] struct {
	value   V
	expires time.Time // with a monotonic reading: setting the clock changes nothing
}

func newAnswers[K comparable, V any](size int, ttl time.Duration, evicted func(K, answer[V])) (answers[K, V], error) {
	lru, err := simplelru.NewLRU(size, evicted)
	return answers[K, V]{lru: lru, ttl: ttl}, err
}

// get returns the answer stored for k unless it has expired.
func (a answers[K, V]) get(k K) (value V, known bool) {
	e, ok := a.lru.Get(k)
	if !ok {
		return value, false
	}
	if !time.Now().Before(e.expires) {
		a.lru.Remove(k)
		return value, false
	}
	return e.value, true
}

// put stores the answer to a question that was asked at the given time. That is
// when its age begins: the Backend may have looked at once and answered late.
func (a answers[K, V]) put(k K, value V, asked time.Time) {
	a.lru.Remove(k)
	a.lru.Add(k, answer[V]{value, asked.Add(a.ttl)})
}
