package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/gateway/flow"
	"gatehouse/gateway/strict"
)

// Response is what an upstream says to a request: a head, and a body that is read
// from it. One goroutine uses it.
type Response struct {
	Status   int
	Header   http.Header // under canonical names; it holds until Close
	Complete bool        // the body has been read to its proven end
	Arrived  bool        // all of the body has come in

	pool    *Pool
	conn    *conn
	method  string
	ctx     context.Context
	release func() bool // stops watching ctx; false if it is done; nil while it is not watched
	asked   time.Time
	sent    chan error // takes the outcome of sending the request's body; nil without one

	length  int64 // of the body; -1 if the head does not say
	body    io.Reader
	hangsUp bool // the upstream closes the connection behind the answer
	pace    flow.Pace
}

// maxResponseHead bounds the head of an answer in bytes. Registries stay far below it; a
// head that does not is an attack on memory.
const maxResponseHead = 256 << 10

// maxInformational bounds the 1xx answers before the real one.
const maxInformational = 100

// readHead reads the head of the answer. Informational answers (RFC 9110, section
// 15.2) are dropped: they would carry fields past the checks of the real one.
func (a *Response) readHead() error {
	for dropped := range maxInformational {
		head, err := a.receiveHead()
		if err != nil {
			return a.headError(dropped > 0 || len(head) > 0, err)
		}
		if err := a.parseHead(head); err != nil {
			return fmt.Errorf("%w: %w", ErrAnswer, err)
		}
		if a.Status == http.StatusSwitchingProtocols {
			return fmt.Errorf("%w: it switches protocols unasked", ErrAnswer)
		}
		if a.Status >= 200 {
			return a.frame()
		}
		if a.announcesBody() {
			return fmt.Errorf("%w: an informational answer has no body, and this one says where it ends", ErrAnswer)
		}
	}
	return fmt.Errorf("%w: no end of informational answers", ErrAnswer)
}

// soon is how long an answer may take before the context is watched.
const soon = 20 * time.Millisecond

// watch ends the connection when the context does, so that an upstream does not
// work for a client that has gone. Watching costs more than deciding about a
// request, and most answers are there before it is of use.
func (a *Response) watch() {
	if a.release == nil {
		a.release = context.AfterFunc(a.ctx, func() { a.conn.Close() })
	}
}

// headError says which failure it is that no head came.
func (a *Response) headError(begun bool, err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrTimeout, err)
	case errors.Is(err, strict.ErrBareLF), errors.Is(err, errHeadSize), begun:
		return fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return fmt.Errorf("%w: connection lost before the answer: %w", ErrGone, fault.Connection("upstream", err))
}

var errHeadSize = errors.New("head that is larger than 256 KiB")

// receiveHead returns a complete head, or the part of it that came before an error.
func (a *Response) receiveHead() (string, error) {
	br := a.conn.br
	if a.release == nil {
		a.conn.SetReadDeadline(a.asked.Add(soon))
	}
	_, err := br.Peek(1)
	if err != nil && a.isPatient(err) {
		_, err = br.Peek(1)
	}
	if err != nil {
		return "", err
	}
	arrived, _ := br.Peek(br.Buffered())
	if end, err := strict.HeadEnd(arrived, 0); err == nil && end > 0 {
		head := string(arrived[:end])
		br.Discard(end)
		return head, nil
	}
	return a.receiveLines()
}

// receiveLines receives a head that comes in pieces or is large.
func (a *Response) receiveLines() (string, error) {
	var head []byte
	for {
		part, err := a.conn.br.ReadSlice('\n')
		scanned := len(head)
		head = append(head, part...)
		switch {
		case len(head) > maxResponseHead:
			return string(head), errHeadSize
		case err == bufio.ErrBufferFull || err != nil && a.isPatient(err):
			continue
		case err != nil:
			return string(head), err
		}
		end, err := strict.HeadEnd(head, max(scanned, len(head)-1))
		if err != nil || end > 0 {
			return string(head), err
		}
	}
}

// isPatient reports whether err only says that the answer did not come soon. From
// then on the context is watched, and the answer has all of its time.
func (a *Response) isPatient(err error) bool {
	if a.release != nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	a.watch()
	return a.conn.SetReadDeadline(a.asked.Add(a.pool.responseTimeout(a.method))) == nil
}

// frame finds out where the body ends (RFC 9112, section 6.3). An answer that says it
// twice, or in a way that the gateway does not know, is refused: bytes that are left
// over would be taken for the answer to another client.
func (a *Response) frame() error {
	if err := a.readFraming(); err != nil {
		return fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	a.pace = flow.NewPace(a.pool.timeouts.BodyIdle, a.conn.SetReadDeadline)
	switch {
	case a.Status == http.StatusNoContent || a.Status == http.StatusResetContent:
		a.Complete = true
		if a.announcesBody() {
			a.hangsUp = true // somebody may take the bytes behind it for that body
			delete(a.Header, "Content-Length")
		}
	case a.method == http.MethodHead || a.Status == http.StatusNotModified:
		a.Complete = true // whatever length it tells is that of another answer
	case a.isChunked():
		a.body = strict.NewChunkedReader(a.conn.br)
	case a.length >= 0:
		a.body = io.LimitReader(a.conn.br, a.length)
		a.Complete, a.Arrived = a.length == 0, a.length <= int64(a.conn.br.Buffered())
	default:
		a.body, a.hangsUp = a.conn.br, true
	}
	return nil
}

// readFraming reads the fields that say how the answer is framed. Each of them
// stands once.
func (a *Response) readFraming() error {
	onHTTP10 := a.hangsUp // which has no transfer codings
	if a.isChunked() && (onHTTP10 || !strings.EqualFold(a.Header["Transfer-Encoding"][0], "chunked")) {
		return errors.New("unknown Transfer-Encoding")
	}
	a.hangsUp = a.hangsUp || strict.ConnectionHas(a.Header, "close")
	a.length = -1
	if len(a.Header["Content-Length"]) == 0 {
		return nil
	}
	if a.isChunked() {
		return errors.New("it says in two ways how long its body is")
	}
	length, err := strconv.ParseUint(a.Header["Content-Length"][0], 10, 63)
	if err != nil {
		return errors.New("malformed Content-Length")
	}
	a.length = int64(length)
	return nil
}

func (a *Response) isChunked() bool { return len(a.Header["Transfer-Encoding"]) > 0 }

// announcesBody reports whether an answer that can have no body speaks of one all
// the same. A length of 0 is what registries say of an answer 204.
func (a *Response) announcesBody() bool {
	lengths := a.Header["Content-Length"]
	return a.isChunked() || len(lengths) > 0 && lengths[0] != "0" || len(lengths) == 0 && a.Status == http.StatusResetContent
}

// Delimited reports whether the end of the body shows on the wire. Where it does
// not, a body that is cut off looks like one that is complete.
func (a *Response) Delimited() bool {
	return a.Complete || a.length >= 0 || a.isChunked()
}

// Read reads the body. io.EOF means its end; a connection that breaks off before
// that is [io.ErrUnexpectedEOF].
func (a *Response) Read(p []byte) (int, error) {
	if a.Complete {
		return 0, io.EOF
	}
	if !a.Arrived {
		a.watch()
		a.pace.Step()
	}
	n, err := a.body.Read(p)
	switch limited, ok := a.body.(*io.LimitedReader); {
	case ok && limited.N == 0:
		a.Complete = true
	case ok:
		return n, strict.BrokenOff(err)
	case err == io.EOF && a.isChunked():
		a.Complete = true
	}
	return n, err
}

// Pauses reports whether nothing more of the body has come in yet.
func (a *Response) Pauses() bool { return a.conn.br.Buffered() == 0 }

// Close ends the exchange. The connection is kept if both bodies came to their
// end and nothing lies behind the answer.
func (a *Response) Close() {
	released := a.release == nil || a.release()
	if released && a.Complete && !a.hangsUp && a.bodySent() && a.conn.br.Buffered() == 0 {
		if a.sent != nil {
			a.conn.SetWriteDeadline(time.Time{})
		}
		a.pool.keep(a.conn)
		return
	}
	a.conn.Close()
}

// bodySent reports whether all of the request's body has gone out by now.
func (a *Response) bodySent() bool {
	if a.sent == nil {
		return true
	}
	select {
	case err := <-a.sent:
		return err == nil
	default:
		return false
	}
}
