package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/token"
	"gatehouse/gateway/upstream"
)

// accounts is a backend that can say whether its users are still there.
type accounts struct {
	people
	failure atomic.Pointer[error] // of what is asked about an account; nil for none
	logins  atomic.Int64
	blind   atomic.Bool // it cannot tell without a password
	spells  atomic.Bool // it has one spelling for several names
}

// CanonicalUser spells names as a directory does, if it is to be one: in lower case, and
// without a domain.
func (a *accounts) CanonicalUser(name string) string {
	if !a.spells.Load() {
		return name
	}
	_, after, ok := strings.Cut(name, `\`)
	if ok {
		name = after
	}
	return strings.ToLower(name)
}

func (a *accounts) CanonicalGroup(name string) string { return name }

func (a *accounts) Follows(backend.Identity) bool { return !a.blind.Load() }

func (a *accounts) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	a.logins.Add(1)
	if err := a.failure.Load(); err != nil {
		return backend.Identity{}, *err
	}
	return a.people.Authenticate(ctx, user, password)
}

func (a *accounts) Revalidate(_ context.Context, id backend.Identity) (backend.Identity, error) {
	if err := a.failure.Load(); err != nil {
		return backend.Identity{}, *err
	}
	return id, nil
}

func (a *accounts) fail(err error) { a.failure.Store(&err) }

// tokenGate is a gateway that asks for tokens. Everybody may pull what is public, users may
// pull the rest and see the list, and push may push to team.
type tokenGate struct {
	*testGateway
	accounts *accounts
	up       *capture
	keys     *token.Keyring
}

func bearerRoute(t *testing.T, a *accounts, service string) Route {
	t.Helper()
	return Route{Path: "/v2/", Challenge: BearerChallenge, Backend: a, Backends: []string{"people"}, Upstream: upstream.Config{URL: service}, Rules: []rules.Rule{
		{Name: "public", Repositories: []string{"public/**"}, Actions: []string{"pull"}, Require: mustRequire(t, "all granted")},
		{Name: "pull", Actions: []string{"pull", "catalog"}, Require: mustRequire(t, "valid-user")},
		{Name: "push", Repositories: []string{"team/**"}, Actions: []string{"push", "delete"}, Require: mustRequire(t, "group pusher")},
	}}
}

func newKeyring(t testing.TB) *token.Keyring {
	t.Helper()
	keys, err := token.NewKeyring([]token.Key{token.NewKey(time.Now())})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func newTokenGate(t *testing.T, change func(*Config)) *tokenGate {
	t.Helper()
	g := &tokenGate{accounts: &accounts{people: everyone}, up: newCapture(t), keys: newKeyring(t)}
	g.testGateway = startGateway(t, func(c *Config) {
		c.Tokens = &Tokens{Keys: g.keys, TTL: time.Hour, UploadGrace: time.Hour}
		if change != nil {
			change(c)
		}
	}, bearerRoute(t, g.accounts, g.up.url()))
	return g
}

// send sends a request with one Authorization field, or none if it is empty.
func (tg *testGateway) send(t *testing.T, method, path, authorization, body string, fields ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(method, tg.url(path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		if r.Header.Set(name, value); name == "Host" {
			r.Host = value
		}
	}
	resp, err := tg.client(t).Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

type tokenAnswer struct {
	Token       string `json:"token"`
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"`
	IssuedAt    string `json:"issued_at"`
	Scope       string `json:"scope"`
	Refresh     string `json:"refresh_token"`
}

// tokenFor fetches a token for a user, or nobody.
func (tg *testGateway) tokenFor(t *testing.T, user string, scopes ...string) tokenAnswer {
	t.Helper()
	authorization := ""
	if user != "" {
		authorization = basic(user)
	}
	resp := tg.send(t, "GET", "/v2/token?"+url.Values{"scope": scopes}.Encode(), authorization, "")
	var a tokenAnswer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || resp.StatusCode != 200 {
		t.Fatalf("token for %q: status %d, %v", user, resp.StatusCode, err)
	}
	return a
}

func bearer(token string) string { return "Bearer " + token }

// checkAnswer checks the status, and that a challenge is the one wanted, a regular
// expression.
func checkAnswer(t *testing.T, name string, resp *http.Response, status int, challenge string) {
	t.Helper()
	got := resp.Header.Values(challengeField)
	if resp.StatusCode != status || (status == 401) != (len(got) == 1) {
		t.Errorf("%s: status %d, want %d; challenges %q: %s", name, resp.StatusCode, status, got, text(t, resp))
	} else if status == 401 && !regexp.MustCompile("^"+challenge+"$").MatchString(got[0]) {
		t.Errorf("%s: challenge %q, want %s", name, got[0], challenge)
	}
}

// The answers of the contract, over both versions of the protocol.
func TestBearerAnswers(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		g := newTokenGate(t, change)
		anonymous, pull := g.tokenFor(t, "", "repository:public/a:pull"), g.tokenFor(t, "pull", "repository:team/a:pull,push", "registry:catalog:*")
		push, narrow := g.tokenFor(t, "push", "repository:team/a:*"), g.tokenFor(t, "push", "repository:team/a:pull")
		both := g.tokenFor(t, "push", "repository:team/a:pull,push", "repository:team/b:pull")
		blob := "sha256:" + strings.Repeat("0", 64)
		realm := `Bearer realm="https?://` + regexp.QuoteMeta(g.addr) + `/v2/token",service="127.0.0.1"`
		basicRealm := `Basic realm="Registry Authentication", charset="UTF-8"`
		for _, tt := range []struct {
			name, method, path, authorization string
			status                            int
			challenge                         string
		}{
			{"login without anything", "GET", "/v2/", "", 401, realm},
			{"login, anonymous token", "GET", "/v2/", bearer(anonymous.Token), 200, ""},
			{"login, token", "GET", "/v2/", bearer(pull.Token), 200, ""},
			{"login, token in lower case", "GET", "/v2/", "bearer " + pull.AccessToken, 200, ""},
			{"login, password", "GET", "/v2/", basic("pull"), 200, ""},
			{"login, wrong password", "GET", "/v2/", "Basic cHVsbDp3cm9uZw==", 401, basicRealm},
			{"public pull", "GET", "/v2/public/a/manifests/1", "", 200, ""},
			{"public pull, anonymous token", "GET", "/v2/public/a/manifests/1", bearer(anonymous.Token), 200, ""},
			{"pull without anything", "GET", "/v2/team/a/manifests/1", "", 401, realm + `,scope="repository:team/a:pull"`},
			{"push without anything", "POST", "/v2/team/a/blobs/uploads/", "", 401, realm + `,scope="repository:team/a:pull,push"`},
			{"mount without anything", "POST", "/v2/team/a/blobs/uploads/?mount=" + blob + "&from=team/b", "", 401, realm + `,scope="repository:team/a:pull,push repository:team/b:pull"`},
			{"delete without anything", "DELETE", "/v2/team/a/manifests/1", "", 401, realm + `,scope="repository:team/a:pull,delete"`},
			{"list without anything", "GET", "/v2/_catalog", "", 401, realm + `,scope="registry:catalog:\*"`},
			{"pull, anonymous token", "GET", "/v2/team/a/manifests/1", bearer(anonymous.Token), 401, realm + `,scope="repository:team/a:pull"`},
			{"public push, anonymous token", "PUT", "/v2/public/a/manifests/1", bearer(anonymous.Token), 401, realm + `,scope="repository:public/a:pull,push"`},
			{"pull", "GET", "/v2/team/a/manifests/1", bearer(pull.Token), 200, ""},
			{"push that no rule allows", "POST", "/v2/team/a/blobs/uploads/", bearer(pull.Token), 403, ""},
			{"push", "POST", "/v2/team/a/blobs/uploads/", bearer(push.Token), 200, ""},
			{"delete", "DELETE", "/v2/team/a/manifests/1", bearer(push.Token), 200, ""},
			{"push, token for pull", "POST", "/v2/team/a/blobs/uploads/", bearer(narrow.Token), 401, realm + `,scope="repository:team/a:pull,push",error="insufficient_scope"`},
			{"another repository", "GET", "/v2/team/b/manifests/1", bearer(push.Token), 401, realm + `,scope="repository:team/b:pull",error="insufficient_scope"`},
			{"mount, token for the target", "POST", "/v2/team/a/blobs/uploads/?mount=" + blob + "&from=team/b", bearer(push.Token), 401, realm + `,scope="repository:team/a:pull,push repository:team/b:pull",error="insufficient_scope"`},
			{"mount, token for both", "POST", "/v2/team/a/blobs/uploads/?mount=" + blob + "&from=team/b", bearer(both.Token), 200, ""},
			{"list, token for a repository", "GET", "/v2/_catalog", bearer(push.Token), 401, realm + `,scope="registry:catalog:\*",error="insufficient_scope"`},
			{"not ours", "GET", "/v2/team/a/manifests/1", bearer("eyJhbGciOiJub25lIn0.e30."), 401, realm + `,scope="repository:team/a:pull",error="invalid_token"`},
			{"two tokens", "GET", "/v2/team/a/manifests/1", bearer(push.Token + "," + push.Token), 401, realm + `,scope="repository:team/a:pull",error="invalid_token"`},
			{"another scheme", "GET", "/v2/team/a/manifests/1", "Digest x", 401, basicRealm},
		} {
			checkAnswer(t, tt.name, g.send(t, tt.method, tt.path, tt.authorization, ""), tt.status, tt.challenge)
		}
		if answer := text(t, g.send(t, "POST", "/v2/team/a/blobs/uploads/", bearer(pull.Token), "")); !strings.Contains(answer, `pull may not push to team/a: rule \"push\" needs group pusher`) {
			t.Errorf("a refusal says %q", answer)
		}
	})
}

// sealed makes a token as the gateway does.
func (g *tokenGate) sealed(t *testing.T, change func(*token.Token)) string {
	t.Helper()
	return g.sealedFor(t, token.Access, change)
}

func (g *tokenGate) sealedFor(t *testing.T, p token.Purpose, change func(*token.Token)) string {
	t.Helper()
	tok := token.Token{
		ID: token.NewID(), Issued: time.Now().Unix(), Expires: time.Now().Add(time.Hour).Unix(), Service: "127.0.0.1",
		Identity: backend.Identity{User: "push", Source: "people"}, Scopes: "repository:team/a:pull,push",
	}
	change(&tok)
	return sealedWith(t, g.keys, p, tok)
}

// T1, T2, T12: what a genuine token is good for, and until when.
func TestT2TokenIsForOnePlaceAndTime(t *testing.T) {
	g := newTokenGate(t, nil)
	other := sealedWith(t, newKeyring(t), token.Access, token.Token{Service: "127.0.0.1", Expires: 1 << 40})
	ago := func(d time.Duration) int64 { return time.Now().Add(-d).Unix() }
	upload := "/v2/team/a/blobs/uploads/1"
	for i, tt := range []struct {
		name, method, path string
		change             func(*token.Token)
		code               string
	}{
		{"genuine", "GET", "/v2/team/a/manifests/1", func(*token.Token) {}, ""},
		{"a clock that is ahead", "GET", "/v2/team/a/manifests/1", func(tok *token.Token) { tok.Issued = ago(-time.Minute) }, ""},
		{"a clock that is far ahead", "GET", "/v2/team/a/manifests/1", func(tok *token.Token) { tok.Issued = ago(-2 * time.Minute) }, "token.early"},
		{"a clock that is behind", "GET", "/v2/team/a/manifests/1", func(tok *token.Token) { tok.Issued = ago(time.Minute) }, ""},
		{"another host", "GET", "/v2/team/a/manifests/1", func(tok *token.Token) { tok.Service = "127.0.0.2" }, "token.other_host"},
		{"another path", "GET", "/v2/team/a/manifests/1", func(tok *token.Token) { tok.Service = "127.0.0.1/v2/team" }, "token.other_host"},
		{"a longer host", "GET", "/v2/team/a/manifests/1", func(tok *token.Token) { tok.Service = "127.0.0.11" }, "token.other_host"},
		{"another backend", "GET", "/v2/team/a/manifests/1", func(tok *token.Token) { tok.Identity.Source = "elsewhere" }, "token.other_host"},
		{"no backend", "GET", "/v2/team/a/manifests/1", func(tok *token.Token) { tok.Identity.Source = "" }, "token.other_host"},
		{"over", "GET", "/v2/team/a/manifests/1", func(tok *token.Token) { tok.Expires = ago(time.Second) }, "token.expired"},
		{"over, login", "GET", "/v2/", func(tok *token.Token) { tok.Expires = ago(time.Second) }, "token.expired"},
		{"over, an upload begins", "POST", "/v2/team/a/blobs/uploads/", func(tok *token.Token) { tok.Expires = ago(time.Second) }, "token.expired"},
		{"over, an upload goes on", "PATCH", upload, func(tok *token.Token) { tok.Expires = ago(time.Minute) }, ""},
		{"over, an upload is asked about", "GET", upload, func(tok *token.Token) { tok.Expires = ago(time.Minute) }, ""},
		{"over, an upload ends", "PUT", upload, func(tok *token.Token) { tok.Expires = ago(time.Minute) }, ""},
		{"over, an upload is given up", "DELETE", upload, func(tok *token.Token) { tok.Expires = ago(time.Minute) }, ""},
		{"over, a manifest", "PUT", "/v2/team/a/manifests/1", func(tok *token.Token) { tok.Expires = ago(time.Minute) }, "token.expired"},
		{"over, an upload elsewhere", "PATCH", "/v2/team/b/blobs/uploads/1", func(tok *token.Token) { tok.Expires = ago(time.Minute) }, "token.expired"},
		{"over, without the scope", "PATCH", upload, func(tok *token.Token) { tok.Expires, tok.Scopes = ago(time.Minute), "repository:team/a:pull" }, "token.expired"},
		{"over, after the grace", "PATCH", upload, func(tok *token.Token) { tok.Expires = ago(time.Hour + time.Second) }, "token.expired"},
		{"over, by no rule", "PATCH", upload, func(tok *token.Token) { tok.Expires, tok.Identity.User = ago(time.Minute), "pull" }, "rule.denied"},
	} {
		resp := g.send(t, tt.method, tt.path, bearer(g.sealed(t, tt.change)), "")
		switch refused := tt.code != "" && tt.code != "rule.denied"; {
		case refused:
			checkAnswer(t, tt.name, resp, 401, `Bearer .*,error="invalid_token"`)
		case tt.code == "rule.denied":
			checkAnswer(t, tt.name, resp, 403, "")
		default:
			checkAnswer(t, tt.name, resp, 200, "")
		}
		if code, _ := g.records(t, i+1)[i]["code"].(string); code != tt.code {
			t.Errorf("%s: the access record has the code %q, want %q", tt.name, code, tt.code)
		}
	}
	checkAnswer(t, "another key", g.send(t, "GET", "/v2/team/a/manifests/1", bearer(other), ""), 401, `Bearer .*,error="invalid_token"`)
}

// The account counts at each request, and so does the absence of an answer about it.
func TestT1TokenEndsWithTheAccount(t *testing.T) {
	g := newTokenGate(t, nil)
	tok := bearer(g.tokenFor(t, "push", "repository:team/a:pull,push").Token)
	late := bearer(g.sealed(t, func(tok *token.Token) { tok.Expires = time.Now().Add(-time.Minute).Unix() }))
	logins := g.accounts.logins.Load()
	for name, tt := range map[string]struct {
		failure error
		status  int
	}{
		"locked":   {backend.ErrLocked, 401},
		"gone":     {backend.ErrUnknownUser, 401},
		"outdated": {backend.ErrOutdated, 401},
		"down":     {backend.ErrUnavailable, 503},
		"fault":    {errors.New("bug"), 503},
	} {
		g.accounts.fail(tt.failure)
		checkAnswer(t, name, g.send(t, "GET", "/v2/team/a/manifests/1", tok, ""), tt.status, `Bearer .*,error="invalid_token"`)
		checkAnswer(t, name+", grace", g.send(t, "PATCH", "/v2/team/a/blobs/uploads/1", late, ""), tt.status, `Bearer .*,error="invalid_token"`)
	}
	if n := g.accounts.logins.Load(); n != logins {
		t.Errorf("tokens have caused %d logins", n-logins)
	}
}

// A rule that is taken away counts with the next request, and so does a lost group.
func TestRulesAreJudgedAtEachRequestWithAToken(t *testing.T) {
	g := newTokenGate(t, nil)
	tok := bearer(g.tokenFor(t, "push", "repository:team/a:pull,push").Token)
	checkAnswer(t, "before", g.send(t, "PUT", "/v2/team/a/manifests/1", tok, ""), 200, "")
	next := bearerRoute(t, g.accounts, g.up.url())
	next.Rules = next.Rules[:2]
	cfg := g.cfg
	cfg.Routes = []Route{next}
	if err := g.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, "after", g.send(t, "PUT", "/v2/team/a/manifests/1", tok, ""), 403, "")
}
