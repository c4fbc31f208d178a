package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// explainToken types gatehouse explain beside the configuration of a gateway, with a token on
// the standard input.
func (r recipe) explainToken(t *testing.T, token string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := command(t, binary(t), append([]string{"explain", "--config", filepath.Join(r.dir, "tokens.toml")}, args...)...)
	var out, errs strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(token+"\n"), &out, &errs
	cmd.Run() // the exit code says more
	if secret := token[min(len(token), len("gtha_")):]; secret != "" && strings.Contains(out.String()+errs.String(), secret) {
		t.Errorf("%v: the token is printed:\n%s%s", args, &out, &errs)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// fetchRefreshToken logs in as docker login does, and returns what that keeps.
func (f front) fetchRefreshToken(t *testing.T, user, password string) string {
	t.Helper()
	resp, body := f.request(t, "GET", "/v2/token?service=registry.test&offline_token=true", user, password)
	var answer struct {
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Refresh == "" {
		t.Fatalf("refresh token of %s: %s with %q", user, resp.Status, body)
	}
	return answer.Refresh
}

// What explain says of a token is what the gateway answers to it: as whom, for what, and why
// not any more.
func TestExplainSaysWhatATokenIsGoodFor(t *testing.T) {
	t.Parallel()
	r, upstream := newRecipe(t), takesAll(t)
	f := r.serveTokens(t, upstream, "key_file = \"token-keys\"", "key_file = \"token-keys\"\nstate_file = \"state.json\"\nidentity_ttl = \"1h\"", "@BACKEND@", "[admin]\nsocket = \"admin.sock\"\n")
	one := f.fetchToken(t, puller, pullerPassword)
	file := filepath.Join(t.TempDir(), "token")
	writeFile(t, file, []byte(one), 0o600)
	for _, c := range []struct {
		what, token, args string
		code              int
		says              string
	}{
		{"a pull", one, "--token - pull team/app:1", 0, "token        "},
		{"a pull, from a file", "", "--token " + file + " GET /v2/team/app/manifests/1", 0, " of " + puller + " (backend local) for "},
		{"what no rule allows", one, "--token - PUT /v2/team/app/manifests/1", 1, `needs group pusher`},
		{"what is public", one, "--token - GET /v2/public/app/manifests/1", 0, "the token is not looked at"},
		{"another repository", one, "--token - GET /v2/other/app/manifests/1", 1, "not taken: the token was not made for this"},
		{"another host", one, "--token - --host other.example GET /v2/team/app/manifests/1", 1, "the token was made for another host, path or backend"},
		{"changed", one[:len(one)-2] + "AA", "--token - GET /v2/team/app/manifests/1", 1, "none, not taken: it is no token of this gateway"},
		{"a refresh token", f.fetchRefreshToken(t, puller, pullerPassword), "--token - GET /v2/team/app/manifests/1", 1, "it is a refresh token"},
		{"nothing", "", "--token - GET /v2/team/app/manifests/1", 1, "none, not taken"},
		{"groups that are named", one, "--token - --groups pusher PUT /v2/team/app/manifests/1", 1, "the token was not made for this"},
		{"a user besides", one, "--token - --user x GET /v2/", 2, "the token says who the user is"},
		{"no file", one, "--token " + file + "x GET /v2/", 2, "no such file"},
	} {
		out, errs, code := r.explainToken(t, c.token, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+errs, c.says) {
			t.Errorf("%s: exit code %d, want %d with %q\n%s%s", c.what, code, c.code, c.says, out, errs)
		}
	}
	if out, errs, code := r.explainToken(t, "", "--token", one, "GET", "/v2/"); code != 2 || strings.Contains(out+errs, one[5:]) || !strings.Contains(errs, "give it on the standard input") {
		t.Errorf("as an argument: exit code %d\n%s%s", code, out, errs)
	}
	if out, code := r.revoke(t, "--user", puller); code != 0 {
		t.Fatalf("revoke: exit code %d\n%s", code, out)
	}
	r.checkExplainedToken(t, one, "token.revoked")
	users, err := os.ReadFile(r.usersFile)
	if err != nil {
		t.Fatal(err)
	}
	other := f.fetchToken(t, pusher, pusherPassword)
	writeFile(t, r.usersFile, []byte(strings.ReplaceAll(string(users), pusher+":", "somebody:")), 0o600)
	r.checkExplainedToken(t, other, "token.refused")
}

// checkExplainedToken checks the code by which a token is not taken, in JSON.
func (r recipe) checkExplainedToken(t *testing.T, token, want string) {
	t.Helper()
	out, errs, code := r.explainToken(t, token, "--token", "-", "-o", "json", "GET", "/v2/team/app/manifests/1")
	var told struct {
		Verdict  string
		Requests []struct {
			Status int
			Token  struct{ ID, User, Expires, Code string }
		}
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil || len(told.Requests) != 1 {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	request := told.Requests[0]
	if code != 1 || told.Verdict != "login" || request.Status != 401 || request.Token.Code != want || request.Token.ID == "" || request.Token.User == "" || request.Token.Expires == "" {
		t.Errorf("exit code %d, want the code %s:\n%s%s", code, want, out, errs)
	}
}
