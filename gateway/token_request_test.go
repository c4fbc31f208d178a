package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/token"
)

const formType = "Content-Type: application/x-www-form-urlencoded"

func form(values ...string) string {
	f := url.Values{}
	for i := 0; i < len(values); i += 2 {
		f.Add(values[i], values[i+1])
	}
	return f.Encode()
}

// What clients send, and what comes of it: T7, T8, T9, T13 and T15 are among the cases.
func TestTokenRequests(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		g := newTokenGate(t, change)
		wrong, basicRealm := "Basic cHVsbDp3cm9uZw==", `Basic .*`
		login := form("grant_type", "password", "username", "push", "password", "push-secret", "service", "127.0.0.1", "client_id", "x", "scope", "repository:team/a:pull repository:team/a:push repository:team/b:pull")
		for _, tt := range []struct {
			name, method, query, authorization, body string
			status                                   int
			scope, challenge                         string // of a token, and of a refusal
		}{
			{"anonymous", "GET", "scope=repository:public/a:pull,push", "", "", 200, "repository:public/a:pull", ""},
			{"anonymous, nothing asked", "GET", "", "", "", 200, "", ""},
			{"anonymous, nothing public asked", "GET", "service=127.0.0.1&scope=repository:team/a:pull", "", "", 200, "", ""},
			{"docker login", "GET", "account=push&client_id=docker&offline_token=true&service=127.0.0.1", basic("push"), "", 200, "", ""},
			{"push", "GET", "scope=repository:team/a:pull,push&scope=repository:public/a:pull", basic("push"), "", 200, "repository:team/a:pull,push repository:public/a:pull", ""},
			{"all", "GET", "scope=repository:team/a:*", basic("push"), "", 200, "repository:team/a:pull,push,delete", ""},
			{"all that one may", "GET", "scope=repository:team/a:*", basic("pull"), "", 200, "repository:team/a:pull", ""},
			{"a mount from where one may not pull", "GET", "scope=repository:team/a:pull,push&scope=repository:X:pull", basic("push"), "", 200, "repository:team/a:pull,push", ""},
			{"the list", "GET", "scope=registry:catalog:*", basic("pull"), "", 200, "registry:catalog:*", ""},
			{"the list, anonymous", "GET", "scope=registry:catalog:*", "", "", 200, "", ""},
			{"wrong password", "GET", "scope=repository:public/a:pull", wrong, "", 401, "", basicRealm},
			{"another scheme", "GET", "", "Negotiate x", "", 401, "", basicRealm},
			{"a token for a token", "GET", "", bearer("gtha_x"), "", 401, "", `Bearer .*`},
			{"another account", "GET", "account=pull", basic("push"), "", 400, "", ""},
			{"an account in composed form and a user in parts", "GET", "account=%C3%A9mile", "Basic ZcyBbWlsZTpw", "", 401, "", basicRealm},
			{"an account in parts", "GET", "account=e%CC%81mile", "Basic w6ltaWxlOnA=", "", 401, "", basicRealm},
			{"an account that nobody can have", "GET", "account=+pull", basic("pull"), "", 400, "", ""},
			{"an account in other letters", "GET", "account=Pull", basic("pull"), "", 400, "", ""},
			{"another service", "GET", "service=127.0.0.2", basic("push"), "", 400, "", ""},
			{"password in the query", "GET", "username=push&password=push-secret", "", "", 400, "", ""},
			{"password in the query of a form", "POST", "Password=push-secret", "", login, 400, "", ""},
			{"service twice", "GET", "service=127.0.0.1&service=127.0.0.1", "", "", 400, "", ""},
			{"hostile names", "GET", "scope=repository:../x:pull&scope=repository:h:5000/a:pull&scope=repository:a%00b:pull", basic("pull"), "", 400, "", ""},
			{"hostile names without control characters", "GET", "scope=repository:../x:pull&scope=repository:h:5000/a:pull&scope=%22,error=%22", basic("pull"), "", 200, "", ""},
			{"many repositories", "GET", "scope=" + manyScopes(65), basic("pull"), "", 400, "", ""},
			{"form", "POST", "", "", login, 200, "repository:team/a:pull,push repository:team/b:pull", ""},
			{"form, anonymous", "POST", "", "", form("grant_type", "password", "scope", "repository:public/a:pull"), 200, "repository:public/a:pull", ""},
			{"form beside a header", "POST", "", basic("push"), login, 400, "", ""},
			{"form with the login in the header", "POST", "", basic("push"), form("grant_type", "password", "scope", "repository:team/a:push"), 200, "repository:team/a:push", ""},
			{"form, wrong password", "POST", "", "", form("grant_type", "password", "username", "push", "password", "x"), 401, "", basicRealm},
			{"form, no password", "POST", "", "", form("grant_type", "password", "username", "push"), 401, "", basicRealm},
			{"form, password twice", "POST", "", "", login + "&password=push-secret", 400, "", ""},
			{"form, no grant", "POST", "", "", form("username", "push", "password", "push-secret"), 400, "", ""},
			{"form, refresh token", "POST", "", "", form("grant_type", "refresh_token", "refresh_token", "x"), 401, "", `Bearer .*`},
			{"form, not encoded", "POST", "", "", "grant_type=password;x", 400, "", ""},
			{"no form", "POST", "", "", "", 400, "", ""},
			{"a form after a byte order mark", "POST", "", "", "\ufeff" + login, 400, "", ""},
			{"a form with semicolons", "POST", "", "", strings.ReplaceAll(login, "&", ";"), 400, "", ""},
			{"a form of two lines", "POST", "", "", login + "\r\n" + login, 400, "", ""},
			{"a form with encoded names", "POST", "", "", strings.Replace(login, "password=push", "p%61ssword=push", 1), 200, "repository:team/a:pull,push repository:team/b:pull", ""},
			{"a form with an encoded name twice", "POST", "", "", login + "&p%61ssword=push-secret", 400, "", ""},
			{"a form that is compressed", "POST", "", "", "\x1f\x8b\x08\x00\x00", 400, "", ""},
			{"another method", "PUT", "", basic("push"), "", 405, "", ""},
			{"preflight", "OPTIONS", "", "", "", 405, "", ""},
		} {
			resp := g.send(t, tt.method, "/v2/token?"+tt.query, tt.authorization, tt.body, formType, "Origin: https://ui.example")
			if tt.status != 200 {
				checkAnswer(t, tt.name, resp, tt.status, tt.challenge)
				continue
			}
			var a tokenAnswer
			err := json.NewDecoder(resp.Body).Decode(&a)
			issued, errTime := time.Parse(time.RFC3339, a.IssuedAt)
			if err != nil || resp.StatusCode != 200 || a.Token == "" || a.Token != a.AccessToken || a.ExpiresIn != 3600 || errTime != nil || time.Since(issued).Abs() > time.Minute || a.Scope != tt.scope {
				t.Errorf("%s: status %d, %+v, %v, want the scope %q", tt.name, resp.StatusCode, a, err, tt.scope)
			}
			if got := resp.Header.Get("Cache-Control"); got != "no-store" || resp.Header.Get(allowOrigin) != "" {
				t.Errorf("%s: Cache-Control %q, %v", tt.name, got, resp.Header)
			}
		}
		for _, field := range []string{"", "multipart/form-data; boundary=x", "text/plain", "application/json", "application/x-www-form-urlencodedx"} {
			resp := g.send(t, "POST", "/v2/token", "", login, "Content-Type: "+field)
			checkAnswer(t, "a form of the type "+field, resp, 400, "")
		}
		if got := g.up.text(); got != "" {
			t.Errorf("the upstream got %q", got)
		}
		for _, secret := range []string{"push-secret", "gtha_"} {
			if strings.Contains(g.access.String()+g.log.String(), secret) {
				t.Errorf("%q stands in a log:\n%s", secret, g.access.String())
			}
		}
	})
}

func manyScopes(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("repository:a/%d:pull", i))
	}
	return strings.Join(list, "+")
}

// T9: a body is bounded, however it comes.
func TestT9FormsAreBounded(t *testing.T) {
	t.Parallel()
	const begin = "POST /v2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	for name, tt := range map[string]struct {
		request string
		status  int
	}{
		"1 GiB":          {begin + "Content-Length: 1073741824\r\n\r\ngrant_type=password", 413},
		"chunked, large": {begin + "Transfer-Encoding: chunked\r\n\r\n4001\r\n" + strings.Repeat("a", 0x4001) + "\r\n0\r\n\r\n", 413},
		"chunked":        {begin + "Transfer-Encoding: chunked\r\n\r\n13\r\ngrant_type=password\r\n0\r\n\r\n", 200},
		"two lengths":    {begin + "Content-Length: 19\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"bad chunk":      {begin + "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400},
	} {
		g := newTokenGate(t, nil)
		w := g.dial(t)
		go io.WriteString(w, tt.request)
		if resp := w.answer(t, "POST"); resp.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d", name, resp.StatusCode, tt.status)
		}
	}
	g := newTokenGate(t, func(c *Config) { c.Timeouts.BodyIdle = 200 * time.Millisecond })
	w := g.dial(t)
	w.send(t, begin+"Content-Length: 19\r\n\r\ngrant")
	if !w.ended() {
		t.Error("a form that stops half-way was answered")
	}
}

// Nobody gets an anonymous token where every rule wants a login; T5: the guards of logins
// stand before this one, too.
func TestTokenWithoutALogin(t *testing.T) {
	up := newCapture(t)
	flooded := &accounts{people: everyone}
	route := bearerRoute(t, flooded, up.url())
	route.Rules = route.Rules[1:]
	tg := startGateway(t, func(c *Config) { c.Tokens = &Tokens{Keys: newKeyring(t)} }, route)
	checkAnswer(t, "nobody", tg.send(t, "GET", "/v2/token", "", ""), 401, `Bearer .*`)
	checkAnswer(t, "an old anonymous token", tg.send(t, "GET", "/v2/", bearer("x"), ""), 401, `Bearer .*invalid_token"`)
	for status, err := range map[int]error{429: backend.ErrThrottled, 503: backend.ErrUnavailable, 401: backend.ErrLocked} {
		flooded.fail(err)
		checkAnswer(t, err.Error(), tg.send(t, "GET", "/v2/token", basic("push"), ""), status, `Basic .*`)
	}
}

// T14: a token has no more than was asked for and the rules let pass.
func TestT14GrantsAreWhatRulesLetPass(t *testing.T) {
	g := newTokenGate(t, nil)
	book, err := NewRulebook([]Route{bearerRoute(t, g.accounts, g.up.url())})
	if err != nil {
		t.Fatal(err)
	}
	methods := map[oci.Action]string{oci.Pull: "GET", oci.Push: "PUT", oci.Delete: "DELETE"}
	for user, groups := range everyone {
		for _, repository := range []string{"team/a", "public/a", "other", "team"} {
			granted := token.Scopes(g.tokenFor(t, user, "repository:"+repository+":pull,push,delete").Scope)
			for action, method := range methods {
				a := book.Explain(Question{
					Method: method, Target: "/v2/" + repository + "/manifests/latest", Host: "127.0.0.1", Source: netip.MustParseAddr("127.0.0.1"),
					Who: rules.Subject{LoggedIn: true, Identity: backend.Identity{User: user, Source: "people"}, Groups: groups, GroupsKnown: true},
				})
				if got := granted.Allow(repository, action); got != (a.Verdict == rules.Allowed) {
					t.Errorf("%s of %s by %s: granted %v, and the rules say %v", action, repository, user, got, a.Verdict)
				}
			}
			if only := g.tokenFor(t, user, "repository:"+repository+":delete").Scope; strings.Contains(only, "pull") || strings.Contains(only, "push") {
				t.Errorf("%s of %s: asked for delete alone, got %q", user, repository, only)
			}
		}
	}
}

// T6: nobody but a trusted proxy says where clients send their passwords.
func TestT6RealmIsWhereTheClientHasAsked(t *testing.T) {
	trusted := func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	elsewhere := []string{"X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https"}
	for name, tt := range map[string]struct {
		change func(*Config)
		fields []string
		want   string // realm; empty for a Basic challenge
	}{
		"host":                       {nil, []string{"Host: Registry.Test:8443"}, "http://registry.test:8443/v2/token"},
		"no port":                    {nil, []string{"Host: registry.test"}, "http://registry.test/v2/token"},
		"IPv6":                       {nil, []string{"Host: [::1]:5043"}, "http://[::1]:5043/v2/token"},
		"a stranger's word":          {nil, append([]string{"Host: registry.test"}, elsewhere...), "http://registry.test/v2/token"},
		"a proxy's word":             {trusted, []string{"Host: inner", "X-Forwarded-Host: registry.test:8443", "X-Forwarded-Proto: https"}, "https://registry.test:8443/v2/token"},
		"a proxy that says less":     {trusted, []string{"Host: registry.test", "X-Forwarded-Proto: https"}, "https://registry.test/v2/token"},
		"a proxy's word about hosts": {trusted, []string{"Host: inner", "X-Forwarded-Host: a\", b"}, "400"},
		"configured": {func(c *Config) { c.Routes[0].TokenURL = "https://registry.test/v2/token"; trusted(c) },
			append([]string{"Host: registry.test"}, elsewhere...), "https://registry.test/v2/token"},
	} {
		g := newTokenGate(t, tt.change)
		resp := g.send(t, "GET", "/v2/", "", "", tt.fields...)
		if tt.want == "400" {
			checkAnswer(t, name, resp, 400, "")
			continue
		}
		if got := resp.Header.Get(challengeField); !strings.HasPrefix(got, `Bearer realm="`+tt.want+`",service="`) {
			t.Errorf("%s: %q, want the realm %s", name, got, tt.want)
		}
	}
	g := newTokenGate(t, nil)
	w := g.dial(t)
	w.send(t, "GET /v2/ HTTP/1.0\r\n\r\n")
	checkAnswer(t, "no host", w.answer(t, "GET"), 401, `Basic .*`)
}

// T11: a token is for the gateway alone, and an upload from where its scopes do not reach
// begins as an ordinary one.
func TestT11TokenStaysHere(t *testing.T) {
	audit, path := auditOf(t)
	g := newTokenGate(t, func(c *Config) {
		c.Routes[0].ForwardAuthorization = true
		c.Audit = audit
	})
	tok := g.tokenFor(t, "push", "repository:team/a:pull,push")
	g.send(t, "GET", "/v2/team/a/manifests/1", bearer(tok.Token), "")
	g.send(t, "GET", "/v2/public/a/manifests/1", bearer("gtha_whatever"), "")
	g.send(t, "GET", "/v2/team/a/manifests/1", basic("push"), "")
	mount := "/v2/team/a/blobs/uploads/?mount=sha256:" + strings.Repeat("0", 64) + "&from="
	g.send(t, "POST", mount+"team/b", bearer(tok.Token), "")
	g.send(t, "POST", mount+"team/a", bearer(tok.Token), "")
	got := g.up.text()
	if strings.Contains(got, "gtha_") || strings.Contains(got, "Bearer") || !strings.Contains(got, basic("push")) {
		t.Errorf("the upstream got %q", got)
	}
	if strings.Contains(got, "from=team/b") || !strings.Contains(got, "from=team/a") {
		t.Errorf("mounts: the upstream got %q", got)
	}
	records := audited(t, path, 6)
	issued, used, byPassword := records[0], records[1], records[3]
	if issued.Token == "" || issued.Via != "password" || used.Token != issued.Token || used.Via != "password" || used.User != "push" || byPassword.Via != "password" || byPassword.Token != "" {
		t.Errorf("audit: %+v", records)
	}
}

// A Rulebook foresees what becomes of requests for tokens, and of those to the root.
func TestRulebookForeseesTokens(t *testing.T) {
	t.Parallel()
	open, closed := bearerRoute(t, &accounts{people: everyone}, "http://127.0.0.1:1"), bearerRoute(t, &accounts{people: everyone}, "http://127.0.0.1:1")
	open.Rules = []rules.Rule{{Name: "all", Require: mustRequire(t, "all granted")}}
	closed.Rules = closed.Rules[1:]
	for _, route := range []Route{open, closed} {
		tg := startGateway(t, func(c *Config) { c.Tokens = &Tokens{Keys: newKeyring(t)} }, route)
		book, err := NewRulebook([]Route{route})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/v2/", "/v2/token"} {
			for _, method := range []string{"GET", "DELETE", "OPTIONS"} {
				for _, user := range []string{"", "pull"} {
					q := Question{Method: method, Target: path, Host: "127.0.0.1", Source: netip.MustParseAddr("127.0.0.1")}
					authorization := ""
					if user != "" {
						authorization = basic(user)
						q.Who = rules.Subject{LoggedIn: true, Identity: backend.Identity{User: user, Source: "people"}, GroupsKnown: true}
					}
					got, a := tg.send(t, method, path, authorization, "").StatusCode, book.Explain(q)
					if got != a.Status && !(a.Status == 0 && a.Verdict == rules.Allowed && got < 500 && got != 401 && got != 403) && got != 503 {
						t.Errorf("rule %q: %s %s by %q: status %d, foreseen %d, %v", route.Rules[0].Name, method, path, user, got, a.Status, a.Verdict)
					}
				}
			}
		}
	}
}
