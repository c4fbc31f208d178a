package backend_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"gatehouse/backend"
)

// BenchmarkFloodOfBadLogins shows what a flood of guesses leaves of the cache for
// those whom it is for:
//
//	go test ./backend -run '^$' -bench FloodOfBadLogins -benchtime 10000000x
func BenchmarkFloodOfBadLogins(b *testing.B) {
	got := flood(b, backend.CacheConfig{TTL: time.Hour}, b.N)
	b.ReportMetric(100*float64(got.hits)/float64(got.logins), "real-hits-%")
	b.ReportMetric(float64(got.growth)/(1<<10), "heap-growth-KiB")
}

func TestFloodOfBadLoginsPushesOutNobody(t *testing.T) {
	got := flood(t, backend.CacheConfig{Size: 1000, TTL: time.Hour}, 50_000)
	if got.hits != got.logins || got.logins < 5000 {
		t.Errorf("%d of %d logins of real users were remembered, want all", got.hits, got.logins)
	}
	if got.growth > 1<<20 {
		t.Errorf("heap grew by %d bytes in a flood of refusals", got.growth)
	}
}

// flooded is what came of the logins of real users during a flood.
type flooded struct {
	logins, hits uint64
	growth       int64 // of the heap, in bytes
}

// flood asks a cache about n bad logins, and after every tenth about one of as many
// real users as it has room for.
func flood(tb testing.TB, cfg backend.CacheConfig, n int) flooded {
	tb.Helper()
	f := newFake(people())
	c := newCache(tb, f, cfg)
	size := 10_000
	if cfg.Size != 0 {
		size = cfg.Size
	}
	real := func(i int) string { return fmt.Sprint("user", i%size) }
	guess := func(i int) {
		user := [...]string{"alice", "nobody", "carol", real(i), fmt.Sprint("nobody", i)}[i%5]
		if _, err := c.Authenticate(tb.Context(), user, fmt.Sprint("guess", i)); !backend.Refused(err) {
			tb.Fatalf("guess %d: got error %v, want a refusal", i, err)
		}
	}
	for i := range size {
		f.set(real(i), account{password: "x"})
		login(tb, c, real(i), "x", "")
		guess(-1 - 5*i + 5*size) // as many refusals as there is room for
	}
	before, asked := heapInUse(), c.Stats().Logins
	for i := range n {
		if guess(5*size + i); i%10 == 0 {
			login(tb, c, real(i/10), "x", "")
		}
	}
	after := c.Stats().Logins
	growth := int64(heapInUse()) - int64(before)
	if refusals := after.Miss + after.Negative - asked.Miss - asked.Negative; refusals < uint64(n) {
		tb.Errorf("%d guesses were not remembered as such, want %d", refusals, n)
	}
	return flooded{uint64((n + 9) / 10), after.Hit - asked.Hit, growth}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
