package main_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// storeTexts give a gateway of serveTokens a file for tokens that accounts own.
var storeTexts = []string{
	`key_file = "token-keys"`, "key_file = \"token-keys\"\nstate_file = \"state.json\"\nstore_file = \"tokens.jsonl\"",
	"@BACKEND@", "[admin]\nsocket = \"admin.sock\"\n",
}

// startsNot checks that no second gateway starts with the configuration of the first one of
// serveTokens, and says why.
func (r recipe) startsNot(t *testing.T, why string) {
	t.Helper()
	cmd := command(t, binary(t), "serve", "--listen", host+":0", "--config", filepath.Join(r.dir, "tokens.toml"), "--cert", r.certificate.certFile, "--key", r.certificate.keyFile)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), why) {
		t.Errorf("exit code %d, want 2 and %q\n%s", cmd.ProcessState.ExitCode(), why, out)
	}
}

// A gateway has the file of its tokens alone, and starts with no other than a whole one.
func TestOneProcessHasTheFileOfTokens(t *testing.T) {
	t.Parallel()
	r := newRecipe(t)
	store := filepath.Join(r.dir, "tokens.jsonl")
	f := r.serveTokens(t, takesAll(t), storeTexts...)
	r.startsNot(t, fmt.Sprintf("tokens.toml:5:1: %s is in use by process %d", store, f.cmd.Process.Pid))
	f.stop()
	if info, err := os.Stat(store); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of the tokens: %v, %v", info, err)
	}
	writeFile(t, store, []byte("{\"at\":\"2026-12-01T00:00:00Z\"}\n{\"at\":\"2026\n{}\n"), 0o600)
	r.startsNot(t, store+":2: ")
	writeFile(t, store, nil, 0o644)
	r.startsNot(t, "its mode is 0644")
	writeFile(t, store, nil, 0o600)
	r.serveTokens(t, takesAll(t), storeTexts...)
}

// The file stays the same over reloads, and another one needs a restart.
func TestFileOfTokensIsOpenedOnce(t *testing.T) {
	t.Parallel()
	r := newRecipe(t)
	f := r.serveTokens(t, takesAll(t), storeTexts...)
	config := filepath.Join(r.dir, "tokens.toml")
	text := readFile(t, config)
	for _, step := range []struct{ text, told string }{
		{text + "# another line\n", "configuration reloaded"},
		{strings.Replace(text, `"tokens.jsonl"`, `"other.jsonl"`, 1), "changing store_file needs a restart"},
		{strings.Replace(text, `store_file = "tokens.jsonl"`, "", 1), "changing store_file needs a restart"},
		{text, "configuration reloaded"},
	} {
		before := strings.Count(f.output.String(), step.told)
		writeFile(t, config, []byte(step.text), 0o600)
		testkit.Await(t, step.told, func() bool { return strings.Count(f.output.String(), step.told) > before })
	}
	if _, err := os.Stat(filepath.Join(r.dir, "other.jsonl")); err == nil {
		t.Error("a file was made that is not in use")
	}
}

// Check makes no file, and says what would keep the gateway from it.
func TestCheckMakesNoFileOfTokens(t *testing.T) {
	t.Parallel()
	r := newRecipe(t)
	f := r.serveTokens(t, takesAll(t), storeTexts...)
	f.stop()
	config := filepath.Join(r.dir, "tokens.toml")
	text := strings.Replace(readFile(t, config), "[cache]", "allow_dn_anchor = true\n[cache]", 1)
	for store, told := range map[string]string{"tokens2.jsonl": "the tokens of whoever leaves", "gone/tokens.jsonl": "there is no folder " + r.dir + "/gone"} {
		writeFile(t, config, []byte(strings.Replace(text, `"tokens.jsonl"`, `"`+store+`"`, 1)), 0o600)
		cmd := command(t, binary(t), "check", config)
		out, _ := cmd.CombinedOutput()
		if !strings.Contains(string(out), told) {
			t.Errorf("exit code %d\n%s", cmd.ProcessState.ExitCode(), out)
		}
	}
	if found, err := fs.Glob(os.DirFS(r.dir), "tokens2*"); err != nil || len(found) > 0 {
		t.Errorf("check has made %v (%v)", found, err)
	}
}
