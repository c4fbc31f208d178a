package gateway

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/owntoken"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
)

// A token is for no more than its limits, in whatever way it is used, and the answer says
// which it has.
func TestOwnTokenKeepsToItsLimits(t *testing.T) {
	g := newOwnGate(t, nil)
	_, pulls := g.create(t, owntoken.Order{Name: "pulls", Limits: owntoken.Limits{Actions: []string{"pull"}}})
	tokA, inA := g.create(t, owntoken.Order{Name: "in-a", Limits: owntoken.Limits{Repositories: []string{"team/a", "{user}/**"}}})
	mount := "/v2/team/a/blobs/uploads/?mount=sha256:" + strings.Repeat("0", 64) + "&from="
	for _, tt := range []struct {
		name, secret, method, path string
		want                       int
	}{
		{"pull", pulls, "GET", pullTeam, 200},
		{"push", pulls, "PUT", pushTeam, 403},
		{"list", pulls, "GET", "/v2/_catalog", 403},
		{"ping", pulls, "GET", "/v2/", 200},
		{"no registry's path", pulls, "GET", "/v2/team/a/nothing", 403},
		{"push", inA, "PUT", pushTeam, 200},
		{"push elsewhere", inA, "PUT", "/v2/team/b/manifests/1", 403},
		{"pull elsewhere", inA, "GET", "/v2/team/b/manifests/1", 403},
		{"ping", inA, "GET", "/v2/", 200},
		{"mount from there", inA, "POST", mount + "team/a", 200},
	} {
		as := basicOf("push:" + tt.secret)
		resp := g.send(t, tt.method, tt.path, as, "")
		checkStatus(t, tt.name, resp, tt.want)
		if tt.path == "/v2/" {
			continue
		}
		s := g.session(t, as, "repository:team/a:pull,push", "repository:team/b:pull,push", "registry:catalog:*")
		resp = g.send(t, tt.method, tt.path, bearer(s.Token), "")
		checkStatus(t, tt.name+" by session", resp, tt.want)
	}
	resp := g.send(t, "PUT", "/v2/team/b/manifests/1", basicOf("push:"+inA), "")
	if got, want := said(t, resp), `push may not push to team/b with token "in-a": it is for all in team/a, {user}/** (id `+tokA.ID+`)`; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// A layer that the token may not read is not taken from there, though its owner may.
	checkStatus(t, "mount", g.send(t, "POST", mount+"team/b", basicOf("push:"+inA), ""), 200)
	if strings.Contains(g.up.text(), "from=team/b") {
		t.Errorf("the upstream got %q", g.up.text())
	}
}

// Scopes are narrowed to what the token is for.
func TestOwnTokenNarrowsScopes(t *testing.T) {
	g := newOwnGate(t, nil)
	_, secret := g.create(t, owntoken.Order{Limits: owntoken.Limits{Repositories: []string{"team/a"}, Actions: []string{"pull"}}})
	s := g.session(t, basicOf("push:"+secret), "repository:team/a:pull,push", "repository:team/b:pull")
	if strings.Contains(s.Scope, "push") || !strings.Contains(s.Scope, "team/a:pull") || strings.Contains(s.Scope, "team/b:pull") {
		t.Errorf("granted %q", s.Scope)
	}
}

// Rules can ask for tokens, and a session counts as what it was fetched with.
func TestOwnTokenAndRulesByWay(t *testing.T) {
	g := newOwnGate(t, nil)
	_, secret := g.create(t, owntoken.Order{})
	kept := g.login(t, "push")
	if !strings.HasPrefix(kept, "gthi_") {
		t.Fatalf("kept %.5s", kept)
	}
	scope := "repository:tokens/a:push"
	byIdentity := answerOfToken(t, g.refreshed(t, kept, "scope", scope))
	for name, tt := range map[string]struct {
		authorization string
		want          int
	}{
		"password":             {basic("push"), 403},
		"token":                {basicOf("push:" + secret), 200},
		"session by password":  {bearer(g.session(t, basic("push"), scope).Token), 403},
		"session by token":     {bearer(g.session(t, basicOf("push:"+secret), scope).Token), 200},
		"session by docker's":  {bearer(byIdentity.Token), 403},
		"nobody, with a token": {"", 401},
	} {
		checkStatus(t, name, g.send(t, "PUT", pushTokens, tt.authorization, ""), tt.want)
	}
}

// Whoever may do something with a token alone is told so, and where to get one.
func TestOwnTokenIsAskedForByARule(t *testing.T) {
	for page, want := range map[string]string{
		"":          "push may not push to tokens/a with a password: log in with a token",
		"/-/tokens": "push may not push to tokens/a with a password: make a token at https://127.0.0.1/-/tokens",
	} {
		g := newOwnGate(t, func(c *Config) { c.Tokens.SelfService = page })
		resp := g.send(t, "PUT", pushTokens, basic("push"), "")
		if got := said(t, resp); resp.StatusCode != 403 || !strings.HasPrefix(got, want) {
			t.Errorf("got %d, %q, want %q", resp.StatusCode, got, want)
		}
	}
}

// A robot is what rules say of the robot of that name, and never the user who is called like
// it. It sleeps while the account that answers for it does.
func TestOwnTokenOfARobot(t *testing.T) {
	g := newOwnGate(t, func(c *Config) { c.Routes[0].UserHeader = "X-Remote-User" })
	_, ci := g.create(t, owntoken.Order{Kind: owntoken.Robot})
	_, push := g.create(t, owntoken.Order{Kind: owntoken.Robot, Name: "push"})
	_, team := g.create(t, owntoken.Order{Kind: owntoken.Robot, Name: "team", Owner: owntoken.Owner{Backend: "people", Group: "pusher"}})
	_, foreign := g.create(t, owntoken.Order{Kind: owntoken.Robot, Name: "foreign", Owner: owntoken.Owner{Backend: "other", Group: "pusher"}})
	for _, tt := range []struct {
		name, credentials, method, path string
		want                            int
	}{
		{"its rule", "ci:" + ci, "PUT", "/v2/ci/a/manifests/1", 200},
		{"its owner's", "ci:" + ci, "PUT", pushTeam, 403},
		{"any user", "ci:" + ci, "GET", pullTeam, 200},
		{"called like a user", "push:" + push, "PUT", pushTeam, 403},
		{"called like another", "push:" + push, "PUT", "/v2/ci/a/manifests/1", 403},
		{"owned by a group", "team:" + team, "PUT", pushTeam, 403},
		{"owned by a group", "team:" + team, "GET", pullTeam, 200},
		{"with its owner's name", "push:" + ci, "GET", pullTeam, 401},
		{"with the name of rules", "robot:ci:" + ci, "GET", pullTeam, 401},
		{"of a group of another backend", "foreign:" + foreign, "GET", pullTeam, 401},
	} {
		checkStatus(t, tt.name, g.send(t, tt.method, tt.path, basicOf(tt.credentials), ""), tt.want)
	}
	if got := g.up.text(); !strings.Contains(got, "X-Remote-User: robot:ci\r\n") || strings.Contains(got, "X-Remote-User: push\r\n") {
		t.Errorf("the upstream got %q", got)
	}
	g.directory.refusal = backend.Stand(backend.Disabled, backend.ErrLocked)
	checkStatus(t, "asleep", g.send(t, "PUT", "/v2/ci/a/manifests/1", basicOf("ci:"+ci), ""), 401)
	checkStatus(t, "nobody answers for it", g.send(t, "GET", pullTeam, basicOf("team:"+team), ""), 200)
	g.directory.refusal = nil
	checkStatus(t, "awake", g.send(t, "PUT", "/v2/ci/a/manifests/1", basicOf("ci:"+ci), ""), 200)
}

// docker login keeps a token that can be listed and revoked by itself. It is for nothing but
// to fetch tokens, and no other is made of it.
func TestOwnTokenOfDockerLogin(t *testing.T) {
	g := newOwnGate(t, nil)
	kept := g.login(t, "push")
	a := answerOfToken(t, g.refreshed(t, kept, "scope", "repository:team/a:push"))
	checkStatus(t, "push", g.send(t, "PUT", pushTeam, bearer(a.Token), ""), 200)
	if a.Refresh != "" {
		t.Error("a token of docker login made another")
	}
	_, personal := g.create(t, owntoken.Order{})
	checkAnswer(t, "a token of a person", g.refreshed(t, personal), 401, `Bearer .*`)
	checkStatus(t, "another account", g.refreshed(t, kept, "account", "pull"), 400)
	all, err := g.issuer.List(t.Context(), owntoken.OwnerOf(accountOf("push")))
	if err != nil || len(all) != 2 || kindsOf(all) != "identity personal" && kindsOf(all) != "personal identity" {
		t.Fatalf("%+v, %v", all, err)
	}
	// Another login than there may be takes the place of the oldest.
	for range 3 {
		g.login(t, "push")
	}
	resp := g.refreshed(t, kept)
	checkAnswer(t, "pushed out", resp, 401, `Bearer .*`)
	if got := said(t, resp); !strings.Contains(got, "docker logout") {
		t.Errorf("got %q", got)
	}
	checkAnswer(t, "session of it", g.send(t, "PUT", pushTeam, bearer(a.Token), ""), 401, `Bearer .*`)
	last := g.login(t, "push")
	g.directory.fail(backend.ErrUnknownUser)
	if got := said(t, g.refreshed(t, last)); !strings.Contains(got, "docker logout") {
		t.Errorf("the account has gone: %q", got)
	}
}

// Where a token may come from counts for what was fetched with it, too.
func TestOwnTokenKeepsToItsNetworks(t *testing.T) {
	g := newOwnGate(t, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	_, secret := g.create(t, owntoken.Order{Limits: owntoken.Limits{From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}})
	as := basicOf("push:" + secret)
	near, far := "X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: 198.51.100.7"
	checkStatus(t, "near", g.send(t, "GET", pullTeam, as, "", near), 200)
	checkStatus(t, "far", g.send(t, "GET", pullTeam, as, "", far), 401)
	s := answerOfToken(t, g.send(t, "GET", "/v2/token?scope=repository:team/a:pull", as, "", near))
	checkStatus(t, "session near", g.send(t, "GET", pullTeam, bearer(s.Token), "", near), 200)
	checkStatus(t, "session far", g.send(t, "GET", pullTeam, bearer(s.Token), "", far), 401)
}

// Clients are told of an end that is near, and logs which token it was.
func TestOwnTokenIsTold(t *testing.T) {
	audit, path := auditOf(t)
	g := newOwnGate(t, func(c *Config) { c.Audit = audit })
	soon, secret := g.create(t, owntoken.Order{TTL: 3*24*time.Hour - time.Minute})
	_, late := g.create(t, owntoken.Order{Name: "late"})
	if got := g.send(t, "GET", pullTeam, basicOf("push:"+secret), "").Header.Get("Warning"); got != `299 - "token ci ends in 3 days"` {
		t.Errorf("warning %q", got)
	}
	if got := g.send(t, "GET", pullTeam, basicOf("push:"+late), "").Header.Get("Warning"); got != "" {
		t.Errorf("warning %q", got)
	}
	s := g.session(t, basicOf("push:"+secret), "repository:team/a:pull")
	g.send(t, "GET", pullTeam, bearer(s.Token), "")
	records := audited(t, path, 4)
	for i, want := range []string{soon.ID, "", soon.ID, soon.ID} {
		if r := records[i]; want != "" && r.Own != want || r.Via != "token" || r.User != "push" {
			t.Errorf("record %d: %+v", i, r)
		}
	}
	if err := g.store.Flush(); err != nil {
		t.Fatal(err)
	}
	if tok, err := g.issuer.ByID(t.Context(), soon.ID); err != nil || tok.Used.IsZero() || tok.UsedFrom != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("%+v, %v", tok, err)
	}
}

// An account of which nothing is known that outlives its name can own no token, and the token
// of one does not count.
func TestOwnTokenNeedsAnAnchor(t *testing.T) {
	g := newOwnGate(t, nil)
	_, secret := g.create(t, owntoken.Order{})
	g.directory.blind.Store(true)
	tok, _ := g.issuer.ByID(t.Context(), "none")
	if tok.ID != "" {
		t.Error("a token that nobody made")
	}
	checkStatus(t, "not followed", g.send(t, "GET", pullTeam, basicOf("push:"+secret), ""), 401)
}

// What of a registry is outside of every limit is not for a token that has one.
func TestLimitHidesNames(t *testing.T) {
	limit, err := rules.NewLimit([]string{"team/*", "{user}/**"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	own := &ownToken{limit: limit}
	who := &rules.Subject{LoggedIn: true, Identity: accountOf("push")}
	for name, want := range map[string]bool{"team/a": true, "team/a/b": false, "push/x": true, "pull/x": false, "team": false} {
		if got := own.allowsAction(name, oci.ListCatalog, who); got != want {
			t.Errorf("%s is shown: %v", name, got)
		}
	}
	if none := (*ownToken)(nil); none.hides() || !none.allowsAction("x", oci.ListCatalog, who) || none.warning(time.Now()) != "" {
		t.Error("a token that there is not hides something")
	}
}

// A list that anybody may ask for shows a token no more than it is for, from its first name
// on: who asks is known only when a name is for users.
func TestOwnTokenKeepsToItsLimitsInListsForEverybody(t *testing.T) {
	up := catalogUpstream(t, []string{"secret/x", "secret/y", "team/a"}, []string{"1.0", "prod"})
	g := newOwnGate(t, func(c *Config) {
		c.Routes[0].Upstream.URL = up.URL
		c.Routes[0].Rules = []rules.Rule{
			readRule(t, "lists", "all granted", "/v2/_catalog"),
			readRule(t, "tags", "all granted", "/v2/secret/x/tags/list"),
			readRule(t, "prod", "user push", "/v2/secret/x/manifests/prod"),
			{Name: "users", Actions: []string{"pull"}, Require: mustRequire(t, "valid-user")},
		}
	})
	_, inTeam := g.create(t, owntoken.Order{Name: "team", Limits: owntoken.Limits{Repositories: []string{"team/**"}}})
	_, pulls := g.create(t, owntoken.Order{Name: "pulls", Limits: owntoken.Limits{Actions: []string{"pull"}}})
	_, all := g.create(t, owntoken.Order{Name: "all"})
	for _, tt := range []struct{ name, secret, path, want string }{
		{"all", all, "/v2/_catalog", `["secret/x","secret/y","team/a"]`},
		{"team", inTeam, "/v2/_catalog", `["team/a"]`},
		{"for pull only", pulls, "/v2/_catalog", `[]`},
		{"tags, all", all, "/v2/secret/x/tags/list", `["1.0","prod"]`},
		{"tags, team", inTeam, "/v2/secret/x/tags/list", `[]`},
	} {
		resp := g.send(t, "GET", tt.path, basicOf("push:"+tt.secret), "")
		if got := text(t, resp); resp.StatusCode != 200 || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %d, %s, want %s", tt.name, resp.StatusCode, got, tt.want)
		}
	}
}
