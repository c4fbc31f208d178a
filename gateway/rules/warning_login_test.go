package rules

import (
	"fmt"
	"strings"
	"testing"
)

// Whoever may pull something and is refused GET /v2/ cannot "docker login".
func TestREG1RuleThatTakesTheLoginAway(t *testing.T) {
	get, team := []string{"GET"}, []string{"/v2/a/**"}
	pusher, bob, user := mustRequire(t, "group pusher"), mustRequire(t, "user bob", "group pusher"), mustRequire(t, "valid-user")
	for name, tt := range map[string]struct {
		route Route
		want  string // a part of the warning, empty for none
	}{
		"a user": {Route{Rules: []Rule{{Name: "team", Paths: team, Require: bob}, {Name: "rest", Require: pusher}}},
			`to people whom other rules let pull: user bob (rule "team"); put a rule with methods = ["GET"], paths = ["/v2/"] and require = ["valid-user"] before it`},
		"everybody": {Route{Rules: []Rule{{Name: "team", Paths: team, Require: user}, {Name: "rest", Require: pusher}}}, `valid-user (rule "team")`},
		"a group": {Route{Rules: []Rule{{Name: "team", Paths: team, Require: mustRequire(t, all("group devs", "not user eve"))}, {Name: "rest", Require: pusher}}},
			`group devs and not user eve (rule "team")`},
		"a user from an address": {Route{Rules: []Rule{{Name: "team", Paths: team, Require: mustRequire(t, all("user bob", "ip 10.0.0.0/8"))},
			{Name: "rest", Require: mustRequire(t, all("valid-user", "not ip 10.0.0.0/8"))}}}, `user bob and ip 10.0.0.0/8 (rule "team")`},
		"in front of the others": {Route{Rules: []Rule{{Name: "root", Methods: get, Paths: []string{"/v2/*", "/v2"}, Require: pusher}, {Name: "team", Require: user}}}, `valid-user (rule "team")`},
		"at another root": {Route{Path: "/nexus/", Registry: "/nexus/v2/", Rules: []Rule{{Name: "team", Paths: []string{"/nexus/v2/a/**"}, Require: bob}, {Name: "rest", Require: pusher}}},
			`it refuses GET /nexus/v2/, which is "docker login"`},

		"the same people":              {Route{Rules: []Rule{{Name: "team", Paths: team, Require: pusher}, {Name: "rest", Require: pusher}}}, ""},
		"the login first":              {Route{Rules: []Rule{{Name: "login", Methods: get, Paths: []string{"/v2/"}, Require: user}, {Name: "team", Paths: team, Require: bob}, {Name: "rest", Require: pusher}}}, ""},
		"the built-in rule":            {Route{Rules: []Rule{{Name: "team", Paths: team, Require: bob}, {Name: "rest", Paths: []string{"/v2/b/**"}, Require: pusher}}}, ""},
		"people who only push":         {Route{Rules: []Rule{{Name: "team", Methods: []string{"PUT"}, Paths: team, Require: bob}, {Name: "rest", Require: pusher}}}, ""},
		"a rule that never decides":    {Route{Rules: []Rule{{Name: "rest", Require: pusher}, {Name: "team", Paths: team, Require: bob}}}, ""},
		"nobody":                       {Route{Rules: []Rule{{Name: "team", Paths: team, Require: mustRequire(t, all("user bob", "not user bob"))}, {Name: "rest", Require: pusher}}}, ""},
		"people without a login":       {Route{Rules: []Rule{{Name: "team", Paths: team, Require: mustRequire(t, "all granted")}, {Name: "rest", Require: pusher}}}, ""},
		"no registry":                  {Route{Path: "/ui/", Rules: []Rule{{Name: "team", Paths: []string{"/ui/a/**"}, Require: bob}, {Name: "rest", Require: pusher}}}, ""},
		"a page beside the registry":   {Route{Path: "/", Rules: []Rule{{Name: "ui", Paths: []string{"/ui/**"}, Require: bob}, {Name: "rest", Require: pusher}}}, ""},
		"the questions of browsers":    {Route{Rules: []Rule{{Name: "cors", Methods: []string{"OPTIONS"}, Require: bob}, {Name: "rest", Require: pusher}}}, ""},
		"a registry that is not there": {Route{Path: "/", Registry: NoRegistry, Rules: []Rule{{Name: "team", Paths: team, Require: bob}, {Name: "rest", Require: pusher}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.route.Path == "" {
				tt.route.Path = "/v2/"
			}
			tt.route.Backends = []string{"local"}
			var got []string
			for _, w := range mustPolicy(t, tt.route).Warnings() {
				if strings.Contains(w.Text, "docker login") {
					got = append(got, w.Rule+": "+w.Text)
				}
			}
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("got %q", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("got  %q\nwant …%s…", got, tt.want)
			}
		})
	}
}

// However many ways a requirement has, the warning stays short.
func TestREG1WarningIsBounded(t *testing.T) {
	var items []any
	for i := range 20 {
		items = append(items, fmt.Sprintf("user u%d", i))
	}
	var allOfAny []any
	for range 8 {
		allOfAny = append(allOfAny, map[string]any{"any": items})
	}
	p := mustPolicy(t, Route{Path: "/v2/", Backends: []string{"local"}, Rules: []Rule{
		{Name: "team", Paths: []string{"/v2/a/**"}, Require: mustRequire(t, items...)},
		{Name: "many", Paths: []string{"/v2/b/**"}, Require: mustRequire(t, map[string]any{"all": allOfAny})},
		{Name: "rest", Require: mustRequire(t, "group pusher")},
	}})
	got := p.withoutLogin(&p.rules[2])
	if len(got) != 1 || !strings.Contains(got[0], `user u4 (rule "team"), `) || strings.Contains(got[0], "user u5") || !strings.Contains(got[0], " more; put") {
		t.Errorf("got %q", got)
	}
}
