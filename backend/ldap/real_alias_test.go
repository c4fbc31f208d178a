package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// admin returns a connection that may change what is below base in the server.
func (s *slapd) admin(t testing.TB, base string) *ldap.Conn {
	t.Helper()
	authority, err := os.ReadFile(filepath.Join(s.dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	c, err := ldap.DialURL(s.ldapsURL, ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Bind("cn=admin,"+base, "Adm1n-Pass!"); err != nil {
		t.Fatal(err)
	}
	return c
}

// An alias stands for a user who is elsewhere, is that user and nobody else, and takes
// the login with it when it goes.
func TestSlapdAliases(t *testing.T) {
	s := startSlapd(t)
	aliased := "uid=aliased,ou=staff," + base
	c := s.config(t)
	c.UserBases = []string{"ou=aliases," + base}
	checkLogins(t, open(t, c), []realLogin{{"aliased", realPass, "", "unknown", nil}})

	c.Dereference = derefAlways
	b := open(t, c)
	checkLogins(t, b, []realLogin{
		{"aliased", realPass, "aliased", "", []string{}}, {"aliased", wrongGuess, "", "wrong", nil},
		{"other", realPass, "", "unknown", nil}, {"inside", realPass, "", "unknown", nil},
	})
	id, _ := authenticate(t, b, "aliased", realPass)
	if id.Handle != aliased || !strings.HasPrefix(id.Anchor, "entryUUID:") {
		t.Errorf("got %+v, want the entry that the aliases stand for", id)
	}
	if now, err := b.Revalidate(t.Context(), id); err != nil || now != id {
		t.Errorf("another look: got %+v, %v, want %+v", now, err, id)
	}
	other := id
	other.Anchor = "entryUUID:00000000-0000-0000-0000-000000000000"
	if _, err := b.Revalidate(t.Context(), other); verdict(err) != "unknown" {
		t.Errorf("the entry is of another account now: got %v", err)
	}
	hidden := id
	hidden.Anchor = "nsUniqueId:1"
	if _, err := b.Revalidate(t.Context(), hidden); verdict(err) != "unavailable" {
		t.Errorf("the anchor is not shown any more: got %v", err)
	}
	admin := s.admin(t, base)
	for i, name := range []string{"first", "second", "third"} {
		if _, err := b.Revalidate(t.Context(), id); err != nil {
			t.Errorf("with %d aliases left: %v", 3-i, err)
		}
		if err := admin.Del(ldap.NewDelRequest("cn="+name+",ou=aliases,"+base, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Revalidate(t.Context(), id); verdict(err) != "unknown" {
		t.Errorf("after the last alias: got %v, want unknown", err)
	}

	c.UserBases = []string{"ou=trees," + base}
	checkLogins(t, open(t, c), []realLogin{{"inside", realPass, "inside", "", []string{}}, {"alice", realPass, "", "unknown", nil}})
	c.UserBases = []string{"ou=up," + base} // and it is in itself
	checkLogins(t, open(t, c), []realLogin{{"inside", realPass, "inside", "", []string{}}, {"alice", realPass, "alice", "", []string{"dev", "all"}}})
}

// An alias that leads nowhere, or in a circle, is no answer and has a code of its own.
func TestSlapdAliasesThatLeadNowhere(t *testing.T) {
	s := startSlapd(t)
	for _, place := range []string{"ou=circle,", "ou=nothing,"} {
		c := s.config(t)
		c.Dereference, c.UserBases = derefAlways, []string{place + base}
		b := open(t, c)
		_, err := b.Authenticate(t.Context(), "alice", realPass)
		if backend.Refused(err) || fault.Of(err) != "ldap.search.alias" {
			t.Errorf("users below %s: got %v (%s)", place, err, fault.Of(err))
		}
		c.UserBases, c.GroupBases = []string{base}, []string{place + base}
		b = open(t, c)
		id, got := authenticate(t, b, "alice", realPass)
		if groups, err := b.Groups(t.Context(), id); got != "in" || groups != nil || fault.Of(err) != "ldap.search.alias" {
			t.Errorf("groups below %s: got %s, %q, %v", place, got, groups, err)
		}
	}
}

// The doctor knows an alias when it sees one.
func TestDoctorSeesAnAlias(t *testing.T) {
	s := startSlapd(t)
	c := s.config(t)
	c.UserBases = []string{"ou=aliases," + base}
	f := find(examine(t, c, backend.Examination{User: "other"}), "user", "")
	if !f.Failed || !strings.Contains(f.Advice, `dereference = "always"`) {
		t.Errorf("got %+v", f)
	}
	c.Dereference = derefAlways
	f = find(examine(t, c, backend.Examination{User: "aliased"}), "user", "")
	if f.Failed || !strings.Contains(f.Command, "-a always") {
		t.Errorf("got %+v", f)
	}
}
