package backend

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/semaphore"
)

// FloodConfig says how many logins may fail. The zero value of a field means its
// default.
type FloodConfig struct {
	// PerSource is how many logins a minute may fail from one address, or from one
	// network of IPv6, in the long run. Default 60.
	PerSource int

	// SourceBurst is how many of them may fail, or be pending, at once. Default 100.
	SourceBurst int

	// Total is how many logins a second may fail in all, in the long run. Default 20.
	Total int

	// TotalBurst is how many of them may fail, or be pending, at once. Default 200.
	TotalBurst int
}

// A Flood limits the rate of failed logins, for each address and in total. It slows
// down those who guess passwords, and keeps the Backend free for others. It stands
// behind a [Cache], so cached logins are unaffected. The address is that of the
// [Call] in the context; all questions without a Call share one source.
//
// Only failures count. A pending question counts as a failure until it is answered.
// Otherwise a thousand questions at once would all pass. Further questions wait some
// seconds for these answers, so a whole office may log in at the same moment. If
// there is nothing to wait for, a question fails with [ErrThrottled], whatever name
// is in it. A question without an answer, such as [ErrUnavailable], does not count.
//
// A pair of name and password that was right within the last hours goes before all
// others: strangers cannot invent one, and its owner may come from any address. It
// loses this right when it is refused. The Backend is told by the Call. Only a few of the
// others are asked about at a time, so that it need not wait behind all of them there.
type Flood struct {
	inner
	keys   *keyer
	source rate
	total  *bucket
	turns  *semaphore.Weighted // of those who do not go ahead

	refusedSource, refusedTotal atomic.Uint64

	mu      sync.Mutex
	sources *simplelru.LRU[netip.Prefix, *bucket]
	known   *simplelru.LRU[key, time.Time] // when a login succeeded
}

// FloodStats are figures of a [Flood].
type FloodStats struct {
	Source uint64 // questions refused for the failures from their source
	Total  uint64 // questions refused for the failures from everywhere

	Sources int // addresses and networks that logins failed from lately
	Known   int // logins that go ahead
}

var _ Backend = (*Flood)(nil)

const (
	// maxSources bounds the addresses that failures are counted of. The one that
	// was heard of least recently leaves for a new one. To have the count of an
	// address forgotten takes a failed login from each of so many networks, which
	// the total rate allows more slowly than the count runs out by itself.
	maxSources = 16 << 10

	// maxKnown and knownFor bound who goes ahead: a day's work at one site.
	maxKnown = 10_000
	knownFor = 12 * time.Hour

	// turnsPerCPU bounds how long a login waits for those of strangers that were
	// asked about before it: for four seconds, where each costs a processor a
	// quarter of one.
	turnsPerCPU = 16
)

// NewFlood returns a Flood before b that has seen no failures. It fails if a value
// in cfg is negative.
func NewFlood(b Backend, cfg FloodConfig) (*Flood, error) {
	if min(cfg.PerSource, cfg.SourceBurst, cfg.Total, cfg.TotalBurst) < 0 {
		return nil, fmt.Errorf("make a flood control: %d failures a minute of each source (burst %d), %d a second in all (burst %d): none may be negative; 0 means the default",
			cfg.PerSource, cfg.SourceBurst, cfg.Total, cfg.TotalBurst)
	}
	f := &Flood{
		inner:  Extend(b),
		keys:   newKeyer(),
		turns:  semaphore.NewWeighted(int64(turnsPerCPU * runtime.GOMAXPROCS(0))),
		source: rate{perSecond: float64(cmp.Or(cfg.PerSource, 60)) / 60, burst: cmp.Or(cfg.SourceBurst, 100)},
	}
	f.total = newBucket("in all", rate{perSecond: float64(cmp.Or(cfg.Total, 20)), burst: cmp.Or(cfg.TotalBurst, 200)}, &f.refusedTotal)
	var err error
	if f.sources, err = simplelru.NewLRU[netip.Prefix, *bucket](maxSources, nil); err == nil {
		f.known, err = simplelru.NewLRU[key, time.Time](maxKnown, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("make a flood control: %w", err)
	}
	return f, nil
}

// Authenticate asks the Backend unless too many questions have failed.
func (f *Flood) Authenticate(ctx context.Context, user, password string) (Identity, error) {
	k := f.keys.login(user, password)
	ask := func(ctx context.Context) (Identity, error) {
		id, err := f.inner.Authenticate(ctx, user, password)
		f.learn(k, err)
		return id, err
	}
	if f.goesAhead(k) {
		return ask(goingAhead(ctx))
	}
	wanted, begin := whileWanted(ctx)
	defer begin()
	waiting, cancel := context.WithTimeoutCause(wanted, patience, errImpatient)
	defer cancel()
	return f.pay(waiting, sourceOf(ctx), func() (Identity, error) {
		return f.inTurn(waiting, begin, func() (Identity, error) { return ask(ctx) })
	})
}

// Fail counts a failure of the source that ctx names, as Authenticate does.
func (f *Flood) Fail(ctx context.Context, refusal error) error {
	waiting, cancel := context.WithTimeoutCause(ctx, patience, errImpatient)
	defer cancel()
	_, err := f.pay(waiting, sourceOf(ctx), func() (Identity, error) { return Identity{}, ErrWrongPassword })
	if Refused(err) {
		return refusal
	}
	return err
}

// pay asks a question for a token of its source and one of all. Until it has both, waiting
// is how long it may take.
func (f *Flood) pay(waiting context.Context, source netip.Prefix, ask func() (Identity, error)) (Identity, error) {
	own := f.enter(source)
	defer f.leave(source, own)
	return own.pay(waiting, func() (Identity, error) { return f.total.pay(waiting, ask) })
}

// inTurn asks a question when not too many others are being asked.
func (f *Flood) inTurn(waiting context.Context, begin func() error, ask func() (Identity, error)) (Identity, error) {
	if err := f.turns.Acquire(waiting, 1); err != nil {
		return Identity{}, f.total.gaveUp(waiting)
	}
	defer f.turns.Release(1)
	if err := begin(); err != nil {
		return Identity{}, unwanted(err)
	}
	return ask()
}

// sourceOf returns the network that a question comes from. Who has one address of
// IPv6 has all those that begin with the same 64 bits (RFC 4291, section 2.5.4).
func sourceOf(ctx context.Context) netip.Prefix {
	call := CallOf(ctx)
	if call == nil {
		return netip.Prefix{}
	}
	addr, bits := call.Source.Unmap(), 64
	if addr.Is4() {
		bits = 32
	}
	source, _ := addr.Prefix(bits) // fails for the zero Addr, and is the zero Prefix then
	return source
}

// goesAhead reports whether a login was right lately.
func (f *Flood) goesAhead(k key) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	when, ok := f.known.Get(k)
	return ok && time.Since(when) < knownFor
}

// learn notes whether a login succeeded.
func (f *Flood) learn(k key, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil:
		f.known.Add(k, time.Now())
	case lasting(err):
		f.known.Remove(k)
	}
}

// enter returns the bucket of a source.
func (f *Flood) enter(source netip.Prefix) *bucket {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.sources.Get(source)
	if !ok {
		b = newBucket("from this address", f.source, &f.refusedSource)
		f.sources.Add(source, b)
	}
	b.users++
	return b
}

// leave forgets the bucket of a source if it is like a new one. So those who were
// only refused, or did not fail, push out nobody who did.
func (f *Flood) leave(source netip.Prefix, b *bucket) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b.users--
	if kept, ok := f.sources.Peek(source); ok && kept == b && b.users == 0 && b.isFull() {
		f.sources.Remove(source)
	}
}

// Stats returns what the Flood has done and what it holds.
func (f *Flood) Stats() FloodStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return FloodStats{
		Source: f.refusedSource.Load(), Total: f.refusedTotal.Load(),
		Sources: f.sources.Len(), Known: f.known.Len(),
	}
}
