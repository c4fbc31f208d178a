package memory

import (
	"runtime/debug"
	"testing"
)

func TestLimitIsThatOfTheRuntimeUntilItIsSet(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	defer inForce.Store(0)
	if got := Limit(); got != before {
		t.Errorf("%d, want %d", got, before)
	}
	for limit, collector := range map[int64]int64{256 << 20: 192 << 20, Little: Little, 4 << 30: 4 << 30} {
		if SetLimit(limit); Limit() != limit || debug.SetMemoryLimit(-1) != collector {
			t.Errorf("%d: %d, and %d for the collector, want %d", limit, Limit(), debug.SetMemoryLimit(-1), collector)
		}
	}
}
