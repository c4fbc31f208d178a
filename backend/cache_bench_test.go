package backend_test

import (
	"context"
	"testing"

	"gatehouse/backend"
)

func BenchmarkCacheHit(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	c := warmCache(b, ctx)

	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Authenticate(ctx, "alice", "alice-5ecret"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := c.Authenticate(ctx, "alice", "alice-5ecret"); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("refusal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Authenticate(ctx, "alice", "a wrong one"); err == nil {
				b.Fatal("let in with a wrong password")
			}
		}
	})
	b.Run("groups", func(b *testing.B) {
		b.ReportAllocs()
		id := backend.Identity{User: "alice", Handle: "uid=alice"}
		for b.Loop() {
			if _, err := c.Groups(ctx, id); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkHitThroughAll is a remembered login through all that a gateway has
// around a chain of a directory and a file.
func BenchmarkHitThroughAll(b *testing.B) {
	shield := backend.Named("corp", newShield(b, newStrict(), backend.ShieldConfig{}))
	all := newFlood(b, newChain(b, newFake(nil), shield), backend.FloodConfig{})
	cache, err := backend.NewCache(all, backend.CacheConfig{})
	if err != nil {
		b.Fatal(err)
	}
	f := newFloor(b, cache, backend.FloorConfig{})
	ctx := backend.WithCall(b.Context(), &backend.Call{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Authenticate(ctx, "alice", "alice-5ecret"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCacheMiss(b *testing.B) {
	c := warmCache(b, b.Context())
	b.ReportAllocs()
	for b.Loop() {
		c.Purge()
		if _, err := c.Authenticate(b.Context(), "alice", "alice-5ecret"); err != nil {
			b.Fatal(err)
		}
	}
}

func warmCache(tb testing.TB, ctx context.Context) *backend.Cache {
	tb.Helper()
	c, err := backend.NewCache(newFake(people()), backend.CacheConfig{})
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := c.Authenticate(ctx, "alice", "alice-5ecret"); err != nil {
		tb.Fatal(err)
	}
	return c
}
