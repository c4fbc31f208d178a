package backend

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"gatehouse/backend/fault"
)

// rate is how many failures there may be: burst of them at once, and perSecond in
// the long run.
type rate struct {
	perSecond float64
	burst     int
}

// A bucket holds a token for each failure that there may still be. A question
// takes one and gives it back unless it failed; what failures have taken, time
// gives back.
type bucket struct {
	rate
	what    string         // of the failures that it is about
	refused *atomic.Uint64 // counts those who got no token
	tokens  *semaphore.Weighted
	users   int // who has it at hand; guarded by Flood.mu

	mu      sync.Mutex
	pending int       // questions that have a token
	waiting int       // questions that wait for one
	spent   int       // tokens that failures have taken
	counted time.Time // until when time has given tokens back
}

func newBucket(what string, r rate, refused *atomic.Uint64) *bucket {
	return &bucket{rate: r, what: what, refused: refused, tokens: semaphore.NewWeighted(int64(r.burst))}
}

// errImpatient is the cause for which a question ends to wait when patience is over.
var errImpatient = errors.New("it has waited for long enough")

const (
	// patience is how long a question waits for the answers to others. Clients
	// such as docker login wait 15 seconds in all, of which the Backend may take 10.
	patience = 5 * time.Second

	// maxWaiting bounds the questions that wait, and so their memory.
	maxWaiting = 2000
)

// pay asks a question for a token. Until it has one, waiting is how long it may take.
func (b *bucket) pay(waiting context.Context, ask func() (Identity, error)) (Identity, error) {
	if err := b.take(waiting); err != nil {
		return Identity{}, err
	}
	failed := true // by a panic
	defer func() { b.settle(failed) }()
	id, err := ask()
	failed = lasting(err)
	return id, err
}

// take takes a token. If there is none, it waits while some may come back, those
// of questions that are pending, and fails with [ErrThrottled] otherwise.
func (b *bucket) take(waiting context.Context) error {
	taken, promising := b.try()
	switch {
	case taken:
		return nil
	case !promising:
		return b.throttled()
	}
	err := b.tokens.Acquire(waiting, 1)
	b.mu.Lock()
	b.waiting--
	if err == nil {
		b.pending++
	}
	b.mu.Unlock()
	if err != nil {
		return b.gaveUp(waiting)
	}
	return nil
}

// gaveUp returns the error of a question that has waited in vain, until its time
// was up or nobody wanted to know any more.
func (b *bucket) gaveUp(waiting context.Context) error {
	if context.Cause(waiting) == errImpatient {
		return b.throttled()
	}
	return unwanted(waiting.Err())
}

// unwanted is the error of a question that nobody waits for any more.
func unwanted(err error) error {
	return fault.With("flood.waiting", fmt.Errorf("%w: waiting for the answers to other logins: %w", ErrUnavailable, err))
}

// try takes a token if there is one. If not, it reports whether the caller may
// wait, and counts it among those who do.
func (b *bucket) try() (taken, promising bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	if b.tokens.TryAcquire(1) {
		b.pending++
		return true, false
	}
	if b.pending+b.waiting == 0 || b.waiting >= maxWaiting {
		return false, false
	}
	b.waiting++
	return false, true
}

// settle ends a question that has a token.
func (b *bucket) settle(failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	b.pending--
	if failed {
		b.spent++
	} else {
		b.tokens.Release(1)
	}
}

// refill gives back what time has.
func (b *bucket) refill() {
	now := time.Now()
	if b.spent == 0 {
		b.counted = now
		return
	}
	n := min(b.spent, int(now.Sub(b.counted).Seconds()*b.perSecond))
	b.spent -= n
	b.counted = b.counted.Add(b.timeFor(n))
	b.tokens.Release(int64(n))
}

func (b *bucket) timeFor(tokens int) time.Duration {
	return time.Duration(float64(tokens) / b.perSecond * float64(time.Second))
}

// isFull reports whether the bucket is like a new one.
func (b *bucket) isFull() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill()
	return b.pending+b.waiting+b.spent == 0
}

func (b *bucket) throttled() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused.Add(1)
	return &throttled{b.what, max(0, b.timeFor(1)-time.Since(b.counted))}
}

// throttled is an [ErrThrottled] that says how long to wait.
type throttled struct {
	what string
	wait time.Duration
}

// Error says what failed too often.
func (t *throttled) Error() string { return fmt.Sprintf("not asked: %v %s", ErrThrottled, t.what) }

// Unwrap returns [ErrThrottled].
func (t *throttled) Unwrap() error { return ErrThrottled }

// RetryAfter returns how long to wait at least before a question is asked again
// that failed with [ErrThrottled]: when the next one may fail. It is 0 for other
// errors.
func RetryAfter(err error) time.Duration {
	var t *throttled
	if errors.As(err, &t) {
		return t.wait
	}
	return 0
}
