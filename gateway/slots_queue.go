package gateway

import (
	"container/list"
	"context"
	"time"
)

// lines are the requests that wait for a slot, those of each client in the order in which
// they came. What a request costs here depends on how many clients wait, not on how many
// requests one of them has: all others would wait for that.
type lines struct {
	of map[client]*list.List // of *slot; none is empty
	n  int
}

// join has s wait behind the others of its client.
func (l *lines) join(s *slot) {
	line := l.of[s.client]
	if line == nil {
		line = list.New()
		l.of[s.client] = line
	}
	s.turn = make(chan bool, 1)
	s.place = line.PushBack(s)
	l.n++
}

// leave takes s out. It may be called again.
func (l *lines) leave(s *slot) {
	if s.place == nil {
		return
	}
	line := l.of[s.client]
	line.Remove(s.place)
	s.place = nil
	l.n--
	if line.Len() == 0 {
		delete(l.of, s.client)
	}
}

// lengthOf returns how many requests of a client wait.
func (l *lines) lengthOf(c client) int {
	if line := l.of[c]; line != nil {
		return line.Len()
	}
	return 0
}

// longest returns the line of which most wait, or nil.
func (l *lines) longest() *list.List {
	var most *list.List
	for _, line := range l.of {
		if most == nil || line.Len() > most.Len() {
			most = line
		}
	}
	return most
}

// awaitTurn waits until it is the turn of s, which is in the queue. After an error s
// waits no longer and is not in use.
func (k *slots) awaitTurn(ctx context.Context, s *slot) error {
	timer := time.NewTimer(slotPatience)
	defer timer.Stop()
	err := errNoSlot
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
func (k *slots) giveUp(s *slot) {
	k.mu.Lock()
	k.waiting.leave(s)
	k.mu.Unlock()
	k.release(s)
}

// The methods below are called with mu held.

// grant lets in a slot that nothing hinders, of the client that has fewest and of several
// such the one that has waited longest, and reports whether there was one.
func (k *slots) grant() bool {
	var best *slot
	for c, line := range k.waiting.of {
		if best != nil && k.clients[c] > k.clients[best.client] {
			continue
		}
		s := k.firstUnhindered(line)
		if s != nil && (best == nil || k.clients[c] < k.clients[best.client] || s.came < best.came) {
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

// firstUnhindered returns the first slot of a line that may be let in, or nil.
func (k *slots) firstUnhindered(line *list.List) *slot {
	for e := line.Front(); e != nil; e = e.Next() {
		switch s := e.Value.(*slot); k.obstacle(s) {
		case unhindered:
			return s
		case tooManyOfUpstream: // another one may have room
		default:
			return nil
		}
	}
	return nil
}

// enqueue has s wait, and reports whether there is room for it. Where too many wait, the
// last one of the client with most of them is sent away.
func (k *slots) enqueue(s *slot) bool {
	if k.waiting.n >= s.limits.queue && !k.sendAway(s) {
		return false
	}
	k.arrived++
	s.came = k.arrived
	k.waiting.join(s)
	return true
}

// sendAway makes room for s, unless its own client has most of those that wait.
func (k *slots) sendAway(s *slot) bool {
	longest := k.waiting.longest()
	if longest == nil || longest.Len() <= k.waiting.lengthOf(s.client)+1 {
		return false
	}
	last := longest.Back().Value.(*slot)
	k.waiting.leave(last)
	last.turn <- false
	return true
}
