package gateway

import (
	"net/http"

	"gatehouse/gateway/oci"
	"gatehouse/gateway/token"
)

// checkScope refuses what the rules allow and the token that came with it was not made
// for.
func (x *exchange) checkScope() *problem {
	if !x.bySession() {
		return nil
	}
	if isMadeFor(x.token.Token, x.endpoint(), x.r.Method) {
		x.countToken(tokenOK)
		return nil
	}
	x.countToken(tokenScope)
	return insufficientScope()
}

// insufficientScope is the answer to a token that was made for something else. Its challenge
// has what the request needs.
func insufficientScope() *problem {
	p := unauthorized(errTokenScope)
	p.message, p.tokenError = "the token was made for something else; please ask for another one", "insufficient_scope"
	return p
}

// isMadeFor reports whether a request is in the scope of t, if there are scopes for such.
func isMadeFor(t token.Token, e oci.Endpoint, method string) bool {
	action := scopeAction(e, method)
	return action == "" || t.Scopes.Allow(e.Repository, action)
}

// bySession reports whether the user came with a token that was made at the address for that.
func (x *exchange) bySession() bool { return x.who.LoggedIn && x.token.opened }

// inScope reports whether the scopes of a token do not keep the user from an action in a
// repository.
func (x *exchange) inScope(repository string, action oci.Action) bool {
	return !x.bySession() || x.token.Scopes.Allow(repository, action)
}

// scopeAction returns the action that a token needs for a request, empty if there are no
// scopes for such.
func scopeAction(e oci.Endpoint, method string) oci.Action {
	action := e.Action(method)
	switch {
	case action == oci.Extend && e.Repository != "" && (method == http.MethodGet || method == http.MethodHead):
		return oci.Pull
	case action == oci.Extend && e.Repository != "":
		return oci.Push
	case action == oci.Extend, action == oci.Login:
		return ""
	}
	return action
}

// scopeText returns a scope as it is written.
func scopeText(repository string, actions []oci.Action) string {
	return token.Scope{Repository: repository, Actions: actions}.String()
}
