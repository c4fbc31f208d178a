package main_test

import (
	"fmt"
	"gatehouse/internal/testkit"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// manager receives what a service tells systemd.
type manager struct {
	socket string
	states chan string
}

func newManager(t *testing.T) manager {
	t.Helper()
	m := manager{filepath.Join(t.TempDir(), "notify"), make(chan string, 1000)}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			m.states <- string(buf[:n])
		}
	}()
	return m
}

// await returns the next state that begins with prefix, and passes over signs of
// life.
func (m manager) await(t *testing.T, prefix string) string {
	t.Helper()
	for {
		select {
		case s := <-m.states:
			switch {
			case strings.HasPrefix(s, prefix):
				return s
			case s != "WATCHDOG=1":
				t.Fatalf("systemd was told %q, want %q", s, prefix)
			}
		case <-time.After(patience):
			t.Fatalf("systemd was not told %q", prefix)
		}
	}
}

// TestServiceTellsSystemd starts, reloads and stops the program as its unit does.
func TestServiceTellsSystemd(t *testing.T) {
	t.Parallel()
	m, r, addr := newManager(t), newRecipe(t), freeAddr(t)
	cmd := command(t, binary(t), "serve", "--listen", addr, "--cert", r.certificate.certFile, "--key", r.certificate.keyFile,
		"--upstream", "http://127.0.0.1:9", "--users", r.usersFile, "--groups", r.groupsFile)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.socket, "WATCHDOG_USEC=300000")
	p := start(t, cmd)

	m.await(t, "READY=1")
	if !accepts(addr) {
		t.Error("the program is ready, and takes no connection")
	}
	m.await(t, "WATCHDOG=1")
	m.await(t, "WATCHDOG=1")
	p.cmd.Process.Signal(syscall.SIGHUP)
	if got := m.await(t, "RELOADING=1"); !strings.Contains(got, "\nMONOTONIC_USEC=") {
		t.Errorf("a reload was announced as %q, without its time systemd waits for another", got)
	}
	m.await(t, "READY=1")
	p.cmd.Process.Signal(syscall.SIGTERM)
	m.await(t, "STOPPING=1")
	if code := p.exitCode(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.output.String())
	}
}

// activated returns the command that starts the program as systemd does which
// holds a socket for it: with the number of its own process in the environment.
func activated(t *testing.T, socket *os.File, flags ...string) *exec.Cmd {
	t.Helper()
	script := fmt.Sprintf("LISTEN_FDS=1 LISTEN_PID=$$ exec '%s' \"$@\"", binary(t))
	cmd := command(t, "sh", append([]string{"-c", script, "sh", "serve"}, flags...)...)
	cmd.ExtraFiles = []*os.File{socket}
	return cmd
}

// TestRestartOfAnActivatedServiceRefusesNobody restarts the program under load while
// somebody else holds its socket.
func TestRestartOfAnActivatedServiceRefusesNobody(t *testing.T) {
	t.Parallel()
	r := newRecipe(t)
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	flags := []string{"--cert", r.certificate.certFile, "--key", r.certificate.keyFile, "--upstream", "http://127.0.0.1:9", "--users", r.usersFile}
	p := start(t, activated(t, socket, flags...))

	stop := make(chan struct{})
	var clients sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// A connection for each request: what is kept may be closed any time.
				client := r.certificate.client(l.Addr().String())
				client.Transport.(*http.Transport).DisableKeepAlives = true
				outcome := "none"
				if resp, err := client.Get("https://registry.test/v2/"); err != nil {
					outcome = err.Error()
				} else {
					resp.Body.Close()
					outcome = resp.Status
				}
				mu.Lock()
				answers[outcome]++
				mu.Unlock()
			}
		})
	}
	answered := func() int { mu.Lock(); defer mu.Unlock(); return answers["401 Unauthorized"] }
	for range 5 {
		before := answered()
		testkit.Await(t, "requests are answered", func() bool { return answered() > before+10 })
		p.cmd.Process.Signal(syscall.SIGTERM)
		if code := p.exitCode(t); code != 0 {
			t.Fatalf("exit code %d\n%s", code, p.output.String())
		}
		p = start(t, activated(t, socket, flags...))
	}
	before := answered()
	testkit.Await(t, "requests are answered", func() bool { return answered() > before+10 })
	close(stop)
	clients.Wait()
	if len(answers) != 1 {
		t.Errorf("answers: got %v, want nothing but 401", answers)
	}
}

// An inherited socket is no way around the refusal to take passwords readable.
func TestInheritedSocketInTheClearIsRefused(t *testing.T) {
	r := newRecipe(t)
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	p := start(t, activated(t, socket, "--upstream", "http://127.0.0.1:9", "--users", r.usersFile))
	if code := p.exitCode(t); code == 0 || !strings.Contains(p.output.String(), "passwords would cross the network readable") {
		t.Errorf("exit code %d\n%s", code, p.output.String())
	}
}

// TestSocketActivateStartsTheService has systemd's own tool hold the socket.
func TestSocketActivateStartsTheService(t *testing.T) {
	needs(t, "systemd-socket-activate")
	t.Parallel()
	r, addr := newRecipe(t), freeAddr(t)
	start(t, command(t, "systemd-socket-activate", "-l", addr, binary(t), "serve", "--cert", r.certificate.certFile, "--key", r.certificate.keyFile,
		"--upstream", "http://127.0.0.1:9", "--users", r.usersFile))
	testkit.Await(t, "the socket is open", func() bool { return accepts(addr) })
	resp, err := r.certificate.client(addr).Get("https://registry.test/v2/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %s, want 401", resp.Status)
	}
}
