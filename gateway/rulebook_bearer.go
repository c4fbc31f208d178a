package gateway

import (
	"errors"
	"net/http"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/token"
)

// Bearer is a token that a request comes with.
type Bearer struct {
	Token token.Token // zero if it could not be opened
	Err   error       // why it could not be, or why the backend does not let its user go on
	At    time.Time   // when the request comes
}

// explainBearer answers a request that comes with a token. Who is then the user whom the
// token names, as far as the backend knows.
func (b *Rulebook) explainBearer(q Question, at entry) Answer {
	stranger := q
	stranger.Who, stranger.BackendDown = rules.Subject{}, false
	a := b.explainRequest(stranger, at)
	if a.Status != http.StatusUnauthorized {
		a.Trace.Notes = append(a.Trace.Notes, "no login is needed for it, so that the token is not looked at")
		return a
	}
	grace, err := b.checkBearer(q, at)
	switch {
	case err != nil:
		a.refuseToken(invalidToken(err))
		return a
	case q.Bearer.Token.IsAnonymous():
		if b.endpoint(at).Action(q.Method) == oci.Login && b.policies[at.index].LetsInStrangers(q.Source) {
			a = Answer{Verdict: rules.Allowed, Trace: a.Trace, Readable: a.Readable}
		}
		return a
	}
	if q.Who.LoggedIn {
		q.Who.Via = rules.Way(q.Bearer.Token.Via)
	}
	a = b.explainRequest(q, at)
	a.Grace = grace
	return a
}

// checkBearer reports why the gateway does not take the token of q, as openToken and
// loginByToken do.
func (b *Rulebook) checkBearer(q Question, at entry) (grace bool, err error) {
	desk, t := b.tokens[at.index], q.Bearer.Token
	if desk.Tokens == nil || b.Tokens == nil {
		return false, fault.With("login.malformed", errors.New("the route knows no tokens"))
	}
	desk.Tokens = b.Tokens
	if t.Issued == 0 {
		return false, q.Bearer.Err
	}
	if err := desk.check(t, at.host, q.Bearer.At); err != nil {
		return false, err
	}
	grace = t.ExpiredSince(q.Bearer.At) >= 0
	switch {
	case grace && !desk.isInGrace(t, b.endpoint(at), q.Method, q.Bearer.At):
		return false, errTokenExpired
	case q.Bearer.Err != nil:
		return false, fault.With("token.refused", q.Bearer.Err)
	}
	return grace, nil
}

// endpoint returns what the request at the door is for.
func (b *Rulebook) endpoint(at entry) oci.Endpoint {
	return oci.Parse(b.tokens[at.index].root, at.target.Path)
}

// checkScope answers a request that the rules allow as far as its token may not have been
// made for it.
func (b *Rulebook) checkScope(q Question, at entry) Answer {
	a := Answer{Verdict: rules.Allowed}
	if q.Bearer != nil && q.Who.LoggedIn && !isMadeFor(q.Bearer.Token, b.endpoint(at), q.Method) {
		a.refuseToken(insufficientScope())
	}
	return a
}

// refuseToken turns a into the refusal p of a token.
func (a *Answer) refuseToken(p *problem) {
	refused := answerOf(p)
	refused.Verdict, refused.TokenErr = rules.NeedsLogin, p.cause
	refused.Trace, refused.Readable = a.Trace, a.Readable
	*a = refused
}
