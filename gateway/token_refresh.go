package gateway

import (
	"errors"
	"net/http"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/owntoken"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/token"
)

// A refresh token is what a client keeps in place of the password, as docker login does that
// is given one. It is good for nothing but tokens for requests, at the place where it was
// made, for as long as the account is what it was.

// Errors about refresh tokens besides those about all tokens.
var (
	errUnfollowed      = fault.With("token.unfollowed", errors.New("the backend cannot tell without the password whether the account is still the same"))
	errTokenAsPassword = fault.With("token.malformed", errors.New("a token of this gateway was sent in the place of a password"))
)

// refreshToken returns what a client may keep that has asked for it, empty if there is no
// such thing for it. It takes the password itself: whoever has no more than a token could
// go on for ever otherwise.
func (x *exchange) refreshToken(ask tokenRequest) (string, error) {
	desk := &x.route.tokens
	switch {
	case desk.IdentityTTL <= 0 || !ask.offline || ask.grant != grantPassword || x.own != nil:
		return "", nil
	case desk.Own != nil:
		return x.identityToken()
	case !desk.accounts.Follows(x.who.Identity):
		x.site.log.Warn("a client keeps a password, since it can have no refresh token", "id", x.id, "user", x.who.Identity.User, fault.Attr, fault.Of(errUnfollowed), "error", errUnfollowed)
		return "", nil
	}
	t := x.newToken(desk.IdentityTTL)
	x.refresh = t.ID
	return desk.Keys.Seal(token.Refresh, t)
}

// loginByRefresh finds out who the user is by a refresh token.
func (x *exchange) loginByRefresh(ask tokenRequest) *problem {
	if owntoken.Looks(ask.refresh) {
		return x.loginByIdentityToken(ask)
	}
	t, err := x.openRefreshToken(ask.refresh)
	if err != nil {
		return x.refuseRefresh(err)
	}
	if ask.account != "" && !x.mayBeCalled(ask.account, t.Identity) {
		return badRequest("the account is not that of the refresh token")
	}
	id, err := x.confirm(t.Identity)
	switch {
	case err == nil:
		x.who.Via = rules.ByIdentity
		return x.admit(id)
	case backend.Refused(err):
		return x.refuseRefresh(fault.With("token.refused", err))
	}
	return x.unanswered("token", err)
}

// mayBeCalled reports whether id logs in under a name, in the spelling of its backend.
func (x *exchange) mayBeCalled(name string, id backend.Identity) bool {
	name, err := strict.UserName(name)
	return err == nil && x.route.tokens.accounts.Spelling(id.Source).CanonicalUser(name) == id.User
}

// openRefreshToken reads a refresh token. A time that is made shorter counts for those that
// there are.
func (x *exchange) openRefreshToken(text string) (token.Token, error) {
	desk := &x.route.tokens
	t, err := desk.open(token.Refresh, text, x.host, x.start)
	x.refresh, x.claimed = t.ID, t.Identity.User
	switch {
	case err != nil:
		return t, err
	case t.ExpiredSince(x.start) >= 0 || x.start.Sub(time.Unix(t.Issued, 0)) >= desk.IdentityTTL:
		return t, errTokenExpired
	case t.IsAnonymous():
		return t, token.ErrMalformed
	case !desk.accounts.Follows(t.Identity):
		return t, errUnfollowed
	}
	return t, nil
}

// refuseRefresh is the answer to a refresh token that is none, or not any more. The client
// will send it for ever: a person has to have it forgotten.
func (x *exchange) refuseRefresh(cause error) *problem {
	p := x.failLogin(cause)
	if p.status == http.StatusUnauthorized {
		p.message = `the login that is kept for this host has ended, or was never made here: run "docker logout" for it, and log in again`
	}
	return p
}

// failLogin refuses a login about which no backend was asked, and counts it among those that
// fail.
func (x *exchange) failLogin(cause error) *problem {
	x.call.Source = x.from.addr
	err := x.route.tokens.accounts.Fail(backend.WithCall(x.ctx, &x.call), cause)
	x.ownSocket().Refuse(errors.Is(err, backend.ErrThrottled))
	switch {
	case errors.Is(err, backend.ErrThrottled):
		return throttled(err)
	case errors.Is(err, backend.ErrUnavailable):
		return x.noAnswer("token", err)
	}
	return unauthorized(cause)
}
