package gateway

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/gateway/rules"
	"gatehouse/gateway/token"
	"gatehouse/internal/testkit"
)

// issues reports whether a request for a token gets one, and its status.
func (tg *testGateway) issues(t *testing.T, target, authorization string, fields ...string) (bool, int) {
	t.Helper()
	resp := tg.send(t, "GET", target, authorization, "", fields...)
	return strings.Contains(text(t, resp), `"token"`), resp.StatusCode
}

func TestNoTokenIsIssuedThatCannotBeAudited(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	log := openTestAudit(t, path)
	g := newTokenGate(t, func(c *Config) { c.Audit, c.AuditRequired = log, true })
	g.issues(t, "/v2/token", basic("push")) // after which it is known that the disk is full
	testkit.Await(t, "the log is known to be full", func() bool { return log.Err() != nil })
	if issued, status := g.issues(t, "/v2/token", basic("push")); issued || status != 503 {
		t.Errorf("issued %v, status %d", issued, status)
	}
}

// T1: what is revoked is none with the next request.
func TestT1RevokedTokenIsRefused(t *testing.T) {
	revoked, err := token.OpenRevocations(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	g := newTokenGate(t, func(c *Config) { c.Tokens.Revoked = revoked })
	tok, other := bearer(g.tokenFor(t, "push", "repository:team/a:pull").Token), bearer(g.tokenFor(t, "pull", "repository:team/a:pull").Token)
	checkAnswer(t, "before", g.send(t, "GET", "/v2/team/a/manifests/1", tok, ""), 200, "")
	if err := revoked.RevokeUser([]string{"push"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, "after", g.send(t, "GET", "/v2/team/a/manifests/1", tok, ""), 401, `Bearer .*,error="invalid_token"`)
	checkAnswer(t, "another user", g.send(t, "GET", "/v2/team/a/manifests/1", other, ""), 200, "")
}

// T16: a browser adds the password that it remembers, so that no page may read the answer.
func TestT16NoPageReadsATokenOfAnotherHost(t *testing.T) {
	const origin = "https://ui.example"
	g := newTokenGate(t, func(c *Config) { c.Routes[0].CORSOrigins = []string{origin} })
	if resp := g.send(t, "GET", "/v2/public/a/manifests/1", "", "", "Origin: "+origin); resp.Header.Get(allowOrigin) != origin {
		t.Fatalf("the page may read nothing at all: %v", resp.Header)
	}
	resp := g.send(t, "GET", "/v2/token", basic("push"), "", "Origin: "+origin)
	for name := range resp.Header {
		if strings.HasPrefix(name, corsPrefix) {
			t.Errorf("%s: %q", name, resp.Header.Get(name))
		}
	}
}

// A route that asks for passwords takes tokens, and issues none; and a route gives out
// nothing of what another one takes.
func TestTokensAreIssuedForTheRouteAlone(t *testing.T) {
	a, up := &accounts{people: everyone}, newCapture(t)
	all, part := bearerRoute(t, a, up.url()), bearerRoute(t, a, up.url())
	part.Path, part.Challenge = "/v2/team/", BasicChallenge
	tg := startGateway(t, func(c *Config) { c.Tokens = &Tokens{Keys: newKeyring(t)} }, all, part)
	if got := tg.tokenFor(t, "push", "repository:team/a:pull", "repository:other:pull").Scope; got != "repository:other:pull" {
		t.Errorf("granted %q", got)
	}
	if issued, status := tg.issues(t, "/v2/team/token", basic("push")); issued {
		t.Errorf("a route with passwords has issued a token: status %d", status)
	}
}

// A client takes the answer at the root for all of the registry: one that gets 200 there
// never logs in.
func TestRootAsksForATokenWhereRulesLetAnybodyIn(t *testing.T) {
	g := newTokenGate(t, func(c *Config) {
		c.Routes[0].Rules = []rules.Rule{{Name: "all", Require: mustRequire(t, "all granted")}}
	})
	checkAnswer(t, "nobody", g.send(t, "GET", "/v2/", "", ""), 401, `Bearer .*`)
	checkAnswer(t, "anonymous token", g.send(t, "GET", "/v2/", bearer(g.tokenFor(t, "").Token), ""), 200, "")
}

// An anonymous token is no login where strangers are let in nowhere any more.
func TestAnonymousTokenEndsWithTheRulesForStrangers(t *testing.T) {
	g := newTokenGate(t, nil)
	anonymous := bearer(g.tokenFor(t, "").Token)
	cfg := g.cfg
	cfg.Routes = []Route{bearerRoute(t, g.accounts, g.up.url())}
	cfg.Routes[0].Rules = cfg.Routes[0].Rules[1:]
	if err := g.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, "root", g.send(t, "GET", "/v2/", anonymous, ""), 401, `Bearer .*`)
}

// A token of a user whom no rule lets in is no ticket to the root.
func TestTokenOfAUserIsNoAnonymousOne(t *testing.T) {
	g := newTokenGate(t, nil)
	gone := bearer(g.sealed(t, func(*token.Token) {}))
	g.accounts.fail(errTokenPlace)
	checkAnswer(t, "root", g.send(t, "GET", "/v2/", gone, ""), 503, "")
}

// What is too long for a header is refused in words that help, and a name that no backend
// is asked about is so in a form as well.
func TestTokenRequestsThatAskTooMuch(t *testing.T) {
	g := newTokenGate(t, nil)
	var scopes []string
	for i := range 60 {
		scopes = append(scopes, "repository:team/"+strings.Repeat("a", 60)+string(rune('a'+i%26))+strings.Repeat("b", i)+":pull")
	}
	resp := g.send(t, "POST", "/v2/token", "", form("grant_type", "password", "username", "push", "password", "push-secret", "scope", strings.Join(scopes, " ")), formType)
	if got := text(t, resp); resp.StatusCode != 400 || !strings.Contains(got, "fewer repositories") {
		t.Errorf("status %d: %s", resp.StatusCode, got)
	}
	logins := g.accounts.logins.Load()
	for _, user := range []string{"a b  c", " push", "push ", "\uff50ush"} {
		checkAnswer(t, user, g.send(t, "POST", "/v2/token", "", form("grant_type", "password", "username", user, "password", "x"), formType), 401, `Basic .*`)
	}
	if n := g.accounts.logins.Load(); n != logins {
		t.Errorf("the backend was asked about %d of them", n-logins)
	}
}

// Forms are read into the memory that bodies have, of which nobody has more than a share.
func TestTokenFormsHaveNoMoreMemoryThanThereIs(t *testing.T) {
	g := newTokenGate(t, nil)
	g.sites.held.left, g.sites.held.each = 0, 0
	resp := g.send(t, "POST", "/v2/token", "", form("grant_type", "password"), formType)
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// Expired, a token finishes an upload and reads nothing else of it; of what the
// specification does not know, reading is pull and anything else push.
func TestScopesOfWhatExtendsTheSpecification(t *testing.T) {
	g := newTokenGate(t, func(c *Config) {
		c.Routes[0].Rules = []rules.Rule{{Name: "all", Actions: []string{"pull", "push", "extension"}, Require: mustRequire(t, "valid-user")}}
	})
	pull, none := bearer(g.sealed(t, func(tok *token.Token) { tok.Scopes = "repository:team/a:pull" })), bearer(g.sealed(t, func(tok *token.Token) { tok.Scopes = "" }))
	const path = "/v2/team/a/_oci/ext/search"
	checkAnswer(t, "read", g.send(t, "GET", path, pull, ""), 200, "")
	checkAnswer(t, "write", g.send(t, "POST", path, pull, ""), 401, `Bearer .*insufficient_scope"`)
	checkAnswer(t, "read without a scope", g.send(t, "GET", path, none, ""), 401, `Bearer .*insufficient_scope"`)
}

func TestChallengesThatCannotBe(t *testing.T) {
	bearerAt := func(path string) Route { return Route{Path: path, Challenge: BearerChallenge} }
	taker := Route{Path: "/v2/token"}
	for name, tt := range map[string]struct {
		route  Route
		issues bool
		all    []Route
		want   string
	}{
		"no registry":    {bearerAt("/files/"), true, nil, "registry"},
		"no table":       {bearerAt("/v2/"), false, nil, "[tokens]"},
		"taken endpoint": {bearerAt("/v2/"), true, []Route{taker}, "takes"},
	} {
		if err := tt.route.CheckChallenge(tt.issues, tt.all); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, url := range []string{"https://user@registry.test/v2/token", "http://registry.test/v2/token", "ftp://registry.test/", "/v2/token", "https://a b/", "https://registry.test/v2/token?x", "https://registry.test/v2/token#", "http://127.0.0.1.evil.test/v2/token"} {
		route := bearerAt("/v2/")
		route.TokenURL = url
		if err := route.CheckTokenURL(); err == nil {
			t.Errorf("%s is taken", url)
		}
	}
}
