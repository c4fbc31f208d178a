package ldap

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// memo remembers for a while what the directory said that is not about one
// user, such as which groups a group is in.
type memo[V any] struct {
	entries *lru.Cache[string, remembered[V]]
	ttl     time.Duration
}

type remembered[V any] struct {
	value   V
	expires time.Time
}

// memoSize is more groups than most directories have.
const memoSize = 50_000

func newMemo[V any](ttl time.Duration) memo[V] {
	entries, err := lru.New[string, remembered[V]](memoSize)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return memo[V]{entries, ttl}
}

func (m memo[V]) get(key string) (value V, known bool) {
	r, ok := m.entries.Get(key)
	if !ok || !time.Now().Before(r.expires) {
		return value, false
	}
	return r.value, true
}

func (m memo[V]) forget(key string) { m.entries.Remove(key) }

// put remembers the answer to a question that was asked at the given time.
func (m memo[V]) put(key string, value V, asked time.Time) {
	m.entries.Add(key, remembered[V]{value, asked.Add(m.ttl)})
}
