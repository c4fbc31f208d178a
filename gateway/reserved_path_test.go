package gateway

import (
	"strings"
	"testing"

	"gatehouse/gateway/rules"
)

func TestSelfServicePathsThatTakeSomethingAwayAreRefused(t *testing.T) {
	routes := []Route{
		{Path: "/", Rules: []rules.Rule{{Name: "all"}, {Name: "app", Paths: []string{"/app/**", "/my/*/rotate"}}}},
		{Path: "/ui/"}, {Path: "/deep/page/x"},
	}
	for path, want := range map[string]string{
		"/-/tokens": "", "/tokens": "", "/ui/tokens": "", "/deep": "lies below",
		"/-/healthz": "health checks", "/-": "health checks",
		"/": "not one path", "tokens": "begin with", "/-/*": "not one path", "/-/tokens/": "slash", "/a/../b": "segments",
		"/v2/tokens": "v2", "/nexus/V2/tokens": "v2",
		"/app": "rule", "/app/tokens": "rule", "/my": "rule", "/ui": "route", "/deep/page": "lies below",
	} {
		err := CheckSelfServicePath(path, "/-/healthz", routes)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", path, err, want)
		}
	}
	if err := CheckSelfServicePath("/-/tokens", "", routes); err != nil {
		t.Errorf("without health checks: %v", err)
	}
	if _, err := New(Config{Listen: []string{"127.0.0.1:0"}, Tokens: &Tokens{SelfService: "/v2/x"}}); err == nil || !strings.Contains(err.Error(), "self-service path") {
		t.Errorf("New: %v", err)
	}
}
