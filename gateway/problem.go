package gateway

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
)

// problem is a request that is answered by the gateway itself. The client sees
// status, code, message and detail; cause is for the log alone.
//
// The body has the shape of the OCI distribution specification. The messages
// are our own and the detail is never null on purpose: docker takes
// distribution's stock wording without a detail for a passing fault, retries it
// for 50 seconds and then prints no reason.
type problem struct {
	status  int
	code    string
	message string
	detail  map[string]string
	page    []byte // what a browser is shown, where that is more than the message
	cause   error
	fault   fault.Code // where there is no cause

	tokenError string // what a token lacks, in a word of RFC 6750, section 3.1; empty if it is no matter of tokens
	tokenHelps string // what is refused, to somebody whom a token of the account would help; empty to others
	allow      string // Allow field
	retryAfter int    // seconds; 0 for none
	signed     bool   // the message ends in the request's id
	last       bool   // the connection ends, whatever the status
}

// Error makes a problem an error, so that it can be returned in the place of one.
func (p *problem) Error() string { return p.message }

// Codes of the errors in a body. UNAUTHORIZED, DENIED, UNSUPPORTED, SIZE_INVALID and
// TOOMANYREQUESTS are of the OCI distribution specification.
const (
	codeUnauthorized = "UNAUTHORIZED"
	codeDenied       = "DENIED"
	codeUnsupported  = "UNSUPPORTED"
	codeBadRequest   = "BAD_REQUEST"
	codeTooLarge     = "HEADERS_TOO_LARGE"
	codeSize         = "SIZE_INVALID"
	codeMisdirected  = "MISDIRECTED_REQUEST"
	codeNotFound     = "NOT_FOUND"
	codeUnavailable  = "UNAVAILABLE"
	codeTooMany      = "TOOMANYREQUESTS"
)

// retrySeconds is when a client may try again after an outage. docker login
// gives up after 15 seconds, so a longer time would never be seen to pass.
const retrySeconds = 5

// faultCode returns the code under which logs and metrics speak of p.
func (p *problem) faultCode() fault.Code { return cmp.Or(fault.Of(p.cause), p.fault) }

// reason returns why, in one word. A client sees less: it must not learn which users exist.
func (p *problem) reason() fault.Reason {
	if p.cause != nil {
		return fault.ReasonOf(p.cause)
	}
	return p.fault.Reason()
}

func badRequest(what string) *problem {
	return &problem{status: http.StatusBadRequest, code: codeBadRequest, fault: "request.malformed", message: "request refused: " + what}
}

func unauthorized(cause error) *problem {
	return &problem{
		status: http.StatusUnauthorized, code: codeUnauthorized, cause: cause, fault: "login.required",
		message: "please log in with a valid user name and password",
	}
}

func unavailable(what string, cause error) *problem {
	return &problem{
		status: http.StatusServiceUnavailable, code: codeUnavailable, cause: cause,
		message: what, retryAfter: retrySeconds, signed: true,
	}
}

// undecided is the answer where it cannot be found out who the user is.
func undecided(cause error) *problem {
	return unavailable("logins cannot be checked at the moment; please try again", cause)
}

// noHost is the answer where no route takes requests for a host.
func noHost(host string) *problem {
	return &problem{status: http.StatusNotFound, code: codeNotFound, fault: "route.none", message: "nothing is served for the host " + host}
}

// tooManyConnections is the answer to a user who has half of all connections that there
// may be. The one that this came over ends.
func tooManyConnections() *problem {
	p := unavailable("you have too many connections open; please try again on one of them",
		fault.With("login.connections", errors.New("one user has half of all connections that there may be")))
	p.last = true
	return p
}

// noRoute is the answer where no route for its host takes a request.
func noRoute() *problem {
	return &problem{status: http.StatusNotFound, code: codeNotFound, fault: "route.none", message: "nothing is served under this path"}
}

// throttled is the answer where too many logins failed. It is the same for every
// name. Some clients come back as soon as they are told to, and others at once and
// a few times: the next failure may be allowed in a second, but all who wait for it
// must not come together.
func throttled(cause error) *problem {
	wait := int(math.Ceil(backend.RetryAfter(cause).Seconds()))
	return &problem{
		status: http.StatusTooManyRequests, code: codeTooMany, cause: cause,
		message:    "too many failed logins; please wait a moment and try again",
		retryAfter: max(wait, retrySeconds) + rand.IntN(retrySeconds), signed: true,
	}
}

// endsConnection reports whether a connection of HTTP/1 closes behind the answer: after
// a request that was malformed there is no telling where the next one begins.
func (p *problem) endsConnection() bool {
	switch p.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout, http.StatusBadGateway, http.StatusMisdirectedRequest:
		return false
	}
	return true
}

// writeHeader sets the header fields of the answer, but for its length.
func (p *problem) writeHeader(h http.Header) {
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
}

// body returns the answer's body; id is the request's.
func (p *problem) body(id string) []byte {
	type ociError struct {
		Code    string            `json:"code"`
		Message string            `json:"message"`
		Detail  map[string]string `json:"detail"`
	}
	e := ociError{p.code, p.message, p.detail}
	if e.Detail == nil {
		e.Detail = map[string]string{}
	}
	if p.signed {
		e.Message += " (id " + id + ")"
	}
	b, _ := json.Marshal(map[string][]ociError{"errors": {e}}) // strings always encode
	b = shown.JSON(b)                                          // clients print it on terminals
	return append(b, '\n')
}
