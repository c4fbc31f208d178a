package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// site is what a gateway serves: all of its configuration that a request can
// meet. It does not change.
type site struct {
	router   *router
	routes   []*route
	access   accessLog
	log      *slog.Logger
	bodyIdle time.Duration
}

// exchange is one request and what becomes of it.
type exchange struct {
	site  *site
	w     http.ResponseWriter
	r     *http.Request
	conn  *clientConn
	id    string
	start time.Time

	target   Target
	route    *route // nil until it is known
	who      Subject
	claimed  string // the user name that was sent, before anybody vouched for it
	decision Decision
	upload   *uploadBody // nil without a request body
	pace     pace        // of writing to the client

	status int
	sent   int64 // bytes of the answer's body
	cause  error // what went wrong, for the log alone
}

// ServeHTTP carries out one request.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{site: s, w: w, r: r, conn: connOf(r.Context()), id: newID(), start: time.Now()}
	defer x.end()
	x.openBodies()
	if p := x.serve(); p != nil {
		x.refuse(p)
	}
}

// serve is the way of a request through the gateway. The first step that finds a
// problem ends it.
func (x *exchange) serve() *problem {
	for _, step := range []func() *problem{x.examine, x.findRoute, x.authorize, x.guardMount, x.forward} {
		if p := step(); p != nil {
			return p
		}
	}
	return nil
}

// end records the exchange, however it ended. A panic is a refusal, and cuts the
// connection: where the head of an answer has gone out already, nobody must take
// what came for the whole.
func (x *exchange) end() {
	if v := recover(); v != nil {
		if v != http.ErrAbortHandler {
			x.cause = fmt.Errorf("panic: %v", v)
			x.site.log.Error("panic while serving a request", "id", x.id, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
		if v == http.ErrAbortHandler || x.status != 0 {
			defer panic(http.ErrAbortHandler)
			x.abandonUpload()
		} else {
			x.refuse(&problem{status: http.StatusInternalServerError, code: codeUnavailable, message: "the gateway failed", signed: true, cause: x.cause})
		}
	}
	x.site.access.record(x)
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
	x.cause = cause
	panic(http.ErrAbortHandler)
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

// examine refuses what is malformed or has two readings, before anything else
// looks at it. What net/http would hide on HTTP/1 has been refused by the guard
// of the connection; the rest is common to both versions of the protocol.
func (x *exchange) examine() *problem {
	r := x.r
	if x.conn.guard != nil && r.Method == refusedMethod {
		return x.conn.guard.refused
	}
	if p := checkMethod(r.Method); p != nil {
		return p
	}
	if p := x.examineFields(); p != nil {
		return p
	}
	target, err := ParseTarget(r.RequestURI)
	if err != nil {
		return badRequest(err.Error())
	}
	x.target = target
	return nil
}

func (x *exchange) examineFields() *problem {
	h := x.r.Header
	fields := 0
	for _, values := range h {
		fields += len(values)
	}
	switch {
	case fields > maxRequestFields:
		return &problem{status: http.StatusRequestHeaderFieldsTooLarge, code: codeTooLarge, message: "the request has more than 100 header fields"}
	case len(h["Authorization"]) > 1:
		return badRequest("the request has more than one Authorization field")
	case len(h["Upgrade"]) > 0:
		return badRequest("the connection is never upgraded to another protocol")
	}
	for _, v := range h["Expect"] {
		if p := checkExpect([]byte(v)); p != nil {
			return p
		}
	}
	for i, v := range h["Content-Length"] {
		if p := checkContentLength(i+1, v); p != nil {
			return p
		}
		if n, _ := strconv.ParseInt(v, 10, 64); n != x.r.ContentLength {
			return badRequest("the Content-Length is not the length of the body")
		}
	}
	for _, v := range h["Host"] { // HTTP/2 has it in :authority
		if v != x.r.Host {
			return badRequest("the request names two hosts")
		}
	}
	return nil
}

// findRoute picks the route by host and path. Over TLS the host is the one that
// the client named at the handshake, where it named one: a request must not reach
// the rules of one host over a connection that was made to another.
func (x *exchange) findRoute() *problem {
	host, err := canonicalHost(x.r.Host)
	if err != nil {
		return badRequest("the Host field is malformed")
	}
	if sni := x.conn.serverName(); sni != "" && sni != host {
		return &problem{
			status: http.StatusMisdirectedRequest, code: codeMisdirected,
			message: "the request names another host than the TLS connection was made to",
		}
	}
	i := x.site.router.lookup(host, x.target.Path)
	if i < 0 {
		return &problem{status: http.StatusNotFound, code: codeNotFound, message: "nothing is served under this path"}
	}
	x.route = x.site.routes[i]
	return nil
}

// openBodies makes the request's body ready to be read, not more: net/http sends
// "100 Continue" at the first read, and without full duplex holds back an answer
// until a part of the body has come in.
func (x *exchange) openBodies() {
	if g := x.conn.guard; g != nil {
		x.pace = newPace(x.site.bodyIdle, g.SetWriteDeadline)
	} else {
		x.pace = newPace(x.site.bodyIdle, http.NewResponseController(x.w).SetWriteDeadline)
	}
	if x.r.ContentLength == 0 {
		return
	}
	rc := http.NewResponseController(x.w)
	x.upload = &uploadBody{body: x.r.Body, left: x.r.ContentLength, deadline: rc.SetReadDeadline}
	x.upload.pace = newPace(x.site.bodyIdle, rc.SetReadDeadline)
	if x.r.ProtoMajor == 1 {
		rc.EnableFullDuplex()
		// For "100 Continue". On HTTP/2 a deadline would end the stream while
		// nothing is written, too.
		x.pace.step()
	}
}

// refuse answers with p. The answer goes out at once; of a body that is on its
// way, a part is read after it.
func (x *exchange) refuse(p *problem) {
	x.status, x.cause = p.status, p.cause
	realm := ""
	if x.route != nil {
		realm = x.route.realm
	}
	h, body := x.w.Header(), p.body(x.id)
	x.stamp(h)
	p.writeHeader(h, realm)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.pace.step()
	x.w.WriteHeader(p.status)
	if x.r.Method != http.MethodHead {
		n, _ := x.w.Write(body) // a client that has gone is no news
		x.sent = int64(n)
	}
	x.settleUpload()
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
	waits := strings.EqualFold(x.r.Header.Get("Expect"), "100-continue") && !x.upload.started.Load()
	x.upload.stop(x.r.ProtoMajor == 1 && !waits)
	if g := x.conn.guard; g != nil && !x.upload.ended.Load() {
		g.finish()
	}
}

// clientGone reports whether the client has hung up.
func (x *exchange) clientGone() bool {
	return errors.Is(x.r.Context().Err(), context.Canceled)
}

// clientConn is what is known of the connection of a request.
type clientConn struct {
	guard  *guard // nil on HTTP/2
	tls    *tlsState
	source netip.Addr
	text   string // of source
}

type clientConnKey struct{}

func connOf(ctx context.Context) *clientConn {
	c, _ := ctx.Value(clientConnKey{}).(*clientConn)
	if c == nil {
		return &clientConn{}
	}
	return c
}
