package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const severalHosts = `listen = ["127.0.0.1:5043"]
[[backend]]
name = "local"
type = "htpasswd"
users_file = "users"
[[route]]
hosts = ["a.example", "*.b.example"]
path = "/v2/"
backend = "local"
upstream = "http://127.0.0.1:5000"
rule = [{ name = "of several", paths = ["/v2/team/**"], require = ["valid-user"] }]
`

// A question about the rules need not name a host where all the names that could be
// meant lead to one route, and is told of them where they do not.
func TestExplainKnowsSeveralHostsOfARoute(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte(userLine(t, "x")), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config.toml")
	const other = "[[route]]\nhost = \"c.example\"\npath = \"/\"\nbackend = \"local\"\nupstream = \"http://127.0.0.1:5000\"\nrule = [{ name = \"other\", require = [\"valid-user\"] }]\n"
	for _, tt := range []struct {
		text, args string
		code       int
		want       string
	}{
		{severalHosts, "explain --user x GET /v2/team/x/tags/list", 0, `rule "of several"`},
		{severalHosts, "explain --user x --host q.b.example GET /v2/team/x/tags/list", 0, `rule "of several"`},
		{severalHosts, "explain --user x --host b.example GET /v2/team/x/tags/list", 1, "404"},
		{severalHosts + other, "explain --user x GET /v2/team/x/tags/list", 2, "give --host (a.example, c.example)"},
		{severalHosts + other, "explain --user x --host c.example GET /v2/team/x/tags/list", 0, `rule "other"`},
		{severalHosts, "can-i --as x --list", 0, "*.b.example/team/**"},
		{severalHosts, "can-i --as x --list", 0, "a.example/team/**"},
		{severalHosts, "can-i --as x --list --host q.b.example", 0, "q.b.example/team/**"},
	} {
		if err := os.WriteFile(config, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := invoke(t, tt.args+" --config "+config)
		if code != tt.code || !strings.Contains(stdout+stderr, tt.want) {
			t.Errorf("%s: exit code %d, want %d with %q\n%s%s", tt.args, code, tt.code, tt.want, stdout, stderr)
		}
	}
}
