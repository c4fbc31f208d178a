package limits

import (
	"math"

	"gatehouse/backend/memory"
	"gatehouse/gateway/flow"
)

// What each thing that clients can have takes of the memory, in round numbers and at
// most. docs/limits.md multiplies them with how many of these there may be.
const (
	ConnectionMemory = 256 << 10           // records of TLS, frames, tables of HPACK, stacks, and the narrow window of HTTP/2
	requestMemory    = 32 << 10            // of one that is not allowed yet, beside its head: stacks, and the first piece of its body
	ExchangeMemory   = 2 * flow.BufferSize // with an upstream: a piece of a body in each direction
)

// Which part of the memory limit each of them may have in the sum.
const (
	ConnectionsPart = 4  // connections of clients
	ExchangesPart   = 4  // requests that an upstream answers
	UndecidedPart   = 8  // requests that no rule has allowed yet
	WidePart        = 8  // wide connections of HTTP/2
	GuestsPart      = 12 // those on which nobody has logged in
	HeldPart        = 16 // manifests that are held until it is known whether they may be sent
	HashesPart      = 4  // password hashes that are computed
)

// A connection of HTTP/2 is wide while there is memory for it: it has the streams that
// the configuration says. The window of a stream is narrow in any case.
const (
	WideWindow    = 1 << 20  // bytes of a wide connection that nobody has read
	NarrowWindow  = 64 << 10 // bytes of any other, or of one stream
	NarrowStreams = 4        // streams of a connection that is not wide
)

// assumedMemory is the limit where nobody has set one.
const assumedMemory = float64(1 << 30)

// Memory returns the memory limit in force.
func Memory() float64 {
	limit := memory.Limit()
	if limit == math.MaxInt64 {
		return math.Inf(1)
	}
	return float64(limit)
}

// Affordable returns how many things of that size a part of the memory has room for.
func Affordable(part, size int) int {
	limit := Memory()
	if math.IsInf(limit, 1) {
		limit = assumedMemory
	}
	return max(1, int(limit)/part/size)
}

// HashMemory returns how many bytes all password hashes may take that are computed at
// once.
func HashMemory() int { return Affordable(HashesPart, 1) }
