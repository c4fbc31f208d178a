package gateway

import (
	"math"
	"runtime/debug"
)

// What each thing that clients can have takes of the memory, in round numbers and at
// most. docs/limits.md multiplies them with how many of these there may be.
const (
	connectionMemory = 128 << 10          // records of TLS, frames, tables of HPACK, stacks, and the narrow window of HTTP/2
	requestMemory    = 32 << 10           // of one that is not allowed yet, beside its head: stacks, and the first piece of its body
	exchangeMemory   = 2 * bodyBufferSize // with an upstream: a piece of a body in each direction
	assumedMemory    = float64(1 << 30)   // where nobody has set a limit
	wideWindow       = 1 << 20            // of a connection of HTTP/2, while there is memory for it
	narrowWindow     = 64 << 10           // where there is not, and of a stream in any case
	wideWindowPart   = 16                 // of the memory limit is for wide windows
	requestsPart     = 8                  // is for requests that are not allowed yet
	connectionsPart  = 4                  // is for connections of clients
	exchangesPart    = 4                  // is for exchanges with upstreams
)

// memoryLimit returns what GOMEMLIMIT, or the program in its place, has set.
func memoryLimit() float64 {
	limit := debug.SetMemoryLimit(-1) // which only asks
	if limit == math.MaxInt64 {
		return math.Inf(1)
	}
	return float64(limit)
}

// affordable returns how many things of that size a part of the memory has room for.
func affordable(part, size int) int {
	limit := memoryLimit()
	if math.IsInf(limit, 1) {
		limit = assumedMemory
	}
	return max(1, int(limit)/part/size)
}
