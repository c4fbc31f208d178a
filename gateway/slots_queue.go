package gateway

import (
	"context"
	"slices"
	"time"
)

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
	if i := slices.Index(k.waiting, s); i >= 0 {
		k.dequeue(i)
	}
	k.mu.Unlock()
	k.release(s)
}

// The methods below are called with mu held.

// grant lets in the slot that nothing hinders and whose client has fewest, and reports
// whether there was one.
func (k *slots) grant() bool {
	best := -1
	for i, s := range k.waiting {
		if k.obstacle(s) == unhindered && (best < 0 || k.clients[s.client] < k.clients[k.waiting[best].client]) {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	s := k.dequeue(best)
	k.use(s)
	s.turn <- true
	return true
}

// enqueue has s wait, and reports whether there is room for it. Where too many wait, the
// last one of the client with most of them is sent away.
func (k *slots) enqueue(s *slot) bool {
	if len(k.waiting) >= s.limits.queue && !k.sendAway(s) {
		return false
	}
	s.turn = make(chan bool, 1)
	k.waiting = append(k.waiting, s)
	return true
}

// sendAway makes room for s, unless its own client has most of those that wait.
func (k *slots) sendAway(s *slot) bool {
	waits := map[client]int{}
	last := -1
	for i, w := range k.waiting {
		waits[w.client]++
		if last < 0 || waits[w.client] >= waits[k.waiting[last].client] {
			last = i
		}
	}
	if last < 0 || waits[k.waiting[last].client] <= waits[s.client]+1 {
		return false
	}
	k.dequeue(last).turn <- false
	return true
}

// dequeue takes the slot at index i out of those that wait.
func (k *slots) dequeue(i int) *slot {
	s := k.waiting[i]
	k.waiting = slices.Delete(k.waiting, i, i+1)
	return s
}
