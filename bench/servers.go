package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// kind is a server program and how it is started for this: every kind takes a
// configuration file as its last argument.
type kind struct {
	name     string
	binaries []string // its names in the search path; none: built from this module
	version  []string
	args     []string
	config   string // a template over site
	silent   bool   // writes no access log and counts nothing; measured only if it is named
	tokens   bool   // its clients send tokens in place of passwords; measured only if it is named
}

// before is another gatehouse, which is measured beside this one where -before names it.
const before = "gatehouse-before"

// direct is the upstream itself, in clear text: what no proxy can be below.
const direct = "direct"

// kinds are the servers in the order of the report's columns.
func kinds() []kind {
	return []kind{
		{name: "gatehouse", version: []string{"version"}, args: []string{"serve", "--config"}, config: gatehouseConfig},
		{name: "gatehouse-silent", version: []string{"version"}, args: []string{"serve", "--config"}, config: gatehouseConfig, silent: true},
		{name: "gatehouse-tokens", version: []string{"version"}, args: []string{"serve", "--config"}, config: gatehouseConfig, tokens: true},
		{name: before, version: []string{"version"}, args: []string{"serve", "--config"}, config: gatehouseConfig},
		{name: "apache", binaries: []string{"apache2", "httpd"}, version: []string{"-v"}, args: []string{"-D", "FOREGROUND", "-f"}, config: apacheConfig},
		{name: "nginx", binaries: []string{"nginx"}, version: []string{"-v"}, args: []string{"-e", "stderr", "-c"}, config: nginxConfig},
		{name: "haproxy", binaries: []string{"haproxy"}, version: []string{"-v"}, args: []string{"-db", "-f"}, config: haproxyConfig},
	}
}

func serverNames() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return append(names, direct)
}

// site is what a configuration template sees.
type site struct {
	*lab
	Home    string // the server's own folder
	Listen  string
	Port    string
	Modules string // of Apache
	silent  bool
	Tokens  bool // clients send tokens
}

// AccessLog says whether requests are to be logged.
func (s site) AccessLog() bool { return s.accessLog && !s.silent }

// Metrics says whether gatehouse is to count what it does.
func (s site) Metrics() bool { return !s.silent }

// server is one that runs.
type server struct {
	*process
	version string
	addr    string
	tls     *tls.Config  // nil for clear text
	users   []credential // that only this one knows; nil for those of the lab
	suite   string       // of ciphers, that it chose
}

// absent is a server that is left out, and why.
type absent struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// field is all that runs.
type field struct {
	upstream *process
	servers  []*server
	absent   []absent
}

// startField starts all servers that are wanted and there. What has been
// started is also returned with an error, for the caller to stop.
func startField(ctx context.Context, l *lab, o options) (*field, error) {
	up, err := startUpstream(l)
	if err != nil {
		return nil, err
	}
	f := &field{upstream: up}
	plain := &server{process: up, version: "the upstream itself, without TLS and users", addr: l.Upstream}
	if err := plain.await(ctx, l); err != nil {
		return f, err
	}
	for _, k := range kinds() {
		if !o.wants(k.name) || (k.silent || k.tokens) && len(o.only) == 0 || k.name == before && o.before == "" {
			continue
		}
		binary, err := k.find(ctx, l, o)
		if err != nil {
			f.absent = append(f.absent, absent{k.name, err.Error()})
			continue
		}
		s, err := k.start(ctx, l, binary)
		if s != nil {
			f.servers = append(f.servers, s)
		}
		if err != nil {
			return f, err
		}
	}
	if o.wants(direct) {
		f.servers = append(f.servers, plain)
	}
	return f, nil
}

func (f *field) stop() {
	for _, s := range f.servers {
		if s.process != f.upstream {
			s.stop()
		}
	}
	f.upstream.stop()
}

func startUpstream(l *lab) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("%s: find this program: %w", direct, err)
	}
	cmd := exec.Command(self, upstreamCommand, l.Upstream, strconv.FormatInt(l.blob.size, 10))
	if _, err := cmd.StdinPipe(); err != nil { // ends when bench does
		return nil, fmt.Errorf("%s: %w", direct, err)
	}
	return startProcess(direct, l.Dir, cmd)
}

// find names the program of a kind; its error says why the kind is left out.
func (k kind) find(ctx context.Context, l *lab, o options) (string, error) {
	if k.name == before {
		return filepath.Abs(o.before)
	}
	if len(k.binaries) == 0 {
		return findGatehouse(ctx, l, o)
	}
	for _, folder := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/sbin", "/usr/sbin", "/sbin") {
		for _, name := range k.binaries {
			if found, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
				return found, nil
			}
		}
	}
	return "", fmt.Errorf("not installed (no %s in the search path)", strings.Join(k.binaries, " or "))
}

func (k kind) start(ctx context.Context, l *lab, binary string) (*server, error) {
	file, addr, err := k.configure(l)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.name, err)
	}
	cmd := exec.Command(binary, append(k.args, file)...)
	cmd.Env = append(os.Environ(), profilerSocketVariable+"="+profilerSocket(l))
	p, err := startProcess(k.name, filepath.Dir(file), cmd)
	if err != nil {
		return nil, err
	}
	s := &server{process: p, addr: addr, tls: l.clientTLS(), version: versionOf(ctx, binary, k.version)}
	if err := s.await(ctx, l); err != nil || !k.tokens {
		return s, err
	}
	s.users, err = fetchTokens(ctx, l, addr)
	return s, err
}

// configure writes the configuration of a server into a folder of its own.
func (k kind) configure(l *lab) (file, addr string, err error) {
	addr, err = freeAddress()
	if err != nil {
		return "", "", err
	}
	_, port, _ := strings.Cut(addr, ":")
	at := site{lab: l, Home: filepath.Join(l.Dir, k.name), Listen: addr, Port: port, Modules: apacheModules(), silent: k.silent, Tokens: k.tokens}
	t, err := template.New(k.name).Parse(k.config)
	if err != nil {
		return "", "", fmt.Errorf("read the template of the configuration: %w", err)
	}
	var text strings.Builder
	if err := t.Execute(&text, at); err != nil {
		return "", "", fmt.Errorf("write the configuration: %w", err)
	}
	if err := os.Mkdir(at.Home, 0o755); err != nil {
		return "", "", fmt.Errorf("make a folder: %w", err)
	}
	file = filepath.Join(at.Home, "config")
	return file, addr, writeFile(file, text.String(), 0o644)
}

// versionOf is the first line that a program prints about its version.
func versionOf(ctx context.Context, binary string, args []string) string {
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(cmp.Or(stdout.String(), stderr.String()), "\n") // nginx says it on standard error
	return strings.TrimSpace(line)
}

// await returns when s answers as it should.
func (s *server) await(ctx context.Context, l *lab) error {
	var last error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.exited:
			return s.explain(errExited)
		case <-time.After(50 * time.Millisecond):
		}
		if last = s.ping(ctx, l); last == nil {
			return nil
		}
	}
	return s.explain(errors.Join(errors.New("it does not answer as it should"), last))
}

func (s *server) ping(ctx context.Context, l *lab) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := dial(ctx, s)
	if err != nil {
		return err
	}
	defer c.close()
	s.suite = c.suite()
	return c.do(rootRequest(s.user(l, 0)))
}
