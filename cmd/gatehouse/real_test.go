package main_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/internal/testkit"
)

// The tests in the files real_*_test.go prove the program as its users meet it:
// built, started with the flags of the manual, in front of registries that
// others wrote, asked by clients that others wrote. This file has what they
// share: finding programs, starting and ending processes, certificates, and
// the gateway itself with the users of the recipe that it replaces.

// programs are what the tests run besides gatehouse, and how to get each.
var programs = map[string]string{
	"apache2":                 "apt-get install apache2",
	"awk":                     "apt-get install mawk",
	"bash":                    "apt-get install bash",
	"buildah":                 "apt-get install buildah, and run the tests as root",
	"chromium":                "apt-get install chromium fonts-dejavu-core",
	"conformance":             "go install github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111",
	"containerd":              "apt-get install containerd, and run the tests as root",
	"crane":                   "go install github.com/google/go-containerregistry/cmd/crane@v0.22.1",
	"ctr":                     "apt-get install containerd",
	"curl":                    "apt-get install curl",
	"docker":                  "apt-get install docker.io",
	"docker-registry":         "apt-get install docker-registry",
	"dpkg-deb":                "apt-get install dpkg",
	"dockerd":                 "apt-get install docker.io, and run the tests as root",
	"grep":                    "apt-get install grep",
	"haproxy":                 "apt-get install haproxy",
	"h2spec":                  "go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible",
	"htpasswd":                "apt-get install apache2-utils",
	"ldapsearch":              "apt-get install ldap-utils",
	"nfpm":                    "go install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0",
	"oras":                    "go install oras.land/oras/cmd/oras@v1.3.6",
	"podman":                  "apt-get install podman, and run the tests as root",
	"promtool":                "apt-get install prometheus",
	"regctl":                  "go install github.com/regclient/regclient/cmd/regctl@v0.11.7",
	"registry":                "go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2",
	"samba":                   "apt-get install --no-install-recommends samba samba-dsdb-modules samba-vfs-modules samba-ad-provision python3-samba winbind",
	"samba-tool":              "apt-get install samba",
	"skopeo":                  "apt-get install skopeo",
	"slapadd":                 "apt-get install slapd",
	"slapd":                   "apt-get install slapd",
	"systemd-analyze":         "apt-get install systemd",
	"systemd-socket-activate": "apt-get install systemd",
	"tar":                     "apt-get install tar",
}

// longPrograms are what the tests run besides with the settings of .ci/long, which takes
// minutes to install them.
var longPrograms = map[string]string{
	"buildctl":  "run the lines about buildkit in .ci/long",
	"buildkitd": "run the lines about buildkit in .ci/long, and run the tests as root",
	"helm":      "go install helm.sh/helm/v3/cmd/helm@v3.22.0",
	"runc":      "apt-get install runc",
}

// asRoot are those of them that work for root alone, as the tests start them.
var asRoot = []string{"buildah", "buildkitd", "containerd", "dockerd", "podman"}

// The users of the recipe: one may pull, the other may also push.
const (
	puller         = "testuser"
	pullerPassword = "testpassword"
	pusher         = "testuserpush"
	pusherPassword = "testpasswordpush"
)

// host is where servers under test listen. Client connections take their ports
// on 127.0.0.1, so a port found free here stays free until it is used.
const host = "127.0.0.2"

// patience bounds every wait for something that should happen soon. It is
// generous: a test that passes does not wait, one that fails may take its time.
const patience = testkit.Patience

// soon is within what the gateway notices a change by itself: it takes a second or two
// where the machine has time for it, and much more than this if it is not looked for.
const soon = 20 * time.Second

// needs skips the test, or fails it where nothing may be skipped, unless all
// the named programs are there.
func needs(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil || slices.Contains(asRoot, name) && os.Getuid() != 0 {
			testkit.Missing(t, "this test needs "+name+": "+cmp.Or(programs[name], longPrograms[name]))
		}
	}
}

// command is exec.Command in an environment of its own, where nothing of the
// caller's configuration is found.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	home := t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home}
	cmd.Dir = home
	return cmd
}

// commandLine is a line that people are told to type into a shell, after a look at
// whether the programs in it are there.
func commandLine(t *testing.T, line string) *exec.Cmd {
	t.Helper()
	needs(t, programsOf(line)...)
	return command(t, "sh", "-c", line)
}

// programsOf returns the programs that a line for a shell runs: the first words of its
// commands, without assignments, what every shell does itself, and files by their paths.
func programsOf(line string) (names []string) {
	line, _, _ = strings.Cut(line, " #")
	for _, simple := range regexp.MustCompile(`\$\(|[|&;()]+`).Split(line, -1) {
		words := slices.DeleteFunc(strings.Fields(simple), func(word string) bool { return assignment.MatchString(word) })
		if len(words) > 0 && programName.MatchString(words[0]) && !slices.Contains(builtins, words[0]) {
			names = append(names, words[0])
		}
	}
	return names
}

var (
	assignment  = regexp.MustCompile(`^[A-Za-z_]\w*=`)
	programName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	builtins    = []string{"cd", "echo", "exec", "printf", "ulimit"}
)

// process is a program that runs while a test does.
type process struct {
	cmd    *exec.Cmd
	output testkit.Buffer
	done   chan struct{} // closed when the program has ended
}

// start runs cmd until the test ends, and shows its output if the test failed.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	cmd.WaitDelay = patience / 4 // for children that keep the output open
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		cmd.Wait() // the exit code stays in cmd.ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop()
		if strings.Contains(p.output.String(), "DATA RACE") {
			t.Errorf("%s has a data race", filepath.Base(cmd.Path))
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), p.output.String())
		}
	})
	return p
}

// stop ends the program: politely, and if that does not help, at once.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience / 4):
		p.cmd.Process.Kill()
		<-p.done
	}
}

// exitCode waits for the program to end by itself.
func (p *process) exitCode(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%s still runs after %v", filepath.Base(p.cmd.Path), patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// listening waits until p accepts connections on addr.
func (p *process) listening(t *testing.T, addr string) {
	t.Helper()
	testkit.Await(t, fmt.Sprintf("%s listens on %s", filepath.Base(p.cmd.Path), addr), func() bool {
		select {
		case <-p.done:
			t.Fatalf("%s ended with %v", filepath.Base(p.cmd.Path), p.cmd.ProcessState)
		default:
		}
		return accepts(addr)
	})
}

// accepts reports whether something accepts connections on addr.
func accepts(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// givenAddrs are what freeAddr has returned, so that no two tests have the same.
var givenAddrs sync.Map

// freeAddr returns an address on which nobody listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		if _, given := givenAddrs.LoadOrStore(addr, true); !given {
			return addr
		}
	}
}

// publicDir is t.TempDir, open to servers that give up root.
func publicDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// writeFile replaces a file as an editor does, by a rename.
func writeFile(t *testing.T, name string, content []byte, mode os.FileMode) {
	t.Helper()
	temp := name + ".new"
	if err := errors.Join(os.WriteFile(temp, content, mode), os.Rename(temp, name)); err != nil {
		t.Fatal(err)
	}
}

// certificate is a certificate that is its own authority, for the host and for
// names under .test, a domain that never resolves (RFC 6761, section 6.2).
type certificate struct {
	certFile, keyFile string
	pool              *x509.CertPool
	serial            *big.Int
}

// newCertificate writes a new certificate and its key to dir.
func newCertificate(t *testing.T, dir string) certificate {
	t.Helper()
	c := certificate{
		certFile: filepath.Join(dir, "domain.crt"),
		keyFile:  filepath.Join(dir, "domain.key"),
		pool:     x509.NewCertPool(),
	}
	made := testkit.Certificate{
		CertFile: c.certFile, KeyFile: c.keyFile,
		Hosts: []string{"registry.test", "*.registry.test", host},
		From:  time.Now().Add(-time.Hour), To: time.Now().Add(24 * time.Hour),
	}.Write(t)
	c.serial = made.SerialNumber
	c.pool.AddCert(made)
	return c
}

// client trusts c and connects to addr whatever the URL says.
func (c certificate) client(addr string) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: c.pool},
			ForceAttemptHTTP2: true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, network, addr)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// htpasswdLine returns a line of a password file, of the least cost.
func htpasswdLine(t *testing.T, user, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return user + ":" + strings.Replace(string(hash), "$2a$", "$2y$", 1) + "\n"
}
