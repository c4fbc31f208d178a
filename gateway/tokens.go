package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/owntoken"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/token"
)

// Tokens says how a gateway issues tokens and takes them.
type Tokens struct {
	// Keys seal and open them.
	Keys *token.Keyring

	// Revoked says which tokens no longer count before they expire; nil for none.
	Revoked *token.Revocations

	// TTL is how long a token is good; default 1 h.
	TTL time.Duration

	// UploadGrace is how long after that it may finish an upload that has begun; 0 for
	// not at all.
	UploadGrace time.Duration

	// IdentityTTL is how long a refresh token is good, by which a client gets further
	// tokens without the password; 0: there are none.
	IdentityTTL time.Duration

	// Own are the tokens that accounts own, which are taken in place of a password; nil
	// for none.
	Own *owntoken.Issuer

	// SelfService is the path of the page on which users make tokens of their own; empty
	// for none.
	SelfService string
}

const defaultTokenTTL = time.Hour

// tokenDesk is where a route issues tokens and takes them. The zero value does neither.
type tokenDesk struct {
	*Tokens
	accounts  backend.Extended
	sources   []string // whose users may come with a token
	announced bool     // it is what clients are asked for, and so issued here
	url       string   // where clients fetch them, if that is not here
	root      string   // of the registry
	path      string   // of the endpoint
	place     string   // behind the host, in the name of the service
	limits    *ownLimits
}

// newTokenDesk returns the desk of the route r, one of all.
func newTokenDesk(r Route, all []Route, t *Tokens) (d tokenDesk, err error) {
	if err := r.CheckChallenge(t != nil, all); err != nil {
		return d, err
	}
	root := r.ForRules().RegistryRoot()
	d.accounts = backend.Extend(r.Backend)
	if t == nil || root == "" {
		return d, nil
	}
	set := *t
	if set.TTL == 0 {
		set.TTL = defaultTokenTTL
	}
	d = tokenDesk{Tokens: &set, accounts: d.accounts, sources: r.Backends, announced: r.Challenge == BearerChallenge, url: r.TokenURL, root: root, limits: newOwnLimits()}
	base := r.tokenBase(root)
	d.path = base + "token"
	if base != oci.DefaultRoot {
		d.place = strings.TrimSuffix(base, "/")
	}
	return d, nil
}

// tokenBase returns the path below which the route has its endpoint for tokens: that of
// the registry, or that of the route where it takes only a part of it.
func (r Route) tokenBase(root string) string {
	own := strings.TrimSuffix(r.Path, "/") + "/"
	if len(own) > len(root) {
		return own
	}
	return root
}

// serves reports whether a path is that of the endpoint.
func (d *tokenDesk) serves(path string) bool { return d.announced && path == d.path }

// asksAnyway reports whether somebody who has not logged in needs a token for req, although
// the decision d lets it pass: for the root of the registry. Clients take what they are told
// there for all of it, and would never send anything.
func (d *tokenDesk) asksAnyway(req rules.Request, who rules.Subject, decision rules.Decision) bool {
	return d.announced && decision.Verdict == rules.Allowed && !who.LoggedIn && oci.Parse(d.root, req.Path).Action(req.Method) == oci.Login
}

// service returns the name under which tokens are made for a host and taken there.
func (d *tokenDesk) service(host string) string { return host + d.place }

// isFor reports whether a service is the one here at host.
func (d *tokenDesk) isFor(service, host string) bool {
	rest, ok := strings.CutPrefix(service, host)
	return ok && rest == d.place
}

// vouchesFor reports whether the users of a backend may come here with a token.
func (d *tokenDesk) vouchesFor(source string) bool {
	return source == "" && len(d.sources) == 0 || slices.Contains(d.sources, source)
}

// open returns what a token says that was made for here and has not been revoked. It does
// not look whether it has expired. Of one that is not taken for such a reason it returns the rest, too.
func (d *tokenDesk) open(p token.Purpose, text, host string, now time.Time) (token.Token, error) {
	t, err := d.Keys.Open(p, text)
	if err == nil {
		err = d.check(t, host, now)
	}
	return t, err
}

// check reports why a token that could be opened is not taken at host.
func (d *tokenDesk) check(t token.Token, host string, now time.Time) error {
	switch {
	case !d.isFor(t.Service, host) || !t.IsAnonymous() && t.Own == "" && !d.vouchesFor(t.Identity.Source):
		return errTokenPlace
	case d.Revoked.Covers(t):
		return errTokenRevoked
	case t.Issued > now.Add(maxSkew).Unix(): // which no revocation of today would reach
		return errTokenEarly
	}
	return nil
}

// isInGrace reports whether t, which has expired, still may be used for a request, to finish
// an upload.
func (d *tokenDesk) isInGrace(t token.Token, e oci.Endpoint, method string, now time.Time) bool {
	return t.ExpiredSince(now) < d.UploadGrace && finishesUpload(t, e, method)
}

// shownToken is what a request came with.
type shownToken struct {
	token.Token
	opened bool
	grace  bool // it has expired, and may finish an upload
}

// Errors about tokens. Those of opening one are in package token.
var (
	errTokenExpired = fault.With("token.expired", errors.New("the token has expired"))
	errTokenEarly   = fault.With("token.early", errors.New("the token was issued in the future: the clocks of gateways differ by more than a minute"))
	errTokenPlace   = fault.With("token.other_host", errors.New("the token was made for another host, path or backend"))
	errTokenRevoked = fault.With("token.revoked", errors.New("the token was revoked"))
	errTokenScope   = fault.With("token.scope", errors.New("the token was not made for this"))
)

// maxSkew is by how much the clocks of gateways with one key may differ.
const maxSkew = time.Minute

// invalidToken is the answer to a token that is none, or not any more.
func invalidToken(cause error) *problem {
	p := unauthorized(cause)
	p.message, p.tokenError = "the token is not good here, or not any more; please log in again", "invalid_token"
	return p
}

// openToken reads the token that came with the request, once.
func (x *exchange) openToken(text string) error {
	if x.token.opened {
		return nil
	}
	desk := &x.route.tokens
	t, err := desk.open(token.Access, text, x.host, x.start)
	if err != nil {
		return err
	}
	grace := t.ExpiredSince(x.start) >= 0
	if grace && !desk.isInGrace(t, x.endpoint(), x.r.Method, x.start) {
		return errTokenExpired
	}
	x.token = shownToken{Token: t, opened: true, grace: grace}
	return nil
}

// finishesUpload reports whether a request goes on with an upload that t was made for. One
// that begins is none of that.
func finishesUpload(t token.Token, e oci.Endpoint, method string) bool {
	return e.Kind == oci.Upload && e.Action(method) == oci.Push && t.Scopes.Allow(e.Repository, oci.Push)
}

// loginByToken finds out who the user is by a token. The backend says whether the account
// is still what it was.
func (x *exchange) loginByToken(text string) *problem {
	if err := x.openToken(text); err != nil {
		x.countToken(checkResult(err))
		return invalidToken(err)
	}
	if x.token.IsAnonymous() {
		return unauthorized(nil)
	}
	if x.token.Own != "" {
		return x.loginByOwnerOf(x.token.Token)
	}
	id, err := x.confirm(x.token.Identity)
	switch {
	case err == nil:
		x.who.Via = rules.Way(x.token.Via)
		return x.admit(id)
	case backend.Refused(err):
		x.countToken(tokenRefused)
		return invalidToken(fault.With("token.refused", err))
	}
	return x.unanswered("token", err)
}

// confirm asks the backend who id is by now, which a token says has logged in.
func (x *exchange) confirm(id backend.Identity) (backend.Identity, error) {
	return x.route.tokens.accounts.Confirm(x.asking(id.User), id)
}

// asking returns the context of a question about the user of that name.
func (x *exchange) asking(user string) context.Context {
	x.claim(user)
	x.call.Source, x.call.Remembered = x.from.addr, x.isCrowded()
	return backend.WithCall(x.ctx, &x.call)
}

// pingsAsStranger reports whether a client that does not log in asks whether there is a
// registry, as regctl does with the token that it has.
func (x *exchange) pingsAsStranger() bool {
	return x.token.opened && x.token.IsAnonymous() && x.isPing() && x.route.policy.LetsInStrangers(x.from.addr)
}

// isPing reports whether the request is for the root of the registry, where clients find
// out how to log in.
func (x *exchange) isPing() bool { return x.endpoint().Action(x.r.Method) == oci.Login }
