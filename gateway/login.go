package gateway

import (
	"errors"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/owntoken"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/sockets"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/token"
)

// authorize lets a request pass that a rule allows, and finds out no more about
// the user than that rule needs to know.
func (x *exchange) authorize() *problem {
	req := x.asked()
	q := x.route.policy.Ask(req)
	d, p := x.judge(&q)
	if x.route.tokens.asksAnyway(req, x.who, d) {
		p = x.login()
	}
	if p != nil && x.pingsAsStranger() {
		d.Verdict, p = rules.Allowed, nil
	}
	x.decision = d
	if p != nil {
		return p
	}
	if p := answerTo(x.route.policy, req, x.who, d); p != nil {
		if page := x.route.tokens.page(x.host); page != "" && p.tokenHelps != "" {
			p.message = p.tokenHelps + ": make a token at " + page
		}
		return p
	}
	if p := x.checkOwnLimit(req); p != nil {
		return p
	}
	return x.checkScope()
}

// judge decides about q, which is the request itself or one that it implies.
func (x *exchange) judge(q *rules.Question) (rules.Decision, *problem) {
	d := x.route.policy.Answer(q, &x.who)
	if d.Verdict == rules.NeedsLogin || d.Verdict == rules.NeedsGroups {
		defer func(begin time.Time) { x.loginTook += time.Since(begin) }(time.Now())
	}
	if d.Verdict == rules.NeedsLogin {
		if p := x.login(); p != nil {
			return d, p
		}
		d = x.route.policy.Answer(q, &x.who)
	}
	if d.Verdict == rules.NeedsGroups {
		if p := x.learnGroups(); p != nil {
			return d, p
		}
		d = x.route.policy.Answer(q, &x.who)
	}
	if d.Verdict == rules.NeedsGroups && x.missing != nil {
		return d, x.noAnswer("groups", x.missing)
	}
	return d, nil
}

// login finds out who the user is.
func (x *exchange) login() *problem {
	header := x.r.Header["Authorization"]
	if len(header) == 0 {
		return unauthorized(nil)
	}
	if text, ok := strict.CutBearer(header[0]); ok && x.route.tokens.Tokens != nil {
		if p := x.loginByToken(text); p != nil {
			return p
		}
		return x.neededGroups()
	}
	user, password, err := strict.ParseBasic(header[0])
	if err != nil {
		return unauthorized(fault.With("login.malformed", err))
	}
	if p := x.loginByPassword(user, password); p != nil {
		return p
	}
	return x.neededGroups()
}

// loginByPassword finds out whose the password is.
func (x *exchange) loginByPassword(user, password string) *problem {
	x.claim(user)
	if x.ownSocket().IsTurnedAway() {
		x.abort(errTurnedAway) // the first request on it was told why
	}
	switch { // none is a guess of anybody's password
	case isOwnSecret(user):
		return x.refuseTokenAsUser()
	case owntoken.Looks(password):
		return x.loginByOwnToken(user, password)
	case token.Is(password):
		return x.failLogin(errTokenAsPassword)
	}
	id, err := x.route.backend.Authenticate(x.asking(user), user, password)
	if refused := backend.Refused(err) || errors.Is(err, backend.ErrThrottled) || x.call.Remembered && err != nil; refused {
		x.ownSocket().Refuse(!backend.Refused(err))
	}
	switch {
	case err == nil:
		return x.admit(id)
	case backend.Refused(err):
		return unauthorized(err)
	case errors.Is(err, backend.ErrThrottled):
		return throttled(err)
	}
	return x.unanswered("login", err)
}

// admit lets in whom the backend has vouched for.
func (x *exchange) admit(id backend.Identity) *problem {
	if err := checkIdentity(id); err != nil {
		return x.noAnswer("login", err)
	}
	x.who.LoggedIn, x.who.Identity = true, id
	if !x.claimConnection() {
		return tooManyConnections()
	}
	return nil
}

// unanswered is what a client hears when the backend gave no answer about it.
func (x *exchange) unanswered(question string, err error) *problem {
	if x.call.Remembered && errors.Is(err, backend.ErrUnavailable) {
		x.site.sites.crowd.turned.Add(1)
		return undecided(errCrowded)
	}
	return x.noAnswer(question, err)
}

// ownSocket returns the connection that the client has for itself. It is nil for that of
// a trusted proxy, which speaks for many: what one of them does must not be laid to the
// others.
func (x *exchange) ownSocket() *sockets.Socket {
	if x.site.door.proxies.Contains(x.conn.source) {
		return nil
	}
	return sockets.Of(x.conn.conn)
}

var errTurnedAway = fault.With("login.connections", errors.New("a request on a connection that its user has too many of"))

// claimConnection counts the connection for the user, unless it is that of a proxy
// that speaks for many, and reports false for one too many.
func (x *exchange) claimConnection() bool {
	if x.conn.claimed.Load() {
		return true
	}
	user := clientOf(x.who, x.from.addr)
	if !x.ownSocket().Claim(user, x.site.limits.PerUser) {
		return false
	}
	x.conn.claimed.Store(true)
	x.conn.vouch()
	return true
}

// neededGroups asks for the groups where the upstream is to be told of them.
func (x *exchange) neededGroups() *problem {
	h := x.route.groups
	if h.name == "" || h.isKnown(x.route.policy, x.who) {
		return nil
	}
	if p := x.learnGroups(); p != nil {
		return p
	}
	if x.missing != nil && !h.isKnown(x.route.policy, x.who) {
		return x.noAnswer("groups", x.missing)
	}
	return nil
}

// learnGroups asks for the groups of the user. That they cannot be had is not the
// same as that there are none. Where only some can, what is decided by these is.
func (x *exchange) learnGroups() *problem {
	if x.who.GroupsKnown || x.missing != nil {
		return nil
	}
	groups, err := x.route.backend.Groups(backend.WithCall(x.ctx, &x.call), x.who.Identity)
	missing := backend.IncompleteOf(err)
	if err != nil && missing == nil {
		return x.noAnswer("groups", err)
	}
	x.who = x.who.WithGroups(groups, missing)
	if !x.who.GroupsKnown {
		x.missing = missing
	}
	return nil
}

// noAnswer is what a client hears when the backend gave none. It is never a 401,
// after which clients throw stored passwords away.
func (x *exchange) noAnswer(question string, err error) *problem {
	if x.clientGone() {
		x.abort(gone(err))
	}
	if !errors.Is(err, backend.ErrUnavailable) {
		x.site.log.Error("a backend failed", "id", x.id, "question", question, "error", err)
	}
	return undecided(err)
}

// checkIdentity refuses a name that could not be told on: to a header, a log or a
// rule.
func checkIdentity(id backend.Identity) error {
	if id.User == "" || strict.HasControl(id.User) {
		return fault.With("login.bad_name", errors.New("the backend vouched for a user whose name is empty or has control characters"))
	}
	return nil
}
