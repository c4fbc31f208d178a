package gateway

// The methods below but giveUp are called with mu held.

// grant lets the one in whose client has least, of those that nothing hinders, and
// reports whether there was one.
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

// enqueue has s wait. Where too many do, the last of the client that has most of them
// goes away.
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

func (k *slots) dequeue(i int) *slot {
	s := k.waiting[i]
	copy(k.waiting[i:], k.waiting[i+1:])
	k.waiting[len(k.waiting)-1] = nil
	k.waiting = k.waiting[:len(k.waiting)-1]
	return s
}

// giveUp takes s out of those that wait, or gives it back if its turn came meanwhile.
func (k *slots) giveUp(s *slot) {
	k.mu.Lock()
	for i, w := range k.waiting {
		if w == s {
			k.dequeue(i)
			break
		}
	}
	k.mu.Unlock()
	k.release(s)
}
