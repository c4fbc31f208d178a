package sockets

import "sync"

// line has those who want something come to it one by one. Whoever has the better standing
// goes first, and of several such the one who came first. Every fourth turn is for the
// worst standing of those that wait, or some would wait for ever.
type line struct {
	mu      sync.Mutex
	busy    bool
	turns   int
	waiting [standings][]chan struct{} // closed when it is their turn
}

// lastTurn is which turn is for the worst standing.
const lastTurn = 4

// enter waits for the turn of one who has that standing.
func (l *line) enter(of standing) {
	l.mu.Lock()
	if !l.busy {
		l.busy = true
		l.mu.Unlock()
		return
	}
	turn := make(chan struct{})
	l.waiting[of] = append(l.waiting[of], turn)
	l.mu.Unlock()
	<-turn
}

// leave ends the turn of the one who has it.
func (l *line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turns++
	for i := range standings {
		of := standings - 1 - i
		if l.turns%lastTurn == 0 {
			of = i
		}
		if waiting := l.waiting[of]; len(waiting) > 0 {
			close(waiting[0])
			l.waiting[of] = waiting[1:]
			return
		}
	}
	l.busy = false
}
