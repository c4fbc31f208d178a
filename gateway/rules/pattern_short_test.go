package rules

import (
	"strings"
	"testing"

	"gatehouse/backend"
)

// A pattern that no client of a registry asks for is warned of, with the one that was
// meant; nothing is said of any other.
func TestCLI4PathsThatNoClientAsksFor(t *testing.T) {
	push := []string{"POST", "PUT", "PATCH", "DELETE"}
	for _, tt := range []struct {
		path    string
		methods []string
		want    string // what is to be written; empty for no warning
	}{
		{"/v2/team/*", push, "/v2/team/**"},
		{"/v2/team/*", nil, "/v2/team/**"},
		{"/v2/team/", push, "/v2/team/**"},
		{"/v2/team", []string{"GET"}, "/v2/team/**"},
		{"/v2/*", push, "/v2/**"},
		{"/v2/team/app:1", push, "/v2/team/app/**"},
		{"/v2/team/app@sha256:00", nil, "/v2/team/app/**"},
		{"/v2/Team/app", nil, "/v2/team/app/**"},
		{"/v2/$user/**", nil, "nothing is put in place"},
		{"/v2/**", push, ""},
		{"/v2/", nil, ""},
		{"/v2/*", []string{"GET"}, ""}, // the catalog
		{"/v2/_catalog", []string{"GET"}, ""},
		{"/v2/team/*/manifests/*", push, ""},
		{"/v2/team/*/*/*", push, ""},
		{"/v2/*/*/tags/list", []string{"GET"}, ""},
		{"/v2/*/tags/list", push, ""}, // nothing can be offered
		{"/v2/**/blobs/uploads/**", push, ""},
		{"/v2/team/**", []string{"OPTIONS"}, ""},
		{"/v2/team", []string{"OPTIONS"}, ""},
		{"/v2/_zot/ext/search", []string{"GET"}, ""},
		{"/v2/token", []string{"GET"}, ""},
		{"/v2/**/manifest/*", nil, "manifest is probably manifests; write /v2/**/manifests/*"},
		{"/v2/app/mainfests/latest", []string{"GET"}, "/v2/app/manifests/latest"},
		{"/v2/**/blob/*", nil, "/v2/**/blobs/*"},
		{"/v2/**/blobs/upload/**", push, "/v2/**/blobs/uploads/**"},
		{"/v2/**/tag/list", nil, "/v2/**/tags/list"},
		{"/v2/**/tags/lists", nil, "/v2/**/tags/list"},
		{"/v2/**/referers/*", nil, "/v2/**/referrers/*"},
		{"/v2/catalog", []string{"GET"}, "/v2/_catalog"},
		{"/v2/manifest/**", nil, ""}, // a repository
		{"/v2/team/blob/**", nil, ""},
		{"/v2/lists/manifests/*", nil, ""},
		{"/ui/manifest/*", nil, ""},
		{"/ui/team", nil, ""},
		{"/**/team", nil, ""},
	} {
		p := mustPolicy(t, Route{Path: "/", Rules: []Rule{{Name: "r", Methods: tt.methods, Paths: []string{tt.path}, Require: mustRequire(t, "valid-user")}}})
		var got []string
		for _, s := range p.shortPaths(&p.rules[0]) {
			got = append(got, s.String())
		}
		if text := strings.Join(got, "\n"); (tt.want == "") != (len(got) == 0) || !strings.Contains(text, tt.want) {
			t.Errorf("%s of %v: got %q, want %q", tt.path, tt.methods, text, tt.want)
		}
	}
}

// Where another rule lets nobody push because of such a pattern, that is what to mend.
func TestCLI4RemedyForAPatternThatIsShort(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/v2/", Rules: []Rule{
		{Name: "push", Paths: []string{"/v2/team/*"}, Require: mustRequire(t, "user alice")},
		{Name: "pull", Methods: []string{"GET"}, Require: mustRequire(t, "valid-user")},
	}})
	for user, want := range map[string]bool{"alice": true, "bob": false} {
		var trace Trace
		who := Subject{LoggedIn: true, GroupsKnown: true, Identity: backend.Identity{User: user}}
		p.Decide(Request{Method: "PUT", Path: "/v2/team/app/manifests/1"}, who, &trace)
		if got := strings.HasPrefix(trace.Remedies[0], "write /v2/team/** in place of /v2/team/* in paths of rule \"push\""); got != want {
			t.Errorf("%s: got %q", user, trace.Remedies)
		}
	}
}

// Of docker nothing is said where docker does not come.
func TestCLI4OpenRulesBesideARegistry(t *testing.T) {
	for _, tt := range []struct {
		route Route
		want  bool
	}{
		{Route{Path: "/v2/", Rules: []Rule{{Name: "r"}}}, true},
		{Route{Path: "/v2/", Rules: []Rule{{Name: "r", Paths: []string{"/v2/pub/**"}}}}, true},
		{Route{Path: "/", Rules: []Rule{{Name: "r", Paths: []string{"/ui/**"}}}}, false},
		{Route{Path: "/v2/", Rules: []Rule{{Name: "r", Methods: []string{"OPTIONS"}}}}, false},
		{Route{Path: "/ui/", Rules: []Rule{{Name: "r"}}}, false},
		{Route{Path: "/", Registry: NoRegistry, Rules: []Rule{{Name: "r"}}}, false},
	} {
		tt.route.Rules[0].Require = mustRequire(t, "all granted")
		p := mustPolicy(t, tt.route)
		if got := len(p.anonymous(&p.rules[0])) > 0; got != tt.want {
			t.Errorf("%+v: got a warning: %v", tt.route, got)
		}
	}
}
