package ldap

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
	"gatehouse/internal/testkit"
)

// The tests in the files real_*_test.go run against servers that others wrote,
// which they start themselves. This file has what they share.

// The passwords of the real servers' users, and of the service accounts.
const (
	realPass    = "Us3r-Pass!"
	realSvcPass = "Svc-Pass1!"
)

// program returns the path of a program, or skips the test.
func program(t testing.TB, name, advice string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/libexec", "/usr/lib/openldap") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	testkit.Missing(t, name+" is not installed; "+advice)
	return ""
}

// run runs a program to its end.
func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// process is a server under test.
type process struct {
	path string
	args []string
	cmd  *exec.Cmd
}

// launch starts the process and waits until it listens on an address.
func (p *process) launch(t testing.TB, address string) {
	t.Helper()
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			p.kill()
			t.Fatalf("%s does not listen on %s:\n%s", p.path, address, text)
		}
	}
}

// time returns the processor time that the process has used, which Linux counts in
// hundredths of a second; proc(5).
func (p *process) time(t testing.TB) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks time.Duration
	for _, field := range fields[11:13] { // in user mode, and in the kernel
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond
}

func (p *process) signal(s os.Signal) { p.cmd.Process.Signal(s) }

func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// freePort returns the address of a port that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certify writes the files of an authority and of a certificate for hosts.
func certify(t testing.TB, dir string, hosts ...string) *ldaptest.Authority {
	t.Helper()
	authority, err := ldaptest.NewAuthority("real directory CA")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue(hosts...)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ldaptest.KeyPair(pair)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"ca.pem": authority.PEM(), "cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return authority
}

// realLogin is a row of the table of logins that runs over every real server.
type realLogin struct {
	typed, password string
	user            string   // who it is, or else:
	verdict         string   // why not
	groups          []string // nil: not asked
}

func checkLogins(t *testing.T, b *Backend, logins []realLogin) {
	t.Helper()
	for _, l := range logins {
		id, got := authenticate(t, b, l.typed, l.password)
		want := l.verdict
		if want == "" {
			want = "in"
		}
		if got != want || id.User != l.user {
			t.Errorf("%q: got %+v, %s, want %s, %s", l.typed, id, got, l.user, want)
			continue
		}
		if got == "in" && l.groups != nil {
			groups, err := b.Groups(t.Context(), backend.Identity{User: id.User, Handle: id.Handle})
			t.Log(l.typed)
			wantGroups(t, groups, err, l.groups...)
		}
	}
}

// checkStanding checks what is said of users without their passwords.
func checkStanding(t *testing.T, b *Backend, want map[string]string) {
	t.Helper()
	for user, want := range want {
		id, err := b.Resolve(t.Context(), user)
		if err != nil {
			t.Errorf("%q: %v", user, err)
			continue
		}
		if _, err := b.Revalidate(t.Context(), id); verdict(err) != want {
			t.Errorf("%q: got %v, want %s", user, err, want)
		}
	}
}
