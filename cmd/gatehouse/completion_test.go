package main

import (
	"slices"
	"strings"
	"testing"
)

// Shells ask the program what a word may become.
func TestCompletionKnowsValues(t *testing.T) {
	inWorld(t)
	for _, tt := range []struct {
		line string // the last word is the one to complete
		want []string
	}{
		{`explain --user ""`, []string{"alice", "bob", "ci-bot"}},
		{`explain --user b`, []string{"bob"}},
		{`can-i --as a`, []string{"alice"}},
		{`explain --group ""`, []string{"interns", "pusher"}},
		{`explain --backend ""`, []string{"corp", "everyone", "local"}},
		{`explain --host ""`, []string{"other.example"}},
		{`explain -o ""`, []string{"json", "text"}},
		{`doctor --output j`, []string{"json"}},
		{`check --sug`, []string{"--suggest\tprint the rules by repositories and actions, where that makes no difference"}},
		{`can-i p`, []string{"pull", "push"}},
		{`explain GET /o`, []string{"/other/"}},
		{`explain push ""`, nil},
		{`whoami ""`, []string{"alice", "bob", "ci-bot"}},
		{`whoami bob ""`, nil},
		{`backend probe l`, []string{"local"}},
		{`token create laptop --user a`, []string{"alice"}},
		{`token create x --action p`, []string{"pull", "push"}},
		{`token revoke --all-of-source l`, []string{"local"}},
		{`token rotate ""`, nil},
		{`explain --config none.toml --user ""`, nil},
	} {
		code, out, diagnostics := invoke(t, "__complete "+tt.line)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		directive := lines[len(lines)-1]
		if got := lines[:len(lines)-1]; code != 0 || !slices.Equal(got, tt.want) && len(got)+len(tt.want) > 0 {
			t.Errorf("%s: exit %d, got %q, want %q (%s)", tt.line, code, got, tt.want, diagnostics)
		}
		if directive != ":4" { // no names of files
			t.Errorf("%s: directive %s", tt.line, directive)
		}
	}
	for _, line := range []string{`check ""`, `serve --groups ""`, `passwd ""`, `explain --config ""`} {
		if code, out, _ := invoke(t, "__complete "+line); code != 0 || strings.TrimSpace(out) != ":0" {
			t.Errorf("%s: exit %d, got %q, want the names of files", line, code, out)
		}
	}
}

// What a shell would take apart, or a terminal obey, is not completed to.
func TestCompletionLeavesOutWhatShellsRead(t *testing.T) {
	names := fixed("plain", "two words", "$(id)", "`id`", "tab\tdescription", "esc\x1b[2J", `quo"te`, "al;reboot", "a&b", "a|b", "a>b", "(a)", "a*", "a?", "[a]", "{a}", "!a", "#a", "~a", "a\nb")
	if got, _ := names.forShell(nil, nil, ""); !slices.Equal(got, []string{"plain"}) {
		t.Errorf("got %q", got)
	}
}
