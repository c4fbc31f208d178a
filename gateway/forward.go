package gateway

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/gateway/flow"
	"gatehouse/gateway/limits"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/upstream"
)

// forward sends the request to the upstream and the answer to the client. What
// fails before the head of the answer has gone out is a problem to be told; what
// fails later cuts the connection, because a body that broke off must not look
// like one that is complete.
func (x *exchange) forward() *problem {
	x.passed = true
	x.conn.vouch()
	x.leaveCrowd()
	if isLast := x.countHop(); isLast {
		x.answerOptions()
		return nil
	}
	if err := x.takeSlot(); err != nil {
		return x.upstreamProblem(err)
	}
	defer x.site.slots.Release(x.slot)
	if k := x.listKind(); k != nil {
		return x.forwardList(k)
	}
	defer x.heldLoan.giveBack()
	if p := x.guardTag(); p != nil {
		x.passed = false
		return p
	}
	head := flow.Heads.Get().(*[]byte)
	defer flow.Heads.Put(head)
	answer, err := x.send(head)
	if err != nil {
		return x.upstreamProblem(err)
	}
	defer answer.Close()
	return x.passOn(answer)
}

// send sends the request to the upstream, with its head in buf.
func (x *exchange) send(buf *[]byte) (*upstream.Response, error) {
	if err := x.sign(); err != nil {
		return nil, err
	}
	asked := time.Now()
	answer, err := x.trusted(x.route.upstream.RoundTrip(x.ctx, x.outgoing(buf)))
	x.upstreamTook = time.Since(asked)
	return answer, err
}

// passOn sends the answer of the upstream to the client.
func (x *exchange) passOn(answer *upstream.Response) *problem {
	if p := x.examineAnswer(answer); p != nil {
		return p
	}
	x.status = answer.Status
	x.endUpload(answer)
	x.copyHeader(x.w.Header(), answer)
	x.pace.Step()
	x.w.WriteHeader(answer.Status)
	if err := x.copyBody(answer); err != nil {
		x.abort(err)
	}
	x.settleUpload()
	return nil
}

// takeSlot waits until x may have a connection to its upstream.
func (x *exchange) takeSlot() error {
	if c := x.conn.http1; c != nil {
		x.slot = &c.slot
	} else {
		x.slot = new(upstream.Slot)
	}
	if x.upload != nil {
		x.upload.slot = x.slot
	}
	err := x.site.slots.Acquire(x.ctx, x.slot, upstream.Claim{
		Client: clientOf(x.who, x.from.addr), Upstream: x.route.upstream.Address, Limits: &x.site.limits.Slots, Holder: x,
	})
	switch own := x.ownSocket(); {
	case err == nil:
		own.Resume()
	case errors.Is(err, upstream.ErrClientSlots):
		own.Hold()
	}
	return err
}

// Stop ends an exchange that waits for its client. Another exchange calls it, from its
// own goroutine, while x has its slot.
func (x *exchange) Stop() {
	past := time.Unix(1, 0)
	x.pace.Set(past)
	if x.upload != nil {
		x.upload.deadline(past)
	}
}

// outgoing returns the request to the upstream, with its head in buf.
func (x *exchange) outgoing(buf *[]byte) *upstream.Request {
	q := &upstream.Request{Method: x.r.Method, Length: x.r.ContentLength}
	switch {
	case x.held != nil:
		q.Length, q.Body = int64(len(x.held)), bytes.NewReader(x.held)
	case x.upload != nil:
		q.Body = x.upload
	}
	*buf = x.appendHead((*buf)[:0], q.Length)
	q.Head = *buf
	return q
}

// upstreamProblem says which status a failure to get an answer is. containerd
// repeats a request after 503, and never after 502.
func (x *exchange) upstreamProblem(err error) *problem {
	switch {
	case x.clientGone() || errors.Is(err, context.Canceled):
		x.abort(gone(err))
	case errors.Is(err, upstream.ErrNoSlot):
		return busy(err)
	case errors.Is(err, upstream.ErrRequestBody) && errors.Is(err, strict.ErrChunk):
		p := badRequest("the request has a malformed chunked body")
		p.cause = fault.With("request.body_malformed", err)
		return p
	case errors.Is(err, upstream.ErrRequestBody):
		x.abort(err)
	case errors.Is(err, upstream.ErrTimeout):
		p := unavailable("the service behind the gateway did not answer in time; please try again", err)
		p.status = http.StatusGatewayTimeout
		return p
	case errors.Is(err, errDistrusted):
		return x.distrusted(err)
	case errors.Is(err, upstream.ErrAnswer):
		return badGateway("the service behind the gateway gave an answer that is not valid HTTP", err)
	}
	return unavailable("the service behind the gateway cannot be reached at the moment; please try again", err)
}

func badGateway(message string, cause error) *problem {
	return &problem{status: http.StatusBadGateway, code: codeUnavailable, message: message, cause: cause, signed: true}
}

// examineAnswer refuses answers that must not be passed on.
func (x *exchange) examineAnswer(a *upstream.Response) *problem {
	switch {
	case a.Status == http.StatusProxyAuthRequired:
		return ownLogin("407: it is a proxy that needs credentials, and clients have none for it")
	case a.Status == http.StatusUnauthorized && !x.route.forwardAuthorization && asksForLogin(a.Header):
		// The user is logged in here. The challenge would lead clients to send
		// the password wherever the upstream likes. Without one it is an
		// application's own answer, such as to a form.
		return ownLogin("401 with a challenge: it needs credentials, or forward_authorization")
	case x.showsToken(a.Header):
		return badGateway("the service behind the gateway gave an answer that must not be passed on", errTokenShown)
	case !x.mapBack(a):
		return badGateway("the service behind the gateway leads to a place that is not behind this route",
			fault.With("upstream.answer.elsewhere", errors.New("upstream answer has a Location or Link outside the path of the upstream")))
	case !a.Delimited() && x.r.ProtoMajor != 1:
		return badGateway("the service behind the gateway gave an answer without an end",
			fault.With("upstream.answer.unlimited", errors.New("upstream answer is delimited by the end of its connection alone")))
	case !a.Delimited():
		// Passed on as it came: with no more of an end than it has.
		x.w.Header().Set("Transfer-Encoding", "identity")
	}
	return nil
}

func ownLogin(answered string) *problem {
	return badGateway("the service behind the gateway asks for a login of its own",
		fault.With("upstream.answer.login", errors.New("upstream answered "+answered)))
}

// copyBody passes the body of an answer on, piece by piece as it comes.
func (x *exchange) copyBody(a *upstream.Response) error {
	if a.Complete {
		return nil
	}
	buf := flow.Buffers.Get().(*[]byte)
	defer flow.Buffers.Put(buf)
	pass := x.w.Write
	if !a.Arrived {
		pass = x.sender()
	}
	mark := x.bodyMark(a)
	for {
		n, err := a.Read(*buf)
		if mark.in((*buf)[:n]) {
			return errTokenShown
		}
		if n > 0 {
			m, err := pass((*buf)[:n])
			x.sent += int64(m)
			if errors.Is(err, upstream.ErrStuckClient) {
				return err
			} else if err != nil {
				return fault.With("request.client_gone", fmt.Errorf("send answer: %w", err))
			}
		}
		switch {
		case err == io.EOF || err == nil && a.Complete:
			return nil
		case err != nil:
			return fault.With("upstream.answer.broken_off", fmt.Errorf("answer of upstream broke off: %w", err))
		}
		if a.Pauses() {
			if err := x.slot.Await(upstream.ToClient, time.Now()); err != nil {
				return err
			}
			x.w.(http.Flusher).Flush() // the client gets what there is
			if err := x.slot.Moved(upstream.ToClient); err != nil {
				return err
			}
		}
	}
}

// Sizes of the pieces that a long body is sent in. They begin small and grow while the
// client takes them at once: of one that takes them slowly it shows that it does.
const (
	firstPiece = 4 << 10
	swift      = 50 * time.Millisecond
)

// sender returns what sends a part of a long body to the client, who must take it at
// some speed.
func (x *exchange) sender() func([]byte) (int, error) {
	r, piece := limits.NewRate(x.site.limits.Limits), firstPiece
	return func(p []byte) (sent int, err error) {
		for sent < len(p) && err == nil {
			start := time.Now()
			x.pace.StepAt(start)
			if err := x.slot.Await(upstream.ToClient, start); err != nil {
				return sent, err
			}
			n, failed := x.w.Write(p[sent:min(sent+piece, len(p))])
			sent += n
			took := time.Since(start)
			err = cmp.Or(x.slot.Moved(upstream.ToClient), failed, r.Moved(n, took))
			if piece = firstPiece; took < swift {
				piece = max(2*n, firstPiece)
			}
		}
		return sent, err
	}
}

// busy is the answer where a connection to the upstream is not to be had.
func busy(cause error) *problem {
	return unavailable("the gateway has as many requests as it can carry out; please try again", cause)
}
