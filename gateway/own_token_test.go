package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/owntoken"
	"gatehouse/gateway/rules"
)

// A directory says who accounts are by now, and never hears a password of somebody who has a
// token.
type directoryOfTokens struct {
	*accounts
	now     map[string]backend.Identity // by user; those that are not in it are as they were
	refusal error                       // of whoever is asked about

	anchorless bool // nothing tells whoever logs in from a later account of the name
}

func (d *directoryOfTokens) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	id, err := d.accounts.Authenticate(ctx, user, password)
	if err == nil {
		id = accountOf(user)
		if d.anchorless {
			id.Anchor = ""
		}
		id.Changed = "pwdChangedTime:2026-01-01T00:00:00.000000000Z"
	}
	return id, err
}

func (d *directoryOfTokens) Revalidate(_ context.Context, id backend.Identity) (backend.Identity, error) {
	if err := d.failure.Load(); err != nil {
		return backend.Identity{}, *err
	}
	if now, ok := d.now[id.User]; ok {
		return now, d.refusal
	}
	return id, d.refusal
}

// Groups fails for robots, of which a directory must not be asked.
func (d *directoryOfTokens) Groups(ctx context.Context, id backend.Identity) ([]string, error) {
	if id.Source == rules.RobotSource {
		return nil, errors.New("asked for the groups of a robot")
	}
	return d.accounts.Groups(ctx, id)
}

func accountOf(user string) backend.Identity {
	return backend.Identity{User: user, Handle: "uid=" + user, Source: "people", Anchor: "entryUUID:" + user}
}

// ownGate is a gateway that takes tokens of accounts.
type ownGate struct {
	*testGateway
	directory *directoryOfTokens
	up        *capture
	store     *owntoken.Journal
	issuer    *owntoken.Issuer
}

func newOwnGate(t *testing.T, change func(*Config)) *ownGate {
	t.Helper()
	store, err := owntoken.OpenJournal(filepath.Join(t.TempDir(), "tokens.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	d := &directoryOfTokens{accounts: &accounts{people: everyone}, now: map[string]backend.Identity{}}
	issuer := owntoken.NewIssuer(store, owntoken.Config{PerUser: 3, MaxTTL: 90 * 24 * time.Hour, RobotMaxTTL: 365 * 24 * time.Hour})
	g := &ownGate{directory: d, up: newCapture(t), store: store, issuer: issuer}
	g.testGateway = startGateway(t, func(c *Config) {
		c.Tokens = &Tokens{Keys: newKeyring(t), TTL: time.Hour, IdentityTTL: time.Hour, Own: issuer}
		c.Routes[0].Backend = d
		c.Routes[0].Rules = append([]rules.Rule{
			{Name: "robots", Repositories: []string{"ci/**"}, Actions: []string{"push"}, Require: mustRequire(t, "user robot:ci")},
			{Name: "tokens", Repositories: []string{"tokens/**"}, Actions: []string{"push"}, Require: mustRequire(t, "via token")},
		}, c.Routes[0].Rules...)
		if change != nil {
			change(c)
		}
	}, bearerRoute(t, d.accounts, g.up.url()))
	return g
}

// create makes a token of a user, or of a robot for which the user answers.
func (g *ownGate) create(t *testing.T, o owntoken.Order) (owntoken.Token, string) {
	t.Helper()
	if o.Kind == "" {
		o.Kind = owntoken.Personal
	}
	if o.Name == "" {
		o.Name = "ci"
	}
	if o.Owner == (owntoken.Owner{}) {
		o.Owner = owntoken.OwnerOf(accountOf("push"))
	}
	tok, secret, err := g.issuer.Create(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return tok, secret
}

const (
	pushTeam   = "/v2/team/a/manifests/1"
	pullTeam   = "/v2/team/a/manifests/1"
	pushTokens = "/v2/tokens/a/manifests/1"
)

// said returns the message of an answer.
func said(t *testing.T, resp *http.Response) string {
	t.Helper()
	var body struct{ Errors []struct{ Message string } }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || len(body.Errors) != 1 {
		t.Fatalf("status %d: %v", resp.StatusCode, err)
	}
	return body.Errors[0].Message
}

// login logs in as docker does, and returns what it keeps.
func (g *ownGate) login(t *testing.T, user string) string {
	t.Helper()
	return answerOfToken(t, g.send(t, "GET", "/v2/token?offline_token=true", basic(user), "")).Refresh
}

func checkStatus(t *testing.T, name string, resp *http.Response, want int) {
	t.Helper()
	if resp.StatusCode != want {
		t.Errorf("%s: status %d, want %d; %s", name, resp.StatusCode, want, said(t, resp))
	}
}

// kindsOf returns the kinds of tokens.
func kindsOf(all []owntoken.Token) string {
	var kinds []string
	for _, tok := range all {
		kinds = append(kinds, string(tok.Kind))
	}
	return strings.Join(kinds, " ")
}

// session fetches a token for requests, with these credentials.
func (g *ownGate) session(t *testing.T, authorization string, scopes ...string) tokenAnswer {
	t.Helper()
	return answerOfToken(t, g.send(t, "GET", "/v2/token?"+url.Values{"scope": scopes}.Encode(), authorization, ""))
}

// A token is good in the place of the password, with the rights of its owner, and fetches
// tokens for requests. No backend hears of it.
func TestOwnTokenIsGoodForItsOwner(t *testing.T) {
	g := newOwnGate(t, nil)
	_, secret := g.create(t, owntoken.Order{})
	as := basicOf("push:" + secret)
	checkStatus(t, "push", g.send(t, "PUT", pushTeam, as, "x"), 200)
	checkStatus(t, "elsewhere", g.send(t, "PUT", "/v2/other/a/manifests/1", as, "x"), 403)
	s := g.session(t, as, "repository:team/a:pull,push", "repository:other/a:push")
	if s.Scope != "repository:other/a: repository:team/a:pull,push" && !strings.Contains(s.Scope, "team/a:pull,push") || strings.Contains(s.Scope, "other/a:push") {
		t.Errorf("granted %q", s.Scope)
	}
	checkStatus(t, "push by session", g.send(t, "PUT", pushTeam, bearer(s.Token), "x"), 200)
	if s.Refresh != "" {
		t.Error("a token gave a refresh token")
	}
	if n := g.directory.logins.Load(); n != 0 {
		t.Errorf("the backend heard %d passwords", n)
	}
}

// What a token lets in ends with it, and with its owner, at the next request: by itself and
// by what was fetched with it.
func TestOwnTokenEndsAtOnce(t *testing.T) {
	replaced := accountOf("push")
	replaced.Anchor = "entryUUID:other"
	for name, tt := range map[string]struct {
		end  func(*ownGate, owntoken.Token)
		want string
	}{
		"revoked": {func(g *ownGate, tok owntoken.Token) { g.issuer.Revoke(context.Background(), "test", tok.ID) }, "was revoked"},
		"gone":    {func(g *ownGate, _ owntoken.Token) { g.directory.fail(backend.ErrUnknownUser) }, "owner may not log in"},
		"disabled": {func(g *ownGate, _ owntoken.Token) {
			g.directory.refusal = backend.Stand(backend.Disabled, backend.ErrLocked)
		}, "owner may not log in"},
		"another account": {func(g *ownGate, _ owntoken.Token) { g.directory.now["push"] = replaced }, "was revoked"},
	} {
		g := newOwnGate(t, nil)
		tok, secret := g.create(t, owntoken.Order{})
		as := basicOf("push:" + secret)
		s := g.session(t, as, "repository:team/a:pull,push")
		checkStatus(t, name+": before", g.send(t, "GET", pullTeam, as, ""), 200)
		tt.end(g, tok)
		resp := g.send(t, "GET", pullTeam, as, "")
		checkAnswer(t, name, resp, 401, `Basic .*`)
		if got := said(t, resp); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q", name, got)
		}
		checkAnswer(t, name+": session", g.send(t, "GET", pullTeam, bearer(s.Token), ""), 401, `Bearer .*invalid_token.*`)
		g.directory.refusal, g.directory.now = nil, nil
		g.directory.failure.Store(nil)
		back := 200
		if name == "revoked" || name == "another account" {
			back = 401
		}
		if resp := g.send(t, "GET", pullTeam, as, ""); resp.StatusCode != back {
			t.Errorf("%s, and then as before: %d, want %d", name, resp.StatusCode, back)
		}
	}
}

// Whoever guesses at the account of somebody stops none of their programs, nor does a new
// password or a move. A backend without an answer ends nothing either.
func TestOwnTokenOutlivesWhatIsNotItsEnd(t *testing.T) {
	moved := accountOf("push")
	moved.Handle = "uid=push,ou=elsewhere"
	for name, change := range map[string]func(*directoryOfTokens){
		"locked":           func(d *directoryOfTokens) { d.refusal = backend.Stand(backend.Locked, backend.ErrLocked) },
		"password expired": func(d *directoryOfTokens) { d.refusal = backend.Stand(backend.PasswordExpired, backend.ErrLocked) },
		"password changed": func(d *directoryOfTokens) { d.refusal = backend.ErrOutdated },
		"moved":            func(d *directoryOfTokens) { d.now["push"] = moved },
	} {
		g := newOwnGate(t, nil)
		_, secret := g.create(t, owntoken.Order{})
		change(g.directory)
		as := basicOf("push:" + secret)
		checkStatus(t, name, g.send(t, "PUT", pushTeam, as, "x"), 200)
		s := g.session(t, as, "repository:team/a:pull,push")
		checkStatus(t, name+": session", g.send(t, "GET", pullTeam, bearer(s.Token), ""), 200)
		g.directory.fail(errors.Join(backend.ErrUnavailable, backend.Stand(backend.Replaced, backend.ErrUnknownUser)))
		checkStatus(t, name+": no answer", g.send(t, "GET", pullTeam, as, ""), 503)
		g.directory.failure.Store(nil)
		checkStatus(t, name+": again", g.send(t, "GET", pullTeam, as, ""), 200)
	}
}

// What looks like a token reaches no backend, whatever is wrong with it and whether there are
// such tokens or not.
func TestOwnTokenReachesNoBackend(t *testing.T) {
	g := newOwnGate(t, nil)
	none := newTokenGate(t, nil)
	plain := newTokenGate(t, func(c *Config) { c.Tokens, c.Routes[0].Challenge = nil, "" })
	tok, secret := g.create(t, owntoken.Order{})
	_, kept := g.create(t, owntoken.Order{Kind: owntoken.Identity, Name: "login"})
	_, near := g.create(t, owntoken.Order{Name: "near", Limits: owntoken.Limits{From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}})
	_, foreign := g.create(t, owntoken.Order{Owner: owntoken.Owner{Backend: "other", User: "push", Anchor: "entryUUID:push"}})
	changed := []byte(secret)
	changed[10] ^= 1
	if changed[10] == secret[10] {
		t.Fatal("unchanged")
	}
	for name, credentials := range map[string]string{
		"wrong checksum": "push:" + string(changed), "cut": "push:" + secret[:20], "doubled": "push:" + secret + secret, "prefix alone": "push:gthp_",
		"other's name": "pull:" + secret, "name in capitals": "PUSH:" + secret, "kept by docker": "push:" + kept,
		"other network": "push:" + near, "other backend": "push:" + foreign, "sealed": "push:gthr_x",
	} {
		resp := g.send(t, "GET", pullTeam, basicOf(credentials), "")
		checkAnswer(t, name, resp, 401, `Basic .*`)
		if strings.Contains(said(t, resp), secret[5:]) {
			t.Errorf("%s: the answer has the secret", name)
		}
	}
	for _, other := range []*tokenGate{none, plain} {
		checkAnswer(t, "without a store", other.send(t, "GET", pullTeam, basicOf("push:"+secret), ""), 401, `Basic .*`)
		if n := other.accounts.logins.Load(); n != 0 {
			t.Errorf("without a store the backend heard %d passwords", n)
		}
	}
	if n := g.directory.logins.Load(); n != 0 {
		t.Errorf("the backend heard %d passwords", n)
	}
	g.issuer.Revoke(t.Context(), "test", tok.ID)
}

// Failures are counted by the address that they come from.
func TestOwnTokenFailuresAreCounted(t *testing.T) {
	g := newOwnGate(t, func(c *Config) {
		flood, err := backend.NewFlood(c.Routes[0].Backend, backend.FloodConfig{PerSource: 1, SourceBurst: 2})
		if err != nil {
			t.Fatal(err)
		}
		c.Routes[0].Backend = flood
	})
	_, secret := g.create(t, owntoken.Order{})
	for _, want := range []int{401, 401, 429} {
		checkStatus(t, "bad", g.send(t, "GET", pullTeam, basicOf("push:gthp_x"), ""), want)
	}
	checkStatus(t, "good", g.send(t, "GET", pullTeam, basicOf("push:"+secret), ""), 200)
}

// A token that was typed where the user name belongs is refused as any bad one is. No backend
// hears of it, and no record has it.
func TestOwnTokenInPlaceOfTheUser(t *testing.T) {
	audit, path := auditOf(t)
	g := newOwnGate(t, func(c *Config) { c.Audit, c.Tokens.SelfService = audit, "/-/tokens" })
	_, secret := g.create(t, owntoken.Order{})
	session := g.session(t, basicOf("push:"+secret))
	for _, token := range []string{secret, session.Token, "gthp_x"} {
		for name, resp := range map[string]*http.Response{
			"request": g.send(t, "GET", pullTeam, basicOf(token+":x"), ""),
			"login":   g.send(t, "GET", "/v2/token?account="+token, basicOf(token+":"+secret), ""),
			"form":    g.send(t, "POST", "/v2/token", "", form("grant_type", "password", "username", token, "password", "x"), formType),
			"page":    g.send(t, "GET", "/-/tokens", basicOf(token+":x"), ""),
		} {
			if got := text(t, resp); resp.StatusCode != 401 || !strings.Contains(got, "in the place of the user name") || strings.Contains(got, secret) {
				t.Errorf("%s: %d, %s", name, resp.StatusCode, got)
			}
		}
	}
	checkAnswer(t, "both at the page", g.send(t, "GET", "/-/tokens", basicOf(secret+":"+secret), ""), 403, "")
	if n := g.directory.logins.Load(); n != 0 {
		t.Errorf("the backend heard %d names", n)
	}
	records, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	recent := fmt.Sprintf("%+v", g.LastRefusals(100))
	for name, log := range map[string]string{"log": g.log.String(), "access": g.access.String(), "audit": string(records), "refusals": recent} {
		if strings.Contains(log, secret[5:]) || strings.Contains(log, session.Token[5:]) {
			t.Errorf("the %s has a token:\n%s", name, log)
		}
	}
}

// A token is for the gateway alone: the service behind it gets no more than the passwords.
func TestOwnTokenStaysHere(t *testing.T) {
	g := newOwnGate(t, func(c *Config) { c.Routes[0].ForwardAuthorization = true })
	_, secret := g.create(t, owntoken.Order{})
	const public = "/v2/public/a/manifests/1"
	for _, as := range []string{basicOf("push:" + secret), basicOf(secret + ":x"), bearer(secret)} {
		checkStatus(t, "where anybody may pull", g.send(t, "GET", public, as, ""), 200)
	}
	checkStatus(t, "pull", g.send(t, "GET", pullTeam, basicOf("push:"+secret), ""), 200)
	checkStatus(t, "by password", g.send(t, "GET", pullTeam, basic("push"), ""), 200)
	if got := g.up.text(); strings.Count(got, "Authorization:") != 1 || !strings.Contains(got, basic("push")) {
		t.Errorf("the upstream got %q", got)
	}
}
