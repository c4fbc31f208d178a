package gateway

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/owntoken"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/token"
)

// ownToken is the token of an account that somebody logged in with.
type ownToken struct {
	owntoken.Token
	limit rules.Limit
}

// Errors about tokens of accounts besides those of package owntoken.
var (
	errOwnFrom    = fault.With("token.own.from", fmt.Errorf("the token may not be used from this address: %w", backend.ErrWrongPassword))
	errOwnKind    = fault.With("token.own.kind", fmt.Errorf("the token is of another kind: one that docker login keeps is no password, and no other one is kept by it: %w", backend.ErrWrongPassword))
	errOwnPlace   = fault.With("token.other_host", fmt.Errorf("the token is of an account of another backend than those of this route: %w", backend.ErrWrongPassword))
	errOwnAccount = fault.With("token.other_account", fmt.Errorf("the token was revoked: the account that owned it is another one by now, which was made anew under the name: %w", backend.ErrWrongPassword))
	errOwnOwner   = fault.With("token.refused", fmt.Errorf("the account that owns the token may not log in: %w", backend.ErrLocked))
	errOwnLimits  = fault.With("token.own.malformed", errors.New("the limits of the token cannot be read"))
)

// loginByOwnToken finds out who the user is by a token that came in the place of a password.
// It is shown to no backend, which would count it among the wrong passwords of the account.
func (x *exchange) loginByOwnToken(user, secret string) *problem {
	own, err := x.route.tokens.findOwn(x, secret)
	if err == nil && own.Kind == owntoken.Identity {
		err = errOwnKind
	}
	if err == nil && !x.route.tokens.isOwner(own.Token, user) {
		err = owntoken.ErrOther
	}
	if err == nil {
		return x.admitOwner(own, rules.ByToken)
	}
	return x.refuseOwn(own, err)
}

// loginByIdentityToken finds out who the user is by what docker login keeps.
func (x *exchange) loginByIdentityToken(ask tokenRequest) *problem {
	own, err := x.route.tokens.findOwn(x, ask.refresh)
	if own != nil {
		x.refresh, x.claimed = refreshID(own.ID), own.Owner.User
	}
	switch {
	case err == nil && own.Kind != owntoken.Identity:
		err = errOwnKind
	case err == nil && ask.account != "" && !x.route.tokens.isOwner(own.Token, ask.account):
		return badRequest("the account is not that of the refresh token")
	}
	if err == nil {
		return x.admitOwner(own, rules.ByIdentity)
	}
	if errors.Is(err, backend.ErrUnavailable) {
		return x.noAnswer("token", err)
	}
	return x.refuseRefresh(err)
}

// loginByOwnerOf finds out who the user is by a token that was made for the token of an
// account, and ends with it.
func (x *exchange) loginByOwnerOf(t token.Token) *problem {
	own, err := x.route.tokens.ownByID(x, t.Own)
	switch {
	case err == nil:
		return x.admitOwner(own, rules.Way(t.Via))
	case errors.Is(err, backend.ErrUnavailable):
		return x.noAnswer("token", err)
	}
	x.countToken(tokenRefused)
	return invalidToken(err)
}

// admitOwner lets in whoever owns a token, if the account may still log in. What states of
// it end its tokens is configured; its password is none of them.
func (x *exchange) admitOwner(own *ownToken, way rules.Way) *problem {
	id, err := x.ownerOf(own)
	switch {
	case err == nil:
		x.who.Via, x.own = way, own
		x.route.tokens.Own.Note(own.ID, owntoken.Use{At: x.start, From: x.from.addr})
		return x.admitWithLimit(id)
	case backend.StandingOf(err) == backend.Replaced:
		return x.revokeOwn(own, err)
	case backend.Refused(err):
		return x.refuseOwn(own, fmt.Errorf("%w: %w", errOwnOwner, err))
	}
	return x.unanswered("token", err)
}

// admitWithLimit lets in the owner of a token, with the groups if its limit depends on them.
func (x *exchange) admitWithLimit(id backend.Identity) *problem {
	if p := x.admit(id); p != nil || !x.own.limit.AsksGroups() {
		return p
	}
	if p := x.learnGroups(); p != nil || x.missing == nil {
		return p
	}
	return x.noAnswer("groups", x.missing)
}

// ownerOf returns who logs in with a token: the account that owns it, or the robot that it is
// for, while the account that answers for the robot stands. A robot is in no group, and no
// backend is asked about it.
func (x *exchange) ownerOf(own *ownToken) (id backend.Identity, err error) {
	if own.Owner.User != "" {
		id, err = x.route.tokens.accounts.ConfirmAccount(x.asking(own.Owner.User), own.Owner.Identity())
	}
	if err == nil && own.Kind == owntoken.Robot {
		id, x.who.GroupsKnown = rules.RobotIdentity(own.Name), true
	}
	return id, err
}

// revokeOwn ends a token of an account that there is no more: another one has its name.
func (x *exchange) revokeOwn(own *ownToken, cause error) *problem {
	_, err := x.route.tokens.Own.Revoke(x.ctx, "gatehouse: another account has the name", own.ID)
	x.site.log.Error("a token was revoked: another account has been made under the name of its owner", "id", x.id, fault.Attr, fault.Of(errOwnAccount),
		"token", own.ID, "name", own.Name, "user", own.Owner.User, "backend", own.Owner.Backend, "cause", cause, "error", err)
	return x.refuseOwn(own, errOwnAccount)
}

// refuseOwn is the answer to a token of an account that lets nobody in. Whoever sends one
// that there is or was may know what has become of it.
func (x *exchange) refuseOwn(own *ownToken, cause error) *problem {
	if errors.Is(cause, backend.ErrUnavailable) {
		return x.noAnswer("token", cause)
	}
	x.countToken(tokenRefused)
	switch {
	case x.token.opened:
		return invalidToken(cause)
	case own != nil && own.Kind == owntoken.Identity && x.refresh != (token.ID{}): // the client keeps it
		return x.refuseRefresh(cause)
	}
	p := x.failLogin(cause)
	if own != nil && p.status == http.StatusUnauthorized {
		p.message = own.refusal(cause) + x.whereToGetOne()
	}
	return p
}

// refusal says what is wrong with a token, to somebody who has it.
func (o *ownToken) refusal(cause error) string {
	name := fmt.Sprintf("the token %q (id %s) ", o.Name, o.ID)
	switch {
	case errors.Is(cause, owntoken.ErrExpired):
		return name + "has expired on " + o.Expires.UTC().Format(time.DateOnly)
	case errors.Is(cause, owntoken.ErrRevoked), errors.Is(cause, errOwnAccount):
		return name + "was revoked"
	case errors.Is(cause, owntoken.ErrOther):
		return name + "is of another user: log in with the name of its owner"
	case errors.Is(cause, errOwnFrom):
		return name + "may not be used from this address"
	case errors.Is(cause, errOwnPlace):
		return name + "is not for this host"
	case errors.Is(cause, errOwnKind):
		return name + "cannot be used in this way"
	}
	return name + "does not count: its owner may not log in"
}

// whereToGetOne says where users make tokens, if there is such a place.
func (x *exchange) whereToGetOne() string {
	if page := x.route.tokens.page(x.host); page != "" {
		return "; make another one at " + page
	}
	return ""
}

// page returns the address of the page on which users make tokens, empty if there is none.
func (d *tokenDesk) page(host string) string {
	if d.Tokens == nil || d.SelfService == "" || host == "" {
		return ""
	}
	return "https://" + host + d.SelfService
}

// findOwn returns the token with a secret, if it is good here and now. With an error it
// returns the token, too, if there is one.
func (d *tokenDesk) findOwn(x *exchange, secret string) (*ownToken, error) {
	if d.Tokens == nil || d.Own == nil {
		return nil, owntoken.ErrNone
	}
	t, err := d.Own.Find(x.ctx, secret)
	if err != nil {
		return nil, err
	}
	return d.checkOwn(x, t)
}

// ownByID does so for the token with an ID.
func (d *tokenDesk) ownByID(x *exchange, id string) (*ownToken, error) {
	if d.Own == nil {
		return nil, owntoken.ErrNone
	}
	t, err := d.Own.ByID(x.ctx, id)
	if err != nil {
		return nil, err
	}
	return d.checkOwn(x, t)
}

func (d *tokenDesk) checkOwn(x *exchange, t owntoken.Token) (*ownToken, error) {
	own := &ownToken{Token: t}
	var err error
	if own.limit, err = d.limits.of(t); err != nil {
		return own, fmt.Errorf("%w: %w: %w", backend.ErrWrongPassword, errOwnLimits, err)
	}
	if err := t.At(x.start); err != nil {
		return own, err
	}
	switch {
	case !t.LetsFrom(x.from.addr):
		return own, errOwnFrom
	case !d.vouchesFor(t.Owner.Backend):
		return own, errOwnPlace
	case !d.canFollow(t.Owner):
		return own, errUnfollowed
	}
	return own, nil
}

// canFollow reports whether it can be told for as long as one likes that an account is still
// the one that owns a token.
func (d *tokenDesk) canFollow(o owntoken.Owner) bool {
	if d.Own.CheckOwner(o) != nil {
		return false
	}
	return o.User == "" || o.IsKnownByDN() || d.accounts.Follows(o.Identity())
}

// isOwner reports whether a name, as it was typed, is that by which one logs in with t.
func (d *tokenDesk) isOwner(t owntoken.Token, user string) bool {
	if t.Kind == owntoken.Robot {
		return user == t.Name
	}
	return d.accounts.Spelling(t.Owner.Backend).CanonicalUser(user) == t.Owner.User
}

// checkOwnLimit refuses what the rules allow and the token of the account is not for.
func (x *exchange) checkOwnLimit(req rules.Request) *problem {
	if x.own == nil || x.own.limit.Allows(x.endpoint(), req.Method, &x.who) {
		return nil
	}
	action, repository := x.route.policy.Describe(req)
	p := &problem{status: http.StatusForbidden, code: codeDenied, fault: "token.own.limit", signed: true}
	what := action
	if repository != "" {
		what += " " + repository
	}
	p.message = fmt.Sprintf("%s may not %s with token %q: it is for %s (id %s)", x.who.Identity.User, what, x.own.Name, x.own.limit, x.own.ID)
	p.detail = map[string]string{"token": x.own.ID, "action": action}
	if repository != "" {
		p.detail["repository"] = repository
	}
	return p
}

// The methods below are of nil, where nobody came with such a token, too.

func (o *ownToken) allowsAction(repository string, action oci.Action, who *rules.Subject) bool {
	return o == nil || o.limit.AllowsAction(repository, action, who)
}

// hides reports whether a list of repositories has to be filtered.
func (o *ownToken) hides() bool { return o != nil && o.limit.Hides() }

// warnedAhead is how long before its end a client is warned of it.
const warnedAhead = 7 * 24 * time.Hour

// warning returns the Warning field of answers to whoever has a token that ends soon; OCI
// distribution specification 1.1, "Warnings". It is empty for others.
func (o *ownToken) warning(now time.Time) string {
	if o == nil || o.Expires.Sub(now) > warnedAhead {
		return ""
	}
	days := int(math.Ceil(o.Expires.Sub(now).Hours() / 24))
	switch {
	case days <= 0:
		return ""
	case days == 1:
		return fmt.Sprintf(`299 - "token %s ends within a day"`, o.Name)
	}
	return fmt.Sprintf(`299 - "token %s ends in %d days"`, o.Name, days)
}
