package upstream

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
	"gatehouse/gateway/tally"
)

// Client is whom something is counted for: a user, where one has logged in, else the
// network of an address.
type Client struct {
	User, Backend string
	Network       netip.Prefix
}

// Slots bound the connections to upstreams that are in use: in all, for each upstream
// and for each client. A request beyond a bound waits for a moment in a queue, from which
// the client that has fewest slots goes first. They may be used from any number of
// goroutines at once.
type Slots struct {
	mu        sync.Mutex
	all       Slot // head of the ring of those in use
	used      int
	clients   tally.Of[Client]
	upstreams tally.Of[string] // by address
	waiting   lines
	arrived   uint64    // requests that have begun to wait
	calm      time.Time // until when nobody is stuck

	idle    atomic.Int64 // connections that nobody uses
	maxIdle atomic.Int64
	shed    atomic.Uint64
	refused [obstacles]atomic.Uint64 // by what stood in their way
}

// Slot is the place of one exchange. The zero value is ready for [Slots.Acquire], and may be
// used again after [Slots.Release]. All methods of a nil slot do nothing.
type Slot struct {
	claim Claim // this and all below but waits and ended is looked at with mu of the slots held

	prev, next *Slot
	used       bool
	turn       chan bool     // of one that waits: true if it is its turn, false if it is sent away
	place      *list.Element // in its line; nil for one that does not wait
	came       uint64        // which one it was to begin to wait

	waits [2]atomic.Int64 // since when, by direction, the client has been waited for; 0 while it is not
	ended atomic.Bool     // the holder was told to stop
}

// Claim says for whom a slot is, and how many there may be.
type Claim struct {
	Client   Client
	Upstream string // its address
	Limits   *SlotLimits
	Holder   Holder
}

// Holder has a slot. It gives it up soon after Stop, which another goroutine calls.
type Holder interface{ Stop() }

// SlotLimits are how many slots there may be: in all, for one upstream, for one client.
// Queue is how many requests may wait for one, each for Patience at most. A client that has
// moved no byte for Stuck loses its slot to others.
type SlotLimits struct {
	Total, Upstream, Client, Queue int
	Patience, Stuck                time.Duration
}

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

var (
	// ErrNoSlot is the error of [Slots.Acquire] where a bound is met.
	ErrNoSlot = fault.With("upstream.busy", errors.New("too many connections to upstreams are in use"))

	// ErrStuckClient is the error of the methods of a [Slot] that was taken away.
	ErrStuckClient = fault.With("request.stuck", errors.New("the client moved no byte while others had to wait: it was cut off"))

	// ErrClientSlots is an ErrNoSlot: the client has as many as one client may have.
	ErrClientSlots = fmt.Errorf("%w (%s)", ErrNoSlot, obstacleNames[tooManyOfClient])
)

// slotErrors are ErrNoSlot with the obstacle that was met.
var slotErrors = [obstacles]error{
	tooManyInAll:      fmt.Errorf("%w (%s)", ErrNoSlot, obstacleNames[tooManyInAll]),
	tooManyOfUpstream: fmt.Errorf("%w (%s)", ErrNoSlot, obstacleNames[tooManyOfUpstream]),
	tooManyOfClient:   ErrClientSlots,
}

// NewSlots returns slots of which none is in use.
func NewSlots() *Slots {
	k := &Slots{clients: tally.Of[Client]{}, upstreams: tally.Of[string]{}, waiting: newLines()}
	k.all.prev, k.all.next = &k.all, &k.all
	return k
}

// Acquire takes s for c, and waits for it if need be. The caller releases it, but not after
// an error, which is ErrNoSlot, that of ctx, or, where it was given up because of what its
// client has, both.
func (k *Slots) Acquire(ctx context.Context, s *Slot, c Claim) error {
	s.claim = c
	s.ended.Store(false)
	for i := range s.waits {
		s.waits[i].Store(0)
	}
	met, queued := k.tryOrQueue(s)
	if met == unhindered {
		return nil
	}
	err := ErrNoSlot
	if queued {
		err = k.awaitTurn(ctx, s)
	}
	if errors.Is(err, ErrNoSlot) {
		k.refused[met].Add(1)
		err = slotErrors[met]
	} else if err != nil && met == tooManyOfClient {
		err = fmt.Errorf("%w: %w", err, ErrClientSlots)
	}
	return err
}

// tryOrQueue takes s at once, or says what is in its way and whether s waits for it.
func (k *Slots) tryOrQueue(s *Slot) (met obstacle, queued bool) {
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
func (k *Slots) obstacle(s *Slot) obstacle {
	switch {
	case k.used >= s.claim.Limits.Total:
		return tooManyInAll
	case k.upstreams[s.claim.Upstream] >= s.claim.Limits.Upstream:
		return tooManyOfUpstream
	case k.clients[s.claim.Client] >= s.claim.Limits.Client:
		return tooManyOfClient
	}
	return unhindered
}

// use counts s as one in use. It is called with mu held.
func (k *Slots) use(s *Slot) {
	s.used = true
	s.prev, s.next = k.all.prev, &k.all
	s.prev.next, s.next.prev = s, s
	k.used++
	k.clients.Add(s.claim.Client)
	k.upstreams.Add(s.claim.Upstream)
}

// Release gives s back, if it is in use, and lets in those that have waited for it.
func (k *Slots) Release(s *Slot) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !s.used {
		return
	}
	s.used = false
	s.prev.next, s.next.prev = s.next, s.prev
	k.used--
	k.clients.Drop(s.claim.Client)
	k.upstreams.Drop(s.claim.Upstream)
	for k.waiting.n > 0 && k.grant() {
	}
}

// SetMaxIdle says how many connections there may be that nobody uses.
func (k *Slots) SetMaxIdle(n int) { k.maxIdle.Store(int64(n)) }

// keepIdle reports whether there may be one more connection that nobody uses, and
// counts it until dropIdle.
func (k *Slots) keepIdle() bool {
	if k.idle.Add(1) > k.maxIdle.Load() {
		k.idle.Add(-1)
		return false
	}
	return true
}

func (k *Slots) dropIdle(n int) { k.idle.Add(-int64(n)) }

// SlotStats say how the connections to upstreams are.
type SlotStats struct {
	Used, Waiting, Idle int
	Shed                uint64            // clients that were stuck and were cut off
	Refused             map[string]uint64 // by what there was too much of: "total", "upstream" or "client"
}

// Stats counts them.
func (k *Slots) Stats() SlotStats {
	st := SlotStats{Idle: int(k.idle.Load()), Shed: k.shed.Load(), Refused: map[string]uint64{}}
	for met := unhindered + 1; met < obstacles; met++ {
		st.Refused[obstacleNames[met]] = k.refused[met].Load()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	st.Used, st.Waiting = k.used, k.waiting.n
	return st
}
