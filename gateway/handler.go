package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/gateway/flow"
	"gatehouse/gateway/limits"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/token"
	"gatehouse/gateway/upstream"
)

// exchange is one request and what becomes of it.
type exchange struct {
	site  *site
	w     http.ResponseWriter
	r     *http.Request
	conn  *clientConn
	ctx   context.Context // done when the client has gone
	id    string
	start time.Time

	entry           // what the door has found out
	route    *route // nil until it is known
	who      rules.Subject
	missing  *backend.Incomplete // of the groups of who; nil while there is nothing, or nobody has asked
	call     backend.Call        // goes with the question for the login
	claimed  string              // the user name that was sent, before anybody vouched for it
	token    shownToken
	own      *ownToken // that was sent, or for which the other token was made; nil for none
	refresh  token.ID  // of the refresh token that was sent or issued; zero for none
	decision rules.Decision
	passed   bool   // nothing was left that might refuse it
	answered bool   // by the gateway in the place of the upstream, before a rule was asked
	issued   bool   // a token, which is such an answer
	ownToken string // ID of the token that was made or ended on the page for that
	inForm   bool   // credentials stood in a form

	groups      string // value of the header that tells the upstream of them
	tellsGroups bool   // it has that header

	signed string // credentials for the upstream, where the gateway signs them for each request

	mountFrom string // the repository that a blob is taken from; empty where none is
	uploadOf  string // the repository of an upload that goes on at a place of the upstream's own

	upload *uploadBody    // nil without a request body
	pace   *flow.Pace     // of writing to the client
	slot   *upstream.Slot // nil until it asks an upstream

	status  int
	sent    int64      // bytes of the answer's body
	cause   error      // what went wrong, for the log alone
	refused bool       // the gateway answered itself
	refusal fault.Code // why it did, where there is no cause

	loginTook    time.Duration // finding out who the user is
	upstreamTook time.Duration // until the upstream began to answer; 0 if it was not asked

	held     []byte // the whole body, where it was needed before it is sent; nil otherwise
	heldLoan loan   // of the memory for it

	crowding  bool // it is in the crowd
	auditRoom int  // promised for the record of it
}

// newExchange returns an exchange under s, which the caller has entered for it.
func newExchange(s *site, w http.ResponseWriter, r *http.Request, c *clientConn) exchange {
	return exchange{site: s, w: w, r: r, conn: c, entry: entry{from: c.origin()}, id: newID(), start: time.Now()}
}

// ServeHTTP carries out a request that came over HTTP/2.
func (s *sites) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newExchange(s.enter(), w, r, connOf(r.Context()))
	if !x.run(r.Context(), nil) {
		panic(http.ErrAbortHandler)
	}
}

// run carries out the exchange, or answers with refusal if there is one. It reports
// false if the client must learn that there is no answer, or not all of it, which
// only the end of the connection tells.
func (x *exchange) run(ctx context.Context, refusal *problem) (completed bool) {
	x.ctx = ctx
	x.conn.arrive(&x.site.sites.arrivals)
	defer x.site.leave()
	if refusal == nil {
		refusal = x.site.door.read(x.r, &x.entry)
	}
	if refusal == nil && isHealthCheck(x.r, x.site.health) {
		return x.serveHealth()
	}
	if m := x.site.metrics; m != nil {
		m.inFlight.Inc()
		defer m.inFlight.Dec()
	}
	x.join()
	defer x.leaveCrowd()
	defer func() { completed = x.end(recover()) }()
	x.openBodies()
	if refusal == nil {
		refusal = x.serve()
	}
	if refusal != nil {
		x.refuse(refusal)
	}
	return true
}

// serve is the way of a request through the gateway. The first step that finds a
// problem ends it, or that answers.
func (x *exchange) serve() *problem {
	for _, step := range []func(*exchange) *problem{
		(*exchange).locate, (*exchange).answerPage, (*exchange).answerTokenRequest, (*exchange).answerPreflight, (*exchange).authorize, (*exchange).guardMount, (*exchange).tellGroups, (*exchange).promiseAudit, (*exchange).forward,
	} {
		if p := step(x); p != nil || x.answered {
			return p
		}
	}
	return nil
}

// end records the exchange, however it ended. A panic is a refusal; where the head
// of an answer has gone out already, nobody must take what came for the whole.
func (x *exchange) end(panicked any) (completed bool) {
	switch {
	case panicked == nil:
		completed = true
	case panicked != http.ErrAbortHandler:
		x.cause = fault.With("request.panic", fmt.Errorf("panic: %v", panicked))
		x.site.log.Error("panic while serving a request", "id", x.id, fault.Attr, "request.panic", "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
		if x.status == 0 {
			x.refuse(&problem{status: http.StatusInternalServerError, code: codeUnavailable, message: "the gateway failed", signed: true, cause: x.cause})
			completed = true
		}
	}
	if !completed {
		x.abandonUpload()
	}
	x.recordAccess()
	x.recordAudit()
	x.count()
	return completed
}

// abandonUpload makes sure that nobody reads the body after the exchange has ended:
// on HTTP/2 there is nothing left then that it could be read from.
func (x *exchange) abandonUpload() {
	if x.upload != nil {
		x.upload.stop(false)
	}
}

// abort ends an exchange without an answer, or in the middle of one.
func (x *exchange) abort(cause error) {
	if errors.Is(cause, limits.ErrTooSlow) {
		x.site.sites.slowBodies.Add(1)
	}
	x.cause = cause
	panic(http.ErrAbortHandler)
}

// gone is the cause of an exchange that ended because nobody waited for it any
// more, which err is due to.
func gone(err error) error {
	return fault.With("request.client_gone", fmt.Errorf("client has gone: %v", err))
}

// idAlphabet has no letters that are mistaken for each other when read out.
const idAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newID returns a name for a request by which its user and its log can be brought
// together. It is no secret.
func newID() string {
	var id [8]byte
	n := rand.Uint64()
	for i := range id {
		id[i] = idAlphabet[n>>(5*i)&31]
	}
	return string(id[:])
}

// locate finds the route.
func (x *exchange) locate() *problem {
	if p := x.site.door.locate(x.r, x.conn, &x.entry); p != nil {
		return p
	}
	x.route = x.site.routes[x.index]
	return nil
}

// openBodies makes the request's body ready to be read, not more: the first read
// asks the client to send it.
func (x *exchange) openBodies() {
	var setRead func(time.Time) error
	if c := x.conn.http1; c != nil {
		x.pace, setRead = &c.sending, c.SetReadDeadline
		x.pace.StepAt(x.start)
	} else {
		rc := http.NewResponseController(x.w)
		x.pace, setRead = &flow.Pace{Idle: x.site.timeouts.BodyIdle, Set: rc.SetWriteDeadline}, rc.SetReadDeadline
	}
	if x.r.ContentLength != 0 {
		x.upload = &uploadBody{body: x.r.Body, left: x.r.ContentLength, deadline: setRead, pace: flow.NewPace(x.site.timeouts.BodyIdle, setRead), rate: limits.NewRate(x.site.limits.Limits)}
	}
}

// refuse answers with p. The answer goes out at once; of a body that is on its
// way, a part is read after it.
func (x *exchange) refuse(p *problem) {
	x.status, x.cause, x.refused, x.refusal = p.status, p.cause, true, p.fault
	x.site.sites.refusals.keep(x, p)
	x.join()
	x.endIfUnread()
	h := x.w.Header()
	x.stamp(h)
	p.writeHeader(h)
	if p.status == http.StatusUnauthorized {
		h.Set(challengeField, x.challenge(p))
	}
	if p.last || x.conn.http1 != nil && p.endsConnection() {
		h.Set("Connection", "close")
	}
	body := p.body(x.id)
	if x.pageAt != nil {
		body = x.refusalAtPage(h, p)
	}
	x.answerHere(body)
}

// answerHere answers in the place of an upstream. The status is known, and the fields
// of the header are set but for the length.
func (x *exchange) answerHere(body []byte) {
	h := x.w.Header()
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if x.conn.http1 != nil && x.withholdsBody() {
		h.Set("Connection", "close") // RFC 9110, section 10.1.1
	}
	x.pace.Step()
	x.w.WriteHeader(x.status)
	if x.r.Method != http.MethodHead {
		n, _ := x.w.Write(body) // a client that has gone is no news
		x.sent = int64(n)
	}
	x.settleUpload()
	if x.conn.http1 == nil {
		x.w.(http.Flusher).Flush() // or it would wait for the client after it has left the crowd
	}
}

// settleUpload sends what has been written and then reads, within bounds, what is
// left of the request's body on HTTP/1. Closing the connection before that would
// reset it, and the reset can overtake the answer; HTTP/2 ends a stream cleanly.
// A client that waits for "100 Continue" sends no body and is not kept waiting.
func (x *exchange) settleUpload() {
	if x.upload == nil || x.upload.ended.Load() {
		return
	}
	http.NewResponseController(x.w).Flush()
	x.upload.stop(x.conn.http1 != nil && !x.withholdsBody())
}

// withholdsBody reports whether the client waits to be told to send its body.
func (x *exchange) withholdsBody() bool {
	return x.upload != nil && !x.upload.started.Load() && strings.EqualFold(x.r.Header.Get("Expect"), "100-continue")
}

// clientGone reports whether the client has hung up.
func (x *exchange) clientGone() bool {
	return errors.Is(x.ctx.Err(), context.Canceled)
}
