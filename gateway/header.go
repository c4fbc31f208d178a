package gateway

import (
	"cmp"
	"net/http"
	"strconv"

	"gatehouse/gateway/strict"
)

// appendHead appends the head of the request that goes to the upstream: what the
// client sent but for the fields that are not passed on, and after that our own.
// It does not depend on what the client says in Connection that one of ours
// should go.
func (x *exchange) appendHead(b []byte, length int64) []byte {
	r := x.r
	b = x.appendLine(b, r.Method, x.target)
	hidesType := x.hidesType()
	b = x.appendClientFields(b, func(name string) bool { return hidesType && isContentType(name) })
	if hidesType {
		b = appendField(b, "Content-Type", opaqueType)
	}
	b = x.appendOwnFields(b)
	switch {
	case length > 0:
		b = appendField(b, "Content-Length", strconv.FormatInt(length, 10))
	case length < 0:
		b = appendField(b, "Transfer-Encoding", "chunked")
	case r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch:
		b = appendField(b, "Content-Length", "0")
	}
	return append(b, "\r\n"...)
}

// appendLine appends the request line, and the host.
func (x *exchange) appendLine(b []byte, method string, target strict.Target) []byte {
	b = append(append(b, method...), ' ')
	b = append(x.route.path.appendTarget(b, target), " HTTP/1.1\r\n"...)
	return appendField(b, "Host", cmp.Or(x.r.Host, x.route.upstream.Authority, "localhost"))
}

// appendClientFields appends what the client sent, but for the fields that are not passed
// on, and those that are hidden.
func (x *exchange) appendClientFields(b []byte, hidden func(name string) bool) []byte {
	for name, values := range x.r.Header {
		if x.route.fields.drops(name) || strict.ConnectionHas(x.r.Header, name) || hidden(name) {
			continue
		}
		for _, v := range values {
			b = appendField(b, name, v)
		}
	}
	return b
}

// appendOwnFields appends the managed fields as the gateway knows them.
func (x *exchange) appendOwnFields(b []byte) []byte {
	b = appendField(b, "X-Forwarded-For", x.from.text)
	if x.r.Host != "" { // which HTTP/1.0 may leave out
		b = appendField(b, "X-Forwarded-Host", x.r.Host)
	}
	b = appendField(b, "X-Forwarded-Proto", x.from.proto)
	b = appendField(b, "X-Request-Id", x.id)
	switch {
	case x.route.signer != nil: // the client's own goes nowhere
		b = appendField(b, "Authorization", x.signed)
	case x.route.upstream.Authorization != "":
		b = appendField(b, "Authorization", x.route.upstream.Authorization)
	case x.route.forwardAuthorization && x.r.Header.Get("Authorization") != "" && !x.sentOwnToken():
		b = appendField(b, "Authorization", x.r.Header.Get("Authorization"))
	}
	if !x.who.LoggedIn {
		return b
	}
	if x.route.userHeader != "" {
		b = appendField(b, x.route.userHeader, x.who.Identity.User)
	}
	if x.tellsGroups {
		b = appendField(b, x.route.groups.name, x.groups)
	}
	return b
}

// appendField appends one field line. A line break in a value, which the readers of
// heads and the check at login let none pass, would begin a field of somebody's
// choice.
func appendField(b []byte, name, value string) []byte {
	if breaksLine(name) || breaksLine(value) {
		return b
	}
	b = append(append(append(b, name...), ": "...), value...)
	return append(b, "\r\n"...)
}

func breaksLine(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == '\r' || c == '\n' || c == 0 {
			return true
		}
	}
	return false
}
