package htpasswd

import (
	"context"
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

	"gatehouse/backend"
	"gatehouse/internal/testkit"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"
)

// hunter2 is the hash of "hunter2", bcrypt of the least cost.
const hunter2 = "$2y$04$5s0Znq6Vo1aiYvqWC00oO.zos1P3cVD1wF/GAUQOqFZUxXJyYLh0K"

// A rig is a backend with files that a test may change.
type rig struct {
	*Backend
	users, groups string // paths
	log           *testkit.Buffer
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace puts a new file in the place of another in one step.
func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".tmp", text)
	rename(t, path+".tmp", path)
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func newRig(t *testing.T, users, groups string) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{users: filepath.Join(dir, "users"), groups: filepath.Join(dir, "groups"), log: new(testkit.Buffer)}
	write(t, r.users, users)
	write(t, r.groups, groups)
	b, err := New(Config{UsersFile: r.users, GroupsFile: r.groups, Log: slog.New(slog.NewTextHandler(r.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	r.Backend = b
	return r
}

func (r *rig) login(t *testing.T, user, password string) error {
	t.Helper()
	id, err := r.Authenticate(t.Context(), user, password)
	if err == nil && (id != backend.Identity{User: user, Handle: id.Handle, Anchor: id.Anchor} || id.Handle == "" || id.Anchor == "") {
		t.Errorf("user %q is %+v", user, id)
	}
	if err != nil && id != (backend.Identity{}) {
		t.Errorf("refused, and yet %+v", id)
	}
	return err
}

const (
	someUsers  = "alice:" + hunter2 + "\nbob:{SHA}ggnysRVry96fcuDSRWkuMhSNvhY=\nlocked:!" + hunter2 + "\nempty:\nstar:*\n"
	someGroups = "Pusher: alice bob\nadmins: alice \"two words\"\n"
)

func TestAuthenticate(t *testing.T) {
	r := newRig(t, someUsers, someGroups)
	tests := []struct {
		name, user, password string
		want                 error
	}{
		{"right", "alice", "hunter2", nil},
		{"right by another hash", "bob", password, nil},
		{"wrong", "alice", "hunter3", backend.ErrWrongPassword},
		{"of somebody else", "alice", password, backend.ErrWrongPassword},
		{"the hash itself", "alice", hunter2, backend.ErrWrongPassword},
		{"empty", "alice", "", backend.ErrWrongPassword},
		{"followed by a NUL", "alice", "hunter2\x00", backend.ErrWrongPassword},
		{"longer than bcrypt sees", "alice", "hunter2" + strings.Repeat("x", 70), backend.ErrWrongPassword},
		{"longer than any", "bob", strings.Repeat("x", 1025), backend.ErrWrongPassword},
		{"unknown user", "carol", "hunter2", backend.ErrUnknownUser},
		{"unknown user, the password of the dearest hash", "dave", "hunter2", backend.ErrUnknownUser},
		{"unknown user, empty", "carol", "", backend.ErrUnknownUser},
		{"other case", "Alice", "hunter2", backend.ErrUnknownUser},
		{"blank after the name", "alice ", "hunter2", backend.ErrUnknownUser},
		{"NUL after the name", "alice\x00", "hunter2", backend.ErrUnknownUser},
		{"no name", "", "hunter2", backend.ErrUnknownUser},
		{"locked", "locked", "hunter2", backend.ErrLocked},
		{"empty hash", "empty", "hunter2", backend.ErrLocked},
		{"empty hash, empty password", "empty", "", backend.ErrLocked},
		{"star", "star", "*", backend.ErrLocked},
		{"comment", "#", "hunter2", backend.ErrUnknownUser},
	}
	for _, tt := range tests {
		if got := r.login(t, tt.user, tt.password); !errors.Is(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// The hashes are those of the passwords: what refuses is not that they differ.
func TestEmptyPasswordAndNULAreRefusedWithTheRightHash(t *testing.T) {
	r := newRig(t, "empty:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\nnul:{SHA}Sj3sLR+CRSgIVcQtsO5COfkX/bg=\n", someGroups)
	for user, password := range map[string]string{"empty": "", "nul": "a\x00b"} {
		if err := r.login(t, user, password); !errors.Is(err, backend.ErrWrongPassword) {
			t.Errorf("%q: got %v, want ErrWrongPassword", password, err)
		}
	}
}

func TestPasswordOfOneKibibyteIsTheLongest(t *testing.T) {
	long := strings.Repeat("x", 1024)
	// {SHA} of 1,024 and of 1,025 letters x
	r := newRig(t, "most:{SHA}1aPJvX50bJi0rqDpGU+5VVs8Iq0=\nmore:{SHA}3AhJ3JfS59X1dbGr3F+pbUmJFl8=\n", someGroups)
	if err := r.login(t, "most", long); err != nil {
		t.Errorf("1,024 bytes: %v", err)
	}
	if err := r.login(t, "more", long+"x"); !errors.Is(err, backend.ErrWrongPassword) {
		t.Errorf("1,025 bytes: got %v, want ErrWrongPassword", err)
	}
}

func TestCallerWhoHasGoneGetsNoAnswer(t *testing.T) {
	r := newRig(t, someUsers, someGroups)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Authenticate(ctx, "alice", "hunter2")
	if !errors.Is(err, backend.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("Authenticate: got %v, want ErrUnavailable and Canceled", err)
	}
	_, err = r.Groups(ctx, backend.Identity{User: "alice"})
	if !errors.Is(err, backend.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("Groups: got %v, want ErrUnavailable and Canceled", err)
	}
}

func TestGroupsOfAUser(t *testing.T) {
	r := newRig(t, someUsers, someGroups)
	for user, want := range map[string][]string{
		"alice": {"pusher", "admins"}, "bob": {"pusher"}, "two words": {"admins"}, "Alice": {}, "nobody": {}, "": {},
	} {
		got, err := r.Groups(t.Context(), backend.Identity{User: user})
		if err != nil || got == nil || !cmp.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", user, got, err, want)
		}
		// The caller may do with it what he likes.
		got = append(got, "x")
		got[0] = "admins"
	}
	if got, _ := r.Groups(t.Context(), backend.Identity{User: "bob"}); !cmp.Equal(got, []string{"pusher"}) {
		t.Errorf("a caller changed the groups of bob to %q", got)
	}
}

func TestNobodyIsInAGroupWithoutGroupsFile(t *testing.T) {
	b, err := New(Config{UsersFile: newRig(t, someUsers, someGroups).users})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got, err := b.Groups(t.Context(), backend.Identity{User: "alice"}); len(got) != 0 || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCanonicalNames(t *testing.T) {
	r := newRig(t, someUsers, someGroups)
	if got := r.CanonicalUser("Alice"); got != "Alice" {
		t.Errorf("user: got %q", got)
	}
	if got := r.CanonicalGroup("PUSHER\u212a"); got != "pusher\u212a" {
		t.Errorf("group: got %q", got)
	}
}

func TestRevalidateKnowsWhoMayLogIn(t *testing.T) {
	r := newRig(t, "alice:"+hunter2+"\nbob:!"+hunter2+"\ncarol:\n", someGroups)
	for user, want := range map[string]error{"alice": nil, "Alice": backend.ErrUnknownUser, "bob": backend.ErrLocked, "carol": backend.ErrLocked, "dave": backend.ErrUnknownUser} {
		if _, err := r.Revalidate(t.Context(), backend.Identity{User: user}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", user, err, want)
		}
	}
	over, end := context.WithCancel(t.Context())
	end()
	if _, err := r.Revalidate(over, backend.Identity{User: "dave"}); !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("after the caller has left: %v", err)
	}
}

// Somebody else may know the password by which a login was made: it ends with its line.
func TestRevalidateKnowsTheLine(t *testing.T) {
	r := newRig(t, "alice:"+hunter2+"\nbob:"+hunter2+"\n", someGroups)
	id, err := r.Authenticate(t.Context(), "alice", "hunter2")
	if err != nil {
		t.Fatal(err)
	}
	if !r.Follows(id) || r.Follows(backend.Identity{User: "alice"}) {
		t.Error("the line is what a login can be followed by")
	}
	if now, err := r.Revalidate(t.Context(), id); err != nil || now != id {
		t.Errorf("got %+v, %v", now, err)
	}
	another, err := bcrypt.GenerateFromPassword([]byte("hunter3"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	write(t, r.config.UsersFile, "bob:"+hunter2+"\nalice:"+string(another)+"\n")
	r.reload()
	if _, err := r.Revalidate(t.Context(), id); !errors.Is(err, backend.ErrOutdated) {
		t.Errorf("after a change: %v", err)
	}
}

func TestNewRefusesFilesThatCannotBeUsed(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, c *Config)
		want  string
	}{
		{"no users file", func(t *testing.T, c *Config) { c.UsersFile = "" }, "no users file"},
		{"missing users file", func(t *testing.T, c *Config) { c.UsersFile += ".none" }, "no such file"},
		{"missing groups file", func(t *testing.T, c *Config) { c.GroupsFile += ".none" }, "no such file"},
		{"directory", func(t *testing.T, c *Config) { c.UsersFile = filepath.Dir(c.UsersFile) }, "a directory"},
		{"empty users file", func(t *testing.T, c *Config) { write(t, c.UsersFile, "") }, "no user in it"},
		{"empty groups file", func(t *testing.T, c *Config) { write(t, c.GroupsFile, "") }, "no group in it"},
		{"bad users file", func(t *testing.T, c *Config) { write(t, c.UsersFile, "alice:secret\n") }, `users:1: user "alice"`},
		{"bad groups file", func(t *testing.T, c *Config) { write(t, c.GroupsFile, "g: 'a\n") }, "groups:1: a quote"},
		{"both files bad", func(t *testing.T, c *Config) {
			write(t, c.UsersFile, "alice:secret\n")
			write(t, c.GroupsFile, ": a\n")
		},
			"gatehouse passwd\ngroups file cannot be used:\n"},
		{"users file open to its group", func(t *testing.T, c *Config) { chmod(t, c.UsersFile, 0o660) }, "may write to it"},
		{"groups file open to all", func(t *testing.T, c *Config) { chmod(t, c.GroupsFile, 0o646) }, "may write to it"},
		{"huge users file", func(t *testing.T, c *Config) { truncate(t, c.UsersFile, 1<<40) }, "larger than"},
	}
	for _, tt := range tests {
		r := newRig(t, someUsers, someGroups)
		config := Config{UsersFile: r.users, GroupsFile: r.groups}
		tt.spoil(t, &config)
		b, err := New(config)
		if err == nil {
			b.Close()
			t.Errorf("%s: was accepted", tt.name)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", tt.name, err, tt.want)
		}
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func TestWarningsAreLogged(t *testing.T) {
	r := newRig(t, someUsers+"bob:\n", someGroups+"shapeless\nmore: alice,bob\n")
	for _, want := range []string{"1 passwords have a hash that is quick to guess", `\"bob\" in line 6`, "a line without a colon makes no group", "a comma counts as part of a name"} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("want %q in the log:\n%s", want, r.log)
		}
	}
	const readable = "every user of this machine may read the file"
	if strings.Contains(r.log.String(), readable) {
		t.Errorf("warned of a file of mode 0600:\n%s", r.log)
	}
	chmod(t, r.groups, 0o644) // which holds no secret
	r.reload()
	if strings.Contains(r.log.String(), readable) {
		t.Errorf("warned of a groups file of mode 0644:\n%s", r.log)
	}
	chmod(t, r.users, 0o644)
	r.reload()
	if !strings.Contains(r.log.String(), readable) {
		t.Errorf("want %q in the log:\n%s", readable, r.log)
	}
}

func TestChangedFilesTakeEffect(t *testing.T) {
	ways := map[string]func(t *testing.T, path, text string){"in place": write, "by rename": replace}
	for name, replace := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, someUsers, someGroups)
			replace(t, r.users, "carol:"+hunter2+"\n")
			testkit.Await(t, "the new user may log in", func() bool { return r.login(t, "carol", "hunter2") == nil })
			if err := r.login(t, "alice", "hunter2"); !errors.Is(err, backend.ErrUnknownUser) {
				t.Errorf("a removed user: got %v, want ErrUnknownUser", err)
			}
			replace(t, r.groups, "g: carol\n")
			testkit.Await(t, "the user is in the group", func() bool {
				got, err := r.Groups(t.Context(), backend.Identity{User: "carol"})
				return err == nil && slices.Contains(got, "g")
			})
		})
	}
}

func TestFilesThatCannotBeUsedChangeNothing(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, r *rig)
	}{
		{"users file empty", func(t *testing.T, r *rig) { truncate(t, r.users, 0) }},
		{"users file without a user", func(t *testing.T, r *rig) { replace(t, r.users, "# nobody\n") }},
		{"users file cut off", func(t *testing.T, r *rig) { truncate(t, r.users, 30) }},
		{"users file broken", func(t *testing.T, r *rig) { replace(t, r.users, "mallory:"+hunter2+"\nbob:plain\n") }},
		{"users file gone", func(t *testing.T, r *rig) { rename(t, r.users, r.users+".away") }},
		{"users file open to all", func(t *testing.T, r *rig) {
			write(t, r.users+".tmp", "mallory:"+hunter2+"\n")
			chmod(t, r.users+".tmp", 0o666)
			rename(t, r.users+".tmp", r.users)
		}},
		{"groups file empty", func(t *testing.T, r *rig) { truncate(t, r.groups, 0) }},
		{"groups file broken", func(t *testing.T, r *rig) { replace(t, r.groups, "g: bob 'mallory\n") }},
		{"groups file gone", func(t *testing.T, r *rig) { rename(t, r.groups, r.groups+".away") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, someUsers, someGroups)
			version := r.Version("alice")
			tt.spoil(t, r)
			testkit.Await(t, "the log says so", func() bool {
				return strings.Contains(r.log.String(), "cannot be used; the last good ones stay in use")
			})
			if err := r.login(t, "alice", "hunter2"); err != nil {
				t.Errorf("a user of the last good file: %v", err)
			}
			if err := r.login(t, "mallory", "hunter2"); !errors.Is(err, backend.ErrUnknownUser) {
				t.Errorf("a user of the bad file: %v", err)
			}
			if got, err := r.Groups(t.Context(), backend.Identity{User: "bob"}); err != nil || !cmp.Equal(got, []string{"pusher"}) {
				t.Errorf("groups: got %q, %v", got, err)
			}
			if r.Version("alice") != version {
				t.Error("the version of a user has changed")
			}
			if n := strings.Count(r.log.String(), "level=ERROR"); n != 1 {
				t.Errorf("%d errors in the log, want 1:\n%s", n, r.log)
			}
			replace(t, r.users, "carol:"+hunter2+"\n")
			replace(t, r.groups, someGroups)
			testkit.Await(t, "a good file counts again", func() bool { return r.login(t, "carol", "hunter2") == nil })
		})
	}
}

// New users must not meet old groups, nor the other way round.
func TestBothFilesTakeEffectOrNeither(t *testing.T) {
	r := newRig(t, someUsers, someGroups)
	replace(t, r.groups, "g: 'x\n")
	replace(t, r.users, "mallory:"+hunter2+"\n")
	if err := r.load(); err == nil {
		t.Error("a broken groups file was put to use")
	}
	if err := r.login(t, "mallory", "hunter2"); !errors.Is(err, backend.ErrUnknownUser) {
		t.Errorf("got %v, want ErrUnknownUser", err)
	}
}

// Nobody who is in the old file and in the new one may be refused while the one
// is rewritten in place to the other. Each write ends inside a line, so that
// the test does not depend on how slow the machine makes it.
func TestSlowRewriteRefusesNobody(t *testing.T) {
	var users strings.Builder
	for i := range 20 {
		fmt.Fprintf(&users, "user%d:%s\n", i, hunter2)
	}
	r := newRig(t, users.String()+"alice:"+hunter2+"\n", someGroups)
	f, err := os.OpenFile(r.users, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text := users.String() + "alice:" + hunter2 + "\nlast:" + hunter2 + "\n"
	for rest := text; rest != ""; {
		n := min(strings.IndexByte(rest, '\n')+10, len(rest))
		if _, err := f.WriteString(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
		for pause := time.Now().Add(50 * time.Millisecond); time.Now().Before(pause); {
			if err := r.login(t, "alice", "hunter2"); err != nil {
				t.Fatalf("while the file is rewritten: %v", err)
			}
		}
	}
	testkit.Await(t, "the new file counts", func() bool { return r.login(t, "last", "hunter2") == nil })
}

func TestVersionChangesForTheUsersConcernedOnly(t *testing.T) {
	const users = "alice:" + hunter2 + "\nbob:" + hunter2 + "\n"
	const groups = "g: alice bob\nh: alice\n"
	tests := []struct {
		name, users, groups string
		want                []string // whose version changes
	}{
		{"nothing", users, groups, nil},
		{"order and comments", "#\nbob:" + hunter2 + "\nalice:" + hunter2 + ":Alice\n", "#\n" + groups, nil},
		{"password of bob", "alice:" + hunter2 + "\nbob:" + one + "\n", groups, []string{"bob"}},
		{"bob locked", "alice:" + hunter2 + "\nbob:!" + hunter2 + "\n", groups, []string{"bob"}},
		{"bob removed", "alice:" + hunter2 + "\n", groups, []string{"bob"}},
		{"bob without hash", "alice:" + hunter2 + "\nbob:\n", groups, []string{"bob"}},
		{"carol added", users + "carol:" + hunter2 + "\n", groups, []string{"carol"}},
		{"carol added without hash", users + "carol:\n", groups, []string{"carol"}},
		{"carol in a group", users, groups + "g: carol\n", []string{"carol"}},
		{"bob in another group", users, groups + "h: bob\n", []string{"bob"}},
		{"alice in no group", users, "g: bob\n", []string{"alice"}},
	}
	for _, tt := range tests {
		r := newRig(t, users, groups)
		before := make(map[string]uint64)
		for _, user := range []string{"alice", "bob", "carol"} {
			before[user] = r.Version(user)
		}
		write(t, r.users, tt.users)
		write(t, r.groups, tt.groups)
		if err := r.load(); err != nil {
			t.Fatal(err)
		}
		for user, version := range before {
			if got, want := r.Version(user) != version, slices.Contains(tt.want, user); got != want {
				t.Errorf("%s: version of %s changed: %v, want %v", tt.name, user, got, want)
			}
		}
	}
}

func TestNoErrorHoldsAPassword(t *testing.T) {
	r := newRig(t, someUsers, someGroups)
	for _, user := range []string{"alice", "nobody", "locked", "CANARY"} {
		for _, password := range []string{"CANARY", strings.Repeat("CANARY", 200), "CANARY\x00"} {
			if err := r.login(t, user, password); err == nil || strings.Contains(err.Error(), "CANARY") {
				t.Errorf("got %v", err)
			}
		}
	}
}

func TestManyLoginsAtOnce(t *testing.T) {
	r := newRig(t, someUsers, someGroups)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			user, password, want := "alice", "hunter2", error(nil)
			if i%2 == 1 {
				password, want = "wrong", backend.ErrWrongPassword
			}
			if i%10 == 0 {
				r.reload()
			}
			if err := r.login(t, user, password); !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
			if got, err := r.Groups(t.Context(), backend.Identity{User: user}); err != nil || len(got) != 2 {
				t.Errorf("groups: got %q, %v", got, err)
			}
			r.Version(user)
		})
	}
	wg.Wait()
}

func TestCloseMayBeCalledTwice(t *testing.T) {
	r := newRig(t, someUsers, someGroups)
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
}

func ExampleNew() {
	b, err := New(Config{UsersFile: "testdata/hashes.htpasswd"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	id, err := b.Authenticate(context.Background(), "bcrypt05", "Correct-Horse7")
	fmt.Println(id.User, err)
	// Output: bcrypt05 <nil>
}
