package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gatehouse/backend/fault"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/signing"
	"gatehouse/gateway/upstream"
)

// CheckUpstreamTokens reports why tokens cannot be signed for the upstream of r.
func (r Route) CheckUpstreamTokens() error {
	switch {
	case r.UpstreamTokens == nil:
		return nil
	case r.ForRules().RegistryRoot() == "":
		return errors.New("tokens are signed for registries, and the route leads to none: take upstream_token_key out, or set registry")
	case r.Upstream.HasCredentials():
		return errors.New("the upstream can be sent upstream_user or tokens, not both: take one of them out")
	case r.ForwardAuthorization:
		return errors.New("the upstream can be sent the client's credentials or tokens, not both: take forward_authorization out")
	}
	return nil
}

// sign has a token made for what was decided, where the upstream wants one. Only what goes
// to the upstream now gets here.
func (x *exchange) sign() (err error) {
	if s := x.route.signer; s != nil {
		x.signed, err = s.Authorization(x.granted())
	}
	return err
}

// granted returns what the upstream is to let pass: this request, and nothing that was not
// decided.
func (x *exchange) granted() signing.Grant {
	e := x.endpoint()
	g := signing.Grant{Catalog: e.Kind == oci.Catalog, Repository: e.Repository, Method: x.r.Method, From: x.mountFrom}
	if x.who.LoggedIn && !x.asksForAll() {
		g.User = x.who.Identity.User
	}
	return g
}

// asksForAll reports whether the answer of the upstream is kept for all users, whoever asks.
func (x *exchange) asksForAll() bool {
	return x.route.catalogTTL > 0 && x.listKind() == catalogKind
}

// errDistrusted says that the upstream does not let a request pass that the gateway has
// signed for. The challenge that comes with it is for no client: it leads to wherever the
// upstream likes, and clients send passwords there.
var errDistrusted = fault.Kind("upstream.answer.token_refused", "upstream refuses the token of the gateway")

// trusted returns what came of a request to the upstream, which is a failure if it refuses
// the token.
func (x *exchange) trusted(a *upstream.Response, err error) (*upstream.Response, error) {
	if err != nil || x.route.signer == nil || a.Status != http.StatusUnauthorized {
		return a, err
	}
	defer a.Close()
	return nil, fmt.Errorf("%w: %s", errDistrusted, whyRefused(a.Header, x.route.signer))
}

// whyRefused says what a registry may have against a token. It is not quoted: what it says
// could be anything.
func whyRefused(h http.Header, s *signing.Signer) string {
	challenge := strings.Join(h[challengeField], " ")
	name := s.Name()
	switch {
	case strings.Contains(challenge, `error="insufficient_scope"`):
		return "it wants to be allowed something else for this request than was decided (insufficient_scope): look at its log, and at parameters of the request such as from"
	case strings.Contains(challenge, `error="invalid_token"`):
		return fmt.Sprintf("it takes no token of the issuer %q for the service %q, signed with the key %s (invalid_token): compare its configuration with gatehouse token upstream-config, then the clocks of both, and look at its log", name.Issuer, name.Service, s.Key())
	case challenge == "":
		return "401 without a reason: look at its log"
	}
	return "it asks for another login: it may not have auth: token, or a proxy before it takes the field Authorization away; compare its configuration with gatehouse token upstream-config"
}

// distrusted is the answer where the upstream refuses the token. No other credentials of the
// client would help, and whoever runs the gateway has to know, with an access log or without.
func (x *exchange) distrusted(cause error) *problem {
	x.site.log.Error("a request that was allowed fails", "id", x.id, "route", x.route.name, "error", cause)
	return badGateway("the service behind the gateway does not trust the gateway; please tell whoever runs it", cause)
}

// errTokenShown says that an answer has the token that was sent with the request. A client
// that got it could go to the registry around the gateway, as long as it is good.
var errTokenShown = fault.With("upstream.answer.token_shown", errors.New("upstream answer has the token in it that the gateway has sent with the request"))

// showsToken reports whether the header of an answer has the token that was sent. The case
// of letters in a name is not kept, so that none could have it.
func (x *exchange) showsToken(h http.Header) bool {
	if x.signed == "" {
		return false
	}
	mark := signing.Mark(x.signed)
	for _, values := range h {
		if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, mark) }) {
			return true
		}
	}
	return false
}

// bodyMark returns what the body of an answer must not have in it, nil if there is nothing.
// Blobs are what somebody has pushed, and are not looked through.
func (x *exchange) bodyMark(a *upstream.Response) *markFinder {
	if x.signed == "" || a.Status < http.StatusMultipleChoices && x.endpoint().Kind == oci.Blob {
		return nil
	}
	return &markFinder{mark: []byte(signing.Mark(x.signed))}
}

// markFinder looks for a mark in a text that comes in pieces.
type markFinder struct{ mark, before []byte }

// in reports whether the mark ends in p, the next piece.
func (f *markFinder) in(p []byte) bool {
	if f == nil {
		return false
	}
	head := append(f.before, p[:min(len(p), len(f.mark))]...)
	found := bytes.Contains(head, f.mark) || bytes.Contains(p, f.mark)
	rest := p
	if len(p) < len(f.mark) {
		rest = head
	}
	f.before = append(f.before[:0], rest[max(0, len(rest)-len(f.mark)+1):]...)
	return found
}
