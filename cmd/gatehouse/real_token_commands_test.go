package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/gateway/admin"
)

// ownSecret matches the secret of a token that an account owns.
var ownSecret = regexp.MustCompile(`gth[pbi]_[0-9A-Za-z]{36}`)

// token types a command about tokens beside a gateway of serveTokens. Its output has what it
// says on both outputs.
func (r recipe) token(t *testing.T, stdin string, args ...string) (output string, code int) {
	t.Helper()
	args = append([]string{"token", args[0], "--socket", filepath.Join(r.dir, "admin.sock")}, args[1:]...)
	cmd := command(t, binary(t), args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, _ := cmd.CombinedOutput() // the exit code says more
	return string(out), cmd.ProcessState.ExitCode()
}

// listed returns the tokens that token list shows.
func (r recipe) listed(t *testing.T, args ...string) (list []admin.ShownToken) {
	t.Helper()
	out, code := r.token(t, "", append([]string{"list", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v\n%s", code, err, out)
	}
	return list
}

// made returns the token that a command prints as JSON.
func (r recipe) made(t *testing.T, args ...string) (m admin.MadeToken) {
	t.Helper()
	out, code := r.token(t, "", append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), &m); err != nil || code != 0 || ownSecret.FindString(m.Secret) != m.Secret || m.Secret == "" {
		t.Fatalf("%q: exit code %d, %v\n%s", args, code, err, out)
	}
	return m
}

// Whoever runs the gateway makes, lists, rotates and ends tokens, over a restart.
func TestTokenCommands(t *testing.T) {
	t.Parallel()
	r := newRecipe(t)
	texts := append([]string{"[tokens]", "audit_log = \"audit.log\"\n[tokens]"}, storeTexts...)
	f := r.serveTokens(t, takesAll(t), texts...)

	ci := r.made(t, "create", "ci", "--user", puller, "--ttl", "30d", "--repository", "team/**", "--action", "pull", "--from", "127.0.0.0/8", "--from", "::1")
	if ci.Owner.Backend != "local" || ci.Owner.User != puller || ci.Login != puller || ci.Owner.Anchor == "" || ci.Expires.Sub(ci.Created) != 30*24*time.Hour ||
		fmt.Sprint(ci.Repositories, ci.Actions, ci.From) != "[team/**] [pull] [127.0.0.0/8 ::1/128]" || ci.By != fmt.Sprintf("uid %d at the admin socket", os.Getuid()) {
		t.Errorf("made %+v", ci)
	}
	robot := r.made(t, "create", "--robot", "team-ci", "--owner", "group local:pusher")
	if robot.Login != "team-ci" || robot.Owner.Group != "pusher" || !strings.HasPrefix(robot.Secret, "gthb_") || robot.Expires.Sub(robot.Created) != 365*24*time.Hour {
		t.Errorf("made %+v", robot)
	}
	quiet, code := r.token(t, "", "create", "-q", "laptop", "--user", pusher)
	if ownSecret.FindString(quiet)+"\n" != quiet || code != 0 {
		t.Errorf("exit code %d\n%s", code, quiet)
	}
	text, code := r.token(t, "", "create", "phone", "--user", pusher)
	if code != 0 || len(ownSecret.FindAllString(text, -1)) != 1 || !strings.Contains(text, "docker login -u "+pusher+" HOST") || !strings.Contains(text, "all that its owner may") {
		t.Errorf("exit code %d\n%s", code, text)
	}
	if all, some := r.listed(t), r.listed(t, "--user", pusher); len(all) != 4 || len(some) != 2 || len(r.listed(t, "--robot", "team-ci")) != 1 || !all[0].Counts {
		t.Errorf("listed %+v and %+v", all, some)
	}

	for _, by := range []struct{ stdin, arg string }{{ci.Secret + "\n", "-"}, {"", ci.ID}} {
		if out, code := r.token(t, by.stdin, "show", by.arg); code != 0 || !strings.Contains(out, "pull in team/** from 127.0.0.0/8, ::1/128") || !strings.Contains(out, "counts   yes") || strings.Contains(out, ci.Secret) {
			t.Errorf("exit code %d\n%s", code, out)
		}
	}
	for _, login := range []struct {
		user, password string
		status         int
	}{{puller, ci.Secret, 200}, {"team-ci", robot.Secret, 200}, {pusher, ci.Secret, 401}, {puller, ci.Secret[:len(ci.Secret)-1] + "0", 401}} {
		if resp, body := f.request(t, "GET", "/v2/", login.user, login.password); resp.StatusCode != login.status {
			t.Errorf("a token of %s: %d, want %d\n%s", login.user, resp.StatusCode, login.status, body)
		}
	}
	next := r.made(t, "rotate", "ci", "--overlap", "1h")
	if next.Secret == ci.Secret || next.Name != "ci" || fmt.Sprint(next.Limits) != fmt.Sprint(ci.Limits) {
		t.Errorf("rotated to %+v", next)
	}
	if out, code := r.token(t, "", "rotate", "ci"); code != 1 || !strings.Contains(out, "two tokens of that name") {
		t.Errorf("rotated twice: exit code %d\n%s", code, out)
	}
	if out, code := r.token(t, "", "revoke", ci.ID); code != 0 || !strings.Contains(out, "1 token of people and robots revoked") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if resp, body := f.request(t, "GET", "/v2/", puller, ci.Secret); resp.StatusCode != 401 {
		t.Errorf("a revoked token: %d\n%s", resp.StatusCode, body)
	}
	f.stop()
	f = r.serveTokens(t, takesAll(t), texts...)
	if out, code := r.token(t, ci.Secret, "show"); code != 1 || !strings.Contains(out, "the token was revoked") {
		t.Errorf("after a restart: exit code %d\n%s", code, out)
	}
	if out, code := r.revoke(t, "--user", pusher); code != 0 || !strings.Contains(out, "2 tokens of people and robots revoked, and all that were issued") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if out, code := r.revoke(t, "--all-of-source", "local"); code != 0 || !strings.Contains(out, "2 tokens") || strings.Contains(out, "issued") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if left, all := r.listed(t), r.listed(t, "--all"); len(left) != 0 || len(all) != 5 {
		t.Errorf("%d are left, of %d", len(left), len(all))
	}

	audit := readFile(t, filepath.Join(r.dir, "audit.log"))
	for event, want := range map[string]int{"token.create": 4, "token.rotate": 2, "token.revoke": 3} {
		if got := strings.Count(audit, `"event":"`+event+`","by":"uid `); got != want {
			t.Errorf("%d records of %s in the audit log, want %d\n%s", got, event, want, audit)
		}
	}
	for what, text := range map[string]string{"log": f.output.String(), "audit log": audit, "store": readFile(t, filepath.Join(r.dir, "tokens.jsonl"))} {
		if secret := ownSecret.FindString(text); secret != "" {
			t.Errorf("the %s has a secret", what)
		}
	}
}

// Every wrong question is told from an answer that is no, and makes nothing.
func TestTokenCommandsRefuse(t *testing.T) {
	t.Parallel()
	r := newRecipe(t)
	r.serveTokens(t, takesAll(t), append([]string{"[cache]", "max_ttl = \"48h\"\nper_user = 2\n[cache]"}, storeTexts...)...)
	user := []string{"--user", puller}
	for _, test := range []struct {
		args []string
		code int
		told string
	}{
		{[]string{"create"}, 2, "needs a name"},
		{[]string{"create", "a"}, 2, "say whose token it is"},
		{append([]string{"create", "a b"}, user...), 2, "a name of a token has"},
		{append([]string{"create", "a", "--owner", "group pusher"}, user...), 2, "is for robots"},
		{append([]string{"create", "a", "--ttl", "30"}, user...), 2, "--ttl"},
		{append([]string{"create", "a", "--ttl", "0s"}, user...), 2, "--ttl"},
		{append([]string{"create", "a", "--ttl", "49h"}, user...), 1, "48h0m0s at most"},
		{append([]string{"create", "a", "--repository", "/v2/team"}, user...), 2, "team"},
		{append([]string{"create", "a", "--action", "write"}, user...), 2, "push"},
		{append([]string{"create", "a", "--from", "10.0.0.1/8"}, user...), 2, "bits set beyond its length"},
		{append([]string{"create", "a", "--backend", "corp"}, user...), 2, `no backend "corp"`},
		{append([]string{"create", "-q", "-o", "json", "a"}, user...), 2, "quiet"},
		{[]string{"create", "a", "--user", "nobody"}, 1, "unknown user"},
		{[]string{"create", "a", "--user", "a\x00b"}, 2, "invalid argument"},
		{[]string{"create", "a", "--user", " x"}, 2, "no login can have the name"},
		{[]string{"create", "--robot", "team-ci"}, 2, "somebody who answers for it"},
		{[]string{"create", "--robot", "Team", "--owner", "group pusher"}, 1, "no name of a robot"},
		{[]string{"create", "--robot", "a", "--owner", "group puher"}, 1, `did you mean "pusher"`},
		{[]string{"create", "--robot", "a", "--owner", "valid-user"}, 2, "want the owner"},
		{[]string{"create", "--robot", "a", "--owner", "not user x"}, 2, "want the owner"},
		{[]string{"create", "--robot", "a", "--owner", "group a b"}, 2, "want the owner"},
		{[]string{"create", "--robot", "a", "--owner", "user nobody"}, 1, "unknown user"},
		{[]string{"create", "x", "--robot", "a", "--owner", "user x"}, 2, "one name"},
		{[]string{"rotate", "none"}, 1, "no token that has not ended"},
		{[]string{"rotate", "none", "--overlap", "-1h"}, 2, "--overlap"},
		{[]string{"revoke", "0123456789abcdef"}, 1, "there is no such token"},
		{[]string{"revoke"}, 2, "in one way"},
		{[]string{"revoke", "--user", puller, "--all-of-source", "local"}, 2, "in one way"},
		{[]string{"show", "0123456789abcdef"}, 1, "there is no such token"},
		{[]string{"show", "gthp_" + strings.Repeat("0", 36)}, 2, "can be read by every user"},
		{[]string{"list", "--user", "\u202ex"}, 2, "no login can have the name"},
	} {
		if out, code := r.token(t, "", test.args...); code != test.code && test.told != "invalid argument" || test.told != "invalid argument" && !strings.Contains(out, test.told) {
			t.Errorf("%q: exit code %d, want %d and %q\n%s", test.args, code, test.code, test.told, out)
		}
	}
	if out, code := r.token(t, "gthp_"+strings.Repeat("0", 36), "show"); code != 1 || !strings.Contains(out, "there is no such token") {
		t.Errorf("a secret that is none: exit code %d\n%s", code, out)
	}
	if list := r.listed(t, "--all"); len(list) != 0 {
		t.Errorf("there are tokens: %+v", list)
	}
	r.made(t, "create", "a", "--user", puller)
	r.made(t, "create", "b", "--user", puller)
	for name, told := range map[string]string{"a": "of that name already", "c": "as many tokens as one may have"} {
		if out, code := r.token(t, "", "create", name, "--user", puller); code != 1 || !strings.Contains(out, told) || ownSecret.MatchString(out) {
			t.Errorf("one more: exit code %d\n%s", code, out)
		}
	}
	r.made(t, "create", "a", "--user", pusher)
	if out, code := r.token(t, "", "rotate", "a"); code != 1 || !strings.Contains(out, "give the ID") {
		t.Errorf("a name of two: exit code %d\n%s", code, out)
	}
}

// A gateway without a file for tokens says so.
func TestTokenCommandsWithoutAStore(t *testing.T) {
	t.Parallel()
	r := newRecipe(t)
	r.serveTokens(t, takesAll(t), "@BACKEND@", "[admin]\nsocket = \"admin.sock\"\n")
	for _, args := range [][]string{{"create", "a", "--user", puller}, {"list"}, {"rotate", "a"}, {"show", "0123456789abcdef"}, {"revoke", "0123456789abcdef"}} {
		if out, code := r.token(t, "", args...); code != 1 || !strings.Contains(out, "set store_file under [tokens]") {
			t.Errorf("%q: exit code %d\n%s", args, code, out)
		}
	}
}
