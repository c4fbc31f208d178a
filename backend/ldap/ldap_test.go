package ldap

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

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
		DN:       "uid=" + ldap.EscapeDN(uid) + ",ou=people," + base,
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
		LoginTimeout: 2 * time.Minute, ConnectTimeout: time.Minute, OperationTimeout: time.Minute, aliveTimeout: time.Minute,
	}
}

// usual gives a configuration the times that it has by itself, for tests of what waits.
func usual(c Config) Config {
	c.LoginTimeout, c.ConnectTimeout, c.OperationTimeout, c.aliveTimeout = 0, 0, 0, 0
	return c
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

// authenticate returns who logged in, and the verdict. It checks what holds for
// every outcome: that there is no identity beside an error, and no password in it.
func authenticate(t testing.TB, b *Backend, user, password string) (backend.Identity, string) {
	t.Helper()
	id, err := b.Authenticate(t.Context(), user, password)
	if err != nil {
		if id != (backend.Identity{}) {
			t.Errorf("%.40q: got identity %+v beside error %v", user, id, err)
		}
		for _, secret := range []string{password, svcPass, alicePass} {
			if secret != "" && strings.Contains(err.Error(), secret) && !strings.Contains(user, secret) {
				t.Errorf("%.40q: there is a password in the error: %v", user, err)
			}
		}
		t.Logf("%.40q: %v", user, err)
	}
	return id, verdict(err)
}

// userBinds counts the binds but those of the service account, which is bound
// again in the background when a server failed.
func userBinds(s *ldaptest.Server) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Kind == ldaptest.Bind && r.DN != svcDN {
			n++
		}
	}
	return n
}

// wantGroups checks the short names among groups.
func wantGroups(t testing.TB, groups []string, err error, want ...string) {
	t.Helper()
	got := slices.DeleteFunc(slices.Clone(groups), looksLikeDN)
	slices.Sort(got)
	slices.Sort(want)
	if backend.MissingGroups(err) != nil || !slices.Equal(got, want) {
		t.Errorf("got groups %q, %v, want %q", got, err, want)
	}
}

// anchorIn returns the anchor that the directory gives a user.
func anchorIn(t testing.TB, s *ldaptest.Server, user string) string {
	t.Helper()
	uuid := s.Values(uidDN(user), "entryUUID")
	if len(uuid) != 1 {
		t.Fatalf("%s: got entryUUID %q", user, uuid)
	}
	return "entryUUID:" + uuid[0]
}

func TestLogin(t *testing.T) {
	s := start(t, ldaptest.Config{})
	b := open(t, configFor(t, s))
	id, got := authenticate(t, b, "ALICE", alicePass)
	if want := (backend.Identity{User: "alice", Handle: uidDN("alice"), Anchor: anchorIn(t, s, "alice")}); id != want || got != "in" {
		t.Errorf("got %+v, %s, want %+v", id, got, want)
	}
	groups, err := b.Groups(t.Context(), id)
	if want := []string{"all", cnDN("all"), cnDN("dev"), "dev"}; err != nil || !slices.Equal(groups, want) {
		t.Errorf("got groups %q, %v, want %q", groups, err, want)
	}
	if _, got := authenticate(t, b, "alice", wrongGuess); got != "wrong" {
		t.Errorf("wrong password: got %s", got)
	}
	if _, got := authenticate(t, b, "nobody", wrongGuess); got != "unknown" {
		t.Errorf("unknown user: got %s", got)
	}
}

// What a login costs on kept connections: one search and one bind.
func TestLoginIsOneSearchAndOneBind(t *testing.T) {
	s := start(t, ldaptest.Config{})
	b := open(t, configFor(t, s))
	authenticate(t, b, "bob", "bob-5ecret")
	s.Forget()
	for range 10 {
		if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
			t.Fatalf("got %s", got)
		}
	}
	if c, n, m := s.Count(ldaptest.Connect), s.Count(ldaptest.Search), s.Count(ldaptest.Bind); c != 0 || n != 10 || m != 10 {
		t.Errorf("10 logins took %d connections, %d searches and %d binds, want 0, 10 and 10", c, n, m)
	}
	for _, r := range s.Requests() {
		if r.Kind == ldaptest.Search && r.Bound != svcDN {
			t.Errorf("a search as %q: want the service account for each", r.Bound)
		}
		if !r.TLS {
			t.Errorf("%s in the clear", r.Kind)
		}
	}
}

// A connection that two logins share would tell one user to be the other.
func TestConcurrentLoginsAreKeptApart(t *testing.T) {
	entries := company()
	for i := range 20 {
		entries = append(entries, person(fmt.Sprintf("u%02d", i), fmt.Sprintf("pw-%02d", i)))
	}
	s := start(t, ldaptest.Config{Entries: entries})
	b := open(t, configFor(t, s))
	var wg sync.WaitGroup
	for i := range 200 {
		user, password := fmt.Sprintf("u%02d", i%20), fmt.Sprintf("pw-%02d", i%20)
		wg.Go(func() {
			if id, got := authenticate(t, b, user, password); id.User != user {
				t.Errorf("%s: got %+v, %s", user, id, got)
			}
			if id, got := authenticate(t, b, user, "pw-x"); got != "wrong" {
				t.Errorf("%s with a wrong password: got %+v, %s", user, id, got)
			}
		})
	}
	wg.Wait()
	if n := s.Open(); n > 32 {
		t.Errorf("there are %d connections, want at most 16 of each kind", n)
	}
}
