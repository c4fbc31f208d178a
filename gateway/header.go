package gateway

import (
	"net/http"
	"strconv"
	"strings"
)

// hopByHop are the fields that belong to one connection (RFC 9110, section 7.6.1,
// and what predates it). They are never passed on, in neither direction.
var hopByHop = newNameSet(
	"Connection", "Http2-Settings", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
)

// managed are the request fields that only the gateway sets. An upstream believes
// them, so that what a client sends under these names is removed: who the user
// is, where the request comes from, what it really asks for. The two idempotency
// keys make some proxies send a POST twice; Proxy becomes the environment variable
// HTTP_PROXY of CGI programs.
var managed = newNameSet(
	"Authorization", "Content-Length", "Expect", "Host", "X-Request-Id",
	"Forwarded", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Fastly-Client-Ip",
	"X-Original-Url", "X-Original-Uri", "X-Original-Method", "X-Original-Host", "X-Rewrite-Url", "X-Host",
	"X-Http-Method-Override", "X-Http-Method", "X-Method-Override",
	"Remote-User", "Remote-Groups", "Remote-Name", "Remote-Email", "X-Remote-User", "X-Remote-Groups", "X-Remote-Group",
	"X-Webauth-User", "X-Authenticated-User", "X-User", "X-Groups",
	"Idempotency-Key", "X-Idempotency-Key", "Proxy",
)

// managedPrefixes begin the names of more managed fields.
var managedPrefixes = []string{"X-Forwarded-", "X-Auth-Request-"}

type nameSet map[string]bool

func newNameSet(names ...string) nameSet {
	set := make(nameSet, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}

// plainName returns the spelling of a field name that is compared with: letters,
// digits and hyphens alone. Frameworks read "X_Remote_User" and "X.Remote.User" as
// X-Remote-User. The name is canonical, as the keys of an [http.Header] are.
func plainName(canonical string) string {
	for i := range len(canonical) {
		if !plainChar(rune(canonical[i])) {
			return http.CanonicalHeaderKey(strings.Map(func(c rune) rune {
				if plainChar(c) {
					return c
				}
				return '-'
			}, canonical))
		}
	}
	return canonical
}

func plainChar(c rune) bool {
	return c == '-' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// drops reports whether a request field is kept from the upstream of the route.
func (r *route) drops(name string) bool {
	name = plainName(name)
	if hopByHop[name] || managed[name] || name == r.userHeader || name == r.groupsHeader {
		return true
	}
	for _, p := range managedPrefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// connectionHas reports whether the Connection fields of h name token, which they
// do to have the field of that name removed on the way.
func connectionHas(h http.Header, token string) bool {
	for _, line := range h["Connection"] {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// appendHead appends the head of the request that goes to the upstream: what the
// client sent but for the fields that are not passed on, and after that our own.
// It does not depend on what the client says in Connection that one of ours
// should go.
func (x *exchange) appendHead(b []byte, length int64) []byte {
	r := x.r
	b = append(append(append(append(b, r.Method...), ' '), x.target.String()...), " HTTP/1.1\r\n"...)
	b = appendField(b, "Host", r.Host)
	for name, values := range r.Header {
		if x.route.drops(name) || connectionHas(r.Header, name) {
			continue
		}
		for _, v := range values {
			b = appendField(b, name, v)
		}
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

// appendOwnFields appends the managed fields as the gateway knows them.
func (x *exchange) appendOwnFields(b []byte) []byte {
	b = appendField(b, "X-Forwarded-For", x.from.text)
	b = appendField(b, "X-Forwarded-Host", x.r.Host)
	b = appendField(b, "X-Forwarded-Proto", x.from.proto)
	b = appendField(b, "X-Request-Id", x.id)
	switch {
	case x.route.upstream.authorization != "":
		b = appendField(b, "Authorization", x.route.upstream.authorization)
	case x.route.forwardAuthorization && x.r.Header.Get("Authorization") != "":
		b = appendField(b, "Authorization", x.r.Header.Get("Authorization"))
	}
	if !x.who.LoggedIn {
		return b
	}
	if x.route.userHeader != "" {
		b = appendField(b, x.route.userHeader, x.who.Identity.User)
	}
	if x.route.groupsHeader != "" {
		b = appendField(b, x.route.groupsHeader, joinGroups(x.who.Groups))
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

// joinGroups makes one field value of group names, comma-separated, in which
// commas of a name, percent signs, and what no field value can hold are
// percent-encoded, so that no name can be taken for two.
func joinGroups(groups []string) string {
	var b strings.Builder
	for i, g := range groups {
		if i > 0 {
			b.WriteByte(',')
		}
		for _, c := range []byte(g) {
			if c == ',' || c == '%' || c < ' ' || c == 0x7f {
				writeEscaped(&b, c)
				continue
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}
