package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
)

func TestAllErrorsAreReportedAtOnceInTheOrderOfTheFile(t *testing.T) {
	dir := workspace(t)
	path := filepath.Join(dir, "config.toml")
	text := `lissten = ["127.0.0.1:5043"]
listen = ["127.0.0.1:5043", ":80"]
[tls]
cert_file = "files/cert.pem"
[[backend]]
name = "local"
type = "htpasswd"
users_file = "files/broken-users"
groups_file = "files/broken-groups"
[[backend]]
name = "spare"
type = "htpasswd"
users_file = "files/users"
[[route]]
path = "/v2/../"
upstream = "registry"
backend = "loca"
[[route.rule]]
name = "pull"
methods = ["GET", "head"]
requires = ["valid-user"]
[[route.rule]]
name = "pull"
require = ["bogus", "group"]
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	errs, _ := problems(t, path)
	var got []string
	for _, p := range errs {
		got = append(got, strings.TrimPrefix(p.Place.String(), path+":"))
	}
	want := []string{"1:1", "3:2", "8:1", "9:1", "15:1", "16:1", "17:1", "20:19", "21:1", "23:1", "24:12", "24:21"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("places of errors (-want +got):\n%s\n%v", diff, &config.Error{Errors: errs})
	}
}

func TestBrokenUsersFileListsAllItsLines(t *testing.T) {
	dir := workspace(t)
	users := filepath.Join(dir, "files/users")
	if err := os.WriteFile(users, []byte("one\ntwo:plain\nthree:$2x$05$a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	errs, _ := problems(t, filepath.Join(dir, "good/minimal.toml"))
	if len(errs) != 3 {
		t.Errorf("got %d errors, want one for each line:\n%v", len(errs), &config.Error{Errors: errs})
	}
	for _, p := range errs {
		if p.Line != 6 {
			t.Errorf("%v: want it at line 6, where users_file is set", p)
		}
	}
}

func TestCaretMarksTheKeyWhateverStandsBeforeIt(t *testing.T) {
	known := strings.Join(slices.Sorted(maps.Keys(config.Fields(reflect.TypeFor[config.Document]()))), ", ")
	for _, tc := range []struct{ text, want string }{
		{"\tdrian = \"1m\"\n", "config.toml:1:2: unknown key \"drian\"; did you mean \"drain\"?\n    1 | \tdrian = [redacted]\n      | \t^^^^^\n"},
		{"[[rule]]\n", "config.toml:1:3: unknown key \"rule\": write [[route.rule]], below the [[route]] that it is for\n    1 | [[rule]]\n      |   ^^^^\n"},
		{"listen = [\"ü\", 5]\n", "config.toml:1:16: listen: the list may hold strings only, and this is a number: put it in quotes\n    1 | listen = [\"ü\", 5]\n      |                ^\n"},
		{"\"a\\u001bb\" = 1\r\n", "config.toml:1:1: unknown key \"a\\x1bb\"; known here: " + known + "\n    1 | \"a\\u001bb\" = [redacted]\n      | ^^^^^^^^^^\n"},
		{"listen = [5, \"\u009b31m\u202e\"]\n", "config.toml:1:11: listen: the list may hold strings only, and this is a number: put it in quotes\n    1 | listen = [5, \"\\u009b31m\\u202e\"]\n      |           ^\n"},
	} {
		c, err := assemble.Kinds().Parse("config.toml", []byte(tc.text), nil)
		if err == nil {
			err = c.Report.Err()
		}
		var refused *config.Error
		if !errors.As(err, &refused) || len(refused.Errors) == 0 {
			t.Errorf("%q: got %v, want errors", tc.text, err)
			continue
		}
		if got := refused.Errors[0].Detail(); got != tc.want {
			t.Errorf("%q: got\n%s\nwant\n%s", tc.text, got, tc.want)
		}
	}
}

// The line of a mistake is shown, and may be the one with the password that
// should not be there.
func TestSecretsInTheWrongPlaceAreNotShown(t *testing.T) {
	for _, line := range []string{
		`upstream_password = "hunter2"`,
		`upstream_password = "hunter2`,
		`password="hunter2"`,
		`"bind_password" = 'hunter2'`,
		`PASSWD = hunter2`,
		`api_token = "hunter2" # comment`,
		`client_secret = "hunter2"`,
		`x = { password = "hunter2", y = 1 }`,
		`upstream = "http://user:hunter2@registry:5000/x"`,
		`upstream = http://user:hunter2@registry:5000`,
	} {
		text := minimal(line)
		if strings.HasPrefix(line, "upstream = \"") {
			text = strings.Replace(minimal(""), `upstream = "http://127.0.0.1:5000"`, line, 1)
		}
		c, err := assemble.Kinds().Parse("config.toml", []byte(text), nil)
		if err == nil {
			err = assemble.Open(c, nil).Report.Err()
		}
		if err == nil {
			t.Errorf("%s: no error", line)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the password:\n%v", line, err)
		}
	}
}

// What was misspelt is not missing too.
func TestMisspeltKeyIsOneError(t *testing.T) {
	text := strings.Replace(minimal(`listen = ["127.0.0.1:1"]`), "users_file", "user_file", 1)
	text = strings.Replace(text, "require =", "requires =", 1)
	text = strings.Replace(text, "path =", "paths =", 1)
	errs, _ := assemble.Open(parse(t, text, nil), nil).Report.Split()
	if len(errs) != 3 {
		t.Errorf("got %d errors, want 3:\n%v", len(errs), &config.Error{Errors: errs})
	}
}

// Nor is a rule judged by what it says without the key that was misspelt.
func TestMisspeltKeyOfARuleIsNotWarnedOf(t *testing.T) {
	text := strings.Replace(minimal(`listen = ["127.0.0.1:1"]`), "require =", "method = [\"GET\"]\n  require =", 1) +
		"\n  [[route.rule]]\n  name = \"second\"\n  require = [\"group pusher\"]\n"
	_, warnings := assemble.Open(parse(t, text, nil), nil).Report.Split()
	if slices.ContainsFunc(warnings, func(p config.Problem) bool { return strings.Contains(p.Message, "second") }) {
		t.Errorf("got warnings %v", warnings)
	}
}

func TestFilesOpenToOthersAreRefused(t *testing.T) {
	dir := workspace(t)
	for _, tc := range []struct {
		file string
		mode os.FileMode
		want string // empty: accepted
	}{
		{"good/everything.toml", 0o620, "write"},
		{"good/everything.toml", 0o602, "write"},
		{"good/everything.toml", 0o644, ""},
		{"files/key.pem", 0o604, "read"},
		{"files/key.pem", 0o640, ""},
		{"files/key.pem", 0o660, "write"},
		{"files/token.pem", 0o644, "read"},
		{"files/token.pem", 0o640, ""},
		{"files/token.pem", 0o660, "write"},
		{"files/cert.pem", 0o666, "write"},
		{"files/cert.pem", 0o644, ""},
		{"files/users", 0o662, "write"},
		{"files/users", 0o640, ""},
		{"files/groups", 0o620, "write"},
		{"files/password", 0o604, "read"},
		{"files/password", 0o622, "write"},
		{"files/password", 0o440, ""},
	} {
		file := filepath.Join(dir, tc.file)
		before, err := os.Stat(file)
		if err := errors.Join(err, os.Chmod(file, tc.mode)); err != nil {
			t.Fatal(err)
		}
		c, err := loadConfig(filepath.Join(dir, "good/everything.toml"), nil)
		if err == nil {
			a := assemble.Open(c, nil)
			err = errors.Join(a.Report.Err(), a.Close())
		}
		if err := os.Chmod(file, before.Mode()); err != nil {
			t.Fatal(err)
		}
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s with mode %o: %v", tc.file, tc.mode, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s with mode %o: got %v, want an error about who may %s it", tc.file, tc.mode, err, tc.want)
		}
	}
}

func TestWhatIsOnlyWarnedOf(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, dir string) (config string)
		want   string
	}{
		{"users file that everybody may read", func(t *testing.T, dir string) string {
			if err := os.Chmod(filepath.Join(dir, "files/users"), 0o644); err != nil {
				t.Fatal(err)
			}
			return "good/minimal.toml"
		}, "may read"},
		{"certificate that expires soon", func(t *testing.T, dir string) string {
			if err := os.Rename(filepath.Join(dir, "files/expiring.pem"), filepath.Join(dir, "files/cert.pem")); err != nil {
				t.Fatal(err)
			}
			return "good/recipe.toml"
		}, "expires on"},
		{"anonymous login at /v2/", func(t *testing.T, dir string) string {
			return rewrite(t, dir, `"valid-user"`, `"all granted"`)
		}, `takes any password`},
		{"rule that an earlier one hides", func(t *testing.T, dir string) string {
			return rewrite(t, dir, `  [[route.rule]]`, "  [[route.rule]]\n  name = \"first\"\n  require = [\"user testuser\"]\n  [[route.rule]]")
		}, `never decides`},
		{"group where the backend knows none", func(t *testing.T, dir string) string {
			return rewrite(t, dir, `"valid-user"`, `"group pusher", { all = ["valid-user", "not group guests"] }`)
		}, `rule "all" asks for group pusher, group guests, and nobody is in any group: the backend "local" has no groups_file`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := workspace(t)
			errs, warnings := problems(t, filepath.Join(dir, tc.change(t, dir)))
			if len(errs) > 0 || len(warnings) != 1 || !strings.Contains(warnings[0].String(), tc.want) || warnings[0].Line == 0 {
				t.Errorf("got errors %v and warnings %v, want one warning with a place that says %s", errs, warnings, tc.want)
			}
		})
	}
}

// rewrite changes the first from in good/minimal.toml.
func rewrite(t *testing.T, dir, from, to string) string {
	t.Helper()
	const name = "good/minimal.toml"
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil || !strings.Contains(string(text), from) {
		t.Fatalf("%s has no %q (%v)", name, from, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
