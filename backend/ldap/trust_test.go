package ldap

import (
	"os"
	"slices"
	"strings"
	"testing"

	"gatehouse/backend/ldap/ldaptest"
)

// An authority that is taken out of ca_file counts no longer for connections that are
// kept, and a file that cannot be used is told to whoever asks for a reload.
func TestChangedAuthoritiesCountForKeptConnections(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	b := open(t, c)
	login := func(want string) {
		t.Helper()
		if got := verdictOf(b, "alice", alicePass); got != want {
			t.Fatalf("alice: got %s, want %s", got, want)
		}
	}
	replace := func(text []byte) error {
		t.Helper()
		if err := os.WriteFile(c.CAFile, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return b.Reload()
	}
	other, err := ldaptest.NewAuthority("another CA")
	if err != nil {
		t.Fatal(err)
	}
	login("in")
	made := s.Count(ldaptest.Connect)
	if err := replace(s.CA().PEM()); err != nil {
		t.Error(err)
	}
	login("in")
	if n := s.Count(ldaptest.Connect); n != made {
		t.Errorf("the same authorities: %d connections, want the %d of before", n, made)
	}
	if err := replace(slices.Concat(s.CA().PEM(), other.PEM())); err != nil {
		t.Error(err)
	}
	login("in")
	if n := s.Count(ldaptest.Connect); n == made {
		t.Error("other authorities: the connections of before are in use")
	}
	if err := replace([]byte("none")); err == nil || !strings.HasPrefix(err.Error(), "ca_file: ") {
		t.Errorf("a file without certificates: %v", err)
	}
	login("in") // with the last good ones
	if err := replace(other.PEM()); err != nil {
		t.Error(err)
	}
	login("unavailable")
}
