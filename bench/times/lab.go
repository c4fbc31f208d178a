package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

var errNotInstalled = errors.New("not installed")

// lab is a folder with a gatehouse to start in it.
type lab struct {
	options
	dir       string
	gatehouse string
	directory *process // nil until it is needed
	url       string   // of the directory
}

func newLab(ctx context.Context, o options) (*lab, error) {
	dir, err := os.MkdirTemp("", "gatehouse-times-")
	if err != nil {
		return nil, fmt.Errorf("make the folder to work in: %w", err)
	}
	l := &lab{options: o, dir: dir, gatehouse: filepath.Join(dir, "gatehouse")}
	if err := l.fill(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// fill builds the program and writes what all scenes share.
func (l *lab) fill(ctx context.Context) error {
	texts, err := files()
	if err != nil {
		return fmt.Errorf("hash passwords: %w", err)
	}
	for name, text := range texts {
		if err := l.write(name+".htpasswd", text); err != nil {
			return err
		}
	}
	if err := l.write("password", "5ecret\n"); err != nil {
		return err
	}
	return runToEnd(ctx, "go", "build", "-o", l.gatehouse, "gatehouse/cmd/gatehouse")
}

func (l *lab) write(name, text string) error {
	if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write what the servers read: %w", err)
	}
	return nil
}

func (l *lab) close() {
	if l.directory != nil {
		l.directory.stop()
	}
	os.RemoveAll(l.dir)
}

// startDirectory starts the directory, unless it runs.
func (l *lab) startDirectory(ctx context.Context) error {
	if l.directory != nil {
		return nil
	}
	for _, name := range []string{"slapd", "slapadd"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s is %w", name, errNotInstalled)
		}
	}
	conf, content := filepath.Join(l.dir, "slapd.conf"), filepath.Join(l.dir, "content.ldif")
	addr, err := freeAddress()
	if err := errors.Join(err, os.Mkdir(filepath.Join(l.dir, "db"), 0o700),
		l.write("slapd.conf", strings.ReplaceAll(slapdConfig, "@DIR@", l.dir)), l.write("content.ldif", directory(l.samples)),
	); err != nil {
		return err
	}
	if err := runToEnd(ctx, "slapadd", "-q", "-f", conf, "-l", content); err != nil {
		return err
	}
	l.url = "ldap://" + addr
	l.directory, err = startProcess(ctx, addr, exec.Command("slapd", "-f", conf, "-d", "0", "-h", l.url))
	return err
}

// serve starts a gatehouse for a scene and returns its address.
func (l *lab) serve(ctx context.Context, s scene) (*process, string, error) {
	if s.needsDir {
		if err := l.startDirectory(ctx); err != nil {
			return nil, "", err
		}
	}
	addr, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	if err := l.write("config.toml", s.config(addr, l.url, l.options)); err != nil {
		return nil, "", err
	}
	p, err := startProcess(ctx, addr, exec.Command(l.gatehouse, "serve", "--config", filepath.Join(l.dir, "config.toml")))
	return p, addr, err
}

// process is a server that has been started.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

// startProcess starts a server and waits until it listens.
func startProcess(ctx context.Context, addr string, cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	p := &process{cmd, make(chan struct{})}
	go func() {
		cmd.Wait()
		close(p.exited)
	}()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return p, conn.Close()
		}
		select {
		case <-p.exited:
			return nil, fmt.Errorf("%s ended: %v", cmd, cmd.ProcessState)
		case <-ctx.Done():
			p.stop()
			return nil, fmt.Errorf("wait until %s listens: %w", cmd, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the process: politely, and after five seconds at once.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		p.cmd.Process.Kill()
		<-p.exited
	}
}

func runToEnd(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

func freeAddress() (string, error) {
	n, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return n.Addr().String(), n.Close()
}
