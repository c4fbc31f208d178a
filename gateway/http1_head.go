package gateway

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"gatehouse/gateway/strict"
)

// receiveHead returns the next request head, all of it, which is valid until more
// is received. An error that is a [*problem] is to be told to the client.
//
// One empty line before it is no part of it: clients have sent one behind the body
// of a request that is not counted in its length (RFC 9112, section 2.2).
func (c *http1Conn) receiveHead() ([]byte, error) {
	headBy, emptyLine := time.Time{}, false
	for limit := c.server.sites.current().limits.HeadBytes; ; {
		n, err := strict.HeadEnd(c.in, c.scanned)
		switch {
		case err != nil:
			return c.in, badRequest("a line of the request ends in a bare line feed")
		case n > limit, n == 0 && len(c.in) >= limit,
			len(c.in) > maxRequestLine && bytes.IndexByte(c.in, '\n') < 0:
			return c.in, tooLarge(c.in, limit)
		case n == len("\r\n") && !emptyLine:
			c.take(n)
			headBy, emptyLine = time.Time{}, true
			continue
		case n > 0:
			return c.take(n), nil
		}
		c.scanned = len(c.in)
		if len(c.in) > 0 && headBy.IsZero() {
			headBy = time.Now().Add(c.server.sites.current().timeouts.Header)
		}
		if err := c.await(headBy); err != nil {
			return nil, err
		}
	}
}

// take returns the first n bytes of what has been received, which are used by that.
func (c *http1Conn) take(n int) []byte {
	taken := c.in[:n]
	c.in, c.scanned = c.in[n:], 0
	return taken
}

// await receives more of a head, which must be complete by headBy; it is zero
// before the head has begun.
func (c *http1Conn) await(headBy time.Time) error {
	c.mu.Lock()
	if headBy.IsZero() {
		c.idle.Step()
	} else {
		c.SetReadDeadline(headBy)
		c.idle.Next = time.Time{}
	}
	c.mu.Unlock()
	if headBy.IsZero() && c.server.draining.Load() {
		c.hurry()
	}
	return c.fill()
}

// fill appends what the client sends next to in.
func (c *http1Conn) fill() error {
	if len(c.in) == cap(c.in) {
		c.in = append(make([]byte, 0, max(1024, 2*len(c.in))), c.in...)
		c.buf = c.in[:0]
	}
	n, err := c.Conn.Read(c.in[len(c.in):cap(c.in)])
	c.in = c.in[:len(c.in)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// begin makes a request of a head, and the connection ready for its body and its
// answer. Of a head that is refused it makes as much of a request as can be logged.
func (c *http1Conn) begin(head []byte, refusal *problem) (*http.Request, *problem) {
	c.setActive(true)
	if c.http1Work == nil {
		c.http1Work = &http1Work{fields: make(http.Header, 8)}
	}
	clear(c.fields)
	c.request = http.Request{ProtoMajor: 1, Header: c.fields}
	h := requestHead{r: &c.request, maxFields: c.server.sites.current().limits.HeadFields}
	p := refusal
	if p == nil {
		p = h.parse(string(head))
	}
	if p != nil && h.r.Method == "" {
		h.describe(head)
	}
	c.body.reset(c, &h, p != nil)
	c.answer.reset(c, &h, p != nil)
	if len(c.in) == 0 {
		c.in = c.buf
		if cap(c.buf) > 4096 { // an idle connection keeps no large buffer
			c.in, c.buf = nil, nil
		}
	}
	return h.r, p
}

// requestHead is a request head as it is read.
type requestHead struct {
	r         *http.Request
	maxFields int
	coded     bool // a Transfer-Encoding of chunked
	closes    bool // the client sends no further request
	expects   bool // the client waits for "100 Continue" before it sends the body
}

// describe notes what there is of a request line, for the log. What does not look
// like one is not noted: it may be a field with credentials.
func (h *requestHead) describe(head []byte) {
	line, _, _ := strings.Cut(string(head[:min(len(head), maxRequestLine)]), "\n")
	method, rest, _ := strings.Cut(strings.TrimSuffix(line, "\r"), " ")
	if strict.IsToken(method) && strings.Contains(rest, "/") {
		h.r.Method = method
		h.r.RequestURI, h.r.Proto, _ = strings.Cut(rest, " ")
	}
}

// parse reads a complete head. What is not to the letter of RFC 9112, so that there is
// no telling what the request is or where it ends, is refused; the rest is for the
// [door] to judge.
func (h *requestHead) parse(head string) *problem {
	values := make([]string, 0, min(strings.Count(head, "\n"), h.maxFields))
	line, rest := strict.CutLine(head)
	if p := h.requestLine(line); p != nil {
		return p
	}
	for len(rest) > 2 {
		line, rest = strict.CutLine(rest)
		if len(values) == h.maxFields {
			return tooManyFields(h.maxFields)
		}
		name, value, err := strict.ParseField(line)
		if err != nil {
			return badRequest("the request has a " + err.Error())
		}
		values = append(values, value)
		key := http.CanonicalHeaderKey(name)
		if i := len(values) - 1; h.r.Header[key] == nil {
			h.r.Header[key] = values[i : i+1 : i+1]
		} else {
			h.r.Header[key] = append(h.r.Header[key], value)
		}
	}
	return h.frame()
}

// requestLine reads METHOD SP TARGET SP HTTP/1.x (RFC 9112, section 3).
func (h *requestHead) requestLine(line string) *problem {
	if len(line) > maxRequestLine {
		return lineTooLong()
	}
	method, rest, ok1 := strings.Cut(line, " ")
	target, version, ok2 := strings.Cut(rest, " ")
	if !ok1 || !ok2 || !strict.IsToken(method) || target == "" {
		return badRequest("the request line is not METHOD TARGET VERSION")
	}
	h.r.Method, h.r.RequestURI, h.r.Proto = method, target, version
	switch version {
	case "HTTP/1.1":
		h.r.ProtoMinor = 1
	case "HTTP/1.0":
		h.closes = true
	default:
		return badRequest("the protocol version is not HTTP/1.0 or HTTP/1.1")
	}
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c == 0x7f {
			return badRequest("the request target has a blank or a control character")
		}
	}
	return nil
}

// frame notes how the body is framed, and what else the fields say to this side of
// the connection.
func (h *requestHead) frame() (p *problem) {
	r := h.r
	h.closes = h.closes || strict.ConnectionHas(r.Header, "close")
	h.expects = r.ProtoMinor == 1 && r.Header["Expect"] != nil
	if host := r.Header["Host"]; host != nil {
		r.Host = host[0]
	}
	r.ContentLength, p = bodyLength(r)
	h.coded = r.ContentLength < 0
	return p
}
