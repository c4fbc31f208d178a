package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"gatehouse/backend/fault"
	"gatehouse/gateway/selfservice"
	"gatehouse/gateway/strict"
)

// door is where requests come in. It refuses those that are malformed, have two readings
// or go nowhere, before anything else looks at them. Requests of both protocols go
// through it, and so do those that a [Rulebook] is asked about: there is no other place
// for such a check. The readers of heads refuse only what no request can be made of.
type door struct {
	router    *router
	proxies   strict.Networks
	maxFields int

	pagePath    string // of the page on which users make tokens; empty if there is none
	takesTokens []bool // by index of the route
}

// entry is what the door finds out about a request.
type entry struct {
	from   origin
	target strict.Target
	host   string             // canonical
	index  int                // of the route
	pageAt *selfservice.Place // it is for the page on which users make tokens; nil if not
}

// read refuses what is malformed. Of several faults it tells the one that comes first in
// a head.
func (d *door) read(r *http.Request, e *entry) (p *problem) {
	if r.ProtoMajor == 2 && hasConnectionFields(r.Header) {
		return badRequest("the request has a field that does not exist in HTTP/2")
	}
	if p = d.checkSize(r); p != nil {
		return p
	}
	if p = checkLength(r); p != nil {
		return p
	}
	if p = checkMethod(r.Method); p != nil {
		return p
	}
	if p = checkFields(r); p != nil {
		return p
	}
	if e.target, p = targetOf(r); p != nil {
		return p
	}
	e.host, p = hostOf(r, e.target)
	return p
}

// locate finds out where a request comes from and where it goes. A request over HTTP/1.0
// that names no host is for the host of the TLS handshake, or else for any.
func (d *door) locate(r *http.Request, c *clientConn, e *entry) (p *problem) {
	if e.from, p = d.originOf(r, c); p != nil {
		return p
	}
	if e.host == "" {
		e.host = c.serverName
		over10 := r.ProtoMajor == 1 && r.ProtoMinor == 0 && len(r.Header["Host"]) == 0
		if !over10 || !d.router.serves(e.host) {
			return badRequest("a request has exactly one Host field")
		}
	}
	return d.findRoute(c, e)
}

// checkSize bounds the target and the number of fields.
func (d *door) checkSize(r *http.Request) *problem {
	count := 0
	for _, values := range r.Header {
		count += len(values)
	}
	switch {
	case len(r.RequestURI) > maxRequestLine:
		return lineTooLong()
	case count > d.maxFields:
		return tooManyFields(d.maxFields)
	}
	return nil
}

// checkFields checks the fields that say how a request is to be read.
func checkFields(r *http.Request) *problem {
	h := r.Header
	switch {
	case len(h["Authorization"]) > 1:
		return badRequest("the request has more than one Authorization field")
	case asksForWebSocket(r):
		return &problem{status: http.StatusNotImplemented, code: codeUnsupported, fault: "request.unsupported", message: "the gateway passes no WebSocket on: connections are never upgraded to another protocol"}
	}
	if _, _, p := hopsLeft(r); p != nil {
		return p
	}
	for _, v := range h["Expect"] {
		if !strings.EqualFold(v, "100-continue") {
			return &problem{status: http.StatusExpectationFailed, code: codeUnsupported, fault: "request.unsupported", message: "the request expects something other than 100-continue"}
		}
	}
	for _, v := range h["Trailer"] {
		if p := checkTrailer(v); p != nil {
			return p
		}
	}
	return nil
}

// asksForWebSocket reports whether r would go on as a WebSocket. An offer of another
// protocol may be ignored (RFC 9110, section 7.8), and a client that makes one goes on
// in HTTP/1.1; the client of a WebSocket cannot. HTTP/1.0 has no upgrades.
func asksForWebSocket(r *http.Request) bool {
	for _, line := range r.Header["Upgrade"] {
		for protocol := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(protocol), "/")
			if strings.EqualFold(name, "websocket") {
				return r.ProtoMinor == 1
			}
		}
	}
	return false
}

// hasConnectionFields reports whether there is a field that is malformed in HTTP/2
// (RFC 9113, section 8.2.2).
func hasConnectionFields(h http.Header) bool {
	for _, name := range [...]string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"} {
		if h[name] != nil {
			return true
		}
	}
	te := h["Te"]
	return len(te) > 1 || len(te) == 1 && te[0] != "" && te[0] != "trailers"
}

// checkTrailer refuses trailers that would say how the request is framed after it has
// ended (RFC 9110, section 6.5.1).
func checkTrailer(names string) *problem {
	for name := range strings.SplitSeq(names, ",") {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "content-length", "transfer-encoding", "trailer":
			return badRequest("the request announces a trailer that would change its framing")
		}
	}
	return nil
}

// checkLength compares what the fields say of the body with how it is read.
func checkLength(r *http.Request) *problem {
	length, p := bodyLength(r)
	switch {
	case p != nil:
		return p
	case len(r.Header["Content-Length"]) > 0 && length != r.ContentLength:
		return badRequest("the Content-Length is not the length of the body")
	}
	return nil
}

// bodyLength returns how long the fields say that the body is, -1 for a body in
// chunks (RFC 9112, section 6). A request that says it in two ways is refused,
// whatever the two say: two servers in a row have read such requests in two ways.
func bodyLength(r *http.Request) (int64, *problem) {
	lengths, codings := r.Header["Content-Length"], r.Header["Transfer-Encoding"]
	switch {
	case len(codings) > 1 || len(codings) == 1 && !strings.EqualFold(codings[0], "chunked"):
		return 0, badRequest("a Transfer-Encoding other than one chunked")
	case len(lengths) > 1:
		return 0, badRequest("the request has more than one Content-Length")
	case len(lengths) == 1 && len(codings) == 1:
		return 0, badRequest("the request has both Content-Length and Transfer-Encoding")
	case len(codings) == 1 && r.ProtoMajor == 1 && r.ProtoMinor == 0:
		return 0, badRequest("Transfer-Encoding does not exist in HTTP/1.0")
	case len(codings) == 1:
		return -1, nil
	case len(lengths) == 0:
		return 0, nil
	}
	length, err := strconv.ParseUint(lengths[0], 10, 63) // which takes no sign
	if err != nil {
		return 0, badRequest("the Content-Length is not a number")
	}
	return int64(length), nil
}

// targetOf reads the target of r. An absolute one does not exist in HTTP/2 (RFC 9113,
// section 8.3.1), where :path would name a host beside :authority.
func targetOf(r *http.Request) (strict.Target, *problem) {
	target, p := readTarget(r.RequestURI)
	if p == nil && r.ProtoMajor == 2 && target.Host != "" {
		return strict.Target{}, badRequest("the path of a request over HTTP/2 names a host")
	}
	return target, p
}

// hostOf returns the host that r names, canonical, or "" if it names none. In HTTP/1 it
// is in one Host field, and in an absolute target once more; in HTTP/2 it is in
// :authority, and perhaps in a Host field. A request that names two is refused: the rules
// would go by one of them and the upstream by the other.
func hostOf(r *http.Request, t strict.Target) (string, *problem) {
	fields := r.Header["Host"]
	switch {
	case len(fields) > 1:
		return "", badRequest("a request has exactly one Host field")
	case len(fields) == 1 && fields[0] != r.Host:
		return "", badRequest("the request names two hosts")
	case t.Host != "" && !strings.EqualFold(t.Host, r.Host):
		return "", badRequest("the request target names another host than the Host field")
	case r.Host == "": // which an empty field says too (RFC 9112, section 3.2)
		return "", nil
	}
	host, err := strict.ParseHost(r.Host)
	if err != nil {
		return "", badRequest("the Host field is malformed")
	}
	return host, nil
}

// findRoute picks the route by host and path. Over TLS the host is the one that the
// client named at the handshake, where it named one: a request must not reach the
// rules of one host over a connection that was made to another.
//
// There are two exceptions. A trusted proxy that makes the handshake itself names the
// gateway in it, and in the request the host that its client asked for. And where no
// route names a host, no host has rules of its own.
func (d *door) findRoute(c *clientConn, e *entry) *problem {
	sni := c.serverName
	if sni != "" && sni != e.host && d.router.namesHosts() && !d.proxies.Contains(c.speaker) {
		return misdirected(sni, e.host)
	}
	if at, ok := selfservice.At(d.pagePath, e.target.Path); ok {
		if e.index = d.pageRoute(e.host); e.index >= 0 {
			e.pageAt = &at
			return nil
		}
	}
	e.index = d.router.lookup(e.host, e.target.Path)
	switch {
	case e.index >= 0:
		return nil
	case !d.router.serves(e.host):
		return noHost(e.host)
	}
	return noRoute()
}

func misdirected(sni, host string) *problem {
	return &problem{
		status: http.StatusMisdirectedRequest, code: codeMisdirected, signed: true,
		message: "the request names another host than the TLS connection was made to",
		cause:   fault.With("request.misdirected", fmt.Errorf("the TLS connection was made to %q, and the request is for %q", sni, host)),
	}
}
