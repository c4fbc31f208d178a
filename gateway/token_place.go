package gateway

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
)

// CheckChallenge reports why r cannot ask for tokens or passwords as it does, as one of all
// the routes of a gateway that issues tokens, or does not.
func (r Route) CheckChallenge(issues bool, all []Route) error {
	root := r.ForRules().RegistryRoot()
	switch {
	case r.Challenge != "" && r.Challenge != BasicChallenge && r.Challenge != BearerChallenge:
		return fmt.Errorf("challenge %q: it can be basic or bearer", r.Challenge)
	case r.Challenge != BearerChallenge:
		return nil
	case root == "":
		return errors.New("challenge \"bearer\" is for clients of a registry, and the route leads to none: leave the key out, or set registry")
	case !issues:
		return errors.New("challenge \"bearer\" needs a [tokens] table: add one, with key_file = \"FILE\" in it")
	}
	path := r.tokenBase(root) + "token"
	for _, other := range all {
		taken := strings.TrimSuffix(other.Path, "/")
		if rules.Takes(taken, path) && len(taken) > len(strings.TrimSuffix(r.Path, "/")) && r.sharesHost(other) {
			return fmt.Errorf("challenge \"bearer\": clients fetch tokens at %s, which the route with the path %q takes: give that another path", path, other.Path)
		}
	}
	return nil
}

// sharesHost reports whether some host is one of both routes.
func (r Route) sharesHost(other Route) bool {
	return r.Hosts == nil || other.Hosts == nil || slices.ContainsFunc(r.Hosts, func(host string) bool { return slices.Contains(other.Hosts, host) })
}

// CheckTokenURL reports why clients cannot be sent to r.TokenURL for a token. They send
// passwords there.
func (r Route) CheckTokenURL() error {
	if r.TokenURL == "" {
		return nil
	}
	u, err := url.Parse(r.TokenURL)
	switch {
	case r.Challenge != BearerChallenge:
		return errors.New("token_url says where clients fetch tokens, and the route asks for none: set challenge = \"bearer\" too")
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(r.TokenURL, "#"):
		return errors.New("token_url wants scheme, host and path, such as \"https://registry.example/v2/token\"")
	}
	if _, err := strict.ParseHost(u.Host); err != nil || strict.HasControl(r.TokenURL) {
		return errors.New("token_url has no host in it that clients could ask")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !strict.IsLoopback(u.Hostname())) {
		return errors.New("clients send passwords to token_url: write https://")
	}
	return nil
}
