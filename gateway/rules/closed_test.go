package rules

import (
	"strings"
	"testing"
)

func TestWhatIsClosedIsSaidOnce(t *testing.T) {
	valid := mustRequire(t, "valid-user")
	pull := Rule{Name: "pull", Methods: []string{"GET"}, Require: valid}
	for name, tt := range map[string]struct {
		route Route
		said  bool
	}{
		"by method":                  {Route{Path: "/v2/", Rules: []Rule{pull}}, true},
		"by neither":                 {Route{Path: "/", Rules: []Rule{{Name: "all", Require: valid}}}, true},
		"beside a repository":        {Route{Path: "/v2/", Rules: []Rule{{Name: "team", Repositories: []string{"team/**"}, Require: valid}, pull}}, true},
		"beside the list":            {Route{Path: "/v2/", Rules: []Rule{{Name: "list", Paths: []string{"/v2/_catalog"}, Require: valid}, pull}}, true},
		"with extensions":            {Route{Path: "/v2/", Rules: []Rule{pull, {Name: "ext", Actions: []string{"extension"}, Require: valid}}}, false},
		"with one by path":           {Route{Path: "/v2/", Rules: []Rule{pull, {Name: "ext", Paths: []string{"/v2/_zot/**"}, Require: valid}}}, false},
		"with all paths":             {Route{Path: "/v2/", Rules: []Rule{{Name: "all", Paths: []string{"/v2/**"}, Require: valid}, pull}}, false},
		"by repository":              {Route{Path: "/v2/", Rules: []Rule{{Name: "team", Repositories: []string{"team/**"}, Require: valid}}}, false},
		"nobody was let in":          {Route{Path: "/v2/", Rules: []Rule{{Name: "none", Require: mustRequire(t, "all denied")}}}, false},
		"no registry":                {Route{Path: "/ui/", Rules: []Rule{pull}}, false},
		"browsers alone":             {Route{Path: "/v2/", Rules: []Rule{{Name: "cors", Methods: []string{"OPTIONS"}, Require: valid}}}, false},
		"at another root, by method": {Route{Path: "/nexus/", Registry: "/nexus/v2/", Rules: []Rule{pull}}, true},
	} {
		got := mustPolicy(t, tt.route).WhatIsClosed()
		if (got != "") != tt.said || tt.said && !strings.Contains(got, "_oci/ext/discover") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
