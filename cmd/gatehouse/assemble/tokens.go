package assemble

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/backend/watch"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
	"gatehouse/gateway/token"
)

// tokensHolding is the name of a random key, which a reload goes on with.
const tokensHolding = "tokens"

// revokedHolding is the name of what keeps the revoked tokens.
const revokedHolding = "revoked tokens"

// oldKey is the age of a key from which it is warned of.
const oldKey = 365 * 24 * time.Hour

// tokens returns how the gateway issues tokens, nil if it does not.
func (a *Assembly) tokens() *gateway.Tokens {
	c := a.Config
	if !c.Origin.Has("tokens") {
		return nil
	}
	keys, revoked := a.keyring(), a.revocations()
	if keys == nil || revoked == nil {
		return nil
	}
	return &gateway.Tokens{
		Keys: keys, Revoked: revoked, TTL: c.Tokens.TTL.Duration, UploadGrace: c.Tokens.UploadGrace.Duration, IdentityTTL: c.Tokens.IdentityTTL.Duration,
		SelfService: c.Tokens.SelfService,
	}
}

// keyring returns the keys for tokens, nil if they cannot be used.
func (a *Assembly) keyring() *token.Keyring {
	t := a.Config.Tokens
	source := config.SecretSource{Name: "key", File: a.Config.Origin.Lead(t.KeyFile), Credential: t.KeyCredential, Variable: t.KeyEnv}
	if !source.IsSet() {
		return a.randomKeyring()
	}
	text, err := source.Read()
	if err != nil {
		a.Report.Add(err, a.Config.Origin, []any{"tokens"}, source.Key())
		return nil
	}
	keys, err := token.ParseKeys(text.Reveal())
	if err == nil {
		a.warnOfAge(source.Key(), keys)
		var ring *token.Keyring
		if ring, err = token.NewKeyring(keys); err == nil {
			return ring
		}
	}
	for _, err := range fault.Leaves(err) {
		a.Report.Codef("token.keys.malformed", a.Config.Origin.At("tokens", source.Key()), "the keys for tokens cannot be used: "+err.Error())
	}
	return nil
}

// randomKeyring returns a key that lives as long as the process.
func (a *Assembly) randomKeyring() *token.Keyring {
	a.Report.Warnf(a.Config.Origin.At("tokens"), "no key is set: tokens end with the process, and other replicas do not know them; make a file with: gatehouse token key, and name it in key_file")
	var none watch.Sum
	if a.takeOver(tokensHolding, none) {
		return a.held[tokensHolding].thing.(*token.Keyring)
	}
	ring, err := token.NewKeyring([]token.Key{token.NewKey(time.Now())})
	if err != nil {
		a.Report.Errorf(a.Config.Origin.At("tokens"), "%v", err)
		return nil
	}
	a.hold(tokensHolding, none, ring)
	return ring
}

// revocations returns what keeps the tokens that no longer count, nil if its file cannot be
// used. A reload goes on with what there is: a file that could not be written lags behind.
func (a *Assembly) revocations() *token.Revocations {
	at := a.Config.Origin.At("tokens", "state_file")
	path := a.Config.Origin.File(a.Config.Tokens.StateFile, "tokens", "state_file")
	a.checkPlace(at, path, 0)
	if path == "" && a.Config.Tokens.IdentityTTL.Duration > 0 {
		a.Report.Errorf(a.Config.Origin.At("tokens", "identity_ttl"), "identity_ttl needs a state_file: without one, a login that gatehouse revoke has ended counts again after a restart")
	}
	if same := watch.Sum(sha256.Sum256([]byte(path))); !a.takeOver(revokedHolding, same) {
		r, err := token.OpenRevocations(path)
		if err != nil {
			a.Report.Errorf(at, "revoked tokens: %s: %v", path, err)
			return nil
		}
		a.hold(revokedHolding, same, r)
	}
	if dir := filepath.Dir(path); path != "" && errors.Is(syscall.Access(dir, accessWrite), fs.ErrPermission) {
		a.Report.Warnf(at, "this user may not write to %s: what gatehouse revoke ends would count again after the next start", dir)
	}
	return a.held[revokedHolding].thing.(*token.Revocations)
}

// accessWrite asks access(2) whether something may be written.
const accessWrite = 2

// warnOfAge warns of a key that is the only one, and old.
func (a *Assembly) warnOfAge(source string, keys []token.Key) {
	if made, ok := keys[0].Made(); ok && len(keys) == 1 && time.Since(made) > oldKey {
		a.Report.Warnf(a.Config.Origin.At("tokens", source), "the only key for tokens is of %s: add another one, and let it be the first when all replicas have it", made.Format(time.DateOnly))
	}
}

// checkChallenges checks how routes ask for credentials, when all of them are known.
func (a *Assembly) checkChallenges() {
	issues := a.Config.Origin.Has("tokens")
	for i, route := range a.Gateway.Routes {
		if err := route.CheckTokenURL(); err != nil {
			a.Report.Errorf(a.at(i, "token_url"), "%v", err)
		}
		err := route.CheckChallenge(issues, a.Gateway.Routes)
		if err == nil && route.Challenge == gateway.BearerChallenge && route.TokenURL == "" && a.isReadable() {
			err = errors.New("challenge \"bearer\" over plain HTTP would have clients send passwords to http://: name the proxy that terminates TLS in trusted_proxies, or set token_url")
		}
		if err != nil {
			a.Report.Errorf(a.at(i, "challenge"), "%v", err)
		}
	}
}

// isReadable reports whether others than this machine may come over plain HTTP, and nobody
// says that they came to it over TLS.
func (a *Assembly) isReadable() bool {
	if a.wantsTLS() || len(a.Gateway.TrustedProxies) > 0 {
		return false
	}
	for _, addr := range a.Config.Listen {
		if loopback, err := CheckListenAddress(addr); err == nil && !loopback {
			return true
		}
	}
	return false
}
