package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// http1Answer is the answer to the request that is being carried out, an
// [http.ResponseWriter]. What is written is sent when it fills a TLS record, at
// Flush, and at the end.
type http1Answer struct {
	conn   *http1Conn
	header http.Header
	names  []string // room to sort those of header
	buf    *[]byte  // of answerBuffers, while there is an answer
	out    []byte   // not sent yet

	bodyless bool  // the answer to HEAD and the like, whatever the header says
	isHTTP11 bool  // the client understands chunks
	length   int64 // of the body; -1 if it is not known
	written  int64
	chunked  bool
	closes   bool // the connection ends behind the answer

	mu    sync.Mutex // guards begun
	begun bool       // the head is written
}

// maxAnswerBuffer is what a TLS record holds.
const maxAnswerBuffer = 16 << 10

// answerBuffers are shared, so that an idle connection has none.
var answerBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, maxAnswerBuffer+64)
	return &b
}}

// answerHeaders are shared for the same reason.
var answerHeaders = sync.Pool{New: func() any { return make(http.Header, 16) }}

// release gives the buffer and the header back.
func (a *http1Answer) release() {
	answerBuffers.Put(a.buf)
	clear(a.header)
	answerHeaders.Put(a.header)
	a.buf, a.out, a.header = nil, nil, nil
}

func (a *http1Answer) reset(c *http1Conn, h *requestHead, refused bool) {
	a.conn = c
	a.header = answerHeaders.Get().(http.Header)
	a.buf = answerBuffers.Get().(*[]byte)
	a.out = (*a.buf)[:0]
	a.bodyless, a.isHTTP11 = h.r.Method == http.MethodHead, h.r.ProtoMinor == 1
	a.length, a.written, a.chunked, a.begun = -1, 0, false, false
	a.closes = h.closes || refused
	c.ctx.start(c.body.framed.ended && !refused)
}

// Header implements [http.ResponseWriter].
func (a *http1Answer) Header() http.Header { return a.header }

// continues tells the client to send the body of its request, unless it has got an
// answer already. It may be called beside everything else.
func (a *http1Answer) continues() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.begun {
		return nil
	}
	_, err := a.conn.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	return err
}

// WriteHeader implements [http.ResponseWriter].
func (a *http1Answer) WriteHeader(status int) {
	a.mu.Lock()
	a.begun = true
	a.mu.Unlock()
	a.out = append(a.out, "HTTP/1.1 "...)
	a.out = strconv.AppendInt(a.out, int64(status), 10)
	a.out = append(append(a.out, ' '), http.StatusText(status)...)
	a.out = append(a.out, "\r\n"...)
	a.frame(status)
	a.names = a.names[:0]
	for name := range a.header {
		a.names = append(a.names, name)
	}
	slices.Sort(a.names) // equal answers are equal to the byte
	for _, name := range a.names {
		for _, v := range a.header[name] {
			a.out = appendField(a.out, name, v)
		}
	}
	if a.header["Date"] == nil {
		a.out = append(a.out, "Date: "...)
		a.out = time.Now().UTC().AppendFormat(a.out, http.TimeFormat)
		a.out = append(a.out, "\r\n"...)
	}
	a.out = append(a.out, "\r\n"...)
}

// frame decides how the client is told where the body ends. A field
// "Transfer-Encoding: identity" in the header says that it is not told.
func (a *http1Answer) frame(status int) {
	_, identity := a.header["Transfer-Encoding"]
	delete(a.header, "Transfer-Encoding")
	a.bodyless = a.bodyless || status == http.StatusNoContent || status == http.StatusNotModified
	if status == http.StatusNoContent {
		delete(a.header, "Content-Length") // RFC 9110, section 8.6
	}
	a.closes = a.closes || a.header.Get("Connection") == "close" || a.conn.server.draining.Load()
	switch lengths := a.header["Content-Length"]; {
	case len(lengths) > 0:
		if n, err := strconv.ParseInt(lengths[0], 10, 64); err == nil {
			a.length = n
		}
	case a.bodyless:
	case identity || !a.isHTTP11:
		a.closes = true
	default:
		a.chunked = true
		a.header["Transfer-Encoding"] = []string{"chunked"}
	}
	if a.closes {
		a.header["Connection"] = []string{"close"}
	}
}

var errAnswerLength = errors.New("the answer is not as long as its head says")

// Write implements [http.ResponseWriter].
func (a *http1Answer) Write(p []byte) (int, error) {
	if a.bodyless || len(p) == 0 {
		return len(p), nil
	}
	a.written += int64(len(p))
	if a.length >= 0 && a.written > a.length {
		return 0, errAnswerLength
	}
	if a.chunked {
		a.out = strconv.AppendInt(a.out, int64(len(p)), 16)
		a.out = append(a.out, "\r\n"...)
	}
	if err := a.send(p); err != nil {
		return 0, err
	}
	if a.chunked {
		a.out = append(a.out, "\r\n"...)
	}
	return len(p), nil
}

// send takes p to what is to be sent, and sends it all if it is much.
func (a *http1Answer) send(p []byte) error {
	if len(a.out)+len(p) <= maxAnswerBuffer {
		a.out = append(a.out, p...)
		return nil
	}
	if err := a.flush(); err != nil {
		return err
	}
	_, err := a.conn.Write(p)
	return err
}

// Flush implements [http.Flusher]. An error shows at the next Write, or at the end.
func (a *http1Answer) Flush() { a.flush() }

func (a *http1Answer) flush() error {
	if len(a.out) == 0 {
		return nil
	}
	_, err := a.conn.Write(a.out)
	a.out = a.out[:0]
	return err
}

// finish sends what is left. It fails if the answer is not complete.
func (a *http1Answer) finish() error {
	switch {
	case !a.begun:
		return errAnswerLength
	case a.chunked:
		a.out = append(a.out, "0\r\n\r\n"...)
	case !a.bodyless && a.length >= 0 && a.written < a.length:
		return fmt.Errorf("%w: %d of %d bytes", errAnswerLength, a.written, a.length)
	}
	return a.flush()
}
