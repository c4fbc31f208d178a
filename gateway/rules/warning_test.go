package rules

import (
	"strings"
	"testing"
)

func TestWarnings(t *testing.T) {
	user, push := mustRequire(t, "valid-user"), mustRequire(t, "group corp:pusher")
	team := []string{"/v2/team/**"}
	tests := []struct {
		name  string
		rules []Rule
		want  []string // of each warning, the rule and a part of the text
	}{
		{"nothing", []Rule{
			{Name: "pull", Methods: []string{"GET"}, Require: user},
			{Name: "push", Require: push},
		}, nil},
		{"hidden by one", []Rule{
			{Name: "all", Require: user},
			{Name: "push", Methods: []string{"PUT"}, Paths: team, Require: push},
		}, []string{`push: it decides nothing but about extensions and pages of the registry's own: earlier rules ("all")`}},
		{"hidden for good", []Rule{
			{Name: "all", Paths: []string{"/v2/**"}, Require: user},
			{Name: "push", Methods: []string{"PUT"}, Paths: team, Require: push},
		}, []string{`push: it never decides: earlier rules ("all")`}},
		{"hidden by two", []Rule{
			{Name: "head", Methods: []string{"GET"}, Require: user},
			{Name: "put", Methods: []string{"PUT"}, Paths: []string{"/v2/**"}, Require: user},
			{Name: "late", Methods: []string{"HEAD", "PUT"}, Require: push},
		}, []string{`late: it never decides: earlier rules ("head", "put")`}},
		{"hidden in part", []Rule{
			{Name: "team", Paths: team, Require: push},
			{Name: "rest", Paths: []string{"/v2/team/x/**", "/v2/x/**"}, Require: user},
		}, nil},
		{"hidden but for a method", []Rule{
			{Name: "pull", Methods: []string{"HEAD"}, Require: push},
			{Name: "rest", Methods: []string{"GET"}, Require: user},
		}, nil},
		{"open at the login", []Rule{
			{Name: "open", Methods: []string{"GET"}, Require: mustRequire(t, "all granted")},
		}, []string{`open: it lets requests to /v2/ through without a login: there "docker login" takes any password`}},
		{"open at the login from an address", []Rule{
			{Name: "near", Require: mustRequire(t, "valid-user", "ip 10.0.0.0/8")},
		}, []string{`near: it lets requests to /v2/ through without a login`}},
		{"open unless from an address", []Rule{
			{Name: "far", Require: mustRequire(t, all("all granted", "not ip 10.0.0.0/8"))},
		}, []string{`far: it lets requests to /v2/ through`}},
		{"open elsewhere", []Rule{
			{Name: "public", Paths: team, Require: mustRequire(t, "all granted")},
		}, []string{"public: it lets requests through without a login"}},
		{"closed by a login", []Rule{
			{Name: "near", Require: mustRequire(t, all("valid-user", "ip 10.0.0.0/8"))},
		}, nil},
		{"outside of the route", []Rule{
			{Name: "r", Paths: []string{"/v1/**", "/v2/a/**", "/*", "/**/x", "/v2", "/", "/*/a"}, Require: user},
		}, []string{"r: its path /v1/** matches nothing", "r: its path / matches nothing"}},
		{"bare names on a chain", []Rule{
			{Name: "r", Require: mustRequire(t, "user alice", all("group corp:devs", "not group ops"))},
		}, []string{
			"r: user alice means that name in each of the backends corp, local; write user corp:alice",
			"r: group ops means that name in each",
		}},
		{"qualifier that is none", []Rule{
			{Name: "r", Require: mustRequire(t, "user crop:alice")},
		}, []string{`r: user crop:alice matches nobody: user names have no colon, and no backend of the route is called "crop"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := mustPolicy(t, Route{Path: "/v2/", Backends: []string{"corp", "local"}, Rules: tt.rules}).Warnings()
			if len(got) != len(tt.want) {
				t.Fatalf("got %d warnings, want %d: %+v", len(got), len(tt.want), got)
			}
			for i, want := range tt.want {
				if text := got[i].Rule + ": " + got[i].Text; !strings.HasPrefix(text, want) {
					t.Errorf("got  %s\nwant %s…", text, want)
				}
			}
		})
	}
}

func TestBareNamesOnOneBackendAreFine(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/v2/", Backends: []string{"local"}, Rules: []Rule{
		{Name: "r", Position: "c.toml:3", Require: mustRequire(t, "user alice")},
	}})
	if got := p.Warnings(); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
}

func TestWarningNamesThePosition(t *testing.T) {
	p := mustPolicy(t, Route{Path: "/v2/", Rules: []Rule{{Name: "r", Position: "c.toml:3", Require: mustRequire(t, "all granted")}}})
	if got := p.Warnings(); len(got) != 1 || got[0].Position != "c.toml:3" {
		t.Errorf("got %+v", got)
	}
}
