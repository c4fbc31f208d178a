package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// warned checks a configuration with the users alice, bob and ci-bot, a group file, and
// a rule for pushes that has the given require and path. It returns what is warned of,
// each with its line.
func warned(t *testing.T, groups, require, path string) string {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "users"), userLine(t, "alice")+userLine(t, "bob")+userLine(t, "ci-bot"))
	put(t, filepath.Join(dir, "groups"), groups)
	put(t, filepath.Join(dir, "config.toml"), oneRoute+fmt.Sprintf(`[[route.rule]]
name = "push"
methods = ["POST", "PUT", "PATCH", "DELETE"]
paths = [%q]
require = [
  "user ci-bot",
  %s,
]
[[route.rule]]
name = "pull"
methods = ["GET"]
require = ["valid-user"]
`, path, require))
	r, err := checkOptions{}.check(t.Context(), filepath.Join(dir, "config.toml"))
	if err != nil || len(r.Errors) > 0 {
		t.Fatal(err, r.Errors)
	}
	var lines []string
	for _, p := range r.Warnings {
		if p.Line > 0 {
			lines = append(lines, fmt.Sprintf("%d: %s", p.Line, p.Message))
		}
	}
	return strings.Join(lines, "\n")
}

// Names that nobody has let nobody in, and are told with what was probably meant.
func TestCLI4NamesThatNobodyHas(t *testing.T) {
	const file = "pusher: alice bob\nDomain Admins: alice\nempty:\n"
	for _, tt := range []struct {
		groups, require string
		want            []string // parts of what is said; none for nothing
	}{
		{file, `"group pusher"`, nil},
		{file, `"group PUSHER empty"`, nil},
		{file, `'group "domain admins"'`, nil},
		{file, `{ all = ["valid-user", "not group pusher", "not user bob"] }`, nil},
		{file, `"group local:pusher", "user local:alice"`, nil},
		{file, `"group pushers"`, []string{"17: ", "group pushers", `did you mean "pusher"`}},
		{file, `"group local:pushers"`, []string{"17: ", "pushers", `did you mean "pusher"`}},
		{file, `{ all = ["valid-user", "not group pushers"] }`, []string{"17: ", `did you mean "pusher"`}},
		{file, `"user cibot"`, []string{"17: ", "user cibot", `did you mean "ci-bot"`}},
		{file, `"user Alice"`, []string{"17: ", "user Alice", `did you mean "alice"`}},
		{file, `"group domain admins"`, []string{"17: ", `'group "domain admins"'`}},
		{file, `"group pusher alice"`, []string{"17: ", "there is a user of that name: write user alice"}},
		{file, `"user pusher"`, []string{"17: ", "there is a group of that name: write group pusher"}},
		{file, `"user $USER"`, []string{"17: ", "taken literally"}},
		{file, `'user "cn=alice,dc=example"'`, []string{"17: ", "not by their DN"}},
		{file, `'user "two  blanks"'`, []string{"17: ", "no login can have the name"}},
		{"pusher: alcie bob\n", `"group pusher"`, []string{"6: members of groups", `"alcie" did you mean "alice"?`}},
	} {
		got := warned(t, tt.groups, tt.require, "/v2/team/**")
		if (got == "") != (tt.want == nil) {
			t.Errorf("%s: got %q, want %q", tt.require, got, tt.want)
		}
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: got %q, want %q", tt.require, got, want)
			}
		}
	}
}

// A pattern that is one segment short is told at its rule.
func TestCLI4PatternsThatNoPushMatches(t *testing.T) {
	for _, path := range []string{"/v2/team/*", "/v2/team/", "/v2/team/app:1"} {
		if got := warned(t, "pusher: alice\n", `"group pusher"`, path); !strings.Contains(got, "11: ") || !strings.Contains(got, "/**") {
			t.Errorf("%s: got %q", path, got)
		}
	}
}
