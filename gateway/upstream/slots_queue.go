package upstream

import (
	"cmp"
	"container/list"
	"context"
	"time"

	"gatehouse/gateway/tally"
)

// lines are the requests that wait for a slot, those of one client for one upstream in the
// order in which they came: what hinders the first of them hinders them all. What a
// request costs here depends on how many lines there are, not on how long they are: all
// others would wait for that.
type lines struct {
	of      map[line]*list.List // of *Slot; none is empty
	clients tally.Of[Client]    // how many of each wait
	n       int
}

// line is what the requests of a line have in common.
type line struct {
	client   Client
	upstream string
}

func newLines() lines { return lines{of: map[line]*list.List{}, clients: tally.Of[Client]{}} }

// join has s wait behind the others of its line.
func (l *lines) join(s *Slot) {
	key := line{s.claim.Client, s.claim.Upstream}
	if l.of[key] == nil {
		l.of[key] = list.New()
	}
	s.turn = make(chan bool, 1)
	s.place = l.of[key].PushBack(s)
	l.clients.Add(s.claim.Client)
	l.n++
}

// leave takes s out. It may be called again.
func (l *lines) leave(s *Slot) {
	if s.place == nil {
		return
	}
	key := line{s.claim.Client, s.claim.Upstream}
	if l.of[key].Remove(s.place); l.of[key].Len() == 0 {
		delete(l.of, key)
	}
	s.place = nil
	l.clients.Drop(s.claim.Client)
	l.n--
}

// lastOfMost returns the last one of the client of which most wait, and how many these
// are, or nil.
func (l *lines) lastOfMost() (last *Slot, waiting int) {
	for key, requests := range l.of {
		s := requests.Back().Value.(*Slot)
		if n := l.clients[key.client]; n > waiting || n == waiting && s.came > last.came {
			last, waiting = s, n
		}
	}
	return last, waiting
}

// awaitTurn waits until it is the turn of s, which is in the queue. After an error s
// waits no longer and is not in use.
func (k *Slots) awaitTurn(ctx context.Context, s *Slot) error {
	timer := time.NewTimer(s.claim.Limits.Patience)
	defer timer.Stop()
	err := ErrNoSlot
	select {
	case granted := <-s.turn:
		if granted {
			return nil
		}
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	k.giveUp(s)
	return err
}

// giveUp takes s out of those that wait, or gives it back if its turn came meanwhile.
func (k *Slots) giveUp(s *Slot) {
	k.mu.Lock()
	k.waiting.leave(s)
	k.mu.Unlock()
	k.Release(s)
}

// The methods below are called with mu held.

// grant lets in a slot that nothing hinders, of the client that has fewest and of several
// such the one that has waited longest, and reports whether there was one.
func (k *Slots) grant() bool {
	var best *Slot
	for _, requests := range k.waiting.of {
		s := requests.Front().Value.(*Slot)
		if k.obstacle(s) == unhindered && (best == nil || k.goesBefore(s, best)) {
			best = s
		}
	}
	if best == nil {
		return false
	}
	k.waiting.leave(best)
	k.use(best)
	best.turn <- true
	return true
}

func (k *Slots) goesBefore(s, other *Slot) bool {
	return cmp.Or(cmp.Compare(k.clients[s.claim.Client], k.clients[other.claim.Client]), cmp.Compare(s.came, other.came)) < 0
}

// enqueue has s wait, and reports whether there is room for it. Where too many wait, the
// last one of the client with most of them is sent away.
func (k *Slots) enqueue(s *Slot) bool {
	if k.waiting.n >= s.claim.Limits.Queue && !k.sendAway(s) {
		return false
	}
	k.arrived++
	s.came = k.arrived
	k.waiting.join(s)
	return true
}

// sendAway makes room for s, unless its own client has most of those that wait.
func (k *Slots) sendAway(s *Slot) bool {
	last, waiting := k.waiting.lastOfMost()
	if last == nil || waiting <= k.waiting.clients[s.claim.Client]+1 {
		return false
	}
	k.waiting.leave(last)
	last.turn <- false
	return true
}
