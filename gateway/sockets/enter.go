package sockets

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// roomPause is how often somebody who waits for room looks for it.
const roomPause = 20 * time.Millisecond

// WaitersApart is how many unwelcome connections wait for room at once. Each has a file
// descriptor beyond those of connections.
const WaitersApart = 8

// An arrival is a connection that was accepted and has no place yet.
type arrival struct {
	*Socket
	network netip.Prefix // that it would count for
	now     Terms
}

func (s *Set) arrival(c net.Conn, now Terms) arrival {
	sock := &Socket{Conn: c, all: s, remote: c.RemoteAddr(), left: make(chan struct{})}
	sock.waits.Store(time.Now().UnixNano())
	return arrival{sock, now.cappedNetwork(AddrOf(c)), now}
}

// Enter takes in a connection that was accepted. It returns nil for one too many, which it
// closes, after a moment in which room might have come.
func (s *Set) Enter(c net.Conn, now Terms) *Socket {
	a := s.arrival(c, now)
	if reason := s.await(a, nil); reason != placed {
		s.refuse(c, reason)
		return nil
	}
	return a.Socket
}

// Admit does the same, and calls admit with what it takes in. Nobody else is accepted while
// one waits for room: those wait in the queue of the kernel, in their order. Those who are
// unwelcome do not keep them waiting: they wait apart.
func (s *Set) Admit(c net.Conn, now Terms, admit func(*Socket)) {
	a := s.arrival(c, now)
	reason := s.place(a)
	if reason == refusedTotal && a.standing == unwelcome {
		pushedOut := s.apart.join()
		go func() {
			defer s.apart.leave(pushedOut)
			s.settle(a, s.await(a, pushedOut), admit)
		}()
		return
	}
	if reason == refusedTotal {
		reason = s.await(a, nil)
	}
	s.settle(a, reason, admit)
}

// settle ends an arrival.
func (s *Set) settle(a arrival, reason int, admit func(*Socket)) {
	if reason != placed {
		s.refuse(a.Conn, reason)
		return
	}
	admit(a.Socket)
}

// await waits a moment for a place, until there is one or it is pushed out. It returns why
// there is none.
func (s *Set) await(a arrival, pushedOut <-chan struct{}) (reason int) {
	for began := time.Now(); ; {
		if reason = s.place(a); reason != refusedTotal || time.Since(began) >= Tenure {
			return reason
		}
		select {
		case <-time.After(roomPause):
		case <-pushedOut:
			return reason
		}
	}
}

// waiters are those who wait apart. One that comes when there are as many as there may be
// pushes out the first of them: of those who come and wait in silence, somebody honest is
// the last.
type waiters struct {
	mu  sync.Mutex
	all []chan struct{} // closed when it is pushed out
}

func (w *waiters) join() (pushedOut chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.all) >= WaitersApart {
		close(w.all[0])
		w.all = w.all[1:]
	}
	pushedOut = make(chan struct{})
	w.all = append(w.all, pushedOut)
	return pushedOut
}

func (w *waiters) leave(pushedOut chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.all, pushedOut); i >= 0 {
		w.all = slices.Delete(w.all, i, i+1)
	}
}
