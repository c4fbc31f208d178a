package gateway

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// guard is the connection of an HTTP/1 client as net/http gets to see it. It
// reads each request head itself, and nothing of a head reaches net/http before
// all of it has been found to have one reading only. net/http forgives much of
// what is refused here (both Content-Length and Transfer-Encoding, bare LF,
// folded fields, repeated fields) and hides it from handlers.
//
// In place of a head that is refused, net/http gets one that asks for the
// method [refusedMethod], which no client can send; the handler answers it from
// guard.refused. So a refusal comes in its turn behind the answers to earlier
// requests, is logged as any other, and ends the connection.
//
// Bodies pass through, counted, so that the guard knows where the next head
// begins. Reads end where a body ends.
type guard struct {
	net.Conn
	headTimeout time.Duration

	mu      sync.Mutex // held by Read; Close may run beside it
	buf     []byte     // received, not yet handed on
	scanned int        // how much of buf has no end of a head
	headBy  time.Time  // when the head that has begun must be complete
	ready   int        // how much of buf is a head that may be handed on
	body    bodyKind
	left    uint64 // of a body of bodyLength
	chunks  chunkScanner
	refused *problem
	line    string      // the request line, for the access record of a refusal
	over    atomic.Bool // nothing more is read
}

// bodyKind is what a guard expects next on the connection.
type bodyKind int

const (
	bodyNone bodyKind = iota // the next request head
	bodyLength
	bodyChunked
)

// refusedMethod stands for a head that was refused. It is no known method, and
// a guard lets only known ones pass.
const refusedMethod = "REFUSED"

const refusedHead = refusedMethod + " / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n"

var errRefused = errors.New("connection ended by a refusal")

// newGuard returns a guard of c. From its first byte on, a head must be
// complete within headTimeout.
func newGuard(c net.Conn, headTimeout time.Duration) *guard {
	return &guard{Conn: c, headTimeout: headTimeout}
}

// Read implements [net.Conn].
func (g *guard) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over.Load() || g.ready == 0 && g.refused != nil {
		return 0, errRefused
	}
	if g.ready == 0 && g.body == bodyNone {
		if err := g.readHead(); err != nil {
			return 0, err
		}
	}
	if g.ready > 0 {
		n := copy(p, g.buf[:g.ready])
		g.ready -= n
		g.drop(n)
		return n, nil
	}
	return g.readBody(p)
}

// readHead receives a head, judges it and makes it, or its replacement, ready.
// An error leaves what has been received for the next call: net/http interrupts
// reads with a deadline in the past.
func (g *guard) readHead() error {
	for {
		n, err := headEnd(g.buf, g.scanned)
		switch {
		case err != nil:
			g.refuse(badRequest("a line of the request ends in a bare line feed"))
			return nil
		case n > maxRequestHead || n == 0 && len(g.buf) >= maxRequestHead:
			g.refuse(tooLarge(g.buf))
			return nil
		case n > 0:
			if p := g.judge(g.buf[:n]); p != nil {
				g.refuse(p)
				return nil
			}
			g.ready, g.headBy = n, time.Time{}
			return nil
		case len(g.buf) > maxRequestLine && bytes.IndexByte(g.buf, '\n') < 0:
			g.refuse(tooLarge(g.buf))
			return nil
		}
		g.scanned = len(g.buf)
		if err := g.fill(); err != nil {
			return err
		}
	}
}

// fill appends what the client sends next to buf.
func (g *guard) fill() error {
	if len(g.buf) == cap(g.buf) {
		g.buf = append(make([]byte, 0, max(2048, 2*cap(g.buf))), g.buf...)
	}
	if len(g.buf) > 0 {
		if g.headBy.IsZero() {
			g.headBy = time.Now().Add(g.headTimeout)
		}
		if err := g.Conn.SetReadDeadline(g.headBy); err != nil {
			return err
		}
	}
	n, err := g.Conn.Read(g.buf[len(g.buf):cap(g.buf)])
	g.buf = g.buf[:len(g.buf)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// readBody hands on a part of a body, and never a byte of what is behind it.
func (g *guard) readBody(p []byte) (int, error) {
	n, err := g.take(p)
	if n == 0 {
		return 0, err
	}
	if g.body == bodyLength {
		g.left -= uint64(n)
		if g.left == 0 {
			g.body = bodyNone
		}
		return n, nil
	}
	end, done, err := g.chunks.scan(p[:n])
	if err != nil {
		g.finish()
		return 0, err
	}
	if done {
		g.body = bodyNone
		if end < n {
			g.buf = append(append(make([]byte, 0, max(n-end+len(g.buf), 2048)), p[end:n]...), g.buf...)
			g.scanned = 0
		}
	}
	return end, nil
}

// take fills p with body bytes from buf, or from the connection if buf is empty.
func (g *guard) take(p []byte) (int, error) {
	if g.body == bodyLength && uint64(len(p)) > g.left {
		p = p[:g.left]
	}
	if len(g.buf) == 0 {
		return g.Conn.Read(p)
	}
	n := copy(p, g.buf)
	g.drop(n)
	return n, nil
}

// drop takes n bytes off the front of buf.
func (g *guard) drop(n int) {
	g.scanned = 0
	if n < len(g.buf) {
		g.buf = g.buf[n:]
		return
	}
	g.buf = g.buf[:0]
	if cap(g.buf) > 4096 { // an idle connection keeps no large buffer
		g.buf = nil
	}
}

// refuse makes the replacement for a refused head ready.
func (g *guard) refuse(p *problem) {
	g.refused = p
	if i := bytes.IndexByte(g.buf, '\n'); i > 0 {
		g.line = strings.TrimSuffix(string(g.buf[:min(i, maxRequestLine)]), "\r")
	}
	g.buf = []byte(refusedHead)
	g.ready = len(g.buf)
	g.body = bodyNone
}

// finish ends the connection for reading, in the middle of a body. net/http goes
// on to read a request after a body that it could not read to its end, such as one
// that its reader has given up, and would take the rest of the body for it.
func (g *guard) finish() { g.over.Store(true) }

// CloseWrite ends the sending side, as net/http does before it waits for a
// client to read what it was sent.
func (g *guard) CloseWrite() error {
	if c, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// Close closes the connection. After a refusal, or where a body was not wanted to
// its end, it first reads for a moment what the client still sends: closing a
// socket with unread bytes resets it, and the reset can overtake the answer.
func (g *guard) Close() error {
	if g.mu.TryLock() {
		if g.refused != nil || g.over.Load() {
			g.CloseWrite()
			g.Conn.SetReadDeadline(time.Now().Add(lingerTime))
			io.CopyN(io.Discard, g.Conn, lingerBytes)
		}
		g.mu.Unlock()
	}
	return g.Conn.Close()
}

// Bounds of what is read from a client after a refusal, before the connection
// is closed.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 8 << 20
)

// judge checks a complete request head and notes what kind of body follows it.
func (g *guard) judge(head []byte) *problem {
	line, rest := cutLine(head)
	r, p := parseRequestLine(line)
	if p != nil {
		return p
	}
	for fields := 0; len(rest) > 2; fields++ {
		line, rest = cutLine(rest)
		if fields == maxRequestFields {
			return &problem{status: http.StatusRequestHeaderFieldsTooLarge, code: codeTooLarge, message: "the request has more than 100 header fields"}
		}
		name, value, err := parseField(line)
		if err != nil {
			return badRequest("the request has a " + err.Error())
		}
		if p := r.field(name, value); p != nil {
			return p
		}
	}
	return g.expectBody(&r)
}

// expectBody decides how the body of the request is framed (RFC 9112, section
// 6). A request that says it in two ways is refused, whatever the two say.
func (g *guard) expectBody(r *requestHead) *problem {
	switch {
	case r.hosts != 1:
		return badRequest("a request has exactly one Host field")
	case r.coded && r.lengths > 0:
		return badRequest("the request has both Content-Length and Transfer-Encoding")
	case r.coded && r.minor == 0:
		return badRequest("Transfer-Encoding does not exist in HTTP/1.0")
	case r.coded:
		g.body, g.chunks = bodyChunked, chunkScanner{}
	case r.length > 0:
		g.body, g.left = bodyLength, r.length
	default:
		g.body = bodyNone
	}
	return nil
}
