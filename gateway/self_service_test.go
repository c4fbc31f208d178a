package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/owntoken"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/token"
	"gatehouse/internal/testkit"
)

// anchored are accounts that can be told from later ones of the same name, but for pull's.
type anchored struct{ *accounts }

func (a anchored) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	id, err := a.accounts.Authenticate(ctx, user, password)
	if err == nil && user != "pull" {
		id.Anchor = "number:" + user
	}
	return id, err
}

// fallible is a store that can be made to fail.
type fallible struct {
	owntoken.Store
	down atomic.Bool
}

var errDown = fmt.Errorf("the disk with CANARY-STORE has gone: %w", backend.ErrUnavailable)

func (f *fallible) ByOwner(ctx context.Context, o owntoken.Owner) ([]owntoken.Token, error) {
	if f.down.Load() {
		return nil, errDown
	}
	return f.Store.ByOwner(ctx, o)
}

func (f *fallible) Change(ctx context.Context, c owntoken.Change) error {
	if f.down.Load() {
		return errDown
	}
	return f.Store.Change(ctx, c)
}

// pageGate is a gateway with the page on which users make tokens.
type pageGate struct {
	*testGateway
	accounts *accounts
	store    *fallible
	issuer   *owntoken.Issuer
	up       *capture
	keys     *token.Keyring
}

const pagePath = "/-/tokens"

func newPageGate(t *testing.T, change func(*Config)) *pageGate {
	t.Helper()
	j, err := owntoken.OpenJournal(filepath.Join(t.TempDir(), "tokens.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	g := &pageGate{accounts: &accounts{people: everyone}, store: &fallible{Store: j}, up: newCapture(t), keys: newKeyring(t)}
	g.issuer = owntoken.NewIssuer(g.store, owntoken.Config{PerUser: 3, MaxTTL: 90 * 24 * time.Hour, RobotMaxTTL: time.Hour})
	route := bearerRoute(t, g.accounts, g.up.url())
	route.Backend = anchored{g.accounts}
	route.CORSOrigins = []string{uiOrigin}
	route.ResponseHeaders = []string{"X-Own: 1"}
	g.testGateway = startGateway(t, func(c *Config) {
		c.Tokens = &Tokens{Keys: g.keys, TTL: time.Hour, IdentityTTL: time.Hour, Own: g.issuer, SelfService: pagePath}
		if change != nil {
			change(c)
		}
	}, route)
	return g
}

// usual is a form as the page sends it.
func usual(more ...string) url.Values {
	form := url.Values{"name": {"ci"}, "action": {"pull"}, "repositories": {""}, "ttl": {"24h0m0s"}, "days": {""}, "networks": {""}}
	for i := 0; i < len(more); i += 2 {
		form[more[i]] = []string{more[i+1]}
	}
	return form
}

// post sends a form. A user that is no header is one with the right password.
func (g *pageGate) post(t *testing.T, user, path string, form url.Values, fields ...string) *http.Response {
	t.Helper()
	if user != "" && !strings.Contains(user, " ") {
		user = basic(user)
	}
	return g.send(t, "POST", path, user, form.Encode(), append([]string{"Content-Type: application/x-www-form-urlencoded"}, fields...)...)
}

type pageAnswer struct {
	User    string
	WhyNone string `json:"why_none"`
	Made    struct{ ID, Name, Secret, Login string }
	Tokens  []struct {
		ID, Name, Kind                  string
		Repositories, Actions, Networks []string
		Expires                         time.Time
	}
	Errors []struct {
		Code, Message string
		Detail        map[string]string
	}
}

func readPage(t *testing.T, resp *http.Response, status int) (a pageAnswer, body string) {
	t.Helper()
	body = text(t, resp)
	if err := json.Unmarshal([]byte(body), &a); err != nil || resp.StatusCode != status {
		t.Fatalf("status %d, want %d, %v: %s", resp.StatusCode, status, err, body)
	}
	return a, body
}

// make makes a token and returns its ID and secret.
func (g *pageGate) make(t *testing.T, user string, form url.Values) (id, secret string) {
	t.Helper()
	a, _ := readPage(t, g.post(t, user, pagePath, form), 201)
	return a.Made.ID, a.Made.Secret
}

// count returns how many tokens a user has.
func (g *pageGate) count(t *testing.T, user string) int {
	t.Helper()
	list, err := g.issuer.List(t.Context(), owntoken.Owner{Backend: "people", User: user, Anchor: "number:" + user})
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

const asBrowser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"

// What the user asked for is what the token is for, and the secret is the token's.
func TestPageMakesTheTokenThatWasAskedFor(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		g := newPageGate(t, change)
		form := usual("repositories", "team/app, team/lib/**", "days", "7", "networks", "10.0.0.0/8 192.0.2.1")
		form["action"] = []string{"pull", "push"}
		a, _ := readPage(t, g.post(t, "alice", pagePath, form), 201)
		found, err := g.issuer.Find(t.Context(), a.Made.Secret)
		if err != nil {
			t.Fatal(err)
		}
		limits := owntoken.Limits{Repositories: []string{"team/app", "team/lib/**"}, Actions: []string{"pull", "push"}, From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")}}
		if fmt.Sprint(found.Limits) != fmt.Sprint(limits) || found.Expires.Sub(found.Created) != 7*24*time.Hour || found.Name != "ci" || found.ID != a.Made.ID ||
			found.Owner != (owntoken.Owner{Backend: "people", User: "alice", Anchor: "number:alice"}) || found.By != "alice" || found.Request == "" {
			t.Errorf("%+v", found)
		}
		if want := "docker login " + g.addr + " -u alice"; a.Made.Login != want {
			t.Errorf("%q, want %q", a.Made.Login, want)
		}
		if len(a.Tokens) != 1 || a.Tokens[0].ID != found.ID || g.up.text() != "" {
			t.Errorf("%+v; the upstream got %q", a.Tokens, g.up.text())
		}
		g.make(t, "alice", usual("name", "short"))
		if list, _ := readPage(t, g.send(t, "GET", pagePath, basic("alice"), ""), 200); len(list.Tokens) != 2 || list.Tokens[0].Name != "short" {
			t.Errorf("%+v", list)
		}
	})
}

// The secret is in the one answer, and in nothing that anybody can look at afterwards.
func TestPageShowsASecretOnce(t *testing.T) {
	log, path := auditOf(t)
	g := newPageGate(t, func(c *Config) { c.Audit = log })
	id, secret := g.make(t, "alice", usual())
	again, body := readPage(t, g.post(t, "alice", pagePath, usual()), 409)
	if again.Errors[0].Code != "CONFLICT" || !strings.Contains(again.Errors[0].Detail["name"], "name already") || g.count(t, "alice") != 1 {
		t.Errorf("the same form again: %+v", again)
	}
	page := text(t, g.send(t, "GET", pagePath, basic("alice"), "", asBrowser))
	formAgain := text(t, g.post(t, "alice", pagePath, usual(), asBrowser))
	rotated, _ := readPage(t, g.post(t, "alice", pagePath+"/"+id+"/rotate", url.Values{"overlap": {"24h"}}), 201)
	records := audited(t, path, 5)
	audit := fmt.Sprintf("%+v", records)
	for where, text := range map[string]string{"the repeated form": body, "the page": page, "the page of the repeated form": formAgain, "the access log": g.access.String(), "the audit log": audit, "the log": g.log.String()} {
		if strings.Contains(text, secret) || strings.Contains(text, rotated.Made.Secret) || strings.Contains(text, "gthp_") {
			t.Errorf("%s has the secret: %s", where, text)
		}
	}
	if records[0].Token != id || records[4].Token != rotated.Made.ID || records[4].User != "alice" || records[1].Token != "" {
		t.Errorf("the audit log does not say which tokens were made: %s", audit)
	}
}

// A repeated form makes no second token in the place of one, and what is revoked is dead.
func TestPageRotatesOnceAndRevokes(t *testing.T) {
	g := newPageGate(t, nil)
	id, old := g.make(t, "alice", usual())
	path := pagePath + "/" + id
	a, _ := readPage(t, g.post(t, "alice", path+"/rotate", url.Values{"overlap": {"1h"}}), 201)
	if again, _ := readPage(t, g.post(t, "alice", path+"/rotate", url.Values{"overlap": {"1h"}}), 409); !strings.Contains(again.Errors[0].Message, "two tokens of that name") || g.count(t, "alice") != 2 {
		t.Errorf("rotated again: %+v", again)
	}
	if found, _ := g.issuer.Find(t.Context(), old); found.At(time.Now().Add(59*time.Minute)) != nil || found.At(time.Now().Add(61*time.Minute)) == nil {
		t.Errorf("the old one ends at %v", found.Expires)
	}
	resp := g.send(t, "POST", path+"/revoke", basic("alice"), "")
	if _, body := readPage(t, resp, 200); body != `{"revoked":"`+id+"\"}\n" {
		t.Errorf("revoked: %s", body)
	}
	readPage(t, g.post(t, "alice", path+"/revoke", nil), 404)
	if found, _ := g.issuer.Find(t.Context(), old); found.At(time.Now()) == nil {
		t.Error("it is not revoked")
	}
	if resp := g.post(t, "alice", pagePath+"/"+a.Made.ID+"/revoke", nil, asBrowser); resp.StatusCode != 303 || resp.Header.Get("Location") != pagePath+"#revoked" || g.count(t, "alice") != 0 {
		t.Errorf("from a browser: %d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
}

// What docker login keeps is listed and revoked like any other token, and not rotated: no
// client would take what the page shows.
func TestPageListsWhatDockerLoginKeeps(t *testing.T) {
	g := newPageGate(t, nil)
	kept, _, err := g.issuer.Create(t.Context(), owntoken.Order{Kind: owntoken.Identity, Name: "login", Owner: owntoken.Owner{Backend: "people", User: "alice", Anchor: "number:alice"}})
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := readPage(t, g.send(t, "GET", pagePath, basic("alice"), ""), 200); len(a.Tokens) != 1 || a.Tokens[0].Kind != "identity" {
		t.Errorf("%+v", a)
	}
	page := text(t, g.send(t, "GET", pagePath, basic("alice"), "", asBrowser))
	if !strings.Contains(page, ">docker login<") || strings.Contains(page, "/rotate") || !strings.Contains(page, kept.ID+"/revoke") {
		t.Error(page)
	}
	if a, _ := readPage(t, g.post(t, "alice", pagePath+"/"+kept.ID+"/rotate", nil), 400); !strings.Contains(a.Errors[0].Message, "is not rotated") || g.count(t, "alice") != 1 {
		t.Errorf("%+v", a)
	}
	readPage(t, g.post(t, "alice", pagePath+"/"+kept.ID+"/revoke", nil), 200)
}

// Nobody sees, rotates or ends what somebody else owns, not even its being there.
func TestPageIsOfOneUser(t *testing.T) {
	g := newPageGate(t, nil)
	id, secret := g.make(t, "alice", usual())
	for _, path := range []string{"/rotate", "/revoke"} {
		other := g.post(t, "push", pagePath+"/"+id+path, nil)
		nothing := g.post(t, "push", pagePath+"/0123456789abcdef"+path, nil)
		if a, b := text(t, other), text(t, nothing); other.StatusCode != 404 || nothing.StatusCode != 404 || a != b {
			t.Errorf("%s of another user: %d %s, of nobody: %d %s", path, other.StatusCode, a, nothing.StatusCode, b)
		}
	}
	if found, _ := g.issuer.Find(t.Context(), secret); found.At(time.Now()) != nil || g.count(t, "alice") != 1 {
		t.Error("somebody else has changed it")
	}
	if a, body := readPage(t, g.send(t, "GET", pagePath, basic("push"), ""), 200); len(a.Tokens) != 0 || strings.Contains(body, id) {
		t.Errorf("somebody else sees %s", body)
	}
}

// A token of any kind makes none, and a login that fails is one as anywhere.
func TestPageNeedsAPassword(t *testing.T) {
	g := newPageGate(t, nil)
	_, own := g.make(t, "alice", usual())
	sealed := g.tokenFor(t, "alice").Token
	var kept tokenAnswer
	if err := json.NewDecoder(g.send(t, "GET", "/v2/token?offline_token=true", basic("alice"), "").Body).Decode(&kept); err != nil {
		t.Fatal(err)
	}
	logins := g.accounts.logins.Load()
	as := func(password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+password))
	}
	for name, authorization := range map[string]string{
		"a token for requests":                        bearer(sealed),
		"a refresh token":                             bearer(kept.Refresh),
		"a token of the account":                      bearer(own),
		"a token for requests, as a password":         as(sealed),
		"a refresh token, as a password":              as(kept.Refresh),
		"a token of the account, as a password":       as(own),
		"what looks like one, as a password":          as("gthp_x"),
		"what looks like one of a robot":              as("gthb_x"),
		"what looks like one that docker login keeps": as("gthi_x"),
	} {
		for _, method := range []string{"GET", "POST"} {
			resp := g.send(t, method, pagePath, authorization, "")
			a, _ := readPage(t, resp, 403)
			if !strings.HasPrefix(a.Errors[0].Message, "a token cannot make, list or end tokens: log in with the password (id ") {
				t.Errorf("%s, %s: %+v", name, method, a)
			}
		}
	}
	if got := g.accounts.logins.Load(); got != logins {
		t.Errorf("the backend was asked %d times about tokens", got-logins)
	}
	for name, authorization := range map[string]string{"nothing": "", "a wrong password": as("wrong"), "nobody": basic("nobody"), "another scheme": "Digest x", "nonsense": "Basic ?"} {
		for _, method := range []string{"GET", "POST"} {
			checkAnswer(t, name, g.send(t, method, pagePath, authorization, ""), 401, `Basic realm="Registry Authentication", charset="UTF-8"`)
		}
	}
	if g.count(t, "alice") != 2 { // the one above, and what docker login keeps
		t.Error("one of them made a token")
	}
	g.accounts.fail(backend.ErrThrottled)
	if resp := g.send(t, "GET", pagePath, basic("alice"), ""); resp.StatusCode != 429 {
		t.Errorf("throttled: %d", resp.StatusCode)
	}
	g.accounts.fail(fmt.Errorf("x: %w", backend.ErrUnavailable))
	if resp := g.send(t, "GET", pagePath, basic("alice"), ""); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("no answer of the backend: %d", resp.StatusCode)
	}
}

// A browser adds the password that it remembers to what any page sends.
func TestPageRefusesOtherSites(t *testing.T) {
	g := newPageGate(t, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} })
	here := "http://" + g.addr
	id, _ := g.make(t, "alice", usual("name", "old"))
	logins := g.accounts.logins.Load()
	n := 0
	for _, tt := range []struct {
		fields []string
		status int
	}{
		{[]string{"Sec-Fetch-Site: cross-site"}, 403},
		{[]string{"Sec-Fetch-Site: same-site", "Origin: " + here}, 403},
		{[]string{"Sec-Fetch-Site: other"}, 403},
		{[]string{"Origin: https://evil.example.test"}, 403},
		{[]string{"Origin: null"}, 403},
		{[]string{"Origin: " + uiOrigin}, 403}, // which may read what the route answers
		{[]string{"Origin: http://registry.test", "Host: 127.0.0.1"}, 403},
		{[]string{"Origin: http://127.0.0.1", "X-Forwarded-Host: registry.test"}, 403},
		{[]string{"Sec-Fetch-Site: same-origin"}, 201},
		{[]string{"Origin: " + here}, 201},
	} {
		n++
		resp := g.post(t, "alice", pagePath, usual("name", fmt.Sprint("n", n)), tt.fields...)
		if resp.StatusCode != tt.status {
			t.Errorf("%q: status %d, want %d: %s", tt.fields, resp.StatusCode, tt.status, text(t, resp))
		}
		if tt.status == 403 {
			for _, act := range []string{"rotate", "revoke"} {
				if resp := g.post(t, "alice", pagePath+"/"+id+"/"+act, nil, tt.fields...); resp.StatusCode != 403 {
					t.Errorf("%s, %q: status %d", act, tt.fields, resp.StatusCode)
				}
			}
		}
	}
	if got := g.count(t, "alice"); got != 3 {
		t.Errorf("there are %d tokens", got)
	}
	if got := g.accounts.logins.Load() - logins; got != 2 {
		t.Errorf("%d logins, of which those of other sites are none", got)
	}
	behind := g.post(t, "push", pagePath, usual(), "Origin: https://registry.test", "X-Forwarded-Host: registry.test", "X-Forwarded-Proto: https")
	if a, _ := readPage(t, behind, 201); a.Made.Login != "docker login registry.test -u push" {
		t.Errorf("behind a proxy: %q", a.Made.Login)
	}
}

// No answer of the page, whatever its status, is for another page to read, to keep or to
// show in a frame.
func TestPageHeaders(t *testing.T) {
	g, made := newPageGate(t, nil), 0
	for want, resp := range map[int]func(...string) *http.Response{
		200: func(f ...string) *http.Response { return g.send(t, "GET", pagePath, basic("alice"), "", f...) },
		201: func(f ...string) *http.Response {
			made++
			return g.post(t, "alice", pagePath, usual("name", fmt.Sprint("n", made)), append(f, "Sec-Fetch-Site: same-origin")...)
		},
		400: func(f ...string) *http.Response {
			return g.post(t, "alice", pagePath, usual("name", "a b"), append(f, "Sec-Fetch-Site: same-origin")...)
		},
		401: func(f ...string) *http.Response { return g.send(t, "GET", pagePath, "", "", f...) },
		403: func(f ...string) *http.Response { return g.send(t, "GET", pagePath, bearer("x"), "", f...) },
		405: func(f ...string) *http.Response {
			return g.send(t, "OPTIONS", pagePath, "", "", append(f, "Access-Control-Request-Method: POST")...)
		},
	} {
		for _, accept := range []string{asBrowser, "Accept: application/json", "Accept: */*"} {
			got := resp("Origin: "+uiOrigin, accept)
			h, html := got.Header, accept == asBrowser
			contentType := map[bool]string{true: "text/html; charset=utf-8", false: "application/json"}[html]
			policy := h.Get("Content-Security-Policy")
			if got.StatusCode != want || len(corsFields(h)) > 0 || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" ||
				h.Get("Referrer-Policy") != "same-origin" || h.Get("Content-Type") != contentType || h.Get("X-Own") != "1" {
				t.Errorf("%d for %s: %d with %v", want, accept, got.StatusCode, h)
			}
			for _, part := range []string{"default-src 'none'; style-src 'sha256-", "; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"} {
				if !strings.Contains(policy, part) {
					t.Errorf("%d: policy %q lacks %q", want, policy, part)
				}
			}
			if body := text(t, got); html != strings.HasPrefix(body, "<!DOCTYPE html>") || strings.Contains(body, "<script") || strings.Contains(body, "http://") || strings.Contains(body, "https://") {
				t.Errorf("%d for %s: %s", want, accept, body)
			}
		}
	}
}

// The page has its exact paths, at hosts of routes that take tokens, and reaches no upstream.
func TestPageHasItsPathsAlone(t *testing.T) {
	g := newPageGate(t, nil)
	for _, path := range []string{"/-/", "/-/tokens/", "/-/tokens/x", "/-/tokens/x/", "/-/tokens/x/revoke/", "/-/tokens/x/other", "/-/tokens//revoke", "/-/tokensx", "/-/TOKENS", "/-/tokens/x/y/revoke"} {
		if resp := g.post(t, "alice", path, nil); resp.StatusCode != 404 && resp.StatusCode != 400 {
			t.Errorf("%s: status %d: %s", path, resp.StatusCode, text(t, resp))
		}
	}
	for path, allow := range map[string]string{pagePath: "GET, HEAD, POST", pagePath + "/x/revoke": "POST", pagePath + "/x/rotate": "POST"} {
		for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "GET", "HEAD"} {
			if slices.Contains(strings.Split(allow, ", "), method) {
				continue
			}
			if resp := g.send(t, method, path, basic("alice"), ""); resp.StatusCode != 405 || resp.Header.Get("Allow") != allow {
				t.Errorf("%s %s: status %d, Allow %q", method, path, resp.StatusCode, resp.Header.Get("Allow"))
			}
		}
	}
	if resp := g.send(t, "GET", pagePath+"?name=ci", basic("alice"), ""); resp.StatusCode != 400 {
		t.Errorf("with a query: status %d", resp.StatusCode)
	}
	if resp := g.send(t, "HEAD", pagePath, basic("alice"), ""); resp.StatusCode != 200 || resp.ContentLength <= 0 {
		t.Errorf("HEAD: status %d, %d bytes", resp.StatusCode, resp.ContentLength)
	}
	if got := g.up.text(); got != "" {
		t.Errorf("the upstream got %q", got)
	}
}

// At a host without a route that takes tokens there is no page, and of several routes the
// one of docker login lets in.
func TestPageIsWhereTokensAre(t *testing.T) {
	up := newCapture(t)
	at := func(host, path, registry string, who people) Route {
		r := bearerRoute(t, &accounts{people: who}, up.url())
		r.Hosts, r.Path, r.Registry, r.Challenge = []string{host}, path, registry, ""
		r.Rules = []rules.Rule{{Name: "none", Require: mustRequire(t, "all denied")}}
		return r
	}
	j, err := owntoken.OpenJournal(filepath.Join(t.TempDir(), "tokens.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	own := owntoken.NewIssuer(j, owntoken.Config{PerUser: 1, MaxTTL: time.Hour})
	tg := startGateway(t, func(c *Config) {
		c.Tokens = &Tokens{Keys: newKeyring(t), Own: own, SelfService: pagePath}
	}, at("web.test", "/", "none", everyone), at("both.test", "/v2/deep/", "", people{"deep": {}}), at("both.test", "/v2/", "", everyone),
		at("part.test", "/v2/b/c/", "", people{"deep": {}}), at("part.test", "/v2/a/", "", everyone))
	for _, tt := range []struct {
		host, user string
		status     int
	}{
		{"both.test", "alice", 200}, {"both.test", "deep", 401}, {"part.test", "alice", 200}, {"part.test", "deep", 401},
		{"web.test", "alice", 403}, {"other.test", "alice", 404}, // no rule allows anything at the first
	} {
		if resp := tg.send(t, "GET", pagePath, basic(tt.user), "", "Host: "+tt.host); resp.StatusCode != tt.status {
			t.Errorf("%s as %s: status %d: %s", tt.host, tt.user, resp.StatusCode, text(t, resp))
		}
	}
	if _, err := New(Config{Listen: []string{"127.0.0.1:0"}, Routes: []Route{bearerRoute(t, &accounts{people: everyone}, up.url())}, Tokens: &Tokens{Keys: newKeyring(t), SelfService: pagePath}}); err == nil {
		t.Error("a page without a store is accepted")
	}
}

// A form that can be read in two ways makes nothing; one with a fault in a field says so
// beside it and keeps what was typed.
func TestPageRefusesForms(t *testing.T) {
	g := newPageGate(t, nil)
	const script = `"><script>alert(1)</script>`
	twice := usual()
	twice["name"] = []string{"a", "b"}
	sameAction := usual()
	sameAction["action"] = []string{"pull", "pull"}
	noAction := usual()
	delete(noAction, "action")
	for what, tt := range map[string]struct {
		form  url.Values
		field string // at which the fault is shown; empty for the form as a whole
	}{
		"a name twice":           {twice, ""},
		"an action twice":        {sameAction, ""},
		"an unknown field":       {usual("owner", "push"), ""},
		"the kind of a robot":    {usual("kind", "robot"), ""},
		"no name":                {usual("name", ""), "name"},
		"a long name":            {usual("name", strings.Repeat("a", 65)), "name"},
		"a scripted name":        {usual("name", script), "name"},
		"a name for a shell":     {usual("name", "$(id)"), "name"},
		"a hidden name":          {usual("name", "a\u202eb"), "name"},
		"no action":              {noAction, "action"},
		"an unknown action":      {usual("action", "admin"), "action"},
		"no pattern":             {usual("repositories", "Team/App"), "repositories"},
		"a scripted pattern":     {usual("repositories", script), "repositories"},
		"many patterns":          {usual("repositories", strings.Repeat("a ", 51)), "repositories"},
		"no network":             {usual("networks", "10.0.0.1/8"), "networks"},
		"a scripted network":     {usual("networks", script), "networks"},
		"too long":               {usual("ttl", "2161h"), "ttl"},
		"no time":                {usual("ttl", ""), "ttl"},
		"a negative time":        {usual("ttl", "-1h"), "ttl"},
		"over at once":           {usual("ttl", "1s"), "ttl"},
		"too many days":          {usual("days", "91"), "days"},
		"no day":                 {usual("days", "0"), "days"},
		"days beyond an integer": {usual("days", "99999999999999999999"), "days"},
		"half a day":             {usual("days", "0.5"), "days"},
		"scripted days":          {usual("days", script), "days"},
	} {
		a, _ := readPage(t, g.post(t, "alice", pagePath, tt.form), 400)
		if tt.field != "" && (len(a.Errors[0].Detail) != 1 || a.Errors[0].Detail[tt.field] == "") || tt.field == "" && len(a.Errors[0].Detail) != 0 {
			t.Errorf("%s: %+v", what, a.Errors)
		}
		resp := g.post(t, "alice", pagePath, tt.form, asBrowser)
		page := text(t, resp)
		if resp.StatusCode != 400 || strings.Contains(page, "<script") || strings.Contains(page, "\u202e") || tt.field != "" && !strings.Contains(page, `id="`+tt.field+`-error"`) {
			t.Errorf("%s: %d %s", what, resp.StatusCode, page)
		}
	}
	kept := text(t, g.post(t, "alice", pagePath, usual("name", script, "repositories", "team/app", "networks", "10.0.0.0/8", "days", "12", "action", "push"), asBrowser))
	for _, want := range []string{`value="&#34;&gt;&lt;script&gt;`, `value="team/app"`, `value="10.0.0.0/8"`, `value="12"`, `value="push" checked`} {
		if !strings.Contains(kept, want) {
			t.Errorf("the page lacks %s: %s", want, kept)
		}
	}
	for what, tt := range map[string]struct {
		body, contentType string
		status            int
	}{
		"a huge form":         {"name=" + strings.Repeat("a", 16<<10), "application/x-www-form-urlencoded", 413},
		"JSON":                {`{"name":"ci"}`, "application/json", 400},
		"parts":               {"--x\r\n", "multipart/form-data; boundary=x", 400},
		"a line break":        {usual("name", "a\nb").Encode(), "application/x-www-form-urlencoded", 400},
		"a semicolon":         {"name=a;name=b", "application/x-www-form-urlencoded", 400},
		"a broken escape":     {"name=%zz", "application/x-www-form-urlencoded", 400},
		"bytes without sense": {"name=%ff", "application/x-www-form-urlencoded", 400},
	} {
		if resp := g.send(t, "POST", pagePath, basic("alice"), tt.body, "Content-Type: "+tt.contentType); resp.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d: %s", what, resp.StatusCode, tt.status, text(t, resp))
		}
	}
	id, _ := g.make(t, "push", usual())
	for act, form := range map[string]url.Values{"revoke": {"overlap": {"1h"}}, "rotate": {"overlap": {"-1h"}}} {
		readPage(t, g.post(t, "push", pagePath+"/"+id+"/"+act, form), 400)
	}
	if g.count(t, "alice") != 0 || g.count(t, "push") != 1 {
		t.Error("one of them made a token, or ended one")
	}
}

// The bound of tokens is told, and holds.
func TestPageBoundsTokens(t *testing.T) {
	g := newPageGate(t, nil)
	for n := range 3 {
		g.make(t, "alice", usual("name", fmt.Sprint("n", n)))
	}
	a, _ := readPage(t, g.post(t, "alice", pagePath, usual("name", "more")), 409)
	if !strings.Contains(a.Errors[0].Message, "as many tokens as one may have") || g.count(t, "alice") != 3 {
		t.Errorf("%+v", a)
	}
	page := text(t, g.post(t, "alice", pagePath, usual("name", "more"), asBrowser))
	for _, want := range []string{"There are as many tokens as one may have: revoke one that is not needed (3).", "You can have 3 at once.", `value="more"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q: %s", want, page)
		}
	}
}

// An account that nothing tells from a later one of its name can own none, and is told why.
func TestPageTellsWhyAnAccountHasNone(t *testing.T) {
	g := newPageGate(t, nil)
	if a, _ := readPage(t, g.send(t, "GET", pagePath, basic("pull"), ""), 200); !strings.HasPrefix(a.WhyNone, "your account cannot have tokens: ") {
		t.Errorf("%+v", a)
	}
	page := text(t, g.send(t, "GET", pagePath, basic("pull"), "", asBrowser))
	if !strings.Contains(page, "Your account cannot have tokens: ") || strings.Contains(page, `name="name"`) {
		t.Error(page)
	}
	if a, _ := readPage(t, g.post(t, "pull", pagePath, usual()), 403); !strings.Contains(a.Errors[0].Message, "cannot have tokens") {
		t.Errorf("%+v", a)
	}
}

// When the store is down nothing is shown, and nothing is made.
func TestPageWithoutTheStore(t *testing.T) {
	g := newPageGate(t, nil)
	id, _ := g.make(t, "alice", usual())
	g.store.down.Store(true)
	for _, accept := range []string{asBrowser, "Accept: application/json"} {
		for _, resp := range []*http.Response{
			g.send(t, "GET", pagePath, basic("alice"), "", accept), g.post(t, "alice", pagePath, usual("name", "b"), accept),
			g.post(t, "alice", pagePath+"/"+id+"/revoke", nil, accept), g.post(t, "alice", pagePath+"/"+id+"/rotate", nil, accept),
		} {
			body := text(t, resp)
			if resp.StatusCode != 503 || strings.Contains(body, id) || strings.Contains(body, "CANARY") || strings.Contains(body, "gthp_") || !strings.Contains(body, "okens cannot be looked at or changed at the moment") {
				t.Errorf("%s: %d %s", accept, resp.StatusCode, body)
			}
		}
	}
	g.store.down.Store(false)
	if g.count(t, "alice") != 1 {
		t.Error("one was made or ended")
	}
}

// What is required to be recorded is not done without.
func TestPageNeedsTheAuditWhereItIsRequired(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	log := openTestAudit(t, path)
	g := newPageGate(t, func(c *Config) { c.Audit, c.AuditRequired = log, true })
	g.send(t, "GET", pagePath, basic("alice"), "") // after which it is known that the disk is full
	testkit.Await(t, "the log is known to be full", func() bool { return log.Err() != nil })
	if resp := g.post(t, "alice", pagePath, usual()); resp.StatusCode != 503 || g.count(t, "alice") != 0 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// The records say who came, and what came of it.
func TestPageIsRecorded(t *testing.T) {
	log, path := auditOf(t)
	g := newPageGate(t, func(c *Config) { c.Audit = log })
	g.make(t, "alice", usual())
	g.post(t, "alice", pagePath, usual())
	g.post(t, "alice", pagePath+"/x/revoke", nil)
	g.send(t, "GET", pagePath, bearer("x"), "")
	g.send(t, "GET", pagePath, "", "")
	g.post(t, "alice", pagePath, usual(), "Sec-Fetch-Site: cross-site")
	var got []string
	for _, r := range audited(t, path, 6) {
		got = append(got, fmt.Sprintln(r.User, r.Via, r.Decision, r.Status, r.Code))
	}
	want := []string{
		"alice password allowed 201 \n", "alice password invalid 409 token.page.conflict\n", "alice password invalid 404 token.page.unknown\n",
		"  denied 403 token.page.token\n", "  unauthenticated 401 login.required\n", "  denied 403 token.page.cross_site\n",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !strings.Contains(g.log.String(), "a token was made on the page") {
		t.Errorf("the log lacks it: %s", g.log.String())
	}
	codes := map[any]bool{}
	for _, r := range g.LastRefusals(10) {
		codes[string(r.Code)] = true
		if why, ok := g.Why(r.ID); !ok || len(why.Answer.Trace.Steps) > 0 {
			t.Errorf("%s: a trace of rules that nobody asked", r.Code)
		}
	}
	if !maps.Equal(codes, map[any]bool{"token.page.conflict": true, "token.page.unknown": true, "token.page.token": true, "token.page.cross_site": true}) {
		t.Errorf("refusals that are kept: %v", codes)
	}
}

// The rulebook foresees what the page answers.
func TestPageIsForeseen(t *testing.T) {
	g := newPageGate(t, nil)
	book, err := NewRulebook(g.cfg.Routes)
	if err != nil {
		t.Fatal(err)
	}
	book.Tokens = g.cfg.Tokens
	for _, q := range []Question{
		{Method: "GET", Target: pagePath}, {Method: "GET", Target: pagePath, Who: subjectOf("alice")}, {Method: "PUT", Target: pagePath}, {Method: "GET", Target: pagePath + "?a=b"},
		{Method: "GET", Target: pagePath, Bearer: new(Bearer)}, {Method: "GET", Target: pagePath + "/x/revoke"}, {Method: "GET", Target: "/-/else"}, {Method: "POST", Target: pagePath, Header: http.Header{"Origin": {"https://evil.example.test"}}},
	} {
		q.Host = g.addr
		authorization := ""
		if q.Who.LoggedIn {
			authorization = basic(q.Who.Identity.User)
		}
		if q.Bearer != nil {
			authorization = bearer("x")
		}
		resp := g.send(t, q.Method, q.Target, authorization, "", "Origin: "+q.Header.Get("Origin"))
		a := book.Explain(q)
		if a.Status != resp.StatusCode || len(a.Trace.Steps) > 0 {
			t.Errorf("%s %s: foreseen is %+v, the answer is %d", q.Method, q.Target, a, resp.StatusCode)
		}
		if _, body := readPage(t, resp, resp.StatusCode); a.Message != "" && !strings.Contains(body, a.Message) {
			t.Errorf("%s %s: foreseen is %q, the answer is %s", q.Method, q.Target, a.Message, body)
		}
	}
}
