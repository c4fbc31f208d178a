package rules

import (
	"net/netip"
	"testing"

	"gatehouse/backend"
)

// loginAt returns what becomes of "docker login" at the root of a registry.
func loginAt(p *Policy, from string, who Subject) Decision {
	return p.Decide(Request{Method: "GET", Path: p.registry, Source: netip.MustParseAddr(from)}, who, nil)
}

// Whoever may pull something is not refused GET /v2/, whatever rule is about that.
func TestREG1NoRuleTakesTheLoginAway(t *testing.T) {
	get, team := []string{"GET"}, []string{"/v2/a/**"}
	pusher, bob, user := mustRequire(t, "group pusher"), mustRequire(t, "user bob", "group pusher"), mustRequire(t, "valid-user")
	nobody := mustRequire(t, "all denied")
	builtin := Decision{Allowed, BuiltinRule, "valid-user"}
	for name, tt := range map[string]struct {
		route Route
		want  Decision // of bob, who is in no group, from 10.1.2.3
	}{
		"a user":                   {Route{Rules: []Rule{{Name: "team", Paths: team, Require: bob}, {Name: "rest", Require: pusher}}}, builtin},
		"repositories":             {Route{Rules: []Rule{{Name: "team", Repositories: []string{"a/**"}, Require: bob}, {Name: "rest", Require: pusher}}}, builtin},
		"behind the catch-all":     {Route{Rules: []Rule{{Name: "rest", Require: pusher}, {Name: "team", Paths: team, Require: bob}}}, builtin},
		"a template":               {Route{Rules: []Rule{{Name: "own", Repositories: []string{"{user}/**"}, Require: mustRequire(t, "all granted")}, {Name: "rest", Require: nobody}}}, builtin},
		"in front of the others":   {Route{Rules: []Rule{{Name: "root", Methods: get, Paths: []string{"/v2/*", "/v2"}, Require: pusher}, {Name: "team", Require: user}}}, builtin},
		"at another root":          {Route{Path: "/nexus/", Registry: "/nexus/v2/", Rules: []Rule{{Name: "team", Paths: []string{"/nexus/v2/a/**"}, Require: bob}, {Name: "rest", Require: nobody}}}, builtin},
		"open below a closed root": {Route{Rules: []Rule{{Name: "open", Paths: team, Require: mustRequire(t, "all granted")}, {Name: "rest", Require: nobody}}}, builtin},
		"open beside a team's":     {Route{Rules: []Rule{{Name: "team", Paths: team, Require: bob}, {Name: "open", Methods: get, Require: mustRequire(t, "all granted")}}}, builtin},
		"the built-in rule alone":  {Route{Rules: []Rule{{Name: "team", Paths: team, Methods: []string{"PUT"}, Require: bob}}}, builtin},

		"nobody may pull":            {Route{Rules: []Rule{{Name: "rest", Require: nobody}}}, Decision{Denied, "rest", "all denied"}},
		"behind what takes all":      {Route{Rules: []Rule{{Name: "rest", Require: nobody}, {Name: "team", Repositories: []string{"a/**"}, Require: bob}}}, Decision{Denied, "rest", "all denied"}},
		"behind what takes the part": {Route{Rules: []Rule{{Name: "rest", Require: nobody}, {Name: "team", Paths: team, Require: bob}}}, Decision{Denied, "rest", "all denied"}},
		"people who only push":       {Route{Rules: []Rule{{Name: "team", Methods: []string{"PUT"}, Paths: team, Require: bob}, {Name: "rest", Require: nobody}}}, Decision{Denied, "rest", "all denied"}},
		"pushes by action":           {Route{Rules: []Rule{{Name: "team", Actions: []string{"push"}, Require: bob}, {Name: "rest", Require: nobody}}}, Decision{Denied, "rest", "all denied"}},
		"the list alone":             {Route{Rules: []Rule{{Name: "list", Paths: []string{"/v2/_catalog"}, Require: bob}, {Name: "rest", Require: nobody}}}, Decision{Denied, "rest", "all denied"}},
		"without a login":            {Route{Rules: []Rule{{Name: "open", Methods: get, Require: mustRequire(t, "all granted")}}}, Decision{Allowed, "open", "all granted"}},
		"from elsewhere":             {Route{Rules: []Rule{{Name: "far", Paths: team, Require: mustRequire(t, all("valid-user", "ip 192.0.2.0/24"))}, {Name: "rest", Require: nobody}}}, Decision{Denied, "rest", "all denied"}},
		"by no backend": {Route{Rules: []Rule{{Name: "odd", Paths: team, Require: mustRequire(t, all("backend local", "not backend local"))}, {Name: "rest", Require: nobody}}},
			Decision{Denied, "rest", "all denied"}},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.route.Path == "" {
				tt.route.Path = "/v2/"
			}
			tt.route.Backends = []string{"local"}
			p := mustPolicy(t, tt.route)
			who := Subject{LoggedIn: true, Identity: backend.Identity{User: "bob", Source: "local"}, GroupsKnown: true}
			if got := loginAt(p, "10.1.2.3", who); got.Verdict != tt.want.Verdict || tt.want != builtin && got != tt.want {
				t.Errorf("bob: got %+v, want %+v", got, tt.want)
			}
			want := tt.want.Verdict
			if tt.want == builtin {
				want = NeedsLogin
			}
			if got := loginAt(p, "10.1.2.3", Subject{}); got.Verdict != want {
				t.Errorf("a stranger: got %+v, want %v", got, want)
			}
		})
	}
}

// A rule by address keeps those elsewhere from trying passwords.
func TestLoginIsAskedForByAddress(t *testing.T) {
	near := mustRequire(t, all("valid-user", "ip 10.0.0.0/8"))
	for name, rules := range map[string][]Rule{
		"a catch-all":     {{Name: "near", Require: near}},
		"repositories":    {{Name: "near", Repositories: []string{"**"}, Require: near}, {Name: "rest", Require: mustRequire(t, "all denied")}},
		"some by another": {{Name: "push", Actions: []string{"push"}, Require: mustRequire(t, "valid-user")}, {Name: "near", Require: near}},
	} {
		p := mustPolicy(t, Route{Path: "/v2/", Rules: rules})
		for from, want := range map[string]Verdict{"10.1.2.3": NeedsLogin, "192.0.2.1": Denied, "::ffff:10.1.2.3": NeedsLogin} {
			if got := loginAt(p, from, Subject{}).Verdict; got != want {
				t.Errorf("%s from %s: %v, want %v", name, from, got, want)
			}
		}
	}
}

// What nobody asks a login with is decided as any other request.
func TestOnlyReadingTheRootIsALogin(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/v2/", Rules: []Rule{
		{Name: "team", Repositories: []string{"team/**"}, Require: mustRequire(t, "valid-user")},
		{Name: "rest", Require: mustRequire(t, "all denied")},
	}})
	for method, want := range map[string]Verdict{"GET": Allowed, "HEAD": Allowed, "POST": Denied, "PUT": Denied, "DELETE": Denied, "OPTIONS": Denied, "get": Denied} {
		for _, path := range []string{"/v2", "/v2/"} {
			if got := decideFrom(p, method, path, puller); got != want {
				t.Errorf("%s %s: %v, want %v", method, path, got, want)
			}
		}
	}
}
