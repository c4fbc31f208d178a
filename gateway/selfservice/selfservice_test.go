package selfservice

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestPlacesAreExact(t *testing.T) {
	for path, want := range map[string]Place{
		"/-/tokens":               {},
		"/-/tokens/0a1b/revoke":   {revoke, "0a1b"},
		"/-/tokens/0a1b/rotate":   {rotate, "0a1b"},
		"/-/tokens/revoke/rotate": {rotate, "revoke"},
	} {
		if got, ok := At("/-/tokens", path); got != want || !ok {
			t.Errorf("%s: %v, %v", path, got, ok)
		}
	}
	for _, path := range []string{"", "/", "/-", "/-/token", "/-/tokensx", "/-/tokens/", "/-/tokens/a", "/-/tokens//revoke", "/-/tokens/a/revoke/", "/-/tokens/a/b/revoke", "/-/tokensx/a/revoke", "/v2/-/tokens"} {
		if got, ok := At("/-/tokens", path); ok {
			t.Errorf("%s: %v", path, got)
		}
	}
	for _, path := range []string{"", "/", "/0a1b/revoke"} {
		if _, ok := At("", path); ok {
			t.Errorf("no page is at %q", path)
		}
	}
}

// What people copy is for a shell, and names are anything.
func TestCommandsAreForAShell(t *testing.T) {
	for _, name := range []string{"alice", `CORP\alice`, "o'brien", "$(id)", "a b", "`id`", "a;b", "*", "[a]", "~root", "jürgen@corp.example", ""} {
		out, err := exec.Command("sh", "-c", "printf %s "+shellWord(name)).Output()
		if err != nil || string(out) != name {
			t.Errorf("%q as %s: the shell reads %q, %v", name, shellWord(name), out, err)
		}
	}
}

func TestTimesAreTold(t *testing.T) {
	for d, want := range map[time.Duration]string{
		90 * day: "90 days", 30*day - time.Second: "30 days", 2 * day: "2 days", day: "24 hours", 2 * time.Hour: "2 hours", time.Hour: "60 min", time.Second: "1 min",
	} {
		if got := lasting(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	for longest, want := range map[time.Duration]string{
		90 * day: "24 hours, 7 days, 30 days, 90 days, the longest", 7 * day: "24 hours, 7 days, the longest", time.Hour: "60 min, the longest",
	} {
		var texts []string
		for _, one := range termsUpTo(longest) {
			texts = append(texts, one.Text)
		}
		if got := strings.Join(texts, ", "); got != want {
			t.Errorf("up to %s: %q, want %q", longest, got, want)
		}
	}
}

func TestBrowsersGetThePage(t *testing.T) {
	for accept, want := range map[string]bool{
		"text/html,application/xhtml+xml,*/*;q=0.8": true, "TEXT/HTML": true, "*/*": false, "application/json": false, "": false,
	} {
		if WantsHTML([]string{accept}) != want {
			t.Errorf("%q: not %v", accept, want)
		}
	}
}
