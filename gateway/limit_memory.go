package gateway

import (
	"math"
	"runtime/debug"
)

// memoryLimit returns what GOMEMLIMIT, or the program in its place, has set.
func memoryLimit() float64 {
	limit := debug.SetMemoryLimit(-1) // which only asks
	if limit == math.MaxInt64 {
		return math.Inf(1)
	}
	return float64(limit)
}
