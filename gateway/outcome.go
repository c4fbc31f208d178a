package gateway

import (
	"errors"
	"net/http"
	"strings"

	"gatehouse/backend"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/upstream"
)

// Outcomes are what the gateway made of a request, in one word for metrics and
// logs. What the upstream said of an allowed one is in its status.
const (
	outcomeAllowed         = "allowed"         // a rule lets it pass, and nothing else kept it
	outcomeDenied          = "denied"          // a rule does not, there is none, or it could not be recorded
	outcomeUnauthenticated = "unauthenticated" // it needs a login, or another one
	outcomeUndecided       = "undecided"       // there was no answer to who the user is
	outcomeLimited         = "limited"         // it came too often
	outcomeInvalid         = "invalid"         // it was malformed, or came to no route
	outcomePreflight       = "preflight"       // a browser asked what a page may send, and was told
)

// outcome says what became of the exchange. It is called at its end.
func (x *exchange) outcome() string {
	switch {
	case x.route == nil:
		return outcomeInvalid
	case x.issued:
		return outcomeAllowed
	case x.answered:
		return outcomePreflight
	case x.passed:
		return outcomeAllowed
	case x.status == http.StatusUnauthorized:
		return outcomeUnauthenticated
	case x.status == http.StatusForbidden, errors.Is(x.cause, errUnaudited):
		return outcomeDenied
	case x.status == http.StatusTooManyRequests:
		return outcomeLimited
	case x.status == http.StatusBadRequest:
		return outcomeInvalid
	}
	return outcomeUndecided
}

// refusalReason says in one word of a small set why a request that was not
// answered by the upstream was refused. A client sees less: it must not learn
// which users exist.
func (x *exchange) refusalReason(p *problem) string {
	switch {
	case x.route == nil || x.decision.Verdict == rules.Allowed && p.status == http.StatusBadRequest:
		return strings.ToLower(p.code)
	case p.tokenError != "":
		return p.tokenError
	case p.status == http.StatusUnauthorized:
		return loginReason(p.cause)
	case errors.Is(p.cause, errGroupsTooLong):
		return "groups_too_long"
	case p.status == http.StatusForbidden && x.decision.Rule == "":
		return "no_rule"
	case p.status == http.StatusForbidden:
		return "rule"
	case p.status == http.StatusTooManyRequests:
		return "too_many_requests"
	case p.status == http.StatusBadGateway:
		return reasonUpstreamAnswer
	}
	return failureReason(p.cause)
}

// loginReason says why somebody is asked for other credentials.
func loginReason(cause error) string {
	switch {
	case cause == nil:
		return "no_credentials"
	case errors.Is(cause, backend.ErrUnknownUser):
		return "unknown_user"
	case errors.Is(cause, backend.ErrWrongPassword):
		return "wrong_password"
	case errors.Is(cause, backend.ErrLocked):
		return "locked"
	}
	return "malformed_credentials"
}

const reasonUpstreamAnswer = "upstream_answer"

// failureReason says what failed, here or behind the gateway.
func failureReason(cause error) string {
	for _, known := range []struct {
		err    error
		reason string
	}{
		{errUnaudited, "unaudited"},
		{upstream.ErrNoSlot, "busy"},
		{upstream.ErrTimeout, "upstream_timeout"},
		{upstream.ErrAnswer, reasonUpstreamAnswer},
		{upstream.ErrGone, "upstream_unreachable"},
		{backend.ErrUnavailable, "backend_unavailable"},
	} {
		if errors.Is(cause, known.err) {
			return known.reason
		}
	}
	return "failed"
}
