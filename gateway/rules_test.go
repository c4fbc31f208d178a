package gateway

import (
	"net/netip"
	"testing"

	"gatehouse/backend"
	"gatehouse/gateway/rules"
)

// Requests and people whom the tests of the gateway put before its rules.
const (
	uploads   = "/v2/public/a/blobs/uploads/"
	layer     = "sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"
	layerPath = "/blobs/" + layer
)

var (
	loopback = netip.MustParseAddr("127.0.0.1")
	puller   = rules.Subject{LoggedIn: true, Identity: backend.Identity{User: "testpull"}, GroupsKnown: true}
)

func mustRequire(t testing.TB, items ...any) rules.Requirement {
	t.Helper()
	r, err := rules.ParseRequire(items)
	if err != nil {
		t.Fatalf("ParseRequire(%v): %v", items, err)
	}
	return r
}

func all(items ...any) map[string]any { return map[string]any{"all": items} }

// everyPath are the paths of rules that are about all, also about what no registry has:
// tests ask for that.
var everyPath = []string{"/**"}

// apacheRecipe is the well-known Apache configuration in front of a registry.
func apacheRecipe(t testing.TB) Route {
	paths := []string{"/v2/**"}
	return Route{Path: "/v2/", Rules: []rules.Rule{
		{Name: "pull", Methods: []string{"GET", "HEAD"}, Paths: paths, Require: mustRequire(t, "valid-user")},
		{Name: "push", Methods: []string{"POST", "PUT", "PATCH", "DELETE"}, Paths: paths, Require: mustRequire(t, "group pusher")},
	}}
}

// onEveryPath returns r with rules about all paths.
func onEveryPath(r Route) Route {
	for i := range r.Rules {
		r.Rules[i].Paths = everyPath
	}
	return r
}

// policyOf returns the compiled rules of a route.
func policyOf(t testing.TB, r Route) *rules.Policy {
	t.Helper()
	p, err := rules.NewPolicy(r.ForRules())
	if err != nil {
		t.Fatal(err)
	}
	return p
}
