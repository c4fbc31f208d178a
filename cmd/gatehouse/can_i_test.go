package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestCODE1CanIKnowsRepositoriesWithTheWordsOfTheAPI(t *testing.T) {
	inWorld(t)
	text, err := os.ReadFile("config.toml")
	if err != nil {
		t.Fatal(err)
	}
	rules := "\n[[route]]\nhost = \"words.test\"\npath = \"/v2/\"\nupstream = \"http://127.0.0.1:1\"\nbackend = \"local\"\n" +
		"[[route.rule]]\nname = \"mine\"\nmethods = [\"GET\"]\npaths = [\"/v2/team/manifests/app/**\"]\nrequire = [\"valid-user\"]\n" +
		"[[route.rule]]\nname = \"closed\"\npaths = [\"/v2/team/blobs/x/**\"]\nrequire = [\"user nobody\"]\n"
	if err := os.WriteFile("words.toml", append(text, rules...), 0o600); err != nil {
		t.Fatal(err)
	}
	const who = `--config words.toml --host words.test --as bob --groups "" `
	if code, out, diagnostics := invoke(t, "can-i "+who+"pull team/manifests/app:1"); code != 0 {
		t.Errorf("can-i pull: exit %d: %s%s", code, out, diagnostics)
	}
	_, out, diagnostics := invoke(t, "can-i --list "+who)
	var rows [][]string
	for line := range strings.Lines(out) {
		rows = append(rows, strings.Fields(line))
	}
	for _, want := range [][]string{
		{"words.test/team/manifests/app/**", "yes", "no", "no", "yes"},
		{"words.test/team/blobs/x/**", "no", "no", "no", "no"},
	} {
		if !slices.ContainsFunc(rows, func(row []string) bool { return slices.Equal(row, want) }) {
			t.Errorf("can-i --list has no row %q:\n%s%s", want, out, diagnostics)
		}
	}
}
