package gateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/token"
)

// keepsLogins has docker login keep tokens.
func keepsLogins(c *Config) { c.Tokens.IdentityTTL = 24 * time.Hour }

// login does as docker login does, and returns what that keeps.
func (g *tokenGate) login(t *testing.T, user string) string {
	t.Helper()
	a := answerOfToken(t, g.send(t, "GET", "/v2/token?account="+user+"&client_id=docker&offline_token=true&service=127.0.0.1", basic(user), ""))
	if !strings.HasPrefix(a.Refresh, "gthr_") {
		t.Fatalf("login of %s: %+v", user, a)
	}
	return a.Refresh
}

func answerOfToken(t *testing.T, resp *http.Response) (a tokenAnswer) {
	t.Helper()
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || resp.StatusCode != 200 || a.Token == "" || a.ExpiresIn != 3600 {
		t.Fatalf("status %d, %v, %+v", resp.StatusCode, err, a)
	}
	return a
}

// refreshed asks for a token by a refresh token.
func (tg *testGateway) refreshed(t *testing.T, refresh string, more ...string) *http.Response {
	t.Helper()
	body := form(append([]string{"grant_type", "refresh_token", "refresh_token", refresh, "service", "127.0.0.1", "client_id", "x"}, more...)...)
	return tg.send(t, "POST", "/v2/token", "", body, formType)
}

func sealedWith(t *testing.T, keys *token.Keyring, p token.Purpose, tok token.Token) string {
	t.Helper()
	text, err := keys.Seal(p, tok)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A client that keeps a refresh token gets on without the password.
func TestRefreshTokenStandsForThePassword(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		g := newTokenGate(t, func(c *Config) { change(c); keepsLogins(c) })
		g.accounts.spells.Store(true)
		kept := g.login(t, "push")
		logins := g.accounts.logins.Load()
		one := answerOfToken(t, g.refreshed(t, kept, "scope", "repository:team/a:pull,push repository:public/a:pull"))
		several := answerOfToken(t, g.refreshed(t, kept, "scope", "repository:team/a:pull,push", "scope", "repository:public/a:pull", "account", "PUSH"))
		if want := "repository:team/a:pull,push repository:public/a:pull"; one.Scope != want || several.Scope != want {
			t.Errorf("scopes %q and %q, want %q", one.Scope, several.Scope, want)
		}
		checkAnswer(t, "push", g.send(t, "PUT", "/v2/team/a/manifests/1", bearer(one.Token), ""), 200, "")
		checkAnswer(t, "elsewhere", g.send(t, "PUT", "/v2/team/b/manifests/1", bearer(one.Token), ""), 401, `Bearer .*insufficient_scope"`)
		if n := g.accounts.logins.Load(); n != logins {
			t.Errorf("there were %d logins with a password", n-logins)
		}
		next := bearerRoute(t, g.accounts, g.up.url())
		next.Rules = next.Rules[:2]
		cfg := g.cfg
		cfg.Routes = []Route{next}
		if err := g.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		if got := answerOfToken(t, g.refreshed(t, kept, "scope", "repository:team/a:pull,push")).Scope; got != "repository:team/a:pull" {
			t.Errorf("after the rule was taken away: %q", got)
		}
		if logs := g.access.String() + g.log.String(); strings.Contains(logs, "gthr_") || strings.Contains(logs, "gtha_") {
			t.Errorf("a token stands in a log:\n%s", logs)
		}
	})
}

// T10: there is a refresh token for a password and for nothing else.
func TestT10RefreshTokenTakesThePassword(t *testing.T) {
	g := newTokenGate(t, keepsLogins)
	kept := g.login(t, "push")
	byForm := form("grant_type", "password", "username", "push", "password", "push-secret", "access_type", "offline")
	if a := answerOfToken(t, g.send(t, "POST", "/v2/token", "", byForm, formType)); a.Refresh == "" {
		t.Error("a form: there is none")
	}
	none := func(name string, resp *http.Response) {
		t.Helper()
		if a := answerOfToken(t, resp); a.Refresh != "" {
			t.Errorf("%s: there is one", name)
		}
	}
	none("not asked for", g.send(t, "GET", "/v2/token", basic("push"), ""))
	none("asked for with another word", g.send(t, "GET", "/v2/token?offline_token=false", basic("push"), ""))
	none("nobody", g.send(t, "GET", "/v2/token?offline_token=true", "", ""))
	none("by another", g.refreshed(t, kept, "access_type", "offline", "offline_token", "true"))
	g.accounts.blind.Store(true)
	none("a backend that cannot follow the account", g.send(t, "GET", "/v2/token?offline_token=true", basic("push"), ""))
	if !strings.Contains(g.log.String(), "token.unfollowed") {
		t.Errorf("nobody is told why: %s", g.log.String())
	}
	off := newTokenGate(t, nil)
	none("there are none", off.send(t, "GET", "/v2/token?offline_token=true", basic("push"), ""))
}

// T1, T2, T3: what is no refresh token, or not any more, is refused with a sentence that says
// what to do. No password is asked about.
func TestT3RefreshTokenIsForOnePurposeAndPlace(t *testing.T) {
	g := newTokenGate(t, keepsLogins)
	kept, access := g.login(t, "push"), g.tokenFor(t, "push").Token
	logins := g.accounts.logins.Load()
	sealed := func(change func(*token.Token)) string {
		return g.sealedFor(t, token.Refresh, func(tok *token.Token) {
			tok.Scopes = ""
			change(tok)
		})
	}
	ago := func(d time.Duration) int64 { return time.Now().Add(-d).Unix() }
	checkAnswer(t, "genuine", g.refreshed(t, sealed(func(*token.Token) {})), 200, "")
	for name, refresh := range map[string]string{
		"nothing":                                "",
		"no token":                               "x",
		"changed":                                kept[:len(kept)-4] + "AAAA",
		"an access token":                        access,
		"that with another beginning":            "gthr_" + strings.TrimPrefix(access, "gtha_"),
		"another host":                           sealed(func(tok *token.Token) { tok.Service = "127.0.0.2" }),
		"another backend":                        sealed(func(tok *token.Token) { tok.Identity.Source = "elsewhere" }),
		"nobody's":                               sealed(func(tok *token.Token) { tok.Identity = backend.Identity{} }),
		"over":                                   sealed(func(tok *token.Token) { tok.Expires = ago(time.Second) }),
		"older than tokens may get here by now":  sealed(func(tok *token.Token) { tok.Issued = ago(25 * time.Hour) }),
		"of another gateway, with a key unknown": sealedWith(t, newKeyring(t), token.Refresh, token.Token{Service: "127.0.0.1", Expires: 1 << 40}),
	} {
		resp := g.refreshed(t, refresh)
		checkAnswer(t, name, resp, 401, `Bearer .*`)
		if said := text(t, resp); !strings.Contains(said, "docker logout") {
			t.Errorf("%s: the answer is %s", name, said)
		}
	}
	checkAnswer(t, "in a request", g.send(t, "GET", "/v2/team/a/manifests/1", bearer(kept), ""), 401, `Bearer .*invalid_token"`)
	checkAnswer(t, "that with another beginning, in a request", g.send(t, "GET", "/v2/team/a/manifests/1", bearer("gtha_"+strings.TrimPrefix(kept, "gthr_")), ""), 401, `Bearer .*invalid_token"`)
	for _, secret := range []string{kept, access} {
		checkAnswer(t, "as a password", g.send(t, "GET", "/v2/", basicOf("push:"+secret), ""), 401, `Basic .*`)
		checkAnswer(t, "as a password for a token", g.send(t, "GET", "/v2/token", basicOf("push:"+secret), ""), 401, `Basic .*`)
	}
	checkAnswer(t, "in the query", g.send(t, "GET", "/v2/token?grant_type=refresh_token&refresh_token="+kept, "", ""), 400, "")
	checkAnswer(t, "beside a login", g.send(t, "POST", "/v2/token", basic("push"), form("grant_type", "refresh_token", "refresh_token", kept), formType), 400, "")
	checkAnswer(t, "beside a password", g.refreshed(t, kept, "username", "push", "password", "push-secret"), 400, "")
	checkAnswer(t, "with the grant of a password", g.send(t, "POST", "/v2/token", "", form("grant_type", "password", "refresh_token", kept), formType), 400, "")
	checkAnswer(t, "no token with the grant of one", g.send(t, "POST", "/v2/token", "", form("grant_type", "refresh_token"), formType), 400, "")
	checkAnswer(t, "twice", g.refreshed(t, kept, "refresh_token", kept), 400, "")
	checkAnswer(t, "the account in capitals, where these are another one", g.refreshed(t, kept, "account", "PUSH"), 400, "")
	g.accounts.spells.Store(true)
	checkAnswer(t, "the account by its domain", g.refreshed(t, kept, "account", `CORP\Push`), 200, "")
	checkAnswer(t, "no name of an account", g.refreshed(t, kept, "account", "push\u200b"), 400, "")
	checkAnswer(t, "another account", g.refreshed(t, kept, "account", "pull"), 400, "")
	if n := g.accounts.logins.Load(); n != logins {
		t.Errorf("%d logins reached the backend", n-logins)
	}
}

// A login that is kept ends with the account, by gatehouse revoke, and when there are to be
// none any more. It does not end while there is no answer.
func TestT1RefreshTokenEndsWithTheAccount(t *testing.T) {
	revoked, err := token.OpenRevocations("")
	if err != nil {
		t.Fatal(err)
	}
	g := newTokenGate(t, func(c *Config) { keepsLogins(c); c.Tokens.Revoked = revoked })
	kept := g.login(t, "push")
	for name, tt := range map[string]struct {
		failure error
		status  int
		says    string
	}{
		"locked":   {backend.ErrLocked, 401, "docker logout"},
		"gone":     {backend.ErrUnknownUser, 401, "docker logout"},
		"outdated": {backend.ErrOutdated, 401, "docker logout"},
		"down":     {backend.ErrUnavailable, 503, ""},
		"fault":    {errors.New("bug"), 503, ""},
	} {
		g.accounts.fail(tt.failure)
		resp := g.refreshed(t, kept)
		checkAnswer(t, name, resp, tt.status, `Bearer .*`)
		if said := text(t, resp); !strings.Contains(said, tt.says) {
			t.Errorf("%s: the answer is %s", name, said)
		}
	}
	g.accounts.failure.Store(nil)
	g.accounts.blind.Store(true)
	checkAnswer(t, "nobody can tell any more", g.refreshed(t, kept), 401, `Bearer .*`)
	g.accounts.blind.Store(false)
	checkAnswer(t, "the account is there", g.refreshed(t, kept), 200, "")

	late := answerOfToken(t, g.refreshed(t, kept)).Token
	if err := revoked.RevokeUser([]string{"push"}, time.Now()); !errors.Is(err, token.ErrNotKept) {
		t.Fatal(err)
	}
	checkAnswer(t, "revoked", g.refreshed(t, kept), 401, `Bearer .*`)
	checkAnswer(t, "a token that was got by it", g.send(t, "GET", "/v2/team/a/manifests/1", bearer(late), ""), 401, `Bearer .*invalid_token"`)

	other := g.login(t, "pull")
	cfg := g.cfg
	tokens := *cfg.Tokens
	tokens.IdentityTTL = 0
	cfg.Tokens = &tokens
	if err := g.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, "there are none any more", g.refreshed(t, other), 401, `Bearer .*`)
}

// T5: refresh tokens that are none count as logins that fail, and one that is right goes on.
func TestT5BadRefreshTokensAreCounted(t *testing.T) {
	accounts := &accounts{people: everyone}
	flood, err := backend.NewFlood(accounts, backend.FloodConfig{PerSource: 1, SourceBurst: 3})
	if err != nil {
		t.Fatal(err)
	}
	g := newTokenGate(t, func(c *Config) { keepsLogins(c); c.Routes[0].Backend = flood })
	kept := g.login(t, "push")
	for i, status := range []int{401, 401, 401, 429, 429} {
		checkAnswer(t, "bad", g.refreshed(t, "gthr_x"), status, `Bearer .*`)
		if i == 4 {
			checkAnswer(t, "as a password", g.send(t, "GET", "/v2/", basicOf("push:gthr_x"), ""), 429, "")
		}
	}
	checkAnswer(t, "right", g.refreshed(t, kept), 200, "")
}

// Audit, metrics and rules know how somebody came.
func TestRefreshTokenIsRecorded(t *testing.T) {
	audit, path := auditOf(t)
	m := NewMetrics("v1", "go1")
	g := newTokenGate(t, func(c *Config) {
		keepsLogins(c)
		c.Audit = audit
		c.Metrics = m
		c.Routes[0].Rules = append([]rules.Rule{{Name: "tokens", Repositories: []string{"robots/**"}, Actions: []string{"push"}, Require: mustRequire(t, "via identity")}}, c.Routes[0].Rules...)
	})
	kept := g.login(t, "push")
	a := answerOfToken(t, g.refreshed(t, kept, "scope", "repository:robots/a:push"))
	if a.Scope != "repository:robots/a:push" {
		t.Errorf("granted %q where an identity token may push", a.Scope)
	}
	if got := g.tokenFor(t, "push", "repository:robots/a:push").Scope; got != "" {
		t.Errorf("granted %q by a password, for what an identity token may", got)
	}
	checkAnswer(t, "push", g.send(t, "PUT", "/v2/robots/a/manifests/1", bearer(a.Token), ""), 200, "")
	checkAnswer(t, "bad", g.refreshed(t, "gthr_x"), 401, `Bearer .*`)
	records := audited(t, path, 5)
	login, refreshed, used, bad := records[0], records[1], records[3], records[4]
	if login.Refresh == "" || login.Via != "password" || login.Token == "" {
		t.Errorf("login: %+v", login)
	}
	if refreshed.Refresh != login.Refresh || refreshed.Via != "identity" || used.Via != "identity" || refreshed.Token == login.Token || used.Token != refreshed.Token || used.Refresh != "" {
		t.Errorf("refreshed: %+v, and then %+v", refreshed, used)
	}
	if bad.Refresh != "" || bad.Code != "token.malformed" || bad.Via != "" {
		t.Errorf("bad: %+v", bad)
	}
	if diff := cmp.Diff(map[string]float64{
		"grant=password result=issued": 2, "grant=refresh result=issued": 1, "grant=refresh result=refused": 1,
	}, risen(samples(t, m, "gatehouse_tokens_total"))); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
}
