//go:build !race

package backend_test

import (
	"testing"

	"gatehouse/backend"
)

// newStack returns what a route has with a directory and a password file: a cache
// around a flood control around a chain, in which there is a shield around the
// directory.
func newStack(tb testing.TB) *backend.Cache {
	tb.Helper()
	corp := backend.Named("corp", newShield(tb, newLDAP(tb).(backend.Guarded), backend.ShieldConfig{}))
	everyone := newChain(tb, backend.Named("local", newHtpasswd(tb)), corp)
	c, err := backend.NewCache(newFlood(tb, backend.Named("everyone", everyone), backend.FloodConfig{}), backend.CacheConfig{})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := c.Authenticate(tb.Context(), "alice", people()["alice"].password); err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestCacheHitThroughAChainCostsNoAllocation(t *testing.T) {
	c, password := newStack(t), people()["alice"].password
	n := testing.AllocsPerRun(1000, func() {
		if _, err := c.Authenticate(t.Context(), "alice", password); err != nil {
			t.Fatal(err)
		}
	})
	if n >= 1 { // the collector empties the pool of hashes at times
		t.Errorf("a remembered login costs %v allocations, want none", n)
	}
}

func BenchmarkCacheHitThroughAChain(b *testing.B) {
	c, ctx := newStack(b), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Authenticate(ctx, "alice", "alice-5ecret"); err != nil {
			b.Fatal(err)
		}
	}
}
