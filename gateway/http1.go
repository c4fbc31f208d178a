package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/gateway/flow"
	"gatehouse/gateway/sockets"
	"gatehouse/gateway/upstream"
)

// http1Server serves HTTP/1 to clients. It takes net/http's place there for two
// reasons. net/http forgives and hides what has to be refused (a Content-Length
// beside a Transfer-Encoding, bare LF, folded and repeated fields), so that heads
// would be read twice; and what it does besides, for any handler there may be, is
// half of what a small proxied request costs.
type http1Server struct {
	sites *sites
	log   *slog.Logger

	draining atomic.Bool

	mu    sync.Mutex
	conns map[*http1Conn]struct{}
	ended sync.WaitGroup // one for each of conns
}

func newHTTP1Server(s *sites, log *slog.Logger) *http1Server {
	return &http1Server{sites: s, log: log, conns: make(map[*http1Conn]struct{})}
}

// serve carries out the requests of one connection, and closes it. It may return before
// that: a connection that rests goes on in another goroutine.
func (s *http1Server) serve(conn net.Conn) {
	c := newHTTP1Conn(s, conn)
	if !s.enter(c) {
		conn.Close()
		s.sites.arrivals.done(conn)
		return
	}
	c.carryOn()
}

// carryOn carries out requests until the connection ends, or rests.
func (c *http1Conn) carryOn() {
	if c.requests() == restingConn {
		go c.carryOn()
		return
	}
	c.cancel()
	c.server.sites.arrivals.done(c.Conn)
	c.server.leave(c)
}

// connState is what becomes of a connection after a request, or after it was waited for.
type connState int

const (
	endedConn   connState = iota // it has been closed
	openConn                     // another request may follow
	restingConn                  // likewise, and the client has sent none for a while
)

// requests carries out requests, and returns why there is none to be carried out.
func (c *http1Conn) requests() (state connState) {
	defer c.survive() // after a panic, state is endedConn
	for state = openConn; state == openConn; {
		state = c.next()
	}
	return state
}

// survive ends a connection whose handling panicked, in place of the program.
func (c *http1Conn) survive() {
	if v := recover(); v != nil {
		c.cut()
		c.server.log.Error("panic on a connection", fault.Attr, "request.panic", "source", c.info.text, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
}

func (s *http1Server) enter(c *http1Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.conns[c] = struct{}{}
	s.ended.Add(1)
	return true
}

func (s *http1Server) leave(c *http1Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.ended.Done()
}

// lastRequest is how long a connection without a request is left open when the
// server begins to drain: a request may be on its way.
const lastRequest = 500 * time.Millisecond

// drain lets running requests finish. It returns early when ctx is done.
func (s *http1Server) drain(ctx context.Context) error {
	s.mu.Lock()
	s.draining.Store(true)
	for c := range s.conns {
		c.hurry()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.ended.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close ends all connections at once.
func (s *http1Server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining.Store(true)
	for c := range s.conns {
		c.cut()
		c.cancel() // the exchange may wait for anything but its client
	}
}

// http1Conn is the connection of an HTTP/1 client. All of it belongs to the
// goroutine that calls next, but for what is said to be otherwise.
type http1Conn struct {
	net.Conn
	server *http1Server
	info   *clientConn
	ctx    *clientContext // of all requests, which come one after the other
	cancel context.CancelFunc

	in      []byte    // received, not yet used
	buf     []byte    // empty; what in is a part of
	scanned int       // how much of in has no end of a head
	idle    flow.Pace // of waiting for a request
	sending flow.Pace // of answers
	rested  bool      // the client has sent nothing for restAfter

	*http1Work // nil before the first request, and while the connection rests

	mu     sync.Mutex // guards active, and the read deadline while it is false
	active bool       // a request is being carried out
}

// http1Work is what a request takes. It is used again for the next one of the same
// connection, and for no other's: whoever sends the body to the upstream may hold it for
// longer than the request takes. That one reads no more after uploadBody.stop.
type http1Work struct {
	request  http.Request
	fields   http.Header
	body     http1Body
	answer   http1Answer
	exchange exchange
	slot     upstream.Slot
}

func newHTTP1Conn(s *http1Server, conn net.Conn) *http1Conn {
	c := &http1Conn{Conn: conn, server: s, info: newClientConn(conn)}
	c.info.http1 = c
	base, cancel := context.WithCancel(context.Background())
	c.ctx, c.cancel = &clientContext{Context: base, conn: c}, cancel
	t := s.sites.current().timeouts
	c.idle = flow.NewPace(beforeRest(t.Idle), conn.SetReadDeadline)
	c.sending = flow.NewPace(t.BodyIdle, conn.SetWriteDeadline)
	return c
}

// next carries out the next request, if there is one before the connection rests.
func (c *http1Conn) next() connState {
	head, err := c.receiveHead()
	var refusal *problem
	switch {
	case errors.As(err, &refusal):
	case err != nil && c.mayRest(err):
		c.rest()
		return restingConn
	case err != nil:
		c.Close()
		return endedConn
	}
	return c.carryOut(head, refusal)
}

// carryOut carries out the request with that head, or tells why it is refused. It stands
// apart from next, as what it has on the stack is not to be there while a request is
// waited for.
func (c *http1Conn) carryOut(head []byte, refusal *problem) connState {
	r, p := c.begin(head, refusal)
	site := c.server.sites.enter()
	c.rested = false
	c.idle.Idle, c.sending.Idle = beforeRest(site.timeouts.Idle), site.timeouts.BodyIdle
	c.exchange = newExchange(site, &c.answer, r, c.info)
	completed := c.exchange.run(c.ctx, p)
	c.ctx.unwatch()
	completed = completed && c.answer.finish() == nil
	c.answer.release()
	switch {
	case !completed:
		c.cut()
		return endedConn
	case c.answer.closes || !c.body.ended():
		c.linger()
		return endedConn
	}
	c.exchange, c.request = exchange{}, http.Request{} // an idle connection keeps nothing of them
	clear(c.fields)
	c.setActive(false)
	return openConn
}

func (c *http1Conn) setActive(active bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active = active
	sockets.Of(c.Conn).SetWaiting(!active)
}

// hurry gives a client that has no request under way a moment to send one.
func (c *http1Conn) hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.active {
		c.SetReadDeadline(time.Now().Add(lastRequest))
	}
}

// cut resets the connection, so that the client can tell that something is missing:
// an orderly end, of TLS or of TCP, would end some bodies. Any goroutine may call it.
func (c *http1Conn) cut() {
	raw := c.Conn
	if t, ok := raw.(interface{ NetConn() net.Conn }); ok {
		raw = t.NetConn()
	}
	if s, ok := raw.(*sockets.Socket); ok {
		s.Reset()
		return
	}
	raw.Close()
}

// lingerBytes bounds what is still read from a client that has got its answer, before
// the connection is closed.
const lingerBytes = 8 << 20

// linger closes the connection behind an answer. It first reads for a moment what
// the client still sends: closing a socket with unread bytes resets it, and the
// reset can overtake the answer.
func (c *http1Conn) linger() {
	defer c.Close()
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.SetReadDeadline(time.Now().Add(flow.LingerTime))
	io.CopyN(io.Discard, c.Conn, lingerBytes)
}
