package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/backend"
	"gatehouse/gateway/admin"
	"gatehouse/internal/testkit"
)

// deadDirectory is a backend that does not answer, and a route that uses it.
const deadDirectory = `
[[backend]]
name = "corp"
type = "ldap"
preset = "openldap"
urls = ["ldaps://127.0.0.1:1"]
user_bases = ["dc=example,dc=test"]
BIND
[[route]]
path = "/corp/"
upstream = "http://127.0.0.1:1"
backend = "corp"
  [[route.rule]]
  name = "all"
  require = ["valid-user"]
`

// with adds text to the configuration of td, and has it read.
func (td *testDaemon) with(t *testing.T, text string) {
	t.Helper()
	old, err := os.ReadFile(filepath.Join(td.dir, "config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	td.write(t, "config.toml", string(old)+text)
	if err := td.reload("a test"); err != nil {
		t.Fatal(err)
	}
}

// Who owns a token is never a guess: of two accounts of one name it is neither, and one that
// a directory might have is asked for there.
func TestOwnersOfTokensAreAskedFor(t *testing.T) {
	td := daemonWithTokens(t)
	desk := tokenDesk{td.daemon}
	_, err := desk.Create(t.Context(), "a test", admin.TokenOrder{Name: "a", User: "alice"})
	if err == nil || !strings.Contains(err.Error(), `"local" and "other" have a user "alice" each`) {
		t.Errorf("an account of two: %v", err)
	}
	_, err = desk.Create(t.Context(), "a test", admin.TokenOrder{Name: "a", Robot: true, Owner: "group team"})
	if !errors.Is(err, admin.ErrMalformed) {
		t.Errorf("a group of two: %v", err)
	}
	for _, owner := range []string{"group corp:team", "group other:team", "group local:nobody"} {
		if _, err := desk.Create(t.Context(), "a test", admin.TokenOrder{Name: "a", Robot: true, Owner: owner}); err == nil {
			t.Errorf("there is a robot of %q", owner)
		}
	}
	if err := os.WriteFile(filepath.Join(td.dir, "bind"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	td.with(t, strings.Replace(deadDirectory, "BIND", "bind_dn = \"cn=reader,dc=example,dc=test\"\nbind_password_file = \"bind\"", 1))
	for _, o := range []admin.TokenOrder{{User: "alice"}, {User: "eve"}, {User: "alice", Backend: "corp"}, {Robot: true, Owner: "user corp:alice"}} {
		o.Name = "a"
		if _, err := desk.Create(t.Context(), "a test", o); !errors.Is(err, backend.ErrUnavailable) {
			t.Errorf("%+v, while a directory does not answer: %v", o, err)
		}
	}
	if all, err := td.own.journal.All(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%d tokens, %v", len(all), err)
	}
	// Another backend does not need that one.
	td.order(t, admin.TokenOrder{Name: "a", User: "alice", Backend: "local"})
}

// Without a service account nobody can see what becomes of an account.
func TestAccountsNobodyFollowsHaveNoTokens(t *testing.T) {
	td := daemonWithTokens(t)
	td.with(t, strings.Replace(deadDirectory, "BIND", "", 1))
	if !strings.Contains(td.said.String(), `users of the backend \"corp\" can have no tokens`) {
		t.Errorf("nothing is said of it: %s", td.said)
	}
	_, err := tokenDesk{td.daemon}.Create(t.Context(), "a test", admin.TokenOrder{Name: "a", User: "alice", Backend: "corp"})
	if err == nil || errors.Is(err, backend.ErrUnavailable) || !strings.Contains(err.Error(), "it needs a service account (bind_dn)") {
		t.Errorf("%v", err)
	}
}

// Where decisions must be recorded, there is no token that could not be; what is to end does.
func TestTokensNeedTheirRecord(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		testkit.Missing(t, "this test needs /dev/full")
	}
	td := daemonWithTokens(t)
	first := td.order(t, admin.TokenOrder{Name: "first", User: "alice", Backend: "local"})
	if err := os.Symlink("/dev/full", filepath.Join(td.dir, "audit.log")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(td.dir, "config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	td.write(t, "config.toml", "audit_log = \"audit.log\"\naudit_required = true\n"+string(text))
	if err := td.reload("a test"); err != nil {
		t.Fatal(err)
	}
	desk := tokenDesk{td.daemon}
	order := admin.TokenOrder{User: "alice", Backend: "local"}
	made := 1
	testkit.Await(t, "no token is made without a record", func() bool {
		order.Name = "t" + strings.Repeat("x", made)
		m, err := desk.Create(t.Context(), "a test", order)
		if err == nil {
			made++
		}
		return errors.Is(err, backend.ErrUnavailable) && m.Secret == ""
	})
	if all, err := td.own.journal.All(t.Context()); err != nil || len(all) != made {
		t.Errorf("%d tokens, want %d, %v", len(all), made, err)
	}
	if _, err := desk.Rotate(t.Context(), "a test", first.ID, 0); !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("rotated: %v", err)
	}
	if done, err := desk.Revoke(t.Context(), "a test", admin.Whose{IDs: []string{first.ID}}); err != nil || done.Own != 1 {
		t.Errorf("revoked %d, %v", done.Own, err)
	}
}
