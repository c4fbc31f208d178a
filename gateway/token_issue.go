package gateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/token"
)

// answerTokenRequest issues a token, where the request is for one. Whoever sends
// credentials logs in as with any request, through the same guards. Whoever sends none gets
// a token of nobody, if some rule lets such a one in.
func (x *exchange) answerTokenRequest() *problem {
	if !x.route.tokens.serves(x.target.Path) {
		return nil
	}
	if p := checkTokenMethod(x.r.Method); p != nil {
		return p
	}
	ask, p := x.readTokenRequest()
	if p != nil {
		return p
	}
	if p := x.checkTokenRequest(ask); p != nil {
		return p
	}
	defer func() { x.countTokenRequest(ask.grant) }()
	if p := x.loginForToken(ask); p != nil {
		return p
	}
	return x.issueToken(ask)
}

func checkTokenMethod(method string) *problem {
	if method == http.MethodGet || method == http.MethodPost {
		return nil
	}
	return &problem{status: http.StatusMethodNotAllowed, code: codeUnsupported, fault: "request.unsupported", allow: "GET, POST", message: "a token is asked for with GET or POST"}
}

// checkTokenRequest refuses what cannot be meant.
func (x *exchange) checkTokenRequest(ask tokenRequest) *problem {
	switch {
	case x.host == "":
		return badRequest("a token is for one host, and the request names none")
	case ask.service != "" && !x.route.tokens.isFor(ask.service, x.host):
		return badRequest("this host has no service of that name")
	}
	return nil
}

// loginForToken finds out who wants a token.
func (x *exchange) loginForToken(ask tokenRequest) *problem {
	defer func(begin time.Time) { x.loginTook += time.Since(begin) }(time.Now())
	switch {
	case ask.grant == grantRefresh:
		return x.loginByRefresh(ask)
	case ask.grant == grantAnonymous && !x.route.policy.LetsInStrangers(x.from.addr):
		return unauthorized(nil)
	case ask.grant == grantAnonymous:
		return nil
	}
	if ask.user == "" {
		var err error
		if ask.user, ask.password, err = strict.ParseBasic(x.r.Header.Get("Authorization")); err != nil {
			return unauthorized(fault.With("login.malformed", err))
		}
	}
	if account, err := strict.UserName(ask.account); ask.account != "" && (err != nil || account != ask.user) {
		return badRequest("the account is not the user who logs in")
	}
	return x.loginByPassword(ask.user, ask.password)
}

// issueToken answers with a token for as much of what was asked for as the rules allow. The
// answer says how long it is good: there are clients that never ask again otherwise. It has
// both names that clients look for.
func (x *exchange) issueToken(ask tokenRequest) *problem {
	granted, p := x.grant(ask.scopes)
	if p != nil {
		return p
	}
	if p := x.promiseAudit(); p != nil {
		return p
	}
	desk := &x.route.tokens
	t := x.newToken(desk.TTL)
	t.Scopes = granted
	text, err := desk.Keys.Seal(token.Access, t)
	kept := ""
	if err == nil {
		kept, err = x.refreshToken(ask)
	}
	switch {
	case errors.Is(err, token.ErrTooLong):
		return tooManyScopes()
	case err != nil:
		return unavailable("no token can be made at the moment; please try again", err)
	}
	answer := map[string]any{
		"token": text, "access_token": text, "token_type": "Bearer", "expires_in": int64(desk.TTL / time.Second),
		"issued_at": x.start.UTC().Format(time.RFC3339), "scope": string(granted),
	}
	if kept != "" {
		answer["refresh_token"] = kept
	}
	body, _ := json.Marshal(answer) // which always encodes
	x.token.Token = t
	x.sendToken(append(body, '\n'))
	return nil
}

// newToken returns a token of whoever asks for one, for this place, which is good for ttl.
func (x *exchange) newToken(ttl time.Duration) token.Token {
	t := token.Token{ID: token.NewID(), Issued: x.start.Unix(), Expires: x.start.Add(ttl).Unix(), Service: x.route.tokens.service(x.host)}
	if x.who.LoggedIn {
		t.Identity, t.Via = x.who.Identity, string(x.who.Via)
	}
	if x.own != nil {
		t.Own = x.own.ID
	}
	return t
}

// sendToken answers with a token. No page on another host may read it, whatever else it may
// read: a browser adds the password that it remembers.
func (x *exchange) sendToken(body []byte) {
	x.answered, x.issued, x.status = true, true, http.StatusOK
	x.endIfUnread()
	h := x.w.Header()
	x.stamp(h)
	withoutCORS(h)
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	x.answerHere(body)
}

func tooManyScopes() *problem { return badRequest("ask for fewer repositories at once") }

// grant returns those of the scopes for which the rules may let the user do something. It
// is no error if that is less than was asked for: the request itself is told why.
func (x *exchange) grant(asked []string) (token.Scopes, *problem) {
	list, err := token.ParseScopes(asked)
	if err != nil {
		return "", tooManyScopes()
	}
	for i := range list {
		var allowed []oci.Action
		for _, action := range list[i].Actions {
			if !x.own.allowsAction(list[i].Repository, action, &x.who) {
				continue
			}
			ok, p := x.mayEver(list[i].Repository, action)
			if p != nil {
				return "", p
			}
			if ok {
				allowed = append(allowed, action)
			}
		}
		list[i].Actions = allowed
	}
	return token.NewScopes(list), nil
}

// mayEver reports whether some request that does an action in a repository passes the
// rules.
func (x *exchange) mayEver(repository string, action oci.Action) (bool, *problem) {
	for _, req := range x.route.policy.Samples(repository, action, x.from.addr) {
		if x.site.door.router.lookup(x.host, req.Path) != x.index {
			continue
		}
		q := x.route.policy.Ask(req)
		d := x.route.policy.Answer(&q, &x.who)
		if d.Verdict == rules.NeedsGroups {
			var p *problem
			if d, p = x.judge(&q); p != nil {
				return false, p
			}
		}
		if d.Verdict == rules.Allowed {
			return true, nil
		}
	}
	return false, nil
}
