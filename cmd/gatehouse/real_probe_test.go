package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gatehouse/backend/ldap/ldaptest"
	"gatehouse/internal/testkit"
)

// heldConfig is a directory behind a route of its own.
const heldConfig = `
[[backend]]
name = "corp"
type = "ldap"
preset = "openldap"
urls = ["@URL@"]
ca_file = "ca.pem"
bind_dn = "uid=svc,dc=corp,dc=example"
bind_password_file = "ldap-password"
user_bases = ["dc=corp,dc=example"]
[[route]]
path = "/corp/"
backend = "corp"
upstream = "@UPSTREAM@"
  [[route.rule]]
  name = "all"
  require = ["valid-user"]
`

// held is a gateway whose service account was refused by its directory.
type held struct {
	administered
	directory *ldaptest.Server
}

func newHeld(t *testing.T) held {
	t.Helper()
	r, s := newRecipe(t), newDirectory(t)
	upstream := taking(t)
	writeFile(t, filepath.Join(r.dir, "ca.pem"), s.CA().PEM(), 0o644)
	writeFile(t, filepath.Join(r.dir, "ldap-password"), []byte("svc-5ecret\n"), 0o600)
	h := held{directory: s}
	h.set(t, "another-5ecret")
	h.administered = administer(t, r, upstream, strings.NewReplacer("@URL@", s.URL("ldaps"), "@UPSTREAM@", upstream).Replace(heldConfig))
	h.wants(t, 503)
	h.set(t, "svc-5ecret")
	h.wants(t, 503)
	return h
}

// set sets the password that the account has in the directory.
func (h held) set(t *testing.T, password string) {
	t.Helper()
	if err := h.directory.Set(ldaptest.Entry{DN: "uid=svc," + directoryBase, Password: password,
		Attributes: map[string][]string{"objectClass": {"person"}, "uid": {"svc"}}}); err != nil {
		t.Fatal(err)
	}
}

func (h held) wants(t *testing.T, status int) {
	t.Helper()
	if resp, _ := h.request(t, "GET", "/corp/", puller, pullerPassword); resp.StatusCode != status {
		t.Errorf("a login: got %d, want %d", resp.StatusCode, status)
	}
}

// A person who has put the service account in order need not wait; whatever else has
// the configuration read again does not spend a guess.
func TestLDAP4ReloadTriesTheAccountAgain(t *testing.T) {
	t.Parallel()
	h := newHeld(t)
	h.cmd.Process.Signal(syscall.SIGHUP)
	testkit.Await(t, "the reload by SIGHUP", func() bool { return strings.Contains(h.output.String(), "cause=SIGHUP") })
	h.wants(t, 503)
	config := filepath.Join(h.dir, "gatehouse.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, config, append(text, "\n# touched\n"...), 0o600)
	testkit.Await(t, "the reload by a changed file", func() bool { return strings.Contains(h.output.String(), `cause="changed file"`) })
	h.wants(t, 503)
	if out, code := h.gatehouse(t, "reload"); code != 0 {
		t.Errorf("reload: exit %d, %s", code, out)
	}
	h.wants(t, 200)
}

// So says "backend probe", and tells what came of it.
func TestLDAP4ProbeTriesTheAccountAgain(t *testing.T) {
	t.Parallel()
	h := newHeld(t)
	out, code := h.gatehouse(t, "backend", "probe", "corp", "-o", "json")
	var result struct {
		Backend string
		OK      bool
		Servers []struct {
			Server string
			OK     bool
		}
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || code != 0 || !result.OK || len(result.Servers) != 1 || result.Servers[0].Server != h.directory.URL("ldaps") {
		t.Errorf("exit %d, %s (%v)", code, out, err)
	}
	h.wants(t, 200)

	h.directory.Stop()
	if out, code := h.gatehouse(t, "backend", "probe", "corp"); code != 1 || !strings.Contains(out, h.directory.URL("ldaps")+": ") || !strings.Contains(out, "[ldap.tcp.refused]") {
		t.Errorf("a server that is down: exit %d, %s", code, out)
	}
	for _, name := range []string{"robots", "nobody"} {
		if out, code := h.gatehouse(t, "backend", "probe", name); code != 1 || !strings.Contains(out, "no backend") {
			t.Errorf("%s: exit %d, %s", name, code, out)
		}
	}
}

// Two wrong guesses within a minute are not to be had.
func TestLDAP4ProbeAtMostOnceAMinute(t *testing.T) {
	t.Parallel()
	h := newHeld(t)
	h.set(t, "another-5ecret")
	for i, want := range []string{"Invalid Credentials", "not tried again"} {
		if out, code := h.gatehouse(t, "backend", "probe", "corp"); code != 1 || !strings.Contains(out, want) || strings.Contains(out, "5ecret") {
			t.Errorf("probe %d: exit %d, %s, want %q", i, code, out, want)
		}
	}
	h.directory.Forget()
	if out, code := h.gatehouse(t, "reload"); code != 0 {
		t.Errorf("reload: exit %d, %s", code, out)
	}
	h.wants(t, 503)
	if n := h.directory.Count(ldaptest.Bind); n != 0 {
		t.Errorf("there were %d guesses more, want none", n)
	}
}
