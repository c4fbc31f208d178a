package ldap

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

const (
	base       = "dc=corp,dc=example"
	svcDN      = "cn=svc,ou=system," + base
	svcPass    = "svc-5ecret"
	alicePass  = "alice-5ecret"
	wrongGuess = "wrong-mArKeR"
)

func person(uid, password string, more ...string) ldaptest.Entry {
	e := ldaptest.Entry{
		DN:       "uid=" + uid + ",ou=people," + base,
		Password: password,
		Attributes: map[string][]string{
			"objectClass": {"top", "person", "inetOrgPerson"},
			"uid":         {uid},
			"cn":          {uid},
			"mail":        {uid + "@corp.example"},
		},
	}
	for i := 0; i+1 < len(more); i += 2 {
		e.Attributes[more[i]] = append(e.Attributes[more[i]], more[i+1])
	}
	return e
}

func groupEntry(cn, ou string, members ...string) ldaptest.Entry {
	return ldaptest.Entry{
		DN: "cn=" + cn + ",ou=" + ou + "," + base,
		Attributes: map[string][]string{
			"objectClass": {"top", "groupOfNames"}, "cn": {cn}, "member": members,
		},
	}
}

func uidDN(uid string) string { return "uid=" + uid + ",ou=people," + base }
func cnDN(cn string) string   { return "cn=" + cn + ",ou=groups," + base }

// company is the content of the directory in most tests.
func company() []ldaptest.Entry {
	ou := func(name string) ldaptest.Entry {
		return ldaptest.Entry{DN: "ou=" + name + "," + base, Attributes: map[string][]string{"objectClass": {"organizationalUnit"}}}
	}
	return []ldaptest.Entry{
		{DN: base, Attributes: map[string][]string{"objectClass": {"organization"}}},
		ou("people"), ou("groups"), ou("other"), ou("system"),
		{DN: svcDN, Password: svcPass, Attributes: map[string][]string{"objectClass": {"organizationalRole"}}},
		person("alice", alicePass, "title", "Developer"),
		person("bob", "bob-5ecret"),
		person("carol", "carol-5ecret"),
		groupEntry("dev", "groups", uidDN("alice"), cnDN("backend")),
		groupEntry("backend", "groups", uidDN("bob"), cnDN("core")),
		groupEntry("core", "groups", uidDN("carol")),
		groupEntry("all", "groups", cnDN("dev")),
	}
}

// start runs a directory until the test ends.
func start(t testing.TB, c ldaptest.Config) *ldaptest.Server {
	t.Helper()
	if c.Entries == nil {
		c.Entries = company()
	}
	s, err := ldaptest.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// configFor returns a configuration for a directory over ldaps.
func configFor(t testing.TB, s *ldaptest.Server) Config {
	t.Helper()
	return Config{
		Preset:       "openldap",
		URLs:         []string{s.URL("ldaps")},
		CAFile:       writeFile(t, "ca.pem", s.CA().PEM()),
		BindDN:       svcDN,
		BindPassword: func() (string, error) { return svcPass, nil },
		UserBases:    []string{base},
		Log:          slog.New(slog.NewTextHandler(testLog{t}, nil)),
	}
}

type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) { l.t.Logf("%s", b); return len(b), nil }

func writeFile(t testing.TB, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, c Config) *Backend {
	t.Helper()
	b, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// verdict names the kind of an error.
func verdict(err error) string {
	for name, kind := range map[string]error{
		"unknown": backend.ErrUnknownUser, "wrong": backend.ErrWrongPassword,
		"locked": backend.ErrLocked, "unavailable": backend.ErrUnavailable,
	} {
		if errors.Is(err, kind) {
			return name
		}
	}
	if err != nil {
		return "fault"
	}
	return "in"
}

func login1(t testing.TB, b *Backend, user, password string) (backend.Identity, string) {
	t.Helper()
	start := time.Now()
	id, err := b.Authenticate(t.Context(), user, password)
	t.Logf("%s: %+v %v (%v)", user, id, err, time.Since(start).Round(time.Microsecond))
	return id, verdict(err)
}

func TestLogin(t *testing.T) {
	s := start(t, ldaptest.Config{})
	b := open(t, configFor(t, s))
	id, got := login1(t, b, "ALICE", alicePass)
	if want := (backend.Identity{User: "alice", Handle: uidDN("alice")}); id != want || got != "in" {
		t.Errorf("got %+v, %s, want %+v", id, got, want)
	}
	groups, err := b.Groups(t.Context(), id)
	want := []string{"all", cnDN("all"), cnDN("dev"), "dev"}
	slices.Sort(want)
	if !slices.Equal(groups, want) {
		t.Errorf("got groups %q, %v, want %q", groups, err, want)
	}
	if _, got := login1(t, b, "alice", wrongGuess); got != "wrong" {
		t.Errorf("wrong password: got %s", got)
	}
	if _, got := login1(t, b, "nobody", wrongGuess); got != "unknown" {
		t.Errorf("unknown user: got %s", got)
	}
	for _, r := range s.Requests() {
		t.Log(fmt.Sprintf("%+v", r))
	}
}
