package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// runCheck runs "gatehouse check" and returns its exit code and what it printed.
func runCheck(t *testing.T, args ...string) (code int, out, diagnostics string) {
	t.Helper()
	var stdout, stderr strings.Builder
	code = run(t.Context(), append([]string{"check"}, args...), stdio{strings.NewReader(""), &stdout, &stderr})
	return code, stdout.String(), stderr.String()
}

func TestCheckSaysOK(t *testing.T) {
	path := filepath.Join(workspace(t), "good/recipe.toml")
	code, out, diagnostics := runCheck(t, "--config", path)
	if want := path + ": ok (1 backend, 1 route, 2 rules, TLS on :5043)\n"; code != 0 || out != want {
		t.Errorf("got code %d and\n%s\nwant 0 and\n%s", code, out, want)
	}
	for line := range strings.Lines(diagnostics) {
		if line != "warning: "+toolchainWarning(runtime.Version())+"\n" && !strings.HasPrefix(line, path+":15:1: note: ") {
			t.Errorf("diagnostics: got\n%s\nwant the warning of the toolchain and a note", line)
		}
	}
}

func TestCheckExitCodes(t *testing.T) {
	dir := workspace(t, "bad")
	warned := filepath.Join(dir, rewrite(t, dir, `"valid-user"`, `"all granted"`))
	good, bad := filepath.Join(dir, "good/recipe.toml"), filepath.Join(dir, "bad/unknown-key.toml")
	for _, tc := range []struct {
		name string
		args []string
		want int
	}{
		{"good", []string{"--config", good}, 0},
		{"good and strict, whatever the toolchain", []string{"--config", good, "--strict"}, 0},
		{"error", []string{"--config", bad}, 1},
		{"syntax error", []string{"--config", filepath.Join(dir, "bad/syntax-unclosed-string.toml")}, 1},
		{"error as JSON", []string{"--config", bad, "-o", "json"}, 1},
		{"warning", []string{"--config", warned}, 0},
		{"warning and strict", []string{"--config", warned, "--strict"}, 1},
		{"absent file", []string{"--config", filepath.Join(dir, "absent.toml")}, 2},
		{"unknown output", []string{"--config", good, "-o", "yaml"}, 2},
	} {
		if got, out, diagnostics := runCheck(t, tc.args...); got != tc.want {
			t.Errorf("%s: got exit code %d, want %d\n%s%s", tc.name, got, tc.want, out, diagnostics)
		}
	}
}

func TestCheckShowsTheLine(t *testing.T) {
	path := filepath.Join(workspace(t, "bad"), "bad/unknown-key.toml")
	_, out, diagnostics := runCheck(t, "--config", path)
	want := path + `:18:3: unknown key "requier"; did you mean "require"?
   18 |   requier = [redacted]
      |   ^^^^^^^
`
	if out != "" || !strings.HasPrefix(diagnostics, want) {
		t.Errorf("got\n%s%s\nwant\n%s", out, diagnostics, want)
	}
}

func TestCheckJSON(t *testing.T) {
	dir := workspace(t, "bad")
	path := filepath.Join(dir, "bad/unknown-key.toml")
	_, out, diagnostics := runCheck(t, "--config", path, "-o", "json")
	var got struct {
		File    string
		OK      bool
		Summary string
		Errors  []struct {
			File, Message, Code string
			Line, Column        int
		}
		Warnings []struct{ Message string }
	}
	summary := "gatehouse: " + path + ": 1 error, 0 warnings\n"
	if err := json.Unmarshal([]byte(out), &got); err != nil || diagnostics != summary {
		t.Fatalf("%v in\n%s%s", err, out, diagnostics)
	}
	if got.OK || got.File != path || got.Summary != "1 error, 0 warnings" || len(got.Errors) != 1 {
		t.Fatalf("got %+v", got)
	}
	if e := got.Errors[0]; e.File != path || e.Line != 18 || e.Column != 3 || e.Message != `unknown key "requier"; did you mean "require"?` || e.Code != "config.unknown_key" {
		t.Errorf("got %+v", e)
	}
	_, out, _ = runCheck(t, "--config", filepath.Join(dir, "good/recipe.toml"), "-o", "json")
	if !strings.Contains(out, `"ok": true`) || !strings.Contains(out, `"errors": []`) {
		t.Errorf("lists that are empty must be lists, and ok true:\n%s", out)
	}
}

// What serve would refuse is not good for check, even where only the gateway
// itself knows.
func TestCheckTriesTheGateway(t *testing.T) {
	dir := workspace(t)
	path := filepath.Join(dir, rewrite(t, dir, "http://127.0.0.1:5000", "http://registry..example:5000"))
	code, _, diagnostics := runCheck(t, "--config", path)
	if code != 1 || !strings.Contains(diagnostics, "registry..example") {
		t.Errorf("got code %d and\n%s\nwant an error about the upstream", code, diagnostics)
	}
}

func TestCheckFindsTheConfigurationByTheVariable(t *testing.T) {
	path := filepath.Join(workspace(t), "good/recipe.toml")
	t.Setenv("GATEHOUSE_CONFIG", path)
	if code, out, diagnostics := runCheck(t); code != 0 || !strings.HasPrefix(out, path) {
		t.Errorf("got code %d and\n%s%s", code, out, diagnostics)
	}
}

// What serve would fail to open is not good for check, and what may come to be before
// serve starts is warned of.
func TestCheckLooksWhereFilesAreToBeMade(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "users"), userLine(t, "alice"))
	put(t, filepath.Join(dir, "file"), "")
	for line, want := range map[string]string{
		`audit_log = "audit.log"`:                "",
		`audit_log = "file"`:                     "",
		`audit_log = "stdout"`:                   "",
		`audit_log = "."`:                        "error: 2:1",
		`audit_log = "none/audit.log"`:           "warning: 2:1",
		`audit_log = "file/audit.log"`:           "error: 2:1",
		`admin = { socket = "admin.sock" }`:      "",
		`admin = { socket = "file" }`:            "error: 2:11",
		`admin = { socket = "none/admin.sock" }`: "warning: 2:11",
	} {
		text := "listen = [\"127.0.0.1:0\"]\n" + line + strings.ReplaceAll(strings.Replace(daemonConfig, "listen = [\"127.0.0.1:0\"]", "", 1), "UPSTREAM", "http://127.0.0.1:1")
		put(t, filepath.Join(dir, "config.toml"), text)
		got, err := checkOptions{}.check(t.Context(), filepath.Join(dir, "config.toml"))
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, p := range got.Errors {
			said = append(said, fmt.Sprintf("error: %d:%d", p.Line, p.Column))
		}
		for _, p := range got.Warnings {
			if p.Line > 0 {
				said = append(said, fmt.Sprintf("warning: %d:%d", p.Line, p.Column))
			}
		}
		if strings.Join(said, " ") != want {
			t.Errorf("%s: got %v %v, want %q", line, got.Errors, got.Warnings, want)
		}
	}
}

// check says what rules by method alone are no longer about, until a test or a rule shows
// that somebody has thought of it.
func TestCheckSaysWhatIsClosed(t *testing.T) {
	dir := workspace(t)
	recipe := string(mustRead(t, filepath.Join(dir, "good/recipe.toml")))
	path := filepath.Join(dir, "good/closed.toml")
	for _, tt := range []struct {
		first, more string
		said        string
	}{
		{"", "", ": note: extensions of the registry, such as /v2/_oci/ext/discover, are denied"},
		{"[[route.rule]]\nname = \"team\"\nrepositories = [\"team/**\"]\nrequire = [\"group pusher\"]\n", "", ": note: what the OCI distribution specification does not have below /v2/"},
		{"", "\n[[test]]\nuser = \"alice\"\nrequest = \"GET /v2/_oci/ext/discover\"\nexpect = \"deny\"\n", ""},
		{"", "\n[[route.rule]]\nname = \"extensions\"\nactions = [\"extension\"]\nrequire = [\"group pusher\"]\n", ""},
	} {
		put(t, path, strings.Replace(recipe, "[[route.rule]]", tt.first+"[[route.rule]]", 1)+tt.more)
		code, out, diagnostics := runCheck(t, "--strict", "--config", path)
		said := strings.Contains(diagnostics, "/v2/_oci/ext/discover")
		if code != 0 || said != (tt.said != "") || !strings.Contains(diagnostics, tt.said) {
			t.Errorf("with %q: exit code %d, said %v, want %q\n%s%s", tt.first+tt.more, code, said, tt.said, out, diagnostics)
		}
	}
}

// Where nobody can look at an account, docker login goes on to keep the password.
func TestCheckWarnsOfLoginsThatKeepPasswords(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"users": "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", "config.toml": `
[tokens]
identity_ttl = "720h"
state_file = "state.json"
[[backend]]
name = "local"
type = "htpasswd"
users_file = "users"
[[backend]]
name = "corp"
type = "ldap"
preset = "openldap"
urls = ["ldaps://ldap.corp.example"]
bind_template = "uid={user},ou=people,dc=corp,dc=example"
user_bases = ["dc=corp,dc=example"]
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, out, diagnostics := runCheck(t, "--config", filepath.Join(dir, "config.toml"))
	if text := out + diagnostics; !strings.Contains(text, `users of the backend "corp" can have no tokens of their own, and docker login keeps their passwords`) || strings.Contains(text, `backend "local" can have`) {
		t.Error(text)
	}
}
