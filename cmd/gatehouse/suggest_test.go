package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// suggestFrom writes a configuration with these rules of a registry and runs check --suggest.
func suggestFrom(t *testing.T, rules string, args ...string) (path string, code int, out, diagnostics string) {
	t.Helper()
	path = filepath.Join(workspace(t), "good/suggest.toml")
	recipe, err := os.ReadFile(filepath.Join(filepath.Dir(path), "recipe.toml"))
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(recipe), "  [[route.rule]]")
	if err := os.WriteFile(path, []byte(head+rules), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, diagnostics = runCheck(t, append([]string{"--suggest", path}, args...)...)
	return path, code, out, diagnostics
}

// ruleTOML returns a rule as it is written.
func ruleTOML(lines ...string) string { return "[[route.rule]]\n" + strings.Join(lines, "\n") + "\n" }

var suggestedRules = map[string]struct{ rules, want string }{
	"Apache's recipe": {
		ruleTOML(`name = "pull"`, `methods = ["GET", "HEAD"]`, `require = ["valid-user"]`) + ruleTOML(`name = "push"`, `methods = ["POST", "PUT", "PATCH", "DELETE"]`, `require = ["group pusher"]`),
		ruleTOML(`name = "pull"`, `actions = ["pull", "catalog"]`, `require = ["valid-user"]`) + "\n" + ruleTOML(`name = "push"`, `actions = ["push", "delete"]`, `require = ["group pusher"]`),
	},
	"LimitExcept": {
		ruleTOML(`name = "read"`, `methods = ["GET", "HEAD", "OPTIONS"]`, `require = ["valid-user"]`) + ruleTOML(`name = "rest"`, `require = ["group pusher"]`),
		ruleTOML(`name = "read"`, `actions = ["pull", "catalog"]`, `require = ["valid-user"]`) + "\n# Earlier rules take every pull and catalog.\n" +
			ruleTOML(`name = "rest"`, `actions = ["push", "delete"]`, `require = ["group pusher"]`),
	},
	"folders of teams": {
		"# for the team\n" + ruleTOML(`name = "team"`, `require = [{ all = ["group pusher", { none = ["ip 10.0.0.0/8"] }] }]`, `paths = ["/v2/team/**"]`, `immutable_tags = ["v*", "!v0.*"]`) +
			ruleTOML(`name = "read"`, `methods = ["GET"]`, `require = ['group "pusher"', "valid-user"]`),
		ruleTOML(`name = "team"`, `repositories = ["team/**"]`, `immutable_tags = ["v*", "!v0.*"]`, `require = [{ all = ["group pusher", { none = ["ip 10.0.0.0/8"] }] }]`) + "\n" +
			ruleTOML(`name = "read"`, `actions = ["pull", "catalog"]`, `require = ['group "pusher"', "valid-user"]`),
	},
	"robots only read, but for one tag": {
		ruleTOML(`name = "tag"`, `methods = ["PUT"]`, `paths = ["/v2/app/manifests/nightly"]`, `require = ["valid-user"]`) +
			ruleTOML(`name = "robots"`, `methods = ["POST", "PUT", "PATCH", "DELETE"]`, `require = [{ all = ["group pusher", "not user alice"] }]`) + ruleTOML(`name = "read"`, `require = ["valid-user"]`),
		"# It stays as it is: its path /v2/app/manifests/nightly is a part of what is asked of a repository: a pattern\n# for all of it ends with /**.\n" +
			ruleTOML(`name = "tag"`, `methods = ["PUT"]`, `paths = ["/v2/app/manifests/nightly"]`, `require = ["valid-user"]`) + "\n" +
			ruleTOML(`name = "robots"`, `actions = ["push", "delete"]`, `require = [{ all = ["group pusher", "not user alice"] }]`) +
			"\n# Earlier rules take every push and delete.\n" + ruleTOML(`name = "read"`, `actions = ["pull", "catalog"]`, `require = ["valid-user"]`),
	},
}

// What is printed is as it should be, can be put in place of the rules, and has nothing
// more to suggest.
func TestCheckSuggests(t *testing.T) {
	for name, tt := range suggestedRules {
		path, code, out, diagnostics := suggestFrom(t, tt.rules)
		head, got, _ := strings.Cut(out, "\n\n")
		if code != 0 || got != tt.want {
			t.Errorf("%s: exit code %d\n%s\nwant\n%s\n%s", name, code, got, tt.want, diagnostics)
		}
		if want := "# Route /v2/ (" + path + ":15:1): 10,000 questions, the same answers. "; !strings.HasPrefix(unwrapComment(head), want) {
			t.Errorf("%s: got\n%s\nwant %s", name, head, want)
		}
		for line := range strings.Lines(head) {
			if !strings.HasPrefix(line, "# ") {
				t.Errorf("%s: %q is no comment", name, line)
			}
		}
		if _, code, again, diagnostics := suggestFrom(t, out); code != 0 || strings.Contains(again, "the same answers") || !strings.Contains(again, "nothing is suggested") {
			t.Errorf("%s: exit code %d of what was suggested\n%s%s", name, code, again, diagnostics)
		}
	}
}

// unwrapComment joins the lines of a comment.
func unwrapComment(text string) string { return strings.ReplaceAll(text, "\n# ", " ") }

func TestCheckSuggestsNothing(t *testing.T) {
	for name, tt := range map[string]struct{ rules, want string }{
		"every rule has actions": {ruleTOML(`name = "own"`, `repositories = ["users/{user}/**"]`, `require = ["valid-user"]`), `- rule "own" has repositories or actions already.`},
		"one tag":                {ruleTOML(`name = "tag"`, `paths = ["/v2/app/manifests/1"]`, `require = ["valid-user"]`), `- rule "tag" stays as it is: its path /v2/app/manifests/1 is a part`},
		"a login that is open":   {ruleTOML(`name = "all"`, `methods = ["GET"]`, `require = ["all granted"]`), `- rule "all" stays as it is: with it said otherwise, an answer would be another: `},
	} {
		_, code, out, diagnostics := suggestFrom(t, tt.rules)
		if code != 0 || !strings.Contains(unwrapComment(out), "nothing is suggested") || !strings.Contains(unwrapComment(out), tt.want) || strings.Contains(out, "[[route.rule]]") {
			t.Errorf("%s: exit code %d\n%s%s\nwant %s", name, code, out, diagnostics, tt.want)
		}
	}
}

func TestCheckSuggestsAsJSON(t *testing.T) {
	_, code, out, _ := suggestFrom(t, suggestedRules["LimitExcept"].rules, "-o", "json")
	var got struct {
		OK          bool
		Suggestions []suggestion
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || !got.OK || len(got.Suggestions) != 1 {
		t.Fatalf("exit code %d, %v in\n%s", code, err, out)
	}
	s := got.Suggestions[0]
	if s.Route != "/v2/" || s.Questions != 10_000 || s.TOML != suggestedRules["LimitExcept"].want || len(s.Rules) != 2 || len(s.Rules[1].Taken) != 2 || s.Place.Line != 15 {
		t.Errorf("got %+v", s)
	}
}

func TestCheckSuggestExitCodes(t *testing.T) {
	dir := workspace(t, "bad")
	for file, want := range map[string]int{"bad/unknown-key.toml": 1, "bad/syntax-unclosed-string.toml": 1, "absent.toml": 2, "good/recipe.toml": 0} {
		code, out, _ := runCheck(t, "--suggest", "--config", filepath.Join(dir, file))
		if code != want || (want != 0) != (out == "") {
			t.Errorf("%s: exit code %d, want %d\n%s", file, code, want, out)
		}
	}
}

// Whatever a name has, TOML reads it as it was.
func TestSuggestedTOMLIsReadAsItWas(t *testing.T) {
	for _, text := range []string{"plain", `user "Domain Users"`, `group "CN=a\\,b,DC=x"`, "it's", `it's "both"`, `it's a \ too`, "ü", "#", "{user}"} {
		var read struct{ V []any }
		if err := toml.Unmarshal([]byte("V = "+requireAsTOML([]any{text, map[string]any{"all": []any{text}}})), &read); err != nil || read.V[0] != text || read.V[1].(map[string]any)["all"].([]any)[0] != text {
			t.Errorf("%q: %v, %v", text, read.V, err)
		}
	}
}
