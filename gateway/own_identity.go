package gateway

import (
	"encoding/hex"
	"strings"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/backend/owntoken"
	"gatehouse/gateway/token"
)

// identityToken makes what docker login keeps in place of the password. It is empty where
// the account can own none, and the client keeps the password then.
func (x *exchange) identityToken() (string, error) {
	desk, owner := &x.route.tokens, owntoken.OwnerOf(x.who.Identity)
	if err := desk.Own.CheckOwner(owner); err != nil {
		x.site.log.Warn("a client keeps a password, since its user can own no token", "id", x.id, "user", owner.User, fault.Attr, "token.unfollowed", "error", err)
		return "", nil
	}
	t, secret, err := desk.Own.Create(x.ctx, owntoken.Order{
		Kind: owntoken.Identity, Name: "login-" + strings.ToLower(x.id), Owner: owner,
		TTL: desk.identityTTL(), By: owner.User, Request: x.id,
	})
	if err != nil {
		return "", err
	}
	x.refresh = refreshID(t.ID)
	return secret, nil
}

// refreshID returns the ID of an identity token as records have that of every refresh token.
func refreshID(id string) (refresh token.ID) {
	if raw, err := hex.DecodeString(id); err == nil {
		copy(refresh[:], raw)
	}
	return refresh
}

// identityTTL returns how long docker login keeps a token, which is no longer than one of a
// person is good.
func (d *tokenDesk) identityTTL() time.Duration {
	if longest := d.Own.Bounds().MaxTTL; longest > 0 {
		return min(d.IdentityTTL, longest)
	}
	return d.IdentityTTL
}
