package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
)

// A test that fails is an error with its place, for whatever makes a gateway of a
// configuration: check, a start and a reload.
func TestFailedTestRefusesTheConfiguration(t *testing.T) {
	inWorld(t)
	text, err := os.ReadFile("config.toml")
	if err != nil {
		t.Fatal(err)
	}
	opened := strings.Replace(string(text), `require = ["group pusher", {`, `require = ["valid-user", {`, 1)
	if err := os.WriteFile("config.toml", []byte(opened), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := invoke(t, "check")
	const want = `./config.toml:78:1: PUT /v2/team/app/manifests/1 by bob (backend local; groups devs): want deny, and the answer is allow: rule "push" (./config.toml:37) needs valid-user or (user ci-bot and ip 10.0.0.0/8)
   78 | expect = "deny"
      | ^^^^^^
`
	if code != 1 || !strings.HasPrefix(stderr, want) {
		t.Errorf("check: exit code %d\n%s\nwant 1 and\n%s", code, stderr, want)
	}
	if _, err := assemble.Build(load(t, "config.toml"), nil, assemble.Surroundings{Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("a start or reload accepts the configuration")
	}
	if code, _, stderr := invoke(t, "explain --user bob --group devs PUT /v2/team/app/manifests/1"); code != 0 {
		t.Errorf("explain: exit code %d, want 0, or nobody could find out why\n%s", code, stderr)
	}
}

// A request that is refused for its form says nothing of the rules, whatever they are.
func TestVacuousTestIsWarnedOf(t *testing.T) {
	for request, warned := range map[string]bool{
		"PUTT /v2/team/app/manifests/1": true, "PUT v2/team/app/manifests/1": true, "PUT /v2//team/manifests/1": true,
		"PUT /v2/team/app/manifests/1": false, "GET /elsewhere": false,
	} {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "users"), userLine(t, "alice"))
		edited := strings.NewReplacer("UPSTREAM", "http://127.0.0.1:1", `"valid-user"`, `"user alice"`).Replace(daemonConfig)
		put(t, filepath.Join(dir, "config.toml"), edited+"\n[[test]]\nuser = \"local:bob\"\nexpect = \"deny\"\nrequest = \""+request+"\"\n")
		r, err := checkOptions{}.check(t.Context(), filepath.Join(dir, "config.toml"))
		if err != nil {
			t.Fatal(err)
		}
		got := slices.ContainsFunc(r.Warnings, func(p config.Problem) bool { return strings.Contains(p.Message, "whatever the rules say") })
		if got != warned || len(r.Errors) > 0 {
			t.Errorf("%s: warned: %v, want %v; errors %v", request, got, warned, r.Errors)
		}
	}
}

// A reload that would open what a test says is closed changes nothing.
func TestReloadKeepsTheRulesThatPassTheTests(t *testing.T) {
	inWorld(t)
	g := startRunning(t)
	change := func(from, to string) {
		text, err := os.ReadFile("config.toml")
		if err == nil {
			err = os.WriteFile("config.toml", []byte(strings.Replace(string(text), from, to, 1)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const closed, open = `require = ["group pusher", {`, `require = ["valid-user", {`
	change(closed, open)
	if err := g.reload("test"); err == nil || !strings.Contains(err.Error(), "want deny, and the answer is allow") {
		t.Errorf("reload: got %v, want the test that fails", err)
	}
	if status, _, _ := g.asks(t, "bob", "PUT", "/v2/team/app/manifests/1"); status != 403 {
		t.Errorf("after the refused reload: status %d, want 403", status)
	}
	change("[[test]]", "[ignored]") // a malformed one does not get in either
	if err := g.reload("test"); err == nil {
		t.Error("reload: a configuration with an unknown table is accepted")
	}
	text, err := os.ReadFile("config.toml")
	if err != nil {
		t.Fatal(err)
	}
	rules, _, _ := strings.Cut(string(text), "# The tests of this file")
	if err := os.WriteFile("config.toml", []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.reload("test"); err != nil {
		t.Fatalf("reload without the tests: %v", err)
	}
	if status, _, _ := g.asks(t, "bob", "PUT", "/v2/team/app/manifests/1"); status != 200 {
		t.Errorf("after the reload: status %d, want 200", status)
	}
}
