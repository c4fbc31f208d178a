package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// showToken types gatehouse token show beside the configuration of a gateway, with a token
// on the standard input.
func (r recipe) showToken(t *testing.T, token string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := command(t, binary(t), append([]string{"token", "show", "--config", filepath.Join(r.dir, "tokens.toml")}, args...)...)
	var out, errs strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(token+"\n"), &out, &errs
	cmd.Run() // the exit code says more
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestTokenShowSaysWhoseATokenIs(t *testing.T) {
	t.Parallel()
	r, upstream := newRecipe(t), takesAll(t)
	f := r.serveTokens(t, upstream, "key_file = \"token-keys\"", "key_file = \"token-keys\"\nstate_file = \"state.json\"", "@BACKEND@", "[admin]\nsocket = \"admin.sock\"\n")
	one := f.fetchToken(t, puller, pullerPassword)
	out, errs, code := r.showToken(t, one)
	if code != 0 || !strings.Contains(out, "user     "+puller+" of ") || !strings.Contains(out, "counts   yes") {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	out, _, _ = r.showToken(t, one, "-o", "json")
	var told struct {
		Kind, User, Service string
		Counts              bool
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil || told.Kind != "access" || told.User != puller || told.Service == "" || !told.Counts {
		t.Errorf("%v: %s", err, out)
	}

	changed := one[:len(one)-2] + "AA"
	file := filepath.Join(t.TempDir(), "token")
	writeFile(t, file, []byte(one), 0o600)
	for _, c := range []struct {
		what, token string
		args        []string
		code        int
		says        string
	}{
		{"in a file", "", []string{file}, 0, ""},
		{"as an argument", "", []string{one}, 2, "give it on the standard input"},
		{"changed", changed, nil, 1, "it was changed"},
		{"none", "hello", nil, 1, "no token of this gateway"},
		{"nothing", "", nil, 1, "no token of this gateway"},
		{"no file", "", []string{file + "x"}, 2, "no such file"},
	} {
		out, errs, code := r.showToken(t, c.token, c.args...)
		if code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%s: exit code %d\n%s%s", c.what, code, out, errs)
		}
		if strings.Contains(out+errs, one[len("gtha_"):]) || strings.Contains(out+errs, changed[len("gtha_"):]) {
			t.Errorf("%s: the token is printed:\n%s%s", c.what, out, errs)
		}
	}

	users, err := os.ReadFile(r.usersFile)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, r.usersFile, []byte(strings.ReplaceAll(string(users), puller+":", "somebody:")), 0o600)
	if out, errs, code := r.showToken(t, one); code != 1 || !strings.Contains(out, "counts   no: ") {
		t.Errorf("of a user who has gone: exit code %d\n%s%s", code, out, errs)
	}
	writeFile(t, r.usersFile, users, 0o600)
	if out, code := r.revoke(t, "--user", puller); code != 0 {
		t.Fatalf("revoke: exit code %d\n%s", code, out)
	}
	if out, errs, code := r.showToken(t, one, "-o", "json"); code != 1 || !strings.Contains(out, `"code": "token.revoked"`) {
		t.Errorf("revoked: exit code %d\n%s%s", code, out, errs)
	}
}
