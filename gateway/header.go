package gateway

import (
	"net/http"
	"net/url"
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
// digits and hyphens, in the capitals of [http.CanonicalHeaderKey]. Frameworks
// read "X_Remote_User" and "X.Remote.User" as X-Remote-User.
func plainName(name string) string {
	for i := range len(name) {
		if !plainChar(rune(name[i])) {
			return http.CanonicalHeaderKey(strings.Map(func(c rune) rune {
				if plainChar(c) {
					return c
				}
				return '-'
			}, name))
		}
	}
	return http.CanonicalHeaderKey(name)
}

func plainChar(c rune) bool {
	return c == '-' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// drops reports whether a request field is kept from the upstream of the route.
func (t *route) drops(name string) bool {
	name = plainName(name)
	if hopByHop[name] || managed[name] || name == t.userHeader || name == t.groupsHeader {
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
	proto := "http"
	if x.conn.tls != nil {
		proto = "https"
	}
	b = appendField(b, "X-Forwarded-For", x.conn.text)
	b = appendField(b, "X-Forwarded-Host", x.r.Host)
	b = appendField(b, "X-Forwarded-Proto", proto)
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

// appendField appends one field line. A line break in a value, which net/http and
// the checks at login let none pass, would begin a field of the client's choice.
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
				b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
				continue
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}

// apiVersion is the field by which registry clients of the first years know the
// protocol.
const apiVersion = "Docker-Distribution-Api-Version"

// stamp sets the fields that every answer of the gateway has, its own and those
// of an upstream.
func (x *exchange) stamp(h http.Header) {
	h["X-Request-Id"] = []string{x.id}
	if x.underV2() {
		h[apiVersion] = []string{"registry/2.0"}
	}
}

// underV2 reports whether the request is for a registry, as far as that can be
// told of one that was refused before its target was read.
func (x *exchange) underV2() bool {
	path := x.target.Path
	if path == "" {
		_, path, _ = x.requestLine()
	}
	return path == "/v2" || strings.HasPrefix(path, "/v2/")
}

// copyHeader passes the fields of an upstream's answer on to the client.
func (x *exchange) copyHeader(to http.Header, a *answer) {
	for name, values := range a.header {
		plain := plainName(name)
		switch {
		case hopByHop[plain], plain == "Alt-Svc", plain == x.route.userHeader, plain == x.route.groupsHeader, connectionHas(a.header, name):
			continue // Alt-Svc would lead clients around the gateway
		case name == "Location", name == "Content-Location":
			for i, v := range values {
				values[i] = x.localReference(v)
			}
		case name == "Link":
			for i, v := range values {
				values[i] = x.localLinks(v)
			}
		}
		to[name] = values
	}
	if to["Content-Type"] == nil {
		to["Content-Type"] = nil // net/http would guess one, by which a layer might become a page
	}
	x.stamp(to)
}

// localReference turns a URL that names the upstream, or the host that the client
// asked, into its path. A client would otherwise go around the gateway or to the
// wrong scheme or port. URLs of other hosts, such as an object store, stay.
func (x *exchange) localReference(ref string) string {
	u, err := url.Parse(ref)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "" {
		return ref
	}
	if !sameAuthority(u, x.route.upstream.authority) && !sameAuthority(u, x.r.Host) {
		return ref
	}
	i := strings.Index(ref, "//")
	path := strings.IndexAny(ref[i+2:], "/?#")
	if path < 0 {
		return "/"
	}
	if local := ref[i+2+path:]; local[0] == '/' && !strings.HasPrefix(local, "//") {
		return local
	}
	return ref
}

// sameAuthority compares the host and port of u with an authority, which may lack
// the port where it is a default one.
func sameAuthority(u *url.URL, authority string) bool {
	strip := func(a string) string {
		a = strings.ToLower(a)
		return strings.TrimSuffix(strings.TrimSuffix(a, ":443"), ":80")
	}
	return authority != "" && strip(u.Host) == strip(authority)
}

// localLinks does the same for the targets of a Link field (RFC 8288), which stand
// in angle brackets.
func (x *exchange) localLinks(field string) string {
	var b strings.Builder
	for {
		open := strings.IndexByte(field, '<')
		end := strings.IndexByte(field, '>')
		if open < 0 || end < open {
			b.WriteString(field)
			return b.String()
		}
		b.WriteString(field[:open+1])
		b.WriteString(x.localReference(field[open+1 : end]))
		b.WriteByte('>')
		field = field[end+1:]
	}
}
