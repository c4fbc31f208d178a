package gateway

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// clientContext is the context of the requests of an HTTP/1 connection. It is done
// when the client hangs up, which is noticed only once somebody asks for Done and
// the request's body has been read: to watch a connection costs about as much as a
// small request.
type clientContext struct {
	context.Context
	conn *http1Conn

	mu       sync.Mutex
	asked    bool          // somebody wants to know
	readable bool          // nobody else reads from the connection
	watching chan struct{} // closed when the watcher has ended; nil if there is none
}

// Done implements [context.Context].
func (x *clientContext) Done() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked = true
	x.watch()
	return x.Context.Done()
}

// bodyEnded says that from now on nobody else reads from the connection.
func (x *clientContext) bodyEnded() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.readable {
		x.readable = true
		x.watch()
	}
}

// watch starts the watcher if it is of use and not there yet.
func (x *clientContext) watch() {
	if !x.asked || !x.readable || x.watching != nil || len(x.conn.in) > 0 {
		return
	}
	watching := make(chan struct{})
	x.watching = watching
	x.conn.SetReadDeadline(time.Time{})
	go func() {
		defer close(watching)
		if err := x.conn.fill(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			x.conn.cancel()
		}
	}()
}

// start is called before a request is carried out.
func (x *clientContext) start(readable bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked, x.readable = false, readable
}

// unwatch is called after a request has been carried out. It ends the watcher, and
// what the watcher has received is in http1Conn.in.
func (x *clientContext) unwatch() {
	x.mu.Lock()
	watching := x.watching
	x.asked, x.readable, x.watching = false, false, nil
	x.mu.Unlock()
	if watching == nil {
		return
	}
	x.conn.SetReadDeadline(time.Unix(1, 0))
	<-watching
	x.conn.idle.Next = time.Time{} // the deadline has to be set anew
}
