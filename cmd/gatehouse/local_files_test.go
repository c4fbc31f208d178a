package main

import (
	"os"
	"strings"
	"testing"
)

// What is in password and group files is known without asking anybody.
func TestCLI9ExplainReadsLocalFiles(t *testing.T) {
	inWorld(t)
	for _, tt := range []struct {
		question string
		code     int
		want     string
	}{
		{"explain --user alice push team/app:1", 0, "by alice (backend local; groups pusher)"},
		{"explain --user bob push team/app:1", 1, "bob may not push to team/app"},
		{"explain --user bob --groups pusher push team/app:1", 0, "groups pusher"},
		{"explain --user mallory pull team/app:1", 1, "mallory cannot log in: "},
		{"explain --user corp:alice GET /chain/x", 0, "backend corp; no groups"},
		{"explain --user bob GET /chain/corp/x", 1, "by bob (backend local; groups interns)"},
		{"explain --user alice GET /chain/corp/x", 4, "allow as corp:alice, deny as local:alice"},
		{"explain --user mallory GET /chain/x", 1, "mallory cannot log in: "},
		{"can-i push team/app --as alice", 0, "yes"},
		{"can-i push team/app --as bob", 1, "no"},
	} {
		code, out, diagnostics := invoke(t, tt.question)
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s: exit %d, want %d and %q:\n%s%s", tt.question, code, tt.code, tt.want, out, diagnostics)
		}
	}
}

// A directory behind the same route may know other groups: then nothing is known.
func TestCLI9FilesBesideADirectoryDecideNothing(t *testing.T) {
	inWorld(t)
	text, err := os.ReadFile("config.toml")
	succeed(t, err)
	text = []byte(strings.Replace(string(text), `member = [{ backend = "corp" }, { backend = "local" }]`, `member = [{ backend = "dir" }, { backend = "local" }]

[[backend]]
name = "dir"
type = "ldap"
preset = "openldap"
urls = ["ldaps://127.0.0.1:1"]
user_bases = ["dc=corp,dc=example"]
bind_dn = "cn=svc,dc=corp,dc=example"
bind_password_env = "DIR_PASSWORD"
`, 1))
	text = []byte(strings.ReplaceAll(string(text), "corp:", "dir:"))
	t.Setenv("DIR_PASSWORD", "x")
	put(t, "mixed.toml", string(text[:strings.Index(string(text), "# The tests")]))
	if code, out, diagnostics := invoke(t, "explain --config mixed.toml --user local:bob GET /chain/corp/x"); code != 1 || !strings.Contains(out, "groups not known") {
		t.Errorf("exit %d:\n%s%s", code, out, diagnostics)
	}
}

func TestCLI9WhoamiReadsLocalFiles(t *testing.T) {
	inWorld(t)
	users, err := os.ReadFile("local-users")
	succeed(t, err)
	put(t, "local-users", string(users)+"carol:!\n")
	for _, tt := range []struct {
		user, want string
		code       int
	}{
		{"alice", "groups   pusher\nwhy      pusher, by local-groups:1\n", 0},
		{"bob", "groups   interns\nwhy      interns, by local-groups:2\n", 0},
		{"ci-bot", "user     ci-bot\n", 0},
		{"carol", "state    may not log in: ", 1},
		{"mallory", "", 1},
	} {
		code, out, diagnostics := invoke(t, "whoami --backend local "+tt.user)
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s: exit %d, want %d and %q:\n%s%s", tt.user, code, tt.code, tt.want, out, diagnostics)
		}
	}
}
