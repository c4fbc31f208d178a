package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// process is a program that bench started, with all its children: the members
// of its process group.
type process struct {
	name   string
	cmd    *exec.Cmd
	log    string // what it writes to standard output and error
	exited chan struct{}
}

func startProcess(name, dir string, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: cmd, log: filepath.Join(dir, "output.log"), exited: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("%s: keep its output: %w", name, err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	// A group of its own also keeps Ctrl-C for bench, which stops all in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: start: %w", name, err)
	}
	go func() {
		cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// stop asks the process to end, and makes what is left of its group end after
// five seconds.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
	}
	syscall.Kill(-p.group(), syscall.SIGKILL)
	<-p.exited
}

func (p *process) group() int { return p.cmd.Process.Pid }

// explain adds the end of what the process wrote to err.
func (p *process) explain(err error) error {
	const most = 2000
	written, readErr := os.ReadFile(p.log)
	if readErr != nil || len(written) == 0 {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return fmt.Errorf("%s: %w\nits last words:\n%s", p.name, err, written[max(0, len(written)-most):])
}

var errExited = errors.New("it ended by itself")
