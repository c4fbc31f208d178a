package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// A value of the wrong type hides nothing else that is wrong, and is said once.
func TestWrongTypesAreSaidWithEverythingElse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	put(t, path, `listen = "127.0.0.1:5043"
access_log = 3

[limits]
connections = "many"

[[backend]]
name = "local"
type = "htpasswd"
users_file = "nosuch"

[[route]]
path = "/v2/"
upstream = "htp://x"
backend = "locall"

  [[route.rule]]
  name = "pull"
  methods = "GET"
  require = ["grup x"]

[[route]]
path = 7
upstream = "http://127.0.0.1:1"
backend = "local"

  [[route.rule]]
  name = "a"
  paths = ["/a", 3]
  require = "valid-user"

[[test]]
request = "pull a"
expect = "allow"
`)
	code, _, diagnostics := invoke(t, "check --config "+path)
	lines := map[int]string{}
	for line := range strings.Lines(diagnostics) {
		place, text, ok := strings.Cut(strings.TrimPrefix(line, path+":"), ": ")
		number, _, isPlace := strings.Cut(place, ":")
		if !ok || !isPlace || !strings.HasPrefix(line, path) {
			continue
		}
		n := 0
		for _, c := range number {
			n = 10*n + int(c-'0')
		}
		if lines[n] != "" {
			t.Errorf("line %d is told of twice: %q and %q", n, lines[n], text)
		}
		lines[n] = text
	}
	for n, want := range map[int]string{
		1: "want a list", 2: "want a string", 5: "want a whole number", 10: "nosuch", 14: "htp://x", 15: `"locall"`,
		19: "want a list", 20: "grup", 23: "want a string", 29: "strings only", 30: "want a list",
	} {
		if !strings.Contains(lines[n], want) {
			t.Errorf("line %d: got %q, want %q", n, lines[n], want)
		}
		delete(lines, n)
	}
	if code != 1 || len(lines) > 0 {
		t.Errorf("exit %d, and more is told: %v", code, lines)
	}
}

// What is said of a configuration with a wrong type is never that it is good.
func TestWrongTypeIsRefusedByEveryCommand(t *testing.T) {
	inWorld(t)
	put(t, "wrong.toml", "access_log = 3\n"+strings.ReplaceAll(string(mustRead(t, "config.toml")), `access_log = "off"`, ""))
	for _, line := range []string{"check", "serve", "explain GET /v2/", "can-i login", "whoami bob", "doctor"} {
		if code, _, diagnostics := invoke(t, line+" --config wrong.toml"); code == 0 || code == 4 || !strings.Contains(diagnostics, "access_log: want a string") {
			t.Errorf("%s: exit %d, %s", line, code, diagnostics)
		}
	}
}
