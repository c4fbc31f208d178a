package rules

import (
	"slices"
	"testing"
)

func TestGroupsOfTemplatesAreKnownAfterwards(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/v2/", Rules: []Rule{{Name: "team", Repositories: []string{"teams/{group}/**"}, Require: mustRequire(t, "valid-user")}}})
	who := user("alice", "corp", "dev", "ops", "cn=dev,dc=corp")
	for repository, want := range map[string][]string{"teams/dev/ops/dev": {"dev", "ops"}, "teams/devs": nil, "": nil} {
		if got := p.GroupsAt(repository, who); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", repository, got, want)
		}
	}
	if got := mustPolicy(t, recipe(t)).GroupsAt("dev/ops", who); got != nil {
		t.Errorf("without a template: %q", got)
	}
}

func TestRefusalsSayWhereSomethingIsAllowed(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/v2/", Backends: []string{"corp"}, Rules: []Rule{
		{Name: "closed", Repositories: []string{"closed/**"}, Require: mustRequire(t, "all denied")},
		{Name: "own", Repositories: []string{"users/{user}/**"}, Require: mustRequire(t, "valid-user")},
		{Name: "teams", Repositories: []string{"teams/{group}/*"}, Actions: []string{"push"}, Require: mustRequire(t, "valid-user")},
		{Name: "late", Repositories: []string{"closed/**", "team/**"}, Actions: []string{"push"}, Require: mustRequire(t, "group dev")},
		{Name: "prod", Repositories: []string{"prod/**"}, Actions: []string{"push"}, Require: mustRequire(t, "user ci")},
	}})
	for _, tt := range []struct {
		method, path string
		who          Subject
		want         []string
	}{
		{"PUT", "/v2/prod/x/manifests/1", user("alice", "corp", "dev", "cn=dev,dc=corp"), []string{"users/alice/**", "teams/dev/*", "team/**"}},
		{"PUT", "/v2/prod/x/manifests/1", user("Alice@corp", "corp"), nil},
		{"PUT", "/v2/prod/x/manifests/1", Subject{LoggedIn: true, Identity: user("bob", "corp").Identity}, []string{"users/bob/**"}},
		{"PUT", "/v2/prod/x/manifests/1", stranger, nil},
		{"DELETE", "/v2/prod/x/manifests/1", user("bob", "corp", "dev"), []string{"users/bob/**"}},
		{"GET", "/v2/_catalog", user("bob", "corp"), nil},
	} {
		if got := p.Elsewhere(Request{Method: tt.method, Path: tt.path, Source: loopback}, tt.who); !slices.Equal(got, tt.want) {
			t.Errorf("%s %s by %q: %q, want %q", tt.method, tt.path, tt.who.Identity.User, got, tt.want)
		}
	}
}
