package gateway

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
)

// requestHead gathers what a guard has to know of a request head.
type requestHead struct {
	minor   int    // HTTP/1.minor
	target  string // as sent
	hosts   int    // Host fields seen
	lengths int    // Content-Length fields seen
	length  uint64
	coded   bool // a Transfer-Encoding of chunked
}

// parseRequestLine reads METHOD SP TARGET SP HTTP/1.x (RFC 9112, section 3).
func parseRequestLine(line []byte) (requestHead, *problem) {
	var r requestHead
	if len(line) > maxRequestLine {
		return r, tooLarge(line)
	}
	method, rest, ok1 := bytes.Cut(line, []byte(" "))
	target, version, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok1 || !ok2 || !isToken(method) || len(target) == 0 {
		return r, badRequest("the request line is not METHOD TARGET VERSION")
	}
	switch string(version) {
	case "HTTP/1.1":
		r.minor = 1
	case "HTTP/1.0":
	default:
		return r, badRequest("the protocol version is not HTTP/1.0 or HTTP/1.1")
	}
	for _, c := range target {
		if c <= ' ' || c == 0x7f {
			return r, badRequest("the request target has a blank or a control character")
		}
	}
	r.target = string(target)
	if p := checkMethod(string(method)); p != nil {
		return r, p
	}
	if strings.Contains(r.target, "%") { // where it cannot decode, net/http answers, unlogged
		if _, err := ParseTarget(r.target); err != nil {
			return r, badRequest(err.Error())
		}
	}
	return r, nil
}

// checkMethod refuses methods that no rule can name. CONNECT and TRACE are
// never passed on: the one turns a proxy into a tunnel, the other shows
// credentials.
func checkMethod(method string) *problem {
	if knownMethod(method) {
		return nil
	}
	switch method {
	case http.MethodConnect, http.MethodTrace, "TRACK":
		return &problem{
			status: http.StatusMethodNotAllowed, code: codeUnsupported, allow: strings.Join(knownMethods, ", "),
			message: "the method " + method + " is never allowed",
		}
	}
	return &problem{status: http.StatusNotImplemented, code: codeUnsupported, message: "the request method is not known"}
}

// field takes in one header field.
func (r *requestHead) field(name, value []byte) *problem {
	switch {
	case equalFold(name, "Host"):
		return r.host(string(value))
	case equalFold(name, "Content-Length"):
		return r.contentLength(string(value))
	case equalFold(name, "Transfer-Encoding"):
		if r.coded || !equalFold(value, "chunked") {
			return badRequest("a Transfer-Encoding other than one chunked")
		}
		r.coded = true
	case equalFold(name, "Upgrade"):
		return badRequest("the connection is never upgraded to another protocol")
	case equalFold(name, "Expect"):
		return checkExpect(value)
	case equalFold(name, "Trailer"):
		return checkTrailer(string(value))
	}
	return nil
}

// checkTrailer refuses to hear how the request is framed after its end (RFC 9110,
// section 6.5.1).
func checkTrailer(names string) *problem {
	for name := range strings.SplitSeq(names, ",") {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "content-length", "transfer-encoding", "trailer":
			return badRequest("the request announces a trailer that would change its framing")
		}
	}
	return nil
}

func checkExpect(value []byte) *problem {
	if equalFold(value, "100-continue") {
		return nil
	}
	return &problem{status: http.StatusExpectationFailed, code: codeUnsupported, message: "the request expects something other than 100-continue"}
}

// host checks a Host field. A target in absolute form must name the same host
// (RFC 9112, section 3.2.2), or rules and upstream could be told two.
func (r *requestHead) host(value string) *problem {
	r.hosts++
	if _, err := canonicalHost(value); err != nil {
		return badRequest("the Host field is malformed")
	}
	if strings.HasPrefix(r.target, "/") {
		return nil
	}
	t, err := ParseTarget(r.target)
	if err != nil {
		return badRequest(err.Error())
	}
	if !strings.EqualFold(t.Host, value) {
		return badRequest("the request target names another host than the Host field")
	}
	return nil
}

// contentLength checks a Content-Length: digits and nothing else, once.
func (r *requestHead) contentLength(value string) *problem {
	r.lengths++
	if p := checkContentLength(r.lengths, value); p != nil {
		return p
	}
	r.length, _ = strconv.ParseUint(value, 10, 63)
	return nil
}

func checkContentLength(count int, value string) *problem {
	if count > 1 {
		return badRequest("the request has more than one Content-Length")
	}
	for _, c := range []byte(value) {
		if c < '0' || c > '9' {
			return badRequest("the Content-Length is not a number")
		}
	}
	if _, err := strconv.ParseUint(value, 10, 63); err != nil {
		return badRequest("the Content-Length is not a number")
	}
	return nil
}

// equalFold compares a token with an ASCII word without regard to case.
func equalFold(token []byte, s string) bool {
	return len(token) == len(s) && strings.EqualFold(string(token), s)
}

func tooLarge(head []byte) *problem {
	if i := bytes.IndexByte(head, '\n'); i < 0 || i > maxRequestLine {
		return &problem{status: http.StatusRequestURITooLong, code: codeTooLarge, message: "the request line is longer than 8190 bytes"}
	}
	return &problem{status: http.StatusRequestHeaderFieldsTooLarge, code: codeTooLarge, message: "the request head is larger than 32 KiB"}
}
