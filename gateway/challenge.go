package gateway

import (
	"net"
	"strings"

	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
)

// Challenge is what clients without credentials are asked for.
type Challenge string

// The challenges. Nobody is ever asked for either of two: docker takes the last one of
// those that it knows, whatever it has credentials for.
const (
	BasicChallenge  Challenge = "basic"  // a user name and a password
	BearerChallenge Challenge = "bearer" // a token, which the gateway issues
)

// challenge returns the field of a refusal that says how to log in. Whoever sends a
// password and fails is asked for a password: a client that sends one unasked has no use
// for tokens.
func (x *exchange) challenge(p *problem) string {
	switch {
	case x.route == nil:
		return basicChallenge("")
	case x.pageAt != nil, !x.route.tokens.announced, x.sentPassword(), x.host == "", x.r.Host == "":
		return basicChallenge(x.route.realm)
	}
	var b strings.Builder
	b.WriteString(`Bearer realm="` + quotedPair.Replace(x.tokenURL()) + `",service="` + quotedPair.Replace(x.route.tokens.service(x.host)) + `"`)
	if scope := x.wantedScope(); scope != "" {
		b.WriteString(`,scope="` + scope + `"`)
	}
	if p.tokenError != "" {
		b.WriteString(`,error="` + p.tokenError + `"`)
	}
	return b.String()
}

// basicChallenge is a challenge for realm (RFC 7617).
func basicChallenge(realm string) string {
	return `Basic realm="` + quotedPair.Replace(realm) + `", charset="UTF-8"`
}

// quotedPair escapes what would end a quoted-string (RFC 9110, section 5.6.4).
var quotedPair = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// sentPassword reports whether the request came with credentials that are no token.
func (x *exchange) sentPassword() bool {
	header := x.r.Header["Authorization"]
	if len(header) == 0 {
		return x.inForm
	}
	_, ok := strict.CutBearer(header[0])
	return !ok
}

// tokenURL returns where the client fetches tokens: where it has asked, as far as that is
// known. Only a proxy that is trusted is believed where that was.
func (x *exchange) tokenURL() string {
	if url := x.route.tokens.url; url != "" {
		return url
	}
	authority := x.from.host
	if authority == "" {
		authority = x.host
		if _, port, err := net.SplitHostPort(x.r.Host); err == nil && port != "" {
			authority += ":" + port
		}
	}
	return x.from.proto + "://" + authority + x.route.tokens.path
}

// wantedScope returns the scopes that a token needs for the request, empty if it needs
// none.
func (x *exchange) wantedScope() string {
	e := x.endpoint()
	action := scopeAction(e, x.r.Method)
	if action == "" {
		return ""
	}
	actions := []oci.Action{action}
	if action == oci.Push || action == oci.Delete {
		actions = []oci.Action{oci.Pull, action} // as clients ask
	}
	text := scopeText(e.Repository, actions)
	if m, ok, err := rules.MountOf(x.target); err == nil && ok && action == oci.Push && m.From != e.Repository {
		text += " " + scopeText(m.From, []oci.Action{oci.Pull})
	}
	return text
}
