package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"gatehouse/backend/fault"
)

// outgoing is a request to an upstream.
type outgoing struct {
	method string
	head   []byte    // complete, as it goes on the wire
	body   io.Reader // nil for none
	length int64     // of body; -1 if it is not known, and then it is chunked
}

// What may come of an exchange with an upstream but an answer.
var (
	errUpstreamGone    = fault.Kind("upstream.unreachable", "upstream cannot be reached")
	errUpstreamTimeout = fault.Kind("upstream.answer.late", "upstream did not answer in time")
	errUpstreamAnswer  = fault.Kind("upstream.answer.invalid", "upstream's answer is not valid HTTP")
	errRequestBody     = fault.Kind("request.body_broken_off", "request body broke off")
)

// roundTrip sends a request and returns the head of the answer to it, whose
// body is still to come; answer.close must be called in any case. The
// connection ends when ctx does.
//
// A request without a body that only reads is sent a second time if a kept
// connection turns out to be dead before a byte of an answer has come. No other
// request is: it may have been carried out.
func (u *upstream) roundTrip(ctx context.Context, q *outgoing) (*answer, error) {
	a, reused, err := u.try(ctx, q, false)
	if err != nil && reused && q.repeatable() && errors.Is(err, errUpstreamGone) && ctx.Err() == nil {
		a, _, err = u.try(ctx, q, true)
	}
	return a, err
}

func (q *outgoing) repeatable() bool {
	return q.body == nil && (q.method == http.MethodGet || q.method == http.MethodHead)
}

func (u *upstream) try(ctx context.Context, q *outgoing, fresh bool) (a *answer, reused bool, err error) {
	c, err := u.take(ctx, fresh)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", errUpstreamGone, err)
	}
	a = &answer{upstream: u, conn: c, method: q.method, ctx: ctx, asked: time.Now()}
	if q.body == nil {
		err = a.ask(q)
	} else {
		err = a.upload(q)
	}
	if err != nil {
		a.close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, c.reused, err
	}
	return a, c.reused, nil
}

// ask sends a request without a body and reads the head of the answer.
func (a *answer) ask(q *outgoing) error {
	// A head fits into the send buffer of a connection on which nothing waits.
	if _, err := a.conn.Write(q.head); err != nil {
		return fmt.Errorf("%w: send request: %w", errUpstreamGone, fault.Connection("upstream", err))
	}
	return a.readHead()
}

// upload sends a request with a body. The answer may come before all of the body
// is sent: then it is passed on at once, and what is left of the body is not
// sent.
func (a *answer) upload(q *outgoing) error {
	a.watch()
	a.conn.SetDeadline(time.Now().Add(a.upstream.timeouts.BodyIdle))
	if _, err := a.conn.Write(q.head); err != nil {
		return fmt.Errorf("%w: send request: %w", errUpstreamGone, fault.Connection("upstream", err))
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
		if errors.Is(sendErr, errRequestBody) {
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
func (a *answer) sendBody(q *outgoing) {
	w := bodyWriter{conn: a.conn, pace: newPace(a.upstream.timeouts.BodyIdle, a.conn.SetWriteDeadline), chunked: q.length < 0}
	err := w.copyBody(q.body, q.length)
	switch {
	case err == nil:
		err = a.conn.SetReadDeadline(time.Now().Add(a.upstream.responseTimeout(q.method)))
	case !errors.Is(err, errRequestBody):
		a.conn.SetReadDeadline(time.Now().Add(lingerTime))
	}
	a.sent <- err
	if errors.Is(err, errRequestBody) {
		a.conn.Close()
	}
}

func (u *upstream) responseTimeout(method string) time.Duration {
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return u.timeouts.UploadResponse
	}
	return u.timeouts.Response
}

// bodyWriter sends a request body to an upstream.
type bodyWriter struct {
	conn    *upstreamConn
	pace    pace
	chunked bool
}

// chunkPrefix is room for the size line of a chunk in front of its data.
const chunkPrefix = 10

// copyBody sends exactly length bytes of body, or all of it in chunks.
func (w *bodyWriter) copyBody(body io.Reader, length int64) error {
	buf := bodyBuffers.Get().(*[]byte)
	defer bodyBuffers.Put(buf)
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
			return fmt.Errorf("%w: %w", errRequestBody, err)
		}
	}
	return nil
}

// write sends the n bytes that stand behind the prefix in buf.
func (w *bodyWriter) write(buf []byte, n int) error {
	w.pace.step()
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
