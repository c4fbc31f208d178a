package ldap

import (
	"sync"
	"time"

	"gatehouse/backend/memory"

	lru "github.com/hashicorp/golang-lru/v2"
)

// memo remembers for a while what the directory said that is not about one
// user, such as which groups a group is in.
type memo[V any] struct {
	entries *lru.Cache[string, remembered[V]]
	ttl     time.Duration
	load    *load[V] // nil where a value is small
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
	return memo[V]{entries: entries, ttl: ttl}
}

// load is how many parts all values of a memo have, and may have.
type load[V any] struct {
	parts func(V) int
	most  int

	mu  sync.Mutex // held while a value is put
	sum int
}

// A part, such as a group or a name of one, takes about partMemory bytes. Those of one
// memo may have a partsPart of the memory limit in force.
const (
	maxParts   = 400_000
	partMemory = 512
	partsPart  = 16
)

func roomForParts() int {
	return int(min(maxParts, memory.Limit()/partsPart/partMemory))
}

// newPartsMemo returns a memo of values of many parts, which forgets what was used least
// lately where there are more parts than there is room for.
func newPartsMemo[V any](ttl time.Duration, parts func(V) int) memo[V] {
	l := &load[V]{parts: parts, most: roomForParts()}
	entries, err := lru.NewWithEvict(memoSize, func(_ string, r remembered[V]) { l.sum -= parts(r.value) })
	if err != nil {
		panic(err) // only for a size below 1
	}
	return memo[V]{entries, ttl, l}
}

func (m memo[V]) get(key string) (value V, known bool) {
	r, ok := m.entries.Get(key)
	if !ok || !time.Now().Before(r.expires) {
		return value, false
	}
	return r.value, true
}

func (m memo[V]) forget(key string) {
	if m.load != nil {
		m.load.mu.Lock()
		defer m.load.mu.Unlock()
	}
	m.entries.Remove(key)
}

// put remembers the answer to a question that was asked at the given time.
func (m memo[V]) put(key string, value V, asked time.Time) {
	r := remembered[V]{value, asked.Add(m.ttl)}
	if m.load == nil {
		m.entries.Add(key, r)
		return
	}
	m.load.mu.Lock()
	defer m.load.mu.Unlock()
	m.entries.Remove(key) // or the parts of the value before would count on
	m.entries.Add(key, r)
	m.load.sum += m.load.parts(value)
	for m.load.sum > m.load.most && m.entries.Len() > 1 {
		m.entries.RemoveOldest()
	}
}

// groupParts is what groups count for: each, and what it is in.
func groupParts(groups []group) int {
	n := len(groups)
	for _, g := range groups {
		n += len(g.parents)
	}
	return n
}
