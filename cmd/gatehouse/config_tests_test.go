package main

import (
	"log/slog"
	"os"
	"strings"
	"testing"
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
	if _, _, err := load(t, "config.toml").build(slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a start or reload accepts the configuration")
	}
	if code, _, stderr := invoke(t, "explain --user bob --group devs PUT /v2/team/app/manifests/1"); code != 0 {
		t.Errorf("explain: exit code %d, want 0, or nobody could find out why\n%s", code, stderr)
	}
}
