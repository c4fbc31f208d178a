package limits

import (
	"errors"
	"time"
)

// ErrTooSlow ends a request whose client is slower than Limits.BodyRate.
var ErrTooSlow = errors.New("the client moves the body too slowly")

// Rate finds out clients that hold a request by moving its body a byte at a time.
// Only time that is spent waiting for the client counts, so that one is not cut off
// for what an upstream does.
type Rate struct {
	perSecond int
	window    time.Duration
	left      time.Duration // that the client may still be behind
}

// NewRate returns a Rate of a request that begins.
func NewRate(l Limits) Rate {
	return Rate{perSecond: l.BodyRate, window: l.BodyWindow, left: l.BodyWindow}
}

// Moved takes in that n bytes took that long. Bytes earn time again. A client that
// was silent for a while and goes on is not slow: Timeouts.BodyIdle is about that,
// so that one silence counts for no more than half a window.
func (r *Rate) Moved(n int, took time.Duration) error {
	ahead := time.Duration(n)*time.Second/time.Duration(r.perSecond) - took
	r.left = min(r.left+max(ahead, -r.window/2), r.window)
	if r.left < 0 {
		return ErrTooSlow
	}
	return nil
}
