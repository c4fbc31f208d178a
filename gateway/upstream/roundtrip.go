package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/gateway/flow"
)

// Request is a request to an upstream. Its body is read from another goroutine than that
// of the caller, until the response is closed.
type Request struct {
	Method string
	Head   []byte    // complete, as it goes on the wire
	Body   io.Reader // nil for none
	Length int64     // of body; -1 if it is not known, and then it is chunked
}

// What may come of an exchange with an upstream but an answer. Errors of
// [Pool.RoundTrip] wrap one of them, or are that of the context.
var (
	// ErrGone says that the upstream cannot be reached, or hung up before it answered.
	ErrGone = fault.Kind("upstream.unreachable", "upstream cannot be reached")
	// ErrTimeout says that no answer came in time.
	ErrTimeout = fault.Kind("upstream.answer.late", "upstream did not answer in time")
	// ErrAnswer says that the answer has more than one reading, or none.
	ErrAnswer = fault.Kind("upstream.answer.invalid", "upstream's answer is not valid HTTP")
	// ErrRequestBody says that the body of the request did not come to its end.
	ErrRequestBody = fault.Kind("request.body_broken_off", "request body broke off")
)

// RoundTrip sends a request and returns the head of the answer to it, whose
// body is still to come; [Response.Close] must be called in any case. The
// connection ends when ctx does.
//
// A request without a body that only reads is sent a second time if a kept
// connection turns out to be dead before a byte of an answer has come. No other
// request is: it may have been carried out.
func (u *Pool) RoundTrip(ctx context.Context, q *Request) (*Response, error) {
	a, reused, err := u.try(ctx, q, false)
	if err != nil && reused && q.repeatable() && errors.Is(err, ErrGone) && ctx.Err() == nil {
		a, _, err = u.try(ctx, q, true)
	}
	return a, err
}

func (q *Request) repeatable() bool {
	return q.Body == nil && (q.Method == http.MethodGet || q.Method == http.MethodHead)
}

func (u *Pool) try(ctx context.Context, q *Request, fresh bool) (a *Response, reused bool, err error) {
	c, err := u.take(ctx, fresh)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrGone, err)
	}
	a = &Response{pool: u, conn: c, method: q.Method, ctx: ctx, asked: time.Now()}
	if q.Body == nil {
		err = a.ask(q)
	} else {
		err = a.upload(q)
	}
	if err != nil {
		a.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, c.reused, err
	}
	return a, c.reused, nil
}

// ask sends a request without a body and reads the head of the answer.
func (a *Response) ask(q *Request) error {
	// A head fits into the send buffer of a connection on which nothing waits.
	if _, err := a.conn.Write(q.Head); err != nil {
		return fmt.Errorf("%w: send request: %w", ErrGone, fault.Connection("upstream", err))
	}
	return a.readHead()
}

// upload sends a request with a body. The answer may come before all of the body
// is sent: then it is passed on at once, and what is left of the body is not
// sent.
func (a *Response) upload(q *Request) error {
	a.watch()
	a.conn.SetDeadline(time.Now().Add(a.pool.timeouts.BodyIdle))
	if _, err := a.conn.Write(q.Head); err != nil {
		return fmt.Errorf("%w: send request: %w", ErrGone, fault.Connection("upstream", err))
	}
	a.conn.SetReadDeadline(time.Time{})
	a.sent = make(chan error, 1)
	go a.sendBody(q)
	err := a.readHead()
	if err == nil {
		return nil
	}
	select {
	case sendErr := <-a.sent:
		if errors.Is(sendErr, ErrRequestBody) {
			return sendErr
		}
	default:
	}
	return err
}

// sendBody sends the body of q and puts the outcome into a.sent. From its end on,
// the upstream has its time to answer, or a moment if it has stopped reading. A body
// that breaks off takes the connection with it: the upstream must not take the part
// that it has for the whole.
func (a *Response) sendBody(q *Request) {
	w := bodyWriter{conn: a.conn, pace: flow.NewPace(a.pool.timeouts.BodyIdle, a.conn.SetWriteDeadline), chunked: q.Length < 0}
	err := w.copyBody(q.Body, q.Length)
	switch {
	case err == nil:
		err = a.conn.SetReadDeadline(time.Now().Add(a.pool.responseTimeout(q.Method)))
	case !errors.Is(err, ErrRequestBody):
		a.conn.SetReadDeadline(time.Now().Add(flow.LingerTime))
	}
	a.sent <- err
	if errors.Is(err, ErrRequestBody) {
		a.conn.Close()
	}
}

func (u *Pool) responseTimeout(method string) time.Duration {
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return u.timeouts.UploadResponse
	}
	return u.timeouts.Response
}

// bodyWriter sends a request body to an upstream.
type bodyWriter struct {
	conn    *conn
	pace    flow.Pace
	chunked bool
}

// chunkPrefix is room for the size line of a chunk in front of its data.
const chunkPrefix = 10

// copyBody sends exactly length bytes of body, or all of it in chunks.
func (w *bodyWriter) copyBody(body io.Reader, length int64) error {
	buf := flow.Buffers.Get().(*[]byte)
	defer flow.Buffers.Put(buf)
	for sent := int64(0); w.chunked || sent < length; {
		data := (*buf)[chunkPrefix : len(*buf)-2]
		n, err := body.Read(data)
		if n > 0 {
			sent += int64(n)
			if err := w.write(*buf, n); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF && w.chunked:
			_, err := w.conn.Write([]byte("0\r\n\r\n"))
			return err
		case err != nil && (w.chunked || sent < length):
			return fmt.Errorf("%w: %w", ErrRequestBody, err)
		}
	}
	return nil
}

// write sends the n bytes that stand behind the prefix in buf.
func (w *bodyWriter) write(buf []byte, n int) error {
	w.pace.Step()
	if !w.chunked {
		_, err := w.conn.Write(buf[chunkPrefix : chunkPrefix+n])
		return err
	}
	size := strconv.AppendInt(nil, int64(n), 16)
	start := chunkPrefix - 2 - len(size)
	copy(buf[start:], size)
	copy(buf[chunkPrefix-2:], "\r\n")
	copy(buf[chunkPrefix+n:], "\r\n")
	_, err := w.conn.Write(buf[start : chunkPrefix+n+2])
	return err
}
