package gateway

import (
	"strings"
	"testing"
)

func TestRouterPrefersHostThenLongestPrefix(t *testing.T) {
	routes := []Route{
		{Path: "/"},
		{Path: "/v2/"},
		{Path: "/v2/team"},
		{Host: "a.example", Path: "/v2/"},
		{Host: "b.example", Path: "/"},
		{Host: "[2001:db8::1]", Path: "/"},
	}
	r, err := newRouter(routes)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		host, path string
		want       int
	}{
		{"x.example", "/", 0},
		{"x.example", "/v2x", 0},
		{"x.example", "/V2/", 0},
		{"x.example", "/v2", 1},
		{"x.example", "/v2/", 1},
		{"x.example", "/v2/x", 1},
		{"x.example", "/v2/teams", 1},
		{"x.example", "/v2/team", 2},
		{"x.example", "/v2/team/x", 2},
		{"", "/v2/", 1},
		{"a.example", "/v2/team/x", 3},
		{"a.example", "/v2", 3},
		{"a.example", "/x", 0},
		{"b.example", "/v2/team/x", 4},
		{"[2001:db8::1]", "/v2/", 5},
	}
	for _, tt := range tests {
		if got := r.lookup(tt.host, tt.path); got != tt.want {
			t.Errorf("lookup(%q, %q) = %d, want %d", tt.host, tt.path, got, tt.want)
		}
	}
}

func TestRouterTakesNothingElse(t *testing.T) {
	r, err := newRouter([]Route{{Host: "a.example", Path: "/v2/"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ host, path string }{
		{"a.example", "/"}, {"a.example", "/v2x"}, {"a.example", "/v1/"}, {"a.example", ""},
		{"b.example", "/v2/"}, {"", "/v2/"}, {"a.example.evil", "/v2/"},
	} {
		if got := r.lookup(tt.host, tt.path); got != -1 {
			t.Errorf("lookup(%q, %q) = %d, want none", tt.host, tt.path, got)
		}
	}
}

func TestRouterRefusesAmbiguousRoutes(t *testing.T) {
	tests := []struct {
		name   string
		routes []Route
		want   string
	}{
		{"none", nil, "there are no routes"},
		{"equal", []Route{{Path: "/v2/"}, {Path: "/v2"}}, "route 2: another route has the same host"},
		{"equal with host", []Route{{Host: "a", Path: "/"}, {Host: "a", Path: "/"}}, "route 2: another route"},
		{"empty path", []Route{{}}, `begin with "/"`},
		{"relative path", []Route{{Path: "v2/"}}, `begin with "/"`},
		{"dot segment", []Route{{Path: "/v2/../x"}}, `".."`},
		{"empty segment", []Route{{Path: "//"}}, "empty"},
		{"wildcard", []Route{{Path: "/v2/*"}}, "leave the * out"},
		{"escape", []Route{{Path: "/v%32/"}}, "decoded"},
		{"upper-case host", []Route{{Host: "A.example", Path: "/"}}, "lower case"},
		{"host with port", []Route{{Host: "a.example:5043", Path: "/"}}, "without a port"},
		{"host with dot", []Route{{Host: "a.example.", Path: "/"}}, "without a dot"},
		{"host that is none", []Route{{Host: "a b", Path: "/"}}, "bare name"},
	}
	for _, tt := range tests {
		_, err := newRouter(tt.routes)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}
