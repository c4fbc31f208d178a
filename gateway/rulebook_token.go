package gateway

import (
	"net/http"

	"gatehouse/gateway/rules"
)

// explainPage answers a request to the page on which users make tokens, as answerPage does.
func explainPage(q Question, at entry) Answer {
	switch p := checkPageRequest(q.request(), &at); {
	case p != nil:
		return answerOf(p)
	case q.Bearer != nil:
		return answerOf(tokenAtPage())
	case !q.Who.LoggedIn:
		a := answerOf(unauthorized(nil))
		a.Verdict = rules.NeedsLogin
		return a
	}
	return Answer{Verdict: rules.Allowed, Status: http.StatusOK}
}

// explainToken answers a request for a token, as answerTokenRequest does. What is asked for
// stands in parameters and forms, which no question has.
func (b *Rulebook) explainToken(q Question, at entry) Answer {
	if p := checkTokenMethod(q.Method); p != nil {
		return answerOf(p)
	}
	if !q.Who.LoggedIn && !b.policies[at.index].LetsInStrangers(q.Source) {
		a := answerOf(unauthorized(nil))
		a.Verdict = rules.NeedsLogin
		return a
	}
	return Answer{Verdict: rules.Allowed, Status: http.StatusOK}
}
