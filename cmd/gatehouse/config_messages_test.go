package main

import (
	"fmt"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// oneRoute begins a configuration, whose rules follow.
const oneRoute = `listen = ["127.0.0.1:0"]
[[backend]]
name = "local"
type = "htpasswd"
users_file = "users"
groups_file = "groups"
[[route]]
path = "/v2/"
upstream = "http://127.0.0.1:1"
backend = "local"
`

// mistaken is a configuration without a mistake, for TestCLI5MistakesAreToldWhereTheyAre.
const mistaken = oneRoute + `[[route.rule]]
name = "push"
paths = ["/v2/team/**"]
require = ["group pusher"]
`

// Each mistake is told at its line, with the advice that mends it.
func TestCLI5MistakesAreToldWhereTheyAre(t *testing.T) {
	other := strings.NewReplacer("[[route]]\n", "[[route]]\nhost = \"b.example\"\n").Replace(mistaken[strings.Index(mistaken, "[[route]]"):])
	for _, tt := range []struct {
		name, old, new string
		want           []string
	}{
		{"rule before its route", "[[route]]\n", "[[route.rule]]\nname = \"x\"\nrequire = [\"valid-user\"]\n[[route]]\n", []string{":7:1: ", "before the [[route]]"}},
		{"single brackets", "[[route.rule]]\n", "[route.rule]\nname = \"x\"\nrequire = [\"valid-user\"]\n[[route.rule]]\n", []string{":11:1: ", "write [[route.rule]]"}},
		{"single brackets of a backend", "[[backend]]\n", "[backend]\n[[backend]]\n", []string{":2:1: ", "write [[backend]]"}},
		{"pattern without its root", "/v2/team/**", "team/**", []string{":13:10: ", `write "/v2/team/**"`}},
		{"users file that is not there", `"users"`, `"password-file"`, []string{":5:1: ", "gatehouse passwd -c ", "password-file NAME"}},
		{"users file that is misspelt", `"users"`, `"usres"`, []string{":5:1: ", `did you mean "users"`}},
		{"two hosts in a test", "[[route]]\n" + mistaken[strings.Index(mistaken, "path"):], "[[route]]\nhost = \"a.example\"\n" + mistaken[strings.Index(mistaken, "path"):] + other +
			"[[test]]\nuser = \"alice\"\ngroups = [\"pusher\"]\nrequest = \"push team/app\"\nexpect = \"allow\"\n", []string{`host = "a.example"`, "b.example"}},
	} {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "users"), userLine(t, "alice"))
		put(t, filepath.Join(dir, "groups"), "pusher: alice\n")
		text := strings.Replace(mistaken, tt.old, tt.new, 1)
		if text == mistaken {
			t.Fatalf("%s: %q is not there", tt.name, tt.old)
		}
		put(t, filepath.Join(dir, "config.toml"), text)
		r, err := checkOptions{}.check(t.Context(), filepath.Join(dir, "config.toml"))
		if err != nil || len(r.Errors) == 0 {
			t.Errorf("%s: got %v and errors %v", tt.name, err, r.Errors)
			continue
		}
		for _, want := range tt.want {
			if got := r.Errors[0].String(); !strings.Contains(got, want) || strings.Contains(got, "--host") {
				t.Errorf("%s: got %s, want %q", tt.name, got, want)
			}
		}
	}
}

// A file in another encoding is told as such, and not by its first strange byte.
func TestCLI5FileInUTF16(t *testing.T) {
	for _, order := range []string{"\xff\xfe", "\xfe\xff"} {
		text := order
		for _, unit := range utf16.Encode([]rune(mistaken)) {
			low, high := byte(unit), byte(unit>>8)
			if order == "\xfe\xff" {
				low, high = high, low
			}
			text += string([]byte{low, high})
		}
		if _, err := assemble.Kinds().Parse("config.toml", []byte(text), nil); err == nil || !strings.HasPrefix(err.Error(), "config.toml:1:1: the file is in UTF-16") {
			t.Errorf("got %v", err)
		}
	}
}

// What is wrong with the files of a certificate is said of the file that is wrong.
func TestCLI5CertificateAndKey(t *testing.T) {
	dir := workspace(t)
	cert, key := filepath.Join(dir, "files/cert.pem"), filepath.Join(dir, "files/key.pem")
	encrypted := filepath.Join(dir, "files/encrypted.pem")
	put(t, encrypted, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
	readable := filepath.Join(dir, "files/open.pem")
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, readable, string(text))
	if err := os.Chmod(readable, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ cert, key, want string }{
		{cert, key, ""},
		{key, cert, "swapped"},
		{cert, encrypted, "encrypted"},
		{cert, readable, "chmod o-r " + readable},
	} {
		a := assemble.Open(parse(t, fmt.Sprintf("tls.cert_file = %q\ntls.key_file = %q\n", tt.cert, tt.key)+minimal(""), nil), nil)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		errs, _ := a.Report.Split()
		errs = slices.DeleteFunc(errs, func(p config.Problem) bool { return p.Line > 2 }) // of the rest
		if got := fmt.Sprint(errs); (tt.want == "") != (len(errs) == 0) || !strings.Contains(got, tt.want) {
			t.Errorf("%s, %s: got %s, want %q", tt.cert, tt.key, got, tt.want)
		}
	}
}

// The file may be named without --config, and only once.
func TestCLI6ConfigurationFileAsArgument(t *testing.T) {
	path := filepath.Join(workspace(t), "good/recipe.toml")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{path}, 0, "ok ("},
		{[]string{path, "--config", path}, 2, "too many"},
		{[]string{path, path}, 2, "--config FILE"},
	} {
		code, out, diagnostics := runCheck(t, tt.args...)
		if code != tt.code || !strings.Contains(out+diagnostics, tt.want) {
			t.Errorf("%q: got %d and %s%s", tt.args, code, out, diagnostics)
		}
	}
}
