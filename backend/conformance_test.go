package backend_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/backend"
	"gatehouse/backend/chain"
	"gatehouse/backend/htpasswd"
	"gatehouse/backend/ldap"
	"gatehouse/backend/ldap/ldaptest"
)

// conformance has a row for each kind of backend and each decorator, holding
// the users of people. Whatever holds for one of them holds for all.
var conformance = []struct {
	name string
	make func(t *testing.T) backend.Backend
}{
	{"fake", func(*testing.T) backend.Backend { return newFake(people()) }},
	{"htpasswd", func(t *testing.T) backend.Backend { return newHtpasswd(t) }},
	{"ldap", func(t *testing.T) backend.Backend { return newLDAP(t) }},
	{"named", func(*testing.T) backend.Backend {
		return backend.Named("local", newFake(people()))
	}},
	{"cache", func(t *testing.T) backend.Backend {
		return newCache(t, newFake(people()), backend.CacheConfig{})
	}},
	{"chain", func(t *testing.T) backend.Backend {
		return newChain(t, newFake(people()))
	}},
	{"chain of two that share no user", newHalves},
	{"chain of ldap and htpasswd", func(t *testing.T) backend.Backend {
		return newChain(t, newLDAP(t), newHtpasswd(t))
	}},
	{"cache of a chain", func(t *testing.T) backend.Backend {
		return newCache(t, newHalves(t), backend.CacheConfig{})
	}},
	{"shield", func(t *testing.T) backend.Backend {
		return newShield(t, newStrict(), backend.ShieldConfig{})
	}},
	{"flood", func(t *testing.T) backend.Backend {
		return newFlood(t, newFake(people()), patientFlood)
	}},
	{"floor", func(t *testing.T) backend.Backend {
		return newFloor(t, newFake(people()), backend.FloorConfig{Min: time.Millisecond})
	}},
	{"all around ldap", func(t *testing.T) backend.Backend {
		b := backend.Named("corp", newShield(t, newLDAP(t).(backend.Guarded), backend.ShieldConfig{}))
		c := newCache(t, newFlood(t, newChain(t, b, newHtpasswd(t)), patientFlood), backend.CacheConfig{})
		return newFloor(t, c, backend.FloorConfig{Min: time.Millisecond})
	}},
	{"cache of a named htpasswd", func(t *testing.T) backend.Backend {
		return newCache(t, backend.Named("local", newHtpasswd(t)), backend.CacheConfig{})
	}},
}

// patientFlood allows as many failures as the table has.
var patientFlood = backend.FloodConfig{SourceBurst: 10_000, TotalBurst: 10_000}

// newChain returns a chain of members, each under a name of its own.
func newChain(t testing.TB, members ...backend.Backend) backend.Backend {
	t.Helper()
	var c chain.Config
	for i, b := range members {
		name := fmt.Sprintf("member-%d", i+1)
		c.Members = append(c.Members, struct {
			Name                string
			Backend             backend.Backend
			NextOnWrongPassword bool
			NextOnUnavailable   bool
		}{Name: name, Backend: backend.Named(name, b)})
	}
	b, err := chain.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newHalves returns a chain in which one user is in the first member and the
// others are in the second.
func newHalves(t *testing.T) backend.Backend {
	t.Helper()
	first, second := newFake(map[string]account{"bob": people()["bob"]}), newFake(people())
	delete(second.users, "bob")
	return newChain(t, first, second)
}

func newHtpasswd(t testing.TB) backend.Backend {
	t.Helper()
	var users, groups strings.Builder
	for name, a := range people() {
		hash, err := bcrypt.GenerateFromPassword([]byte(a.password), 5)
		if err != nil {
			t.Fatal(err)
		}
		if a.locked {
			hash = slices.Insert(hash, 0, '!')
		}
		fmt.Fprintf(&users, "%s:%s\n", name, hash)
		for _, g := range a.groups {
			fmt.Fprintf(&groups, "%s: %s\n", g, name)
		}
	}
	cfg := htpasswd.Config{UsersFile: filepath.Join(t.TempDir(), "htpasswd"), GroupsFile: filepath.Join(t.TempDir(), "groups")}
	for path, text := range map[string]string{cfg.UsersFile: users.String(), cfg.GroupsFile: groups.String()} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := htpasswd.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func newLDAP(t testing.TB) backend.Backend {
	t.Helper()
	const base = "dc=corp,dc=example"
	entries := []ldaptest.Entry{{DN: base}}
	members := map[string][]string{}
	for name, a := range people() {
		e := ldaptest.Entry{
			DN:         "uid=" + name + "," + base,
			Attributes: map[string][]string{"objectClass": {"person"}, "uid": {name}},
			Password:   a.password,
		}
		if a.locked {
			e.State, e.StateAlways = &ldaptest.Answer{Code: 19, Text: "Exceed password retry limit"}, true
		}
		for _, g := range a.groups {
			members[g] = append(members[g], e.DN)
		}
		entries = append(entries, e)
	}
	for name, dns := range members {
		entries = append(entries, ldaptest.Entry{
			DN:         "cn=" + name + "," + base,
			Attributes: map[string][]string{"objectClass": {"groupOfNames"}, "cn": {name}, "member": dns},
		})
	}
	directory, err := ldaptest.New(ldaptest.Config{Entries: entries, Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(directory.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, directory.CA().PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := ldap.New(ldap.Config{Preset: "openldap", URLs: []string{directory.URL("ldaps")}, CAFile: ca, UserBases: []string{base}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestConformance(t *testing.T) {
	checks := []struct {
		name  string
		check func(*testing.T, backend.Backend)
	}{
		{"right passwords are let in", checkRight},
		{"wrong passwords are refused", checkWrong},
		{"locked users are refused", checkLocked},
		{"unknown users are refused", checkUnknown},
		{"odd names are refused", checkOddNames},
		{"groups are told", checkGroups},
		{"groups may be modified", checkGroupsAreCopies},
		{"unknown identities have no groups", checkForeignIdentity},
		{"done contexts get no answer", checkDone},
		{"concurrent questions are kept apart", checkConcurrent},
	}
	for _, row := range conformance {
		t.Run(row.name, func(t *testing.T) {
			b := row.make(t)
			for _, c := range checks {
				t.Run(c.name, func(t *testing.T) {
					c.check(t, b)
					c.check(t, b) // again, since something may have been remembered
				})
			}
		})
	}
}

// try asks b, and checks what holds for every answer.
func try(t *testing.T, b backend.Backend, user, password string) (backend.Identity, string) {
	t.Helper()
	id, err := b.Authenticate(t.Context(), user, password)
	if err == nil {
		if got := backend.Extend(b).Spelling(id.Source).CanonicalUser(user); id.User == "" || id.User != got {
			t.Errorf("Authenticate(%q): got user %q, want %q", user, id.User, got)
		}
		return id, ""
	}
	if id != (backend.Identity{}) {
		t.Errorf("Authenticate(%.40q, %.40q): got identity %+v beside error %v", user, password, id, err)
	}
	if start := password[:min(len(password), 12)]; start != "" && strings.Contains(err.Error(), start) {
		t.Errorf("Authenticate(%.40q, %.40q): the error holds the password: %v", user, password, err)
	}
	return id, verdict(err)
}

func checkRight(t *testing.T, b backend.Backend) {
	for _, user := range []string{"alice", "bob"} {
		if _, got := try(t, b, user, people()[user].password); got != "" {
			t.Errorf("%s: got verdict %q, want success", user, got)
		}
	}
	upper, got := try(t, b, "ALICE", people()["alice"].password)
	lower, _ := try(t, b, "alice", people()["alice"].password)
	switch backend.Extend(b).Spelling(lower.Source).CanonicalUser("ALICE") {
	case "alice":
		if got != "" || upper != lower {
			t.Errorf("ALICE: got %+v and verdict %q, want the same as for alice", upper, got)
		}
	case "ALICE":
		if got != "unknown user" {
			t.Errorf("ALICE: got verdict %q, want unknown user", got)
		}
	}
}

func checkWrong(t *testing.T, b backend.Backend) {
	right := people()["alice"].password
	passwords := []string{
		"", "wrong-mArKeR", right + " ", " " + right, right[1:], right[:len(right)-1],
		strings.ToUpper(right), right + "\x00", right + "\n", right + ":", people()["bob"].password,
		"\xff\xfe-mArKeR", "*", "!", "{SHA}", "$2y$05$",
		strings.Repeat("mArKeR", 171) + "\x00", // 1 KiB and a little
		strings.Repeat("mArKeR", 1667),         // 10 kB
		right + strings.Repeat("\x00", 1024),
	}
	for _, password := range passwords {
		if _, got := try(t, b, "alice", password); got != "wrong password" {
			t.Errorf("password %.40q: got verdict %q, want wrong password", password, got)
		}
	}
	// A backend need not find out who it is that has an impossible password.
	for _, password := range []string{"", strings.Repeat("mArKeR", 1667)} {
		if _, got := try(t, b, "nobody", password); got != "unknown user" && got != "wrong password" {
			t.Errorf("nobody with password %.40q: got verdict %q, want a refusal", password, got)
		}
	}
}

func checkLocked(t *testing.T, b backend.Backend) {
	for _, password := range []string{people()["carol"].password, "wrong-mArKeR", "!", "*"} {
		if _, got := try(t, b, "carol", password); got != "locked" {
			t.Errorf("password %q: got verdict %q, want locked", password, got)
		}
	}
	if _, got := try(t, b, "carol", ""); got != "locked" && got != "wrong password" {
		t.Errorf("empty password: got verdict %q, want a refusal", got)
	}
}

func checkUnknown(t *testing.T, b backend.Backend) {
	for _, user := range []string{"nobody", "alic", "alice2", "alicebob"} {
		if _, got := try(t, b, user, people()["alice"].password); got != "unknown user" {
			t.Errorf("%s: got verdict %q, want unknown user", user, got)
		}
	}
}

func checkOddNames(t *testing.T, b backend.Backend) {
	names := []string{
		"", " ", "alice ", " alice", "alice\x00", "\x00alice", "alice\x00bob", "alice\n", "alice\r\n", "alice\nbob",
		"alice:", ":alice", "alice:" + people()["alice"].password, "*", "a*", "al?ce", "(", ")", "alice)(uid=*", "*)(|(uid=*",
		"uid=alice", "alice,bob", `alice\`, `\61lice`, "../alice", "%61lice", "alice@", "#alice", "!carol",
		"\xff", "alice\xff", "al\xc3", "\xc0\x80", "ａlice", "alice\u0301", "ali\u200bce",
		strings.Repeat("a", 10_000), "alice" + strings.Repeat(" ", 10_000), strings.Repeat("alice\n", 1_700),
	}
	for _, name := range names {
		_, got := try(t, b, name, people()["alice"].password)
		if got != "unknown user" && got != "wrong password" {
			t.Errorf("name %.40q: got verdict %q, want a refusal", name, got)
		}
	}
}

func checkGroups(t *testing.T, b backend.Backend) {
	for _, user := range []string{"alice", "bob"} {
		id, _ := try(t, b, user, people()[user].password)
		got, err := shortGroups(t, b, id)
		if err != nil || !slices.Equal(got, people()[user].groups) {
			t.Errorf("%s: got groups %q, %v, want %q", user, got, err, people()[user].groups)
		}
		for _, g := range got {
			if c := backend.Extend(b).Spelling(id.Source).CanonicalGroup(g); c != g {
				t.Errorf("%s: group %q is not in its own canonical spelling %q", user, g, c)
			}
		}
	}
}

// shortGroups returns the names of groups in order, without those that a
// directory gives them besides: their distinguished names.
func shortGroups(t *testing.T, b backend.Backend, id backend.Identity) ([]string, error) {
	groups, err := b.Groups(t.Context(), id)
	groups = slices.DeleteFunc(groups, func(name string) bool { return strings.Contains(name, "=") })
	slices.Sort(groups)
	return groups, err
}

func checkGroupsAreCopies(t *testing.T, b backend.Backend) {
	id, _ := try(t, b, "alice", people()["alice"].password)
	got, err := b.Groups(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i] = "admin"
	}
	_ = append(got[:0], "root")
	checkGroups(t, b)
}

func checkForeignIdentity(t *testing.T, b backend.Backend) {
	if got, err := b.Groups(t.Context(), backend.Identity{User: "mallory", Handle: "uid=alice"}); len(got) > 0 {
		t.Errorf("got groups %q, %v, want none", got, err)
	}
}

func checkDone(t *testing.T, b backend.Backend) {
	id, _ := try(t, b, "alice", people()["alice"].password)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	for _, password := range []string{people()["alice"].password, "wrong-mArKeR"} {
		got, err := b.Authenticate(ctx, "alice", password)
		if !errors.Is(err, backend.ErrUnavailable) || !errors.Is(err, context.Canceled) || got != (backend.Identity{}) {
			t.Errorf("Authenticate: got %+v, %v, want ErrUnavailable and Canceled", got, err)
		}
		if err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("Authenticate: the error holds the password: %v", err)
		}
	}
	if _, err := b.Groups(ctx, id); !errors.Is(err, backend.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("Groups: got error %v, want ErrUnavailable and Canceled", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v to give up", took)
	}
}

func checkConcurrent(t *testing.T, b backend.Backend) {
	var wg sync.WaitGroup
	for i := range 50 {
		user, other := "alice", "bob"
		if i%2 == 1 {
			user, other = other, user
		}
		wg.Go(func() {
			id, got := try(t, b, user, people()[user].password)
			if got != "" || id.User != user {
				t.Errorf("%s: got %+v and verdict %q, want success", user, id, got)
			}
			if _, got := try(t, b, user, people()[other].password); got != "wrong password" {
				t.Errorf("%s with the password of %s: got verdict %q, want wrong password", user, other, got)
			}
			groups, err := shortGroups(t, b, id)
			if err != nil || !slices.Equal(groups, people()[user].groups) {
				t.Errorf("%s: got groups %q, %v", user, groups, err)
			}
		})
	}
	wg.Wait()
}
