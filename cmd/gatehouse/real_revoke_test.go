package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// revoke types the command beside the configuration of a gateway with tokens.
func (r recipe) revoke(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	cmd := command(t, binary(t), append([]string{"revoke", "--socket", filepath.Join(r.dir, "admin.sock")}, args...)...)
	out, _ := cmd.CombinedOutput() // the exit code says more
	return string(out), cmd.ProcessState.ExitCode()
}

// T1: what is revoked stays so over a reload and a restart, and whoever logs in again has a
// token that counts.
func TestT1RevokedTokensAreNoneAnyMore(t *testing.T) {
	t.Parallel()
	const admin = "[admin]\nsocket = \"admin.sock\"\n"
	r, upstream := newRecipe(t), takesAll(t)
	kept := []string{"key_file = \"token-keys\"", "key_file = \"token-keys\"\nstate_file = \"state.json\"", "@BACKEND@", admin}
	f := r.serveTokens(t, upstream, kept...)
	one, other := f.fetchToken(t, puller, pullerPassword), f.fetchToken(t, pusher, pusherPassword)
	f.await(t, "the token counts", one, 200)

	for _, args := range [][]string{{}, {"--user", ""}, {"--user", puller, "--all"}} {
		if out, code := r.revoke(t, args...); code != 2 {
			t.Errorf("revoke %q: exit code %d, want 2\n%s", args, code, out)
		}
	}
	if out, code := r.revoke(t, "--user", strings.ToUpper(puller)); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	f.await(t, "the revoked token is none", one, 401)
	f.await(t, "that of another user is one", other, 200)
	reloads := strings.Count(f.output.String(), "configuration reloaded")
	keys := filepath.Join(r.dir, "token-keys")
	writeFile(t, keys, []byte(readFile(t, keys)+"# another line\n"), 0o600)
	testkit.Await(t, "the configuration is read again", func() bool {
		return strings.Count(f.output.String(), "configuration reloaded") > reloads
	})
	f.await(t, "it is none after a reload", one, 401)
	f.stop()

	f = r.serveTokens(t, upstream, kept...)
	f.await(t, "it is none after a restart", one, 401)
	client := f.certificate.client(f.addr)
	defer client.CloseIdleConnections()
	testkit.Await(t, "a token of a later second counts", func() bool {
		status, err := f.statusOf(client, f.fetchToken(t, puller, pullerPassword))
		return err == nil && status == 200
	})
	if out, code := r.revoke(t, "--all"); code != 0 {
		t.Errorf("exit code %d\n%s", code, out)
	}
	f.await(t, "no token counts", other, 401)
}

// A revocation that is kept nowhere counts until the process ends, and says so.
func TestRevocationThatIsNotKept(t *testing.T) {
	t.Parallel()
	r := newRecipe(t)
	f := r.serveTokens(t, takesAll(t), "@BACKEND@", "[admin]\nsocket = \"admin.sock\"\n")
	one := f.fetchToken(t, puller, pullerPassword)
	out, code := r.revoke(t, "--user", puller)
	if code != 4 || !strings.Contains(out, "ends with the process") || !strings.Contains(out, "state_file") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	f.await(t, "it counts all the same", one, 401)
}

// Without its file the gateway would take tokens that were revoked.
func TestNoStartWithABrokenStateFile(t *testing.T) {
	t.Parallel()
	r := newRecipe(t)
	state := filepath.Join(r.dir, "state.json")
	writeFile(t, state, []byte(`{"users":{"alice":`), 0o600)
	f := r.serveTokens(t, takesAll(t))
	f.stop()
	config := filepath.Join(r.dir, "tokens.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, config, []byte(strings.Replace(string(text), "key_file", "state_file = \"state.json\"\nkey_file", 1)), 0o600)
	cmd := command(t, binary(t), "check", config)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "revoked tokens") || !strings.Contains(string(out), state) {
		t.Errorf("exit code %d\n%s", cmd.ProcessState.ExitCode(), out)
	}
}
