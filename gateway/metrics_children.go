package gateway

import (
	"maps"
	"sync"
	"sync/atomic"
)

// children remembers the metrics of a family by a key of the caller's. To look one
// up takes no lock and no hash of its labels, which for a small request would be
// the larger part of what counting costs. The zero value is ready for use.
type children[K comparable, V any] struct {
	known atomic.Pointer[map[K]V] // never changed, only replaced
	mu    sync.Mutex              // held while it is replaced
}

// get returns the metric for k, which newChild makes if it is not known.
func (c *children[K, V]) get(k K, newChild func(K) V) V {
	if known := c.known.Load(); known != nil {
		if v, ok := (*known)[k]; ok {
			return v
		}
	}
	return c.add(k, newChild)
}

func (c *children[K, V]) add(k K, newChild func(K) V) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := map[K]V{}
	if known := c.known.Load(); known != nil {
		if v, ok := (*known)[k]; ok {
			return v
		}
		maps.Copy(next, *known)
	}
	v := newChild(k)
	next[k] = v
	c.known.Store(&next)
	return v
}
