package gateway

import (
	"fmt"
	"net/http"
	"strings"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/owntoken"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/token"
)

// isOwnSecret reports whether a text looks like a token of a gateway, which is for nobody else
// and stands in no log.
func isOwnSecret(text string) bool { return token.Is(text) || owntoken.Looks(text) }

// sentOwnToken reports whether the request came with such a token, in whatever place.
func (x *exchange) sentOwnToken() bool {
	header := x.r.Header.Get("Authorization")
	if text, ok := strict.CutBearer(header); ok {
		return isOwnSecret(strings.TrimLeft(text, " "))
	}
	user, password, err := strict.ParseBasic(header)
	return err == nil && (isOwnSecret(user) || isOwnSecret(password))
}

var errTokenAsUser = fault.With("token.as_user", fmt.Errorf("a token was sent in the place of the user name: %w", backend.ErrWrongPassword))

// claim notes the name that somebody logs in with, before anybody has vouched for it. A token
// that was taken for one is a secret, and logs have all names.
func (x *exchange) claim(user string) {
	if !isOwnSecret(user) {
		x.claimed = user
	}
}

// refuseTokenAsUser refuses a token that came where the user name belongs, good or not. A
// directory would write it into its log.
func (x *exchange) refuseTokenAsUser() *problem {
	p := x.failLogin(errTokenAsUser)
	if p.status == http.StatusUnauthorized {
		p.message = "a token was sent in the place of the user name: log in with the name of its owner, and send the token as the password"
	}
	return p
}
