package gateway

import (
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// arrivals are the clients that were accepted and have not sent a request yet. The
// gateway gives them a moment before it ends: whoever connects just then is on the
// point of sending one, and has done nothing to be cut off for.
type arrivals struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	none  chan struct{} // closed when there are none; nil if nobody waits for that
}

func newArrivals() arrivals { return arrivals{conns: make(map[net.Conn]struct{})} }

// add enters a connection, below TLS.
func (a *arrivals) add(c net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns[c] = struct{}{}
}

// done takes out a connection that has sent a request or is closed.
func (a *arrivals) done(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.conns, c)
	if len(a.conns) == 0 && a.none != nil {
		close(a.none)
		a.none = nil
	}
}

// settle waits until there are none, for no longer than limit.
func (a *arrivals) settle(limit time.Duration) {
	a.mu.Lock()
	if len(a.conns) == 0 {
		a.mu.Unlock()
		return
	}
	none := make(chan struct{})
	a.none = none
	a.mu.Unlock()
	select {
	case <-none:
	case <-time.After(limit):
	}
}
