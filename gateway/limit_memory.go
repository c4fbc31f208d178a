package gateway

import (
	"math"

	"gatehouse/backend/memory"
	"gatehouse/gateway/flow"
)

// What each thing that clients can have takes of the memory, in round numbers and at
// most. docs/limits.md multiplies them with how many of these there may be.
const (
	connectionMemory = 256 << 10           // records of TLS, frames, tables of HPACK, stacks, and the narrow window of HTTP/2
	requestMemory    = 32 << 10            // of one that is not allowed yet, beside its head: stacks, and the first piece of its body
	exchangeMemory   = 2 * flow.BufferSize // with an upstream: a piece of a body in each direction
)

// Which part of the memory limit each of them may have in the sum.
const (
	connectionsPart = 4
	exchangesPart   = 4
	undecidedPart   = 8
	widePart        = 8
	guestsPart      = 12
	heldPart        = 16
)

// A connection of HTTP/2 is wide while there is memory for it: it has the streams that
// the configuration says. The window of a stream is narrow in any case.
const (
	wideWindow    = 1 << 20
	narrowWindow  = 64 << 10
	narrowStreams = 4
)

// assumedMemory is the limit where nobody has set one.
const assumedMemory = float64(1 << 30)

// memoryLimit returns the memory limit in force.
func memoryLimit() float64 {
	limit := memory.Limit()
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
