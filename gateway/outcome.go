package gateway

import (
	"cmp"
	"errors"
	"net/http"

	"gatehouse/backend/fault"
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
	case x.issued, x.pageAt != nil && x.answered:
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
	case x.status == http.StatusBadRequest, x.pageAt != nil && x.status < http.StatusInternalServerError:
		return outcomeInvalid
	}
	return outcomeUndecided
}

// faultCode returns the code of what went wrong, or of why the gateway answered itself.
func (x *exchange) faultCode() fault.Code { return cmp.Or(fault.Of(x.cause), x.refusal) }

// reason returns the same in one word, and nothing where nothing went wrong.
func (x *exchange) reason() fault.Reason {
	if x.cause != nil {
		return fault.ReasonOf(x.cause)
	}
	return x.refusal.Reason()
}
