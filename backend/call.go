package backend

import (
	"context"
	"net/netip"
)

// A Call goes with a question to a Backend, in its context: it says who asks and
// takes down how the answer came about. It is written before the question is
// asked and by those who answer in the goroutine of the caller; what goes on
// after the caller has left has a copy.
type Call struct {
	// Source is the address of the client, the zero value if it is not known.
	Source netip.Addr

	// Remembered has a [Cache] answer from what it remembers alone. A login that it
	// does not remember fails with [ErrUnavailable], and no Backend is asked.
	Remembered bool

	// Ahead says that the same name and password were right lately, see [Flood]. A Backend
	// in which logins wait has those of strangers not wait before it.
	Ahead bool

	// Cache says what part a [Cache] had in the answer.
	Cache CacheState
}

// CacheState is the part that a [Cache] had in an answer.
type CacheState string

const (
	CacheMiss     CacheState = "miss"     // the Backend was asked
	CacheHit      CacheState = "hit"      // a success was remembered
	CacheNegative CacheState = "negative" // a refusal was remembered
	CacheStale    CacheState = "stale"    // a success was remembered longer than usual, because the Backend cannot be asked
)

type callKey struct{}

// WithCall returns a context that holds c.
func WithCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// goingAhead returns ctx with a Call whose question goes before those of strangers.
func goingAhead(ctx context.Context) context.Context {
	var c Call
	if given := CallOf(ctx); given != nil {
		c = *given
	}
	c.Ahead = true
	return WithCall(ctx, &c)
}

// CallOf returns the Call that ctx holds, or nil.
func CallOf(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}
