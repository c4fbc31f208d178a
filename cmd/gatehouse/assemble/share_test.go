package assemble

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sharedConfig has backends of which one is made of the others.
const sharedConfig = `
listen = ["127.0.0.1:0"]

[[backend]]
name = "local"
type = "htpasswd"
users_file = "users"

[[backend]]
name = "other"
type = "htpasswd"
users_file = "users"

[[backend]]
name = "both"
type = "chain"
member = [{ backend = "local" }, { backend = "other" }]

[[route]]
path = "/v2/"
upstream = "http://127.0.0.1:1"
backend = "local"

  [[route.rule]]
  name = "all"
  require = ["valid-user"]

[[route]]
path = "/both/"
upstream = "http://127.0.0.1:1"
backend = "both"

  [[route.rule]]
  name = "all"
  require = ["valid-user"]
`

func TestReloadTakesOverWhatIsUnchanged(t *testing.T) {
	dir := guardedDir(t)
	if err := os.WriteFile(filepath.Join(dir, "groups"), []byte("devs: bob\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := sharedConfig
	before := assembleText(t, dir, text, nil)
	for _, tt := range []struct {
		name, old, new string
		kept           map[string]bool // by name of what is held; false: opened anew
	}{
		{"nothing", "", "", map[string]bool{"backend local": true, "backend other": true, "backend both": true, "cache local": true, "cache both": true}},
		{"a rule", `require = ["valid-user"]`, `require = ["user bob"]`,
			map[string]bool{"backend local": true, "backend other": true, "backend both": true, "cache local": true, "cache both": true}},
		{"the cache", "[[backend]]", "[cache]\nsize = 7\n\n[[backend]]",
			map[string]bool{"backend local": true, "backend other": true, "backend both": true, "cache local": false, "cache both": false}},
		{"a member of a chain", "name = \"other\"\ntype = \"htpasswd\"", "name = \"other\"\ngroups_file = \"groups\"\ntype = \"htpasswd\"",
			map[string]bool{"backend local": true, "backend other": false, "backend both": false, "cache local": true, "cache both": false}},
		{"the chain", `{ backend = "other" }`, `{ backend = "other", on_unavailable = "next" }`,
			map[string]bool{"backend local": true, "backend other": true, "backend both": false, "cache local": true, "cache both": false}},
	} {
		held := maps.Clone(before.held)
		text = strings.Replace(text, tt.old, tt.new, 1)
		after := assembleText(t, dir, text, before)
		if err := before.Close(); err != nil {
			t.Fatal(err)
		}
		for name, kept := range tt.kept {
			if got := after.held[name] == held[name]; got != kept {
				t.Errorf("%s changed: %s was kept: %v, want %v", tt.name, name, got, kept)
			}
			want := int64(0) // it is closed
			if kept {
				want = 1
			}
			if got := held[name].users.Load(); got != want {
				t.Errorf("%s changed: %s has %d users, want %d", tt.name, name, got, want)
			}
		}
		before = after
	}
}

// followedConfig has a directory with a file that is read only once, and a backend that
// follows its file.
const followedConfig = `
listen = ["127.0.0.1:0"]

[[backend]]
name = "corp"
type = "ldap"
preset = "openldap"
urls = ["ldaps://127.0.0.1:1"]
bind_dn = "cn=svc,dc=corp,dc=example"
bind_password_file = "password"
user_bases = ["dc=corp,dc=example"]

[[backend]]
name = "local"
type = "htpasswd"
users_file = "users"

[[route]]
path = "/v2/"
upstream = "http://127.0.0.1:1"
backend = "corp"

  [[route.rule]]
  name = "all"
  require = ["valid-user"]

[[route]]
path = "/local/"
upstream = "http://127.0.0.1:1"
backend = "local"

  [[route.rule]]
  name = "all"
  require = ["valid-user"]
`

// What a backend reads only once is part of what it is made from; what it follows
// itself is not.
func TestChangedFilesOpenABackendAnewUnlessItFollowsThem(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("password", "one")
	write("users", "alice:*\n")
	first := assembleText(t, dir, followedConfig, nil)
	second := assembleText(t, dir, followedConfig, first)
	write("password", "two")
	write("users", "bob:*\n")
	third := assembleText(t, dir, followedConfig, second)
	for _, tt := range []struct {
		what   string
		a, b   *Assembly
		name   string
		shared bool
	}{
		{"nothing", first, second, "corp", true},
		{"nothing", first, second, "local", true},
		{"the password of its account", second, third, "corp", false},
		{"its password file", second, third, "local", true},
	} {
		if got := tt.a.Stack(tt.name).Leaf == tt.b.Stack(tt.name).Leaf; got != tt.shared {
			t.Errorf("%s changed: %s is the same: %v, want %v", tt.what, tt.name, got, tt.shared)
		}
		if got := tt.a.Stack(tt.name).Cache == tt.b.Stack(tt.name).Cache; got != tt.shared {
			t.Errorf("%s changed: the cache of %s is the same: %v, want %v", tt.what, tt.name, got, tt.shared)
		}
	}
}
