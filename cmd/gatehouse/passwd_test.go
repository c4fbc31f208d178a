package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/htpasswd"
	"gatehouse/internal/testkit"
)

// secretSHA is the hash of "secret" that is quickest to check.
const secretSHA = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="

// passwd runs the command with a password on standard input.
func passwd(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := newPasswdCommand()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	err = cmd.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

// passwdFile makes a password file.
func passwdFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// mayLogIn asks the backend that would serve the file.
func mayLogIn(t *testing.T, path, user, password string) bool {
	t.Helper()
	b, err := htpasswd.New(htpasswd.Config{UsersFile: path})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	_, err = b.Authenticate(t.Context(), user, password)
	return err == nil
}

func TestPasswdMakesFileThatTheBackendReads(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--cost=4", "--argon2id"} {
		path := filepath.Join(t.TempDir(), "htpasswd")
		for _, args := range [][]string{{"-c", "-i", flag, path, "alice"}, {"-i", flag, path, "bob"}} {
			if _, _, err := passwd(t, "pass word\n", args...); err != nil {
				t.Fatalf("%q: %v", args, err)
			}
		}
		if !mayLogIn(t, path, "alice", "pass word") || !mayLogIn(t, path, "bob", "pass word") || mayLogIn(t, path, "bob", "pass") {
			t.Errorf("%s: the backend does not take the passwords that were set:\n%s", flag, content(t, path))
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o640 {
			t.Errorf("%s: mode is %v, %v", flag, info.Mode(), err)
		}
	}
}

func TestPasswdFileIsReadByHtpasswd(t *testing.T) {
	if _, err := exec.LookPath("htpasswd"); err != nil {
		testkit.Missing(t, "this test needs htpasswd: apt-get install apache2-utils")
	}
	path := filepath.Join(t.TempDir(), "htpasswd")
	if _, _, err := passwd(t, "secret\n", "-c", "-i", "-C", "5", path, "alice"); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("htpasswd", "-vb", path, "alice", "secret").CombinedOutput(); err != nil {
		t.Errorf("htpasswd refuses the password: %v: %s", err, out)
	}
	if _, err := exec.Command("htpasswd", "-vb", path, "alice", "wrong").CombinedOutput(); err == nil {
		t.Error("htpasswd accepts a wrong password")
	}
}

func TestPasswdLeavesOtherLinesAsTheyAre(t *testing.T) {
	tests := []struct {
		name, before, after string
		known               bool
	}{
		{"new user", "# c\n\nbob:" + secretSHA + "\n", "# c\n\nbob:" + secretSHA + "\nalice:HASH\n", false},
		{"no line feed at the end", "bob:" + secretSHA, "bob:" + secretSHA + "\nalice:HASH\n", false},
		{"CRLF", "bob:x\r\n", "bob:x\r\nalice:HASH\r\n", false},
		{"empty", "", "alice:HASH\n", false},
		{"in place", "# c\n alice:old\n\tbob : x \n#alice:x\n", "# c\n alice:HASH\n\tbob : x \n#alice:x\n", true},
		{"in place with CRLF and fields", "alice:old \t:1:2 \r\nbob:x\r\n", "alice:HASH \t:1:2 \r\nbob:x\r\n", true},
		{"in place, last line", "alice:", "alice:HASH", true},
		{"byte order mark", "\ufeffalice:old\nbob:x\n", "\ufeffalice:HASH\nbob:x\n", true},
		{"further lines of the user", "alice:1\nbob:x\nalice:2\n", "alice:HASH\nbob:x\n", true},
		{"other case and other names", "Alice:1\nalice2:2\nalice :3\n", "Alice:1\nalice2:2\nalice :3\nalice:HASH\n", false},
		{"lines that are no entries", "alice\n:x\nbob:x\n", "alice\n:x\nbob:x\nalice:HASH\n", false},
	}
	for _, tt := range tests {
		got, known := setUser(tt.before, "alice", "HASH")
		if diff := cmp.Diff(tt.after, got); diff != "" {
			t.Errorf("%s: want -, got +\n%s", tt.name, diff)
		}
		if again, _ := setUser(got, "alice", "HASH"); again != got {
			t.Errorf("%s: setting it again made %q", tt.name, again)
		}
		if known != tt.known {
			t.Errorf("%s: known is %v", tt.name, known)
		}
	}
}

func TestPasswdDeletesEveryLineOfAUser(t *testing.T) {
	path := passwdFile(t, "\ufeffalice:"+secretSHA+"\n# alice:x\nbob:"+secretSHA+"\n alice:"+secretSHA+"\n")
	if _, _, err := passwd(t, "", "-D", path, "alice"); err != nil {
		t.Fatal(err)
	}
	if got, want := content(t, path), "\ufeff# alice:x\nbob:"+secretSHA+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	wantExit(t, 1, "there is no user alice")(passwd(t, "", "-D", path, "alice"))
}

// A file without users is refused by a running gatehouse, for which the last
// user would go on to exist.
func TestPasswdDoesNotDeleteTheLastUser(t *testing.T) {
	path := passwdFile(t, "alice:"+secretSHA+"\n")
	wantExit(t, 2, "the last user")(passwd(t, "", "-D", path, "alice"))
	if content(t, path) == "" {
		t.Error("the file is empty")
	}
}

// wantExit returns a check of what passwd returns.
func wantExit(t *testing.T, code int, text string) func(stdout, stderr string, err error) {
	t.Helper()
	return func(_, _ string, err error) {
		t.Helper()
		got := 0
		var exit *exitError
		switch {
		case errors.As(err, &exit):
			got = exit.code
		case err != nil:
			got = 2
		}
		if got != code || (err != nil && !strings.Contains(err.Error(), text)) {
			t.Errorf("got exit code %d, %v, want %d and %q", got, err, code, text)
		}
	}
}

func TestPasswdVerifies(t *testing.T) {
	path := passwdFile(t, "alice:"+secretSHA+"\nbob:!\n")
	wantExit(t, 0, "")(passwd(t, "secret\n", "-v", "-i", path, "alice"))
	wantExit(t, 0, "")(passwd(t, "secret\r\n", "-v", "-i", path, "alice"))
	wantExit(t, 1, "wrong password")(passwd(t, "secret \n", "-v", "-i", path, "alice"))
	wantExit(t, 1, "unknown user")(passwd(t, "secret", "-v", "-i", path, "carol"))
	wantExit(t, 1, "may not log in")(passwd(t, "secret", "-v", "-i", path, "bob"))
	wantExit(t, 2, "no such file")(passwd(t, "secret", "-v", "-i", path+"x", "alice"))
	wantExit(t, 2, "not a hash")(passwd(t, "secret", "-v", "-i", passwdFile(t, "alice:secret\n"), "alice"))
}

func TestPasswdHashesWithBcryptOfCostTwelve(t *testing.T) {
	if got := newPasswdCommand().Flags().Lookup("cost").DefValue; got != "12" {
		t.Errorf("the default cost is %s", got)
	}
}

func TestPasswdPrintsALine(t *testing.T) {
	stdout, stderr, err := passwd(t, "secret", "-n", "-i", "-C", "4", "alice")
	if err != nil || stderr != "" || !strings.HasPrefix(stdout, "alice:$2y$04$") || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("got %q, %q, %v", stdout, stderr, err)
	}
	if !mayLogIn(t, passwdFile(t, stdout), "alice", "secret") {
		t.Errorf("the backend does not take %s", stdout)
	}
}

func TestPasswdRefuses(t *testing.T) {
	good := passwdFile(t, "alice:"+secretSHA+"\n")
	open := passwdFile(t, "alice:"+secretSHA+"\n")
	if err := os.Chmod(open, 0o666); err != nil {
		t.Fatal(err)
	}
	const long = "the password is longer than"
	tests := []struct {
		name, stdin, want string
		args              []string
	}{
		{"existing file with -c", "x", "exists already", []string{"-c", "-i", good, "bob"}},
		{"missing file without -c", "x", "pass -c", []string{"-i", good + ".none", "bob"}},
		{"missing directory", "x", "no such file", []string{"-c", "-i", filepath.Dir(good) + "/none/x", "bob"}},
		{"file open to all", "x", "may write to it", []string{"-i", open, "bob"}},
		{"directory", "x", "a directory", []string{"-i", filepath.Dir(good), "bob"}},
		{"password in an argument", "", "-i", []string{"-b", good, "bob", "CANARY"}},
		{"password in an argument, htpasswd's way", "", "-i", []string{"-nbB", "bob", "CANARY"}},
		{"no terminal and no -i", "x\nx\n", "pass -i", []string{good, "bob"}},
		{"no user", "x", "want FILE and USER", []string{"-i", good}},
		{"one argument too many", "x", "want FILE and USER", []string{"-i", good, "bob", "x"}},
		{"file with -n", "x", "want USER", []string{"-n", "-i", good, "bob"}},
		{"user with --list", "x", "want FILE", []string{"--list", good, "bob"}},
		{"two things at once", "x", "none of the others", []string{"-n", "-D", good, "bob"}},
		{"two kinds of hash", "x", "none of the others", []string{"-B", "--argon2id", "-i", good, "bob"}},
		{"cost of argon2id", "x", "none of the others", []string{"-C", "12", "--argon2id", "-i", good, "bob"}},
		{"cost too low", "x", "cost of bcrypt is 3", []string{"-C", "3", "-i", good, "bob"}},
		{"cost too high", "x", "cost of bcrypt is 16", []string{"-C", "16", "-i", good, "bob"}},
		{"unknown format", "", "want text or json", []string{"--list", "-o", "xml", good}},
		{"empty password", "", "is empty", []string{"-i", good, "bob"}},
		{"empty line", "\n", "is empty", []string{"-i", good, "bob"}},
		{"two lines", "CANARY\nCANARY\n", "more than one line", []string{"-i", good, "bob"}},
		{"NUL", "CANARY\x00", "control character", []string{"-i", good, "bob"}},
		{"long for bcrypt", strings.Repeat("CANARY", 13), "--argon2id", []string{"-i", good, "bob"}},
		{"long for all", strings.Repeat("CANARY", 200), long, []string{"-i", "--argon2id", good, "bob"}},
		{"empty name", "x", "is empty", []string{"-i", good, ""}},
		{"colon in the name", "x", "colon", []string{"-i", good, "b:ob"}},
		{"name as a comment", "x", "comment", []string{"-i", good, "#bob"}},
		{"blank before the name", "x", "blank", []string{"-i", good, " bob"}},
		{"line feed in the name", "x", "printable", []string{"-i", good, "bob\nmallory"}},
		{"name in Latin-1", "x", "UTF-8", []string{"-i", good, "jos\xe9"}},
		{"long name", "x", "255", []string{"-i", good, strings.Repeat("b", 256)}},
	}
	before := content(t, good)
	for _, tt := range tests {
		stdout, stderr, err := passwd(t, tt.stdin, tt.args...)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", tt.name, err, tt.want)
			continue
		}
		if strings.Contains(stdout+stderr+err.Error(), "CANARY") {
			t.Errorf("%s: the password is shown: %s%s%v", tt.name, stdout, stderr, err)
		}
	}
	if content(t, good) != before {
		t.Errorf("the file has changed to %q", content(t, good))
	}
}

func TestPasswdTakesPasswordOfSeventyTwoBytes(t *testing.T) {
	password := strings.Repeat("x", 72)
	path := passwdFile(t, "")
	if _, _, err := passwd(t, password+"\n", "-c", "-i", "-C", "4", path, "alice"); err != nil {
		t.Fatal(err)
	}
	if !mayLogIn(t, path, "alice", password) {
		t.Error("the backend does not take the password")
	}
}

func TestPasswdKeepsModeOwnerAndLink(t *testing.T) {
	path := passwdFile(t, "alice:"+secretSHA+"\n")
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	group := os.Getgid()
	if os.Getuid() == 0 {
		group = 12345
		if err := os.Chown(path, 12345, group); err != nil {
			t.Fatal(err)
		}
	}
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, _, err := passwd(t, "x", "-i", "-C", "4", link, "bob"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is no longer one: %v, %v", info.Mode(), err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if gid := int(info.Sys().(*syscall.Stat_t).Gid); info.Mode() != 0o604 || gid != group {
		t.Errorf("mode %v, group %d, want 0604 and %d", info.Mode(), gid, group)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 2 {
		t.Errorf("files left over: %v, %v", left, err)
	}
}

func TestPasswdEditsAtOnceAreAllKept(t *testing.T) {
	t.Parallel()
	path := passwdFile(t, "alice:"+secretSHA+"\n")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, _, err := passwd(t, "x", "-i", "-C", "4", path, fmt.Sprintf("user%d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(content(t, path), "\n"); n != 21 {
		t.Errorf("there are %d users, want 21", n)
	}
}

func TestPasswdWarnsWhereTheChangeHasNoEffect(t *testing.T) {
	path := passwdFile(t, "alice:"+secretSHA+"\nold:rl0uE7QMb3oQ6\n")
	for _, args := range [][]string{{"-i", "-C", "4", path, "bob"}, {"-D", path, "alice"}} {
		_, stderr, err := passwd(t, "x", args...)
		if err != nil || !strings.Contains(stderr, "has no effect yet") || !strings.Contains(stderr, `user "old"`) {
			t.Errorf("%q: got %q, %v", args, stderr, err)
		}
	}
}

func TestPasswdLists(t *testing.T) {
	path := passwdFile(t, strings.Join([]string{
		"# users", "",
		"alice:$2y$12$" + strings.Repeat("a", 53),
		"bob:$2y$05$" + strings.Repeat("a", 53),
		"carol:" + secretSHA + ":extra",
		"dave:!" + secretSHA,
		"erin:",
		"CORP\\frank:$6$salt$" + strings.Repeat("a", 86),
		"alice:" + secretSHA,
		"a\x1b[2Jb:*",
	}, "\n")+"\n")
	stdout, _, err := passwd(t, "", "--list", path)
	want := `USER         SCHEME          REMARK
alice        bcrypt cost 12  
bob          bcrypt cost 5   weak: set it again
carol        SHA-1           weak: set it again
dave         locked          cannot log in
erin         locked          cannot log in
CORP\frank   SHA-512 crypt   
alice        SHA-1           ignored: the first line of a user counts
"a\x1b[2Jb"  locked          cannot log in
`
	if diff := cmp.Diff(want, stdout); diff != "" || err != nil {
		t.Errorf("%v; want -, got +\n%s", err, diff)
	}
}

func TestPasswdListSaysWhatIsRefused(t *testing.T) {
	path := passwdFile(t, "alice:"+secretSHA+"\nbob:rl0uE7QMb3oQ6\n")
	stdout, _, err := passwd(t, "", "--list", "-o", "json", path)
	wantExit(t, 1, `htpasswd:2: user "bob"`)("", "", err)
	want := `[{"user":"alice","scheme":"SHA-1","remark":"weak: set it again"},` +
		`{"user":"bob","scheme":"unknown","remark":"gatehouse refuses it: set it again"}]` + "\n"
	if stdout != want {
		t.Errorf("got %s, want %s", stdout, want)
	}
}

// terminal returns both ends of a pseudo-terminal.
func terminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("skipped: no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { user.Close() })
	var unlock, number int32
	for request, value := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, user.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
			t.Fatal(errno)
		}
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return user, program
}

// A typist writes the next line each time that a prompt ends.
type typist struct {
	terminal *os.File
	lines    []string
	prompts  bytes.Buffer
}

func (y *typist) Write(p []byte) (int, error) {
	y.prompts.Write(p)
	if bytes.HasSuffix(p, []byte(": ")) && len(y.lines) > 0 {
		fmt.Fprintln(y.terminal, y.lines[0])
		y.lines = y.lines[1:]
	}
	return len(p), nil
}

func TestPasswdAsksTwiceOnATerminal(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  string
	}{
		{"equal", []string{"secret", "secret"}, ""},
		{"different", []string{"secret", "Secret"}, "differ"},
	}
	for _, tt := range tests {
		user, program := terminal(t)
		path := passwdFile(t, "bob:"+secretSHA+"\n")
		who := &typist{terminal: user, lines: tt.lines}
		cmd := newPasswdCommand()
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		cmd.SetArgs([]string{"-C", "4", path, "alice"})
		cmd.SetIn(program)
		cmd.SetErr(who)
		err := cmd.ExecuteContext(t.Context())
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %q in it", tt.name, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if !mayLogIn(t, path, "alice", "secret") {
			t.Errorf("%s: the password was not set", tt.name)
		}
		if want := "Password: \nThe same again: \nadded user alice\n"; who.prompts.String() != want {
			t.Errorf("%s: prompts are %q, want %q", tt.name, who.prompts.String(), want)
		}
	}
}

func FuzzPasswdLine(f *testing.F) {
	for _, line := range []string{"", "a:b\n", "\ufeff a : b :c\r\n", "#a:b", ":", "a", " \t:x", "a:\\\n"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var again strings.Builder
		for l := range htpasswd.Lines(text) {
			again.WriteString(l.String())
		}
		if again.String() != text {
			t.Errorf("%q came back as %q", text, again.String())
		}
		changed, known := setUser(text, "alice", "HASH")
		if removed, ok := removeUser(changed, "alice"); !ok || (!known && !strings.HasPrefix(removed, text)) {
			t.Errorf("%q became %q, and %q without the user", text, changed, removed)
		}
		for l := range htpasswd.Lines(changed) {
			if l.Name == "alice" && l.Hash != "HASH" {
				t.Errorf("%q still has another hash of the user", changed)
			}
		}
	})
}
