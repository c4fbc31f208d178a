package gateway

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/owntoken"
	"gatehouse/gateway/rules"
)

// silentStore is a Store that gives no answer for a while.
type silentStore struct {
	owntoken.Store
	silent atomic.Bool
}

func (s *silentStore) Find(ctx context.Context, h owntoken.Hash) (owntoken.Token, error) {
	if s.silent.Load() {
		return owntoken.Token{}, backend.ErrUnavailable
	}
	return s.Store.Find(ctx, h)
}

func (s *silentStore) ByID(ctx context.Context, id string) (owntoken.Token, error) {
	if s.silent.Load() {
		return owntoken.Token{}, backend.ErrUnavailable
	}
	return s.Store.ByID(ctx, id)
}

// A store without an answer, such as one that another machine has, refuses nobody: after a
// 401, clients throw away what they keep. Nor does anybody count as one who guesses.
func TestOwnTokenWithoutAnAnswerOfTheStore(t *testing.T) {
	var store *silentStore
	g := newOwnGate(t, func(c *Config) {
		journal, err := owntoken.OpenJournal(t.TempDir() + "/tokens.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { journal.Close() })
		store = &silentStore{Store: journal}
		c.Tokens.Own = owntoken.NewIssuer(store, c.Tokens.Own.Bounds())
		flood, err := backend.NewFlood(c.Routes[0].Backend, backend.FloodConfig{PerSource: 1, SourceBurst: 1})
		if err != nil {
			t.Fatal(err)
		}
		c.Routes[0].Backend = flood
	})
	g.issuer = g.cfg.Tokens.Own
	_, secret := g.create(t, owntoken.Order{})
	kept, s := g.login(t, "push"), g.session(t, basicOf("push:"+secret), "repository:team/a:pull")
	for _, tt := range []struct {
		silent bool
		want   int
	}{{true, 503}, {true, 503}, {false, 200}} {
		store.silent.Store(tt.silent)
		checkStatus(t, "password", g.send(t, "GET", pullTeam, basicOf("push:"+secret), ""), tt.want)
		checkStatus(t, "session", g.send(t, "GET", pullTeam, bearer(s.Token), ""), tt.want)
		checkStatus(t, "what docker keeps", g.refreshed(t, kept), tt.want)
	}
	checkStatus(t, "the first guess", g.send(t, "GET", pullTeam, basicOf("push:gthp_x"), ""), 401)
}

// Of limits that nobody can read, nobody can tell what they let pass, at any request.
func TestOwnTokenWithLimitsThatCannotBeRead(t *testing.T) {
	g := newOwnGate(t, nil)
	for name, limits := range map[string]owntoken.Limits{
		"repositories": {Repositories: []string{"Team/A"}}, "actions": {Actions: []string{"read"}},
		"some": {Repositories: []string{"team/a", "{nobody}"}, Actions: []string{"pull"}},
	} {
		_, secret := g.create(t, owntoken.Order{Name: name, Limits: limits})
		for range 2 {
			checkStatus(t, name, g.send(t, "GET", pullTeam, basicOf("push:"+secret), ""), 401)
		}
	}
}

// An account that can own no token by now lets nobody in by one that it had, and gets none by
// docker login, which keeps the password then.
func TestOwnTokenOfAnAccountThatCanOwnNone(t *testing.T) {
	g := newOwnGate(t, nil)
	loose := g.issuer.Bounds()
	loose.AllowDNAnchor = true
	strict := g.issuer
	g.issuer = strict.With(loose)
	_, secret := g.create(t, owntoken.Order{Owner: owntoken.Owner{Backend: "people", User: "push", Handle: "uid=push", Anchor: "dn:uid=push"}})
	checkStatus(t, "known by its name", g.send(t, "GET", pullTeam, basicOf("push:"+secret), ""), 401)
	g.directory.anchorless = true
	if kept := g.login(t, "push"); kept != "" || !strings.Contains(g.log.String(), "token.unfollowed") {
		t.Errorf("docker keeps %.5s, and the log says %s", kept, g.log.String())
	}
}

// What docker login keeps is good for no longer than a token may be, and none is made of a
// token of a person.
func TestOwnTokenOfDockerLoginIsBounded(t *testing.T) {
	g := newOwnGate(t, func(c *Config) {
		bounds := c.Tokens.Own.Bounds()
		bounds.MaxTTL = 30 * time.Minute
		c.Tokens.Own = c.Tokens.Own.With(bounds)
	})
	g.login(t, "push")
	all, err := g.issuer.List(t.Context(), owntoken.OwnerOf(accountOf("push")))
	if err != nil || len(all) != 1 || all[0].Expires.Sub(all[0].Created) != 30*time.Minute {
		t.Fatalf("%+v, %v", all, err)
	}
	_, secret := g.create(t, owntoken.Order{TTL: time.Minute})
	for name, resp := range map[string]*http.Response{
		"get":  g.send(t, "GET", "/v2/token?offline_token=true", basicOf("push:"+secret), ""),
		"form": g.send(t, "POST", "/v2/token", "", form("grant_type", "password", "username", "push", "password", secret, "access_type", "offline"), formType),
	} {
		if a := answerOfToken(t, resp); a.Refresh != "" {
			t.Errorf("%s: a token of a person made one of docker login", name)
		}
	}
}

// Where there are no tokens of accounts any more, sessions by one end.
func TestOwnTokenSessionEndsWithTheStore(t *testing.T) {
	g := newOwnGate(t, nil)
	_, secret := g.create(t, owntoken.Order{})
	_, robot := g.create(t, owntoken.Order{Kind: owntoken.Robot})
	s, r := g.session(t, basicOf("push:"+secret), "repository:team/a:pull"), g.session(t, basicOf("ci:"+robot), "repository:ci/a:push")
	checkStatus(t, "of a person", g.send(t, "GET", pullTeam, bearer(s.Token), ""), 200)
	checkStatus(t, "of a robot", g.send(t, "PUT", "/v2/ci/a/manifests/1", bearer(r.Token), "x"), 200)
	cfg := g.cfg
	tokens := *cfg.Tokens
	tokens.Own = nil
	cfg.Tokens = &tokens
	if err := g.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, "of a person", g.send(t, "GET", pullTeam, bearer(s.Token), ""), 401, `Bearer .*invalid_token.*`)
	checkAnswer(t, "of a robot", g.send(t, "PUT", "/v2/ci/a/manifests/1", bearer(r.Token), "x"), 401, `Bearer .*invalid_token.*`)
	checkStatus(t, "by itself", g.send(t, "GET", pullTeam, basicOf("push:"+secret), ""), 401)
}

// The list of a registry is filtered for a token, though its owner may see all of it.
func TestOwnTokenHidesNamesOfAWholeList(t *testing.T) {
	up := catalogUpstream(t, []string{"secret/x", "team/a", "zoo"}, nil)
	g := newOwnGate(t, func(c *Config) {
		c.Routes[0].Upstream.URL = up.URL
		c.Routes[0].Rules = []rules.Rule{{Name: "all", Actions: []string{"pull", "catalog"}, Require: mustRequire(t, "valid-user")}}
	})
	_, inTeam := g.create(t, owntoken.Order{Limits: owntoken.Limits{Repositories: []string{"team/**"}}})
	for path, want := range map[string]string{"/v2/_catalog": `{"repositories":["team/a"]}`, "/v2/_catalog?last=team/a": `{"repositories":[]}`} {
		if got := text(t, g.send(t, "GET", path, basicOf("push:"+inTeam), "")); strings.TrimSpace(got) != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := text(t, g.send(t, "GET", "/v2/_catalog?n=10", basic("push"), "")); !strings.Contains(got, "secret/x") {
		t.Errorf("the owner sees %s", got)
	}
}

// Whoever guesses behind a proxy takes nothing from others behind it.
func TestOwnTokenFailuresAreThoseOfTheClientBehindAProxy(t *testing.T) {
	g := newOwnGate(t, func(c *Config) {
		flood, err := backend.NewFlood(c.Routes[0].Backend, backend.FloodConfig{PerSource: 1, SourceBurst: 2})
		if err != nil {
			t.Fatal(err)
		}
		c.Routes[0].Backend = flood
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	for _, want := range []int{401, 401, 429} {
		checkStatus(t, "one", g.send(t, "GET", pullTeam, basicOf("push:gthp_x"), "", "X-Forwarded-For: 192.0.2.7"), want)
	}
	checkStatus(t, "another", g.send(t, "GET", pullTeam, basicOf("push:gthp_x"), "", "X-Forwarded-For: 198.51.100.7"), 401)
	checkStatus(t, "another by password", g.send(t, "GET", pullTeam, basic("push"), "", "X-Forwarded-For: 198.51.100.7"), 200)
}

// A token may be for the repositories of the groups of its owner, which are asked for then
// whether a rule needs them or not.
func TestOwnTokenLimitedToGroups(t *testing.T) {
	g := newOwnGate(t, nil)
	_, secret := g.create(t, owntoken.Order{Limits: owntoken.Limits{Repositories: []string{"{group}/**"}}})
	as := basicOf("push:" + secret)
	checkStatus(t, "of the group", g.send(t, "GET", "/v2/pusher/a/manifests/1", as, ""), 200)
	checkStatus(t, "of another", g.send(t, "GET", pullTeam, as, ""), 403)
	s := g.session(t, as, "repository:pusher/a:pull", "repository:team/a:pull")
	if !strings.Contains(s.Scope, "pusher/a:pull") || strings.Contains(s.Scope, "team/a:pull") {
		t.Errorf("granted %q", s.Scope)
	}
	checkStatus(t, "by session", g.send(t, "GET", "/v2/pusher/a/manifests/1", bearer(s.Token), ""), 200)
}
