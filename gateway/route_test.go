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
		{Hosts: []string{"a.example"}, Path: "/v2/"},
		{Hosts: []string{"b.example"}, Path: "/"},
		{Hosts: []string{"[2001:db8::1]"}, Path: "/"},
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

// A name goes before a wildcard, and that before any host, whatever the paths; what
// the better one does not take falls to the next.
func TestRouterTakesOneLabelForAWildcard(t *testing.T) {
	r, err := newRouter([]Route{
		{Path: "/"},
		{Path: "/v2/team/app"},
		{Hosts: []string{"*.b.example", "other.test"}, Path: "/v2/"},
		{Hosts: []string{"*.a.b.example"}, Path: "/v2/"},
		{Hosts: []string{"x.b.example", "b.example"}, Path: "/v2/team"},
		{Hosts: []string{"*.b.example"}, Path: "/v2/team/deep"},
		{Hosts: []string{"*.local"}, Path: "/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host, path string
		want       int
	}{
		{"y.b.example", "/v2/", 2},
		{"other.test", "/v2/team/app", 2},
		{"y.b.example", "/v2/team/app", 2},
		{"y.b.example", "/v2/team/deep/x", 5},
		{"y.b.example", "/x", 0},
		{"x.b.example", "/v2/team/deep/x", 4},
		{"x.b.example", "/v2/other", 2},
		{"b.example", "/v2/team", 4},
		{"b.example", "/v2/", 0},
		{"y.a.b.example", "/v2/", 3},
		{"z.y.a.b.example", "/v2/", 0},
		{"yb.example", "/v2/", 0},
		{"y.other.test", "/v2/", 0},
		{"printer.local", "/v2/", 6},
		{"local", "/v2/", 0},
		{"", "/v2/", 0},
		{"[::ffff:1.2.3.4]", "/v2/", 0},
	} {
		if got := r.lookup(tt.host, tt.path); got != tt.want {
			t.Errorf("lookup(%q, %q) = %d, want %d", tt.host, tt.path, got, tt.want)
		}
	}
}

func TestRouterTakesNothingElse(t *testing.T) {
	r, err := newRouter([]Route{{Hosts: []string{"a.example"}, Path: "/v2/"}})
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
		{"equal with host", []Route{{Hosts: []string{"a"}, Path: "/"}, {Hosts: []string{"a"}, Path: "/"}}, "route 2: another route"},
		{"empty path", []Route{{}}, `begin with "/"`},
		{"relative path", []Route{{Path: "v2/"}}, `begin with "/"`},
		{"dot segment", []Route{{Path: "/v2/../x"}}, `".."`},
		{"empty segment", []Route{{Path: "//"}}, "empty"},
		{"wildcard", []Route{{Path: "/v2/*"}}, "leave the * out"},
		{"escape", []Route{{Path: "/v%32/"}}, "decoded"},
		{"upper-case host", []Route{{Hosts: []string{"A.example"}, Path: "/"}}, "lower case"},
		{"host with port", []Route{{Hosts: []string{"a.example:5043"}, Path: "/"}}, "without a port"},
		{"host with dot", []Route{{Hosts: []string{"a.example."}, Path: "/"}}, "without a dot"},
		{"host that is none", []Route{{Hosts: []string{"a b"}, Path: "/"}}, "bare name"},
		{"no hosts", []Route{{Hosts: []string{}, Path: "/"}}, "empty"},
		{"host twice", []Route{{Hosts: []string{"a", "b", "a"}, Path: "/"}}, `"a" is in the list twice`},
		{"one of several hosts", []Route{{Hosts: []string{"a", "b"}, Path: "/v2"}, {Hosts: []string{"c", "b"}, Path: "/v2/"}}, `route 2: another route has the same host "b"`},
		{"wildcard on two routes", []Route{{Hosts: []string{"*.b"}, Path: "/"}, {Hosts: []string{"*.b"}, Path: "/"}}, `the same host "*.b"`},
		{"any host", []Route{{Hosts: []string{"*"}, Path: "/"}}, "leave the key out"},
		{"part of a label", []Route{{Hosts: []string{"a*.b.example"}, Path: "/"}}, "only for all of the first"},
		{"second label", []Route{{Hosts: []string{"a.*.example"}, Path: "/"}}, "only for all of the first"},
		{"two wildcards", []Route{{Hosts: []string{"*.*.example"}, Path: "/"}}, "only for all of the first"},
		{"wildcard for an address", []Route{{Hosts: []string{"*.10.0.0.1"}, Path: "/"}}, "no labels"},
		{"wildcard for a part of an address", []Route{{Hosts: []string{"*.0.0.1"}, Path: "/"}}, "bare name"},
		{"wildcard in upper case", []Route{{Hosts: []string{"*.B.example"}, Path: "/"}}, "lower case"},
		{"wildcard without a name", []Route{{Hosts: []string{"*."}, Path: "/"}}, "bare name"},
	}
	for _, tt := range tests {
		_, err := newRouter(tt.routes)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

// Only where no other route takes anything below a path is it said that one takes all.
func TestOneRouteTakesAll(t *testing.T) {
	place := func(path string, hosts ...string) Route { return Route{Path: path, Hosts: hosts} }
	for what, tt := range map[string]struct {
		routes []Route
		host   string
		want   bool
	}{
		"one alone":               {[]Route{place("/v2/")}, "a.example", true},
		"a wider one":             {[]Route{place("/")}, "a.example", true},
		"one beside it":           {[]Route{place("/v2/"), place("/files/")}, "a.example", true},
		"one around it":           {[]Route{place("/v2/"), place("/")}, "a.example", true},
		"one in it":               {[]Route{place("/v2/"), place("/v2/secret/")}, "a.example", false},
		"one in it for its host":  {[]Route{place("/v2/"), place("/v2/secret/", "a.example")}, "a.example", false},
		"one in it for another":   {[]Route{place("/v2/"), place("/v2/secret/", "b.example")}, "a.example", true},
		"one before it":           {[]Route{place("/v2/"), place("/v2/", "a.example")}, "a.example", false},
		"a part":                  {[]Route{place("/v2/team/")}, "a.example", false},
		"behind one for its host": {[]Route{place("/v2/team/", "a.example"), place("/v2/")}, "a.example", false},
	} {
		r, err := newRouter(tt.routes)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.takesAll(tt.host, "/v2/", 0); got != tt.want {
			t.Errorf("%s: %v, want %v", what, got, tt.want)
		}
	}
}
