package gateway

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/gateway/rules"
)

// client is whom something is counted for: a user, where one has logged in, else the
// network of an address.
type client struct {
	user, source string
	network      netip.Prefix
}

// clientOf returns the client of a request.
func clientOf(who rules.Subject, addr netip.Addr) client {
	if who.LoggedIn {
		return client{user: who.Identity.User, source: who.Identity.Source}
	}
	return client{network: networkOf(addr)}
}

// slots bound the connections to upstreams that are in use: in all, for each upstream
// and for each client. A request beyond a bound waits for a moment in a queue, from which
// the client that has fewest slots goes first. All sites share them, so that a reload
// lets in no more.
type slots struct {
	mu        sync.Mutex
	all       slot // head of the ring of those in use
	used      int
	clients   map[client]int
	upstreams map[string]int // by address
	waiting   lines
	arrived   uint64    // requests that have begun to wait
	calm      time.Time // until when nobody is stuck

	idle    atomic.Int64 // connections that nobody uses
	maxIdle atomic.Int64
	shed    atomic.Uint64
	refused [obstacles]atomic.Uint64 // by what stood in their way
}

// slot is the place of one exchange. Only waits and ended may be looked at without
// slots.mu.
type slot struct {
	client   client
	upstream string
	limits   *slotLimits
	holder   interface{ stop() } // has the slot, and gives it up soon after stop

	prev, next *slot
	used       bool
	turn       chan bool     // of one that waits: true if it is its turn, false if it is sent away
	place      *list.Element // in its line; nil for one that does not wait
	came       uint64        // which one it was to begin to wait

	waits [2]atomic.Int64 // since when, by direction, the client has been waited for; 0 while it is not
	ended atomic.Bool     // the holder was told to stop
}

// slotLimits are how many slots there may be.
type slotLimits struct{ total, upstream, client, queue, idle int }

// obstacle is what stands in the way of a request.
type obstacle int

const (
	unhindered obstacle = iota
	tooManyInAll
	tooManyOfUpstream
	tooManyOfClient
	obstacles
)

// obstacleNames are the obstacles as metrics have them.
var obstacleNames = [obstacles]string{tooManyInAll: "total", tooManyOfUpstream: "upstream", tooManyOfClient: "client"}

const (
	slotPatience = 5 * time.Second  // of a request that waits for a slot
	stuckAfter   = 30 * time.Second // without a byte, a client keeps its slot from nobody
)

var (
	errNoSlot      = fault.With("upstream.busy", errors.New("too many connections to upstreams are in use"))
	errStuckClient = fault.With("request.stuck", errors.New("the client moved no byte while others had to wait: it was cut off"))
)

// slotErrors are errNoSlot with the obstacle that was met.
var slotErrors = func() (all [obstacles]error) {
	for o, name := range obstacleNames {
		all[o] = fmt.Errorf("%w (%s)", errNoSlot, name)
	}
	return all
}()

func newSlots() *slots {
	k := &slots{clients: map[client]int{}, upstreams: map[string]int{}, waiting: newLines()}
	k.all.prev, k.all.next = &k.all, &k.all
	return k
}

// acquire takes s, of which the caller has set client, upstream, limits and holder. The
// caller releases it, but not after an error, which is errNoSlot or that of ctx.
func (k *slots) acquire(ctx context.Context, s *slot) error {
	s.ended.Store(false)
	for i := range s.waits {
		s.waits[i].Store(0)
	}
	met, queued := k.tryOrQueue(s)
	if met == unhindered {
		return nil
	}
	err := errNoSlot
	if queued {
		err = k.awaitTurn(ctx, s)
	}
	if errors.Is(err, errNoSlot) {
		k.refused[met].Add(1)
		err = slotErrors[met]
	}
	return err
}

// tryOrQueue takes s at once, or says what is in its way and whether s waits for it.
func (k *slots) tryOrQueue(s *slot) (met obstacle, queued bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if met = k.obstacle(s); met == unhindered {
		k.use(s)
		return met, false
	}
	k.shedStuck(s, met)
	return met, k.enqueue(s)
}

// obstacle says what stands in the way of s.
func (k *slots) obstacle(s *slot) obstacle {
	switch {
	case k.used >= s.limits.total:
		return tooManyInAll
	case k.upstreams[s.upstream] >= s.limits.upstream:
		return tooManyOfUpstream
	case k.clients[s.client] >= s.limits.client:
		return tooManyOfClient
	}
	return unhindered
}

// use counts s as one in use. It is called with mu held.
func (k *slots) use(s *slot) {
	s.used = true
	s.prev, s.next = k.all.prev, &k.all
	s.prev.next, s.next.prev = s, s
	k.used++
	k.clients[s.client]++
	k.upstreams[s.upstream]++
}

// release gives s back, if it is in use, and lets in those that have waited for it.
func (k *slots) release(s *slot) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !s.used {
		return
	}
	s.used = false
	s.prev.next, s.next.prev = s.next, s.prev
	k.used--
	decrement(k.clients, s.client)
	decrement(k.upstreams, s.upstream)
	for k.waiting.n > 0 && k.grant() {
	}
}

func decrement[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}

// stuckPause is how long nobody is looked for after nobody was stuck. To look at all of
// them for each request that is refused would cost others more than the refusal does.
const stuckPause = 100 * time.Millisecond

// shedStuck makes room for s: of the exchanges that stand in its way and whose clients
// move nothing, it ends one of the client that has most slots. It is called with mu held.
func (k *slots) shedStuck(s *slot, met obstacle) {
	now := time.Now()
	if now.Before(k.calm) {
		return
	}
	var worst *slot
	anyone := false
	until := now.Add(-stuckAfter).UnixNano()
	for o := k.all.next; o != &k.all; o = o.next {
		if !o.isStuck(until) {
			continue
		}
		anyone = true
		switch {
		case met == tooManyOfUpstream && o.upstream != s.upstream,
			met == tooManyOfClient && o.client != s.client:
		case worst == nil || k.clients[o.client] > k.clients[worst.client]:
			worst = o
		}
	}
	if !anyone {
		k.calm = now.Add(stuckPause)
	}
	if worst != nil {
		k.shed.Add(1)
		worst.ended.Store(true)
		worst.holder.stop()
	}
}

// shedAny ends a stuck exchange of any client, to make room for a new connection.
func (k *slots) shedAny() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shedStuck(nil, tooManyInAll)
}

// isStuck reports whether the client has moved nothing since until, a time in
// nanoseconds since 1970.
func (s *slot) isStuck(until int64) bool {
	if s.ended.Load() {
		return false
	}
	for i := range s.waits {
		if since := s.waits[i].Load(); since != 0 && since <= until {
			return true
		}
	}
	return false
}

// Directions in which a client moves bytes, as indices of slot.waits.
const (
	toClient = iota
	fromClient
)

// await says that from now on the client is waited for. It fails for a slot that was
// taken away: a deadline that the caller has just put off is not the one of stop then.
func (s *slot) await(direction int, now time.Time) error {
	if s == nil {
		return nil
	}
	s.waits[direction].Store(now.UnixNano())
	if s.ended.Load() {
		return s.moved(direction)
	}
	return nil
}

// moved says that it is not any more. It fails for a slot that was taken away.
func (s *slot) moved(direction int) error {
	if s == nil {
		return nil
	}
	s.waits[direction].Store(0)
	if s.ended.Load() {
		return errStuckClient
	}
	return nil
}

// KeepIdle reports whether there may be one more connection that nobody uses, and
// counts it until DropIdle.
func (k *slots) KeepIdle() bool {
	if k.idle.Add(1) > k.maxIdle.Load() {
		k.idle.Add(-1)
		return false
	}
	return true
}

func (k *slots) DropIdle(n int) { k.idle.Add(-int64(n)) }

// counts returns how many slots are in use, and how many requests wait for one.
func (k *slots) counts() (used, waiting int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.used, k.waiting.n
}

// busy is the answer where a slot is not to be had.
func busy(cause error) *problem {
	return unavailable("the gateway has as many requests as it can carry out; please try again", cause)
}
