package main

import (
	"os"
	"strings"
	"testing"
)

// withRoute writes the configuration of the world with this route in place of its own.
func withRoute(t *testing.T, route string) {
	t.Helper()
	text, err := os.ReadFile("config.toml")
	if err != nil {
		t.Fatal(err)
	}
	backends, _, _ := strings.Cut(string(text), "\n[[route]]")
	text = append([]byte(backends), "\n[[route]]\nhost = \"more.test\"\nupstream = \"http://127.0.0.1:1\"\nbackend = \"local\"\n"+route...)
	if err := os.WriteFile("more.toml", text, 0o600); err != nil {
		t.Fatal(err)
	}
}

const teamRules = `
[[route.rule]]
name = "team"
methods = ["GET"]
paths = ["/nexus/v2/team/**"]
require = ["valid-user"]
`

func TestRegistryBelowAPrefixIsAskedAbout(t *testing.T) {
	inWorld(t)
	withRoute(t, "path = \"/nexus/\"\nregistry = \"/nexus/v2\"\n"+teamRules)
	const who = `--config more.toml --host more.test --as bob --groups "" `
	for question, want := range map[string]int{"pull team/app": 0, "push team/app": 1, "pull other/app": 1, "login": 0} {
		if code, out, diagnostics := invoke(t, "can-i "+who+question); code != want {
			t.Errorf("can-i %s: exit %d, want %d: %s%s", question, code, want, out, diagnostics)
		}
	}
	if _, out, diagnostics := invoke(t, "can-i --list "+who); !strings.Contains(out, "more.test/team/**") {
		t.Errorf("can-i --list has no row for team/**:\n%s%s", out, diagnostics)
	}
	_, out, _ := invoke(t, `explain --config more.toml --host more.test --user bob --groups "" push team/app`)
	if want := "bob may not push to team/app"; !strings.Contains(out, want) {
		t.Errorf("explain does not say %q:\n%s", want, out)
	}
}

// Where a registry is, is never guessed: check asks.
func TestCheckWarnsOfRegistriesThatNobodyClaims(t *testing.T) {
	inWorld(t)
	for _, tt := range []struct{ route, want, not string }{
		{"path = \"/nexus/\"\n" + teamRules, `the path /nexus/v2/team/** looks like one of a registry, which would need its own rules for mounts and forms: write registry = "/nexus/v2/" in the route`, ""},
		{"path = \"/nexus/v2/team/\"\n" + teamRules, `the path /nexus/v2/team/ looks like one of a registry`, ""},
		{"path = \"/nexus/\"\nregistry = \"/nexus/v2/\"\n" + teamRules, "", "looks like one of a registry"},
		{"path = \"/nexus/\"\nregistry = false\n" + teamRules, "do not bind an upstream", "looks like one of a registry"},
		{"path = \"/v2/\"\n" + strings.ReplaceAll(teamRules, "/nexus", ""), "", "do not bind an upstream"},
		{"path = \"/\"\n" + strings.ReplaceAll(teamRules, "/nexus", ""), "", "do not bind an upstream"},
		{"path = \"/\"\n" + strings.ReplaceAll(teamRules, "/nexus/v2", ""), `rule "team": its methods do not bind an upstream`, ""},
		{"path = \"/\"\n" + strings.ReplaceAll(teamRules, `paths = ["/nexus/v2/team/**"]`, ""), `rule "team": its methods do not bind an upstream`, ""},
		{"path = \"/nexus/\"\nregistry = \"/nexus/\"\n" + teamRules, `registry "/nexus/": the paths of a registry begin with a segment v2 behind any prefix: write "/nexus/v2/"`, ""},
		{"path = \"/nexus/\"\nregistry = \"/other/v2/\"\n" + teamRules, `registry "/other/v2/": the route takes only what is below /nexus/`, ""},
		{"path = \"/nexus/\"\nregistry = true\n" + teamRules, "registry: want a path in quotes", ""},
		{"path = \"/nexus/\"\nregistry = \"\"\n" + teamRules, "registry: want a path in quotes", ""},
		{"path = \"/nexus/\"\nregistry = \"none\"\n" + teamRules, "registry: want a path in quotes", ""},
		{"path = \"/nexus/\"\nregistry = \"false\"\n" + teamRules, "registry: want a path in quotes", ""},
		{"path = \"/nexus/\"\nregistry = \"nexus/v2/\"\n" + teamRules, "registry: want a path in quotes", ""},
		{"path = \"/nexus/\"\nregistry = \"/nexus/../v2/\"\n" + teamRules, "write the path that all requests to the registry begin with", ""},
	} {
		withRoute(t, tt.route)
		_, out, diagnostics := invoke(t, "check --config more.toml")
		said := strings.Join(strings.Fields(out+diagnostics), " ")
		if !strings.Contains(said, tt.want) || tt.not != "" && strings.Contains(said, tt.not) {
			t.Errorf("%s: check says %q; want %q, not %q", tt.route, said, tt.want, tt.not)
		}
	}
}
