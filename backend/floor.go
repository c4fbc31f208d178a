package backend

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// FloorConfig says how long refusals take. The zero value of a field means its
// default.
type FloorConfig struct {
	// Min is how long it takes at least to refuse a login. Default 100 ms.
	Min time.Duration

	// Max is how long a refusal is held back at most, where the Backend is
	// slower than Min. Default 1 s.
	Max time.Duration
}

// A Floor delays refusals, so that the time of an answer does not tell which users
// exist. A directory is asked once about an unknown name and twice about a wrong
// password. It is not asked at all if a [Shield] or a [Cache] knows that the
// password is wrong. A user of a later member of a chain takes longer, too. Dummy
// questions would not help: strangers could load the directory with them, and a
// dummy bind counts against the owner of the account.
//
// A refusal comes no sooner than the floor, plus a small random time that hides
// small differences. The floor follows the time of recent logins, good and bad, so
// nearly all of them end before it. Slow answers raise it, and only time lowers it.
// If fast answers lowered it, strangers who ask about unknown names could push it
// below the time of the answers about others. If a Backend takes longer than
// FloorConfig.Max, its time shows.
//
// A Floor stands before the [Cache] and delays remembered refusals too. A fast
// refusal would tell a stranger that somebody else was refused with the same
// password, such as an old one that a machine of the owner still sends. Successes
// are not delayed. [ErrUnavailable] and [ErrThrottled] do not depend on the name,
// and are not delayed either.
//
// A delayed refusal holds only the goroutine of its caller. Turns, connections and
// budgets were given back when the answer came. Some thousands of refusals may be
// delayed at once. Any further refusal is [ErrThrottled] at once, whatever the reason.
type Floor struct {
	inner
	min, max time.Duration
	held     atomic.Int64 // refusals that are held back now

	mu   sync.Mutex
	slow time.Duration // what the slowest answers took, at the time below
	at   time.Time
}

var _ Backend = (*Floor)(nil)

const (
	// floorHalfLife is how long it takes the floor to sink by half.
	floorHalfLife = 10 * time.Minute

	// floorGain is the part of the way to a slower answer that the floor rises by
	// it: a backend that has become slow is followed within some answers, and one
	// answer that was slow by accident does not make all others slow.
	floorGain = 0.25

	// floorPause is how long it stays as it is then: logins that were all slow at one
	// moment, because the machine stood still, say no more than one of them.
	floorPause = time.Second

	// floorHeadroom is by how much the floor is above the slowest answers.
	floorHeadroom = 1.25

	// maxHeld bounds the refusals that are held, and so their memory: those that are
	// remembered, nothing else bounds.
	maxHeld = 4096

	// floorJitter is the part of the floor that chance adds at most.
	floorJitter = 0.125
)

// NewFloor returns a Floor before b that has seen no answers. It fails if a value
// in cfg is negative, or Min above Max.
func NewFloor(b Backend, cfg FloorConfig) (*Floor, error) {
	cfg.Min = cmp.Or(cfg.Min, 100*time.Millisecond)
	cfg.Max = cmp.Or(cfg.Max, time.Second)
	if cfg.Min < 0 || cfg.Max < cfg.Min {
		return nil, fmt.Errorf("make refusals take as long as each other: at least %v and at most %v: neither may be negative, or the first be above the second", cfg.Min, cfg.Max)
	}
	return &Floor{inner: Extend(b), min: cfg.Min, max: cfg.Max}, nil
}

// Authenticate returns the answer of the Backend, a refusal when the time for it
// has come.
func (f *Floor) Authenticate(ctx context.Context, user, password string) (Identity, error) {
	asked := time.Now()
	id, err := f.inner.Authenticate(ctx, user, password)
	refused := Refused(err)
	if err == nil || refused {
		f.learn(time.Since(asked))
	}
	if !refused {
		return id, err
	}
	if unheld := f.hold(ctx, asked); unheld != nil {
		return Identity{}, unheld
	}
	return Identity{}, err
}

// hold waits until a question from some time ago may be refused. It fails if its
// caller gives up before that, or too many wait.
func (f *Floor) hold(ctx context.Context, asked time.Time) error {
	defer f.held.Add(-1)
	floor := f.height()
	if f.held.Add(1) > maxHeld {
		return fmt.Errorf("no room to hold back a refusal: %w", &throttled{"at once", floor})
	}
	floor += scale(floor, floorJitter*rand.Float64())
	timer := time.NewTimer(floor - time.Since(asked))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: a refusal was held back: %w", ErrUnavailable, ctx.Err())
	}
}

// learn takes down how long an answer took.
func (f *Floor) learn(took time.Duration) {
	if scale(took, floorHeadroom) <= f.min {
		return // which nothing changes, as with all that is remembered
	}
	took = min(took, f.max)
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if slow := f.slowest(now); took > slow && now.Sub(f.at) >= floorPause {
		f.slow, f.at = slow+scale(took-slow, floorGain), now
	}
}

// height returns the time before which nothing is refused.
func (f *Floor) height() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return min(max(f.min, scale(f.slowest(time.Now()), floorHeadroom)), f.max)
}

// slowest returns what the slowest answers take. The caller has the lock.
func (f *Floor) slowest(now time.Time) time.Duration {
	return scale(f.slow, math.Exp2(-float64(now.Sub(f.at))/float64(floorHalfLife)))
}

func scale(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }
