package upstream

import "time"

// stuckPause is how long nobody is looked for after nobody was stuck. To look at all of
// them for each request that is refused would cost others more than the refusal does.
const stuckPause = 100 * time.Millisecond

// shedStuck makes room for s: of the exchanges that stand in its way and whose clients
// move nothing, it ends one of the client that has most slots. It is called with mu held.
func (k *Slots) shedStuck(s *Slot, met obstacle) {
	now := time.Now()
	if now.Before(k.calm) {
		return
	}
	var worst *Slot
	anyone := false
	for o := k.all.next; o != &k.all; o = o.next {
		if !o.isStuck(now) {
			continue
		}
		anyone = true
		switch {
		case met == tooManyOfUpstream && o.claim.Upstream != s.claim.Upstream,
			met == tooManyOfClient && o.claim.Client != s.claim.Client:
		case worst == nil || k.clients[o.claim.Client] > k.clients[worst.claim.Client]:
			worst = o
		}
	}
	if !anyone {
		k.calm = now.Add(stuckPause)
	}
	if worst != nil {
		k.shed.Add(1)
		worst.ended.Store(true)
		worst.claim.Holder.Stop()
	}
}

// ShedAny ends a stuck exchange of any client, to make room for a new connection.
func (k *Slots) ShedAny() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shedStuck(nil, tooManyInAll)
}

// isStuck reports whether the client has moved nothing for too long. It is called with mu
// of the slots held.
func (s *Slot) isStuck(now time.Time) bool {
	if s.ended.Load() {
		return false
	}
	until := now.Add(-s.claim.Limits.Stuck).UnixNano()
	for i := range s.waits {
		if since := s.waits[i].Load(); since != 0 && since <= until {
			return true
		}
	}
	return false
}

// Direction is where the bytes go that a client moves.
type Direction int

const (
	ToClient   Direction = iota // ToClient is an answer on its way.
	FromClient                  // FromClient is the body of a request.
)

// Await says that from now on the client is waited for. It fails for a slot that was
// taken away: a deadline that the caller has just put off is not the one of stop then.
func (s *Slot) Await(direction Direction, now time.Time) error {
	if s == nil {
		return nil
	}
	s.waits[direction].Store(now.UnixNano())
	if s.ended.Load() {
		return s.Moved(direction)
	}
	return nil
}

// Moved says that the client is not waited for any more. It fails for a slot that was taken away.
func (s *Slot) Moved(direction Direction) error {
	if s == nil {
		return nil
	}
	s.waits[direction].Store(0)
	if s.ended.Load() {
		return ErrStuckClient
	}
	return nil
}
