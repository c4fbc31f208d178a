package gateway

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/token"
)

// changedTokens are tokens by what is the matter with them.
func changedTokens(now time.Time) map[string]func(*token.Token) {
	ago := func(d time.Duration) int64 { return now.Add(-d).Unix() }
	return map[string]func(*token.Token){
		"genuine":        func(*token.Token) {},
		"anonymous":      func(tok *token.Token) { tok.Identity = backend.Identity{} },
		"of a puller":    func(tok *token.Token) { tok.Identity.User = "pull" },
		"without scopes": func(tok *token.Token) { tok.Scopes = "" },
		"for pulls":      func(tok *token.Token) { tok.Scopes = "repository:team/a:pull" },
		"for two": func(tok *token.Token) {
			tok.Scopes = "repository:team/a:pull,push repository:team/b:pull registry:catalog:*"
		},
		"over":            func(tok *token.Token) { tok.Expires = ago(time.Minute) },
		"over for long":   func(tok *token.Token) { tok.Expires = ago(2 * time.Hour) },
		"early":           func(tok *token.Token) { tok.Issued = ago(-5 * time.Minute) },
		"revoked":         func(tok *token.Token) { tok.Identity.User, tok.Issued = "Gone", ago(time.Hour) },
		"another host":    func(tok *token.Token) { tok.Service = "other.example" },
		"another backend": func(tok *token.Token) { tok.Identity.Source = "elsewhere" },
	}
}

// A Rulebook foresees what becomes of a request that comes with a token, and names the cause
// that the access record has.
func TestRulebookForeseesRequestsWithTokens(t *testing.T) {
	t.Parallel()
	revoked, err := token.OpenRevocations("")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	_ = revoked.RevokeUser([]string{"gone"}, now) // which is kept nowhere
	g := newTokenGate(t, func(c *Config) { c.Tokens.Revoked = revoked })
	book, err := NewRulebook([]Route{bearerRoute(t, g.accounts, g.up.url())})
	if err != nil {
		t.Fatal(err)
	}
	book.Tokens = g.cfg.Tokens
	mount := "?mount=sha256:" + strings.Repeat("0", 64) + "&from="
	n := 0
	for name, change := range changedTokens(now) {
		text := g.sealed(t, change)
		tok, err := g.keys.Open(token.Access, text)
		if err != nil {
			t.Fatal(err)
		}
		for _, request := range []string{
			"GET /v2/", "GET /v2/_catalog", "GET /v2/public/a/manifests/1", "PUT /v2/public/a/manifests/1", "GET /v2/team/a/manifests/1", "GET /v2/team/b/manifests/1",
			"PUT /v2/team/a/manifests/1", "DELETE /v2/team/a/manifests/1", "POST /v2/team/a/blobs/uploads/", "PATCH /v2/team/a/blobs/uploads/1",
			"POST /v2/team/a/blobs/uploads/" + mount + "team/b", "POST /v2/team/a/blobs/uploads/" + mount + "team/c", "POST /v2/other/blobs/uploads/",
		} {
			method, path, _ := strings.Cut(request, " ")
			q := Question{
				Method: method, Target: path, Host: "127.0.0.1", Source: netip.MustParseAddr("127.0.0.1"), Bearer: &Bearer{Token: tok, At: now},
				Who: rules.Subject{LoggedIn: !tok.IsAnonymous(), Identity: tok.Identity, Groups: everyone[tok.Identity.User], GroupsKnown: true},
			}
			got, a := g.send(t, method, path, bearer(text), "").StatusCode, book.Explain(q)
			if got == http.StatusBadGateway { // what the upstream lists is no list
				got = http.StatusOK
			}
			if want := max(a.Status, 200); got != want {
				t.Errorf("%s, a token %s: status %d, foreseen %d (%v)", request, name, got, a.Status, a.TokenErr)
			}
			record := g.records(t, n+1)[n]
			n++
			if code, _ := record["code"].(string); a.TokenErr != nil && string(fault.Of(a.TokenErr)) != code {
				t.Errorf("%s, a token %s: code %q, foreseen %q", request, name, code, fault.Of(a.TokenErr))
			}
			if grace := name == "over" && method == "PATCH"; grace != a.Grace {
				t.Errorf("%s, a token %s: foreseen grace %v", request, name, a.Grace)
			}
		}
	}
}

// What the backend says of the account counts, and what could not be opened is none.
func TestRulebookKnowsWhatTheBackendSaysOfATokensUser(t *testing.T) {
	book, err := NewRulebook([]Route{bearerRoute(t, &accounts{people: everyone}, "http://127.0.0.1:1")})
	if err != nil {
		t.Fatal(err)
	}
	book.Tokens = &Tokens{}
	tok := token.Token{Issued: time.Now().Unix(), Expires: time.Now().Add(time.Hour).Unix(), Service: "127.0.0.1", Identity: backend.Identity{User: "pull", Source: "people"}, Scopes: "repository:a:pull"}
	for name, tt := range map[string]struct {
		bearer Bearer
		down   bool
		status int
		code   fault.Code
	}{
		"locked":      {Bearer{Token: tok, Err: backend.ErrLocked}, false, 401, "token.refused"},
		"malformed":   {Bearer{Err: token.ErrMalformed}, false, 401, "token.malformed"},
		"unknown key": {Bearer{Err: token.ErrUnknownKey}, false, 401, "token.unknown_key"},
		"down":        {Bearer{Token: tok}, true, 503, ""},
	} {
		tt.bearer.At = time.Now()
		a := book.Explain(Question{Method: "GET", Target: "/v2/a/manifests/1", Host: "127.0.0.1", Source: netip.MustParseAddr("127.0.0.1"), Bearer: &tt.bearer, BackendDown: tt.down})
		if a.Status != tt.status || fault.Of(a.TokenErr) != tt.code {
			t.Errorf("%s: status %d, code %q", name, a.Status, fault.Of(a.TokenErr))
		}
	}
}
