package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// keptTexts have docker login keep a token with a gateway of serveTokens.
var keptTexts = []string{
	`key_file = "token-keys"`, "key_file = \"token-keys\"\nstate_file = \"state.json\"\nidentity_ttl = \"720h\"",
	"@BACKEND@", "[admin]\nsocket = \"admin.sock\"\n",
}

// dockerLogin is a way to log in with docker.
type dockerLogin struct {
	texts    []string                            // of serveTokens
	password func(t *testing.T, r recipe) string // for docker login
	auth     string                              // begins the password that docker keeps; empty for none
	identity string                              // begins the token that docker keeps; empty for none
	ended    string                              // what clients show when the login has ended
}

// dockerLogins are by what docker keeps: a sealed token, one in the store, or the token of an
// account that it was given as the password. The names are short: containerd takes no longer
// path of a socket.
var dockerLogins = map[string]dockerLogin{
	"sealed": {keptTexts, func(*testing.T, recipe) string { return pusherPassword }, "", "gthr_", `run "docker logout" for it, and log in again`},
	"stored": {append([]string{"[tokens]", "[tokens]\nstore_file = \"tokens.jsonl\""}, keptTexts...),
		func(*testing.T, recipe) string { return pusherPassword }, "", "gthi_", `run "docker logout" for it, and log in again`},
	"own": {append([]string{"[tokens]", "[tokens]\nstore_file = \"tokens.jsonl\""}, keptTexts...),
		func(t *testing.T, r recipe) string {
			return r.made(t, "create", fmt.Sprintf("ci-%d", len(r.listed(t))), "--user", pusher).Secret
		}, "gthp_", "", `the token "ci-`},
}

// kept checks that what docker login has written for a host has no password of an account,
// and returns the secrets that it has.
func (l dockerLogin) kept(t *testing.T, file, host, user string) string {
	t.Helper()
	text := readFile(t, file)
	var config struct {
		Auths map[string]struct{ Auth, IdentityToken string }
	}
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	kept := config.Auths[host]
	auth, err := base64.StdEncoding.DecodeString(kept.Auth)
	begins := func(secret, with string) bool {
		return strings.HasPrefix(secret, with) && (secret == "") == (with == "")
	}
	if name, password, _ := strings.Cut(string(auth), ":"); err != nil || name != user || !begins(password, l.auth) || !begins(kept.IdentityToken, l.identity) {
		t.Fatalf("docker login keeps %s", text)
	}
	_, password, _ := strings.Cut(string(auth), ":")
	return password + kept.IdentityToken
}

// shows reports whether a client has said that the login has ended. Regctl asks for a token
// without a login then, and shows what comes of that.
func (l dockerLogin) shows(client, output string) bool {
	return client == "regctl" && strings.Contains(output, "unauthorized") || strings.Contains(strings.ReplaceAll(output, `\"`, `"`), l.ended)
}

// All clients get on with the file that docker login writes, until gatehouse revoke ends
// what it has, or the account ends.
func TestDockerLoginKeepsNoPassword(t *testing.T) {
	needs(t, "docker", "dockerd", registries[0].program)
	for name, l := range dockerLogins {
		t.Run(name, func(t *testing.T) { l.check(t) })
	}
}

func (l dockerLogin) check(t *testing.T) {
	r := newRecipe(t)
	f := r.serveTokens(t, registries[0].start(t), l.texts...)
	env := tunnel(t, f.certificate, map[string]string{"registry.test": f.addr})
	folder := t.TempDir()
	runs := clientsOf(t, env, folder)
	login := func() error {
		t.Helper()
		for _, words := range [][]string{{"docker", "logout", "registry.test"}, {"docker", "login", "-u", pusher, "-p", l.password(t, r), "registry.test"}} {
			if output, err := runs["docker"].run(alice, words); err != nil {
				return fmt.Errorf("%q: %v\n%s", words, err, output)
			}
		}
		if kept := l.kept(t, filepath.Join(folder, "config.json"), "registry.test", pusher); strings.Contains(f.output.String(), kept) {
			t.Error("the token stands in the log")
		}
		return nil
	}
	// each has every client do something, and checks whether it can.
	each := func(what string, works bool) {
		t.Helper()
		for name, run := range runs {
			output, err := run.last(what)
			if (err == nil) != works || !works && !l.shows(name, output) {
				t.Errorf("%s of %s: %v\n%s", what, name, err, output)
			}
		}
	}
	if err := login(); err != nil {
		t.Fatal(err)
	}
	each("push", true)
	each("pull", true)

	if out, code := r.revoke(t, "--user", pusher); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	each("pull", false)
	each("push", false)

	testkit.Await(t, "a login of a later second counts", func() bool {
		if login() != nil {
			return false
		}
		_, err := runs["docker"].last("pull")
		return err == nil
	})
	each("pull", true)
	writeFile(t, r.usersFile, []byte(htpasswdLine(t, puller, pullerPassword)), 0o644)
	testkit.Await(t, "the account has gone", func() bool {
		_, err := runs["docker"].last("pull")
		return err != nil
	})
	each("pull", false)
}

// clientsOf returns the clients of the recipes that there are, which all have their logins
// in one folder.
func clientsOf(t *testing.T, env []string, folder string) map[string]*recipeRun {
	t.Helper()
	runs := map[string]*recipeRun{}
	for _, c := range recipeClients {
		needs(t, c.programs...)
		runs[c.name] = newRecipeRun(t, c, env)
		runs[c.name].config[alice] = folder
	}
	return runs
}

// last runs the commands for something of an image of the client's own, and returns what
// came of the last.
func (r *recipeRun) last(what string) (output string, err error) {
	r.t.Helper()
	r.image.scratch = r.t.TempDir()
	name := "registry.test/team/" + r.client.name
	commands := r.client.commands(what, r.image, name, name)
	if r.client.name == "docker" && what == "pull" {
		commands = slices.Insert(commands, 0, []string{"docker", "rmi", "-f", name + ":1"})
	}
	for _, words := range commands {
		output, err = r.run(alice, words)
	}
	return output, err
}
