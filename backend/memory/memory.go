// Package memory says how much memory the program may have. It imports nothing of this
// module.
package memory

import (
	"runtime/debug"
	"sync/atomic"
)

// inForce is what SetLimit has set; 0 before that.
var inForce atomic.Int64

// Limit returns the limit in bytes: that of [SetLimit], or else the runtime's own, which is
// [math.MaxInt64] for none. What clients can take is measured by it.
func Limit() int64 {
	if limit := inForce.Load(); limit > 0 {
		return limit
	}
	return debug.SetMemoryLimit(-1) // which only asks
}

// Little is a limit below which the collector has less than all of the memory.
const Little = 1 << 30

// SetLimit sets the limit. Where that is little, the collector works to keep below three
// quarters of it: it lets garbage grow up to its limit, and what clients can take would come
// on top of that while it runs.
func SetLimit(limit int64) {
	inForce.Store(limit)
	if limit < Little {
		limit = limit / 4 * 3
	}
	debug.SetMemoryLimit(limit)
}
