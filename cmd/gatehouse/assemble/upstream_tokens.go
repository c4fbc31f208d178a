package assemble

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"time"

	"gatehouse/backend/watch"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
	"gatehouse/gateway/signing"
	"gatehouse/gateway/upstream"
)

// soonOver is how long before its end the certificate of a key for upstreams is warned of.
// The registry has to be told of another one.
const soonOver = 60 * 24 * time.Hour

// signerHolding is the name of a signer, which routes of equal keys and names share, and a
// reload goes on with.
func signerHolding(source watch.Sum) string { return fmt.Sprintf("signer %x", source) }

// signer returns what signs tokens for the upstream of the route at index i, nil for none.
func (a *Assembly) signer(i int) *signing.Signer {
	r, o, source := a.Config.Routes[i], a.Config.Origin, a.signerKey(i)
	if !source.IsSet() {
		for _, key := range []string{"upstream_token_issuer", "upstream_token_service"} {
			if o.Has(key, "route", i) {
				a.Report.Errorf(a.at(i, key), "%s is about tokens for the upstream, which nothing signs: set upstream_token_key_file too", key)
			}
		}
		return nil
	}
	text, err := source.Read()
	if err != nil {
		a.Report.Add(err, o, []any{"route", i}, source.Key())
		return nil
	}
	name := signing.Name{
		Issuer:  cmp.Or(r.UpstreamTokenIssuer, config.DefaultUpstreamTokenIssuer),
		Service: cmp.Or(r.UpstreamTokenService, config.DefaultUpstreamTokenService),
	}
	s, err := a.openSigner(text.Reveal(), name)
	if err != nil {
		a.Report.Codef("upstream.token.key", a.at(i, source.Key()), "the key for tokens for the upstream cannot be used: "+err.Error())
		return nil
	}
	a.warnOfKey(a.at(i, source.Key()), s.Key())
	return s
}

// signerKey returns where the key of the route at index i is.
func (a *Assembly) signerKey(i int) config.SecretSource {
	r := a.Config.Routes[i]
	return config.SecretSource{
		Name: "upstream_token_key", File: a.Config.Origin.Lead(r.UpstreamTokenKeyFile),
		Credential: r.UpstreamTokenKeyCredential, Variable: r.UpstreamTokenKeyEnv,
	}
}

// openSigner returns the signer with that key and those names.
func (a *Assembly) openSigner(key string, name signing.Name) (*signing.Signer, error) {
	source := watch.Sum(sha256.Sum256(fmt.Appendf(nil, "%q", []string{key, name.Issuer, name.Service})))
	holding := signerHolding(source)
	if a.held[holding] == nil && !a.takeOver(holding, source) {
		k, err := signing.ParseKey(key, time.Now())
		if err != nil {
			return nil, err
		}
		s, err := signing.New(k, name)
		if err != nil {
			return nil, err
		}
		a.hold(holding, source, s)
	}
	return a.held[holding].thing.(*signing.Signer), nil
}

// warnOfKey warns of a key that will not be of use, or not everywhere.
func (a *Assembly) warnOfKey(at config.Place, k *signing.Key) {
	if time.Until(k.NotAfter()) < soonOver {
		a.Report.Warnf(at, "the certificate of the key for tokens ends on %s, and the registry refuses every token from then on: make another one with gatehouse token key --upstream, and have the registry trust both until it is in use", k.NotAfter().Format(time.DateOnly))
	}
	if k.IsEd25519() {
		a.Report.Warnf(at, "the key for tokens is one of Ed25519, which registries before version 3 do not know: gatehouse token key --upstream makes one that all know")
	}
}

// checkSigners checks who is sent signed tokens, when all routes are known.
func (a *Assembly) checkSigners() {
	for i, route := range a.Gateway.Routes {
		if err := route.CheckUpstreamTokens(); err != nil {
			a.Report.Errorf(a.at(i, a.signerKey(i).Key()), "%v", err)
		}
		for _, other := range a.Gateway.Routes[:i] {
			if sharesTokens(route, other) {
				a.Report.Warnf(a.at(i, a.signerKey(i).Key()), "this route and that with the path %q lead to different registries, and a token for the one is good at the other: give each its own upstream_token_service", other.Path)
				break
			}
		}
	}
}

// sharesTokens reports whether two routes lead to different services that take the same
// tokens.
func sharesTokens(a, b gateway.Route) bool {
	if a.UpstreamTokens == nil || b.UpstreamTokens == nil || !a.UpstreamTokens.SameAs(b.UpstreamTokens) {
		return false
	}
	one, errOne := upstream.ParseURL(a.Upstream.URL)
	two, errTwo := upstream.ParseURL(b.Upstream.URL)
	return errOne == nil && errTwo == nil && one.WithoutPath() != two.WithoutPath()
}
