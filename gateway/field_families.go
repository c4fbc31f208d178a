package gateway

import (
	"net/http"
	"strings"
)

// families are sets of field names: each a name, the beginning of names ("X-Auth-*")
// or their end ("*Real-Ip"). All are in the plain spelling; see [plainName].
//
// Every field of every request is looked up. Names are therefore kept by their
// length, beginnings by two of their bytes and ends by their last one, so that most
// names are compared with none or one.
type families struct {
	names  [familySlots][]string
	begins [familySlots][]string
	short  []string // beginnings of less than three bytes
	ends   [familySlots][]string
}

const familySlots = 64

func newFamilies(lists ...[]string) *families {
	f := &families{}
	for _, list := range lists {
		for _, name := range list {
			f.add(name)
		}
	}
	return f
}

func (f *families) add(name string) {
	begin, isBegin := strings.CutSuffix(name, "*")
	end, isEnd := strings.CutPrefix(name, "*")
	slot, text := &f.names[len(name)%familySlots], plainOf(name)
	switch {
	case isBegin && len(begin) < 3:
		slot, text = &f.short, plainOf(begin)
	case isBegin:
		text = plainOf(begin)
		slot = &f.begins[beginSlot(text)]
	case isEnd:
		slot, text = &f.ends[endSlot(end)], end
	}
	*slot = append(*slot, text)
}

func beginSlot(name string) byte { return (name[0] + 7*name[2]) % familySlots }
func endSlot(name string) byte   { return name[len(name)-1] % 32 } // the same for both cases

// has reports whether a name is in one of the families.
func (f *families) has(plain string) bool {
	if plain == "" {
		return false
	}
	for _, name := range f.names[len(plain)%familySlots] {
		if plain == name {
			return true
		}
	}
	for _, end := range f.ends[endSlot(plain)] {
		if n := len(plain) - len(end); n >= 0 && strings.EqualFold(plain[n:], end) {
			return true
		}
	}
	if len(plain) >= 3 && hasBegin(plain, f.begins[beginSlot(plain)]) {
		return true
	}
	return hasBegin(plain, f.short)
}

func hasBegin(name string, begins []string) bool {
	for _, begin := range begins {
		if strings.HasPrefix(name, begin) {
			return true
		}
	}
	return false
}

// hopFields are the fields that belong to one connection (RFC 9110, section 7.6.1,
// and what predates it). They are never passed on, in neither direction.
var hopFields = []string{
	"Connection", "Http2-Settings", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

var hopByHop = newFamilies(hopFields)

// ownFields are the request fields that the gateway writes itself.
var ownFields = []string{
	"Authorization", "Content-Length", "Host", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-Id",
}

// secondPlaces are request fields that say once more, to some upstreams, what the
// gateway has judged: the method, the target, the host, the client. No rule has seen
// what they say. The idempotency keys make some proxies send a POST twice, and Proxy
// becomes the environment variable HTTP_PROXY of CGI programs.
var secondPlaces = []string{
	"Expect", "Forwarded", "Sec-Websocket-*",
	"X-Http-Method*", "X-Method*", "*Method-Override", "X-Forwarded-Method",
	"X-Original-Method", "X-Original-Url", "X-Original-Uri", "X-Original-Path", "X-Original-Host",
	"X-Rewrite-*", "X-Override-*", "X-Forwarded-Uri", "X-Forwarded-Url", "X-Forwarded-Path",
	"X-Envoy-Original-*", "X-Host", "X-Http-Host-Override",
	"Idempotency-Key", "X-Idempotency-Key", "Proxy",
}

// claims are request fields that tell an upstream who the user is or where a request
// comes from. Any client could send them. A route keeps the ones that it needs by their
// exact names.
var claims = []string{
	// Who the user is, as proxies that log in say.
	"Remote-*", "X-Remote-*", "X-User", "X-Username", "X-Userinfo", "X-Groups", "X-Webauth-*", "X-Auth-*", "X-Authenticated-*",
	"X-Amzn-Oidc-*", "X-Goog-Authenticated-User-*", "X-Goog-Iap-*", "X-Ms-Client-Principal*", "X-Ms-Token-*",
	"Cf-Access-*", "Tailscale-User-*", "X-Authentik-*", "X-Pomerium-*", "X-Vouch-*", "X-Consumer-*", "X-Credential-*", "Oidc-*",

	// Which certificate the client has shown.
	"Ssl-Client-*", "X-Ssl-*", "X-Client-Cert*", "Client-Cert*", "X-Amzn-Mtls-*", "X-Arr-Clientcert", "Wl-Proxy-*",

	// Where a request comes from, and by which way.
	"X-Forwarded*", "*Forwarded-For", "*Client-Ip", "*Clientip", "*Real-Ip", "Cf-Connecting-Ip*", "X-Original-*", "X-Originating-*",
	"X-Envoy-External-Address", "X-Envoy-Internal",
}

// plainName returns the spelling in which field names are compared: letters, digits
// and hyphens alone. Frameworks read "X_Remote_User" and "X.Remote.User" as
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
