package main_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// recipe is the folder that an administrator of the recipe has: a certificate,
// a password file and a group file.
type recipe struct {
	dir                   string
	certificate           certificate
	usersFile, groupsFile string
}

func newRecipe(t *testing.T) recipe {
	t.Helper()
	dir := publicDir(t)
	r := recipe{
		dir:         dir,
		certificate: newCertificate(t, dir),
		usersFile:   filepath.Join(dir, "httpd.htpasswd"),
		groupsFile:  filepath.Join(dir, "httpd.groups"),
	}
	users := htpasswdLine(t, puller, pullerPassword) + htpasswdLine(t, pusher, pusherPassword)
	writeFile(t, r.usersFile, []byte(users), 0o644)
	writeFile(t, r.groupsFile, []byte("pusher: "+pusher+"\n"), 0o644)
	return r
}

// front is a server that stands before a registry.
type front struct {
	*process
	addr        string
	certificate certificate
}

// gatehouse starts the program with the recipe's files and flags alone.
func (r recipe) gatehouse(t *testing.T, upstream string, flags ...string) front {
	t.Helper()
	return r.serve(t, append([]string{"--upstream", upstream, "--users", r.usersFile, "--groups", r.groupsFile}, flags...)...)
}

// serve starts the program with the recipe's certificate.
func (r recipe) serve(t *testing.T, flags ...string) front {
	t.Helper()
	addr := freeAddr(t)
	p := start(t, command(t, binary(t), append([]string{"serve", "--listen", addr,
		"--cert", r.certificate.certFile, "--key", r.certificate.keyFile}, flags...)...))
	p.listening(t, addr)
	return front{p, addr, r.certificate}
}

// apache starts apache2 with the recipe's configuration.
func (r recipe) apache(t *testing.T, upstream string) front {
	t.Helper()
	conf, err := os.ReadFile("testdata/apache-recipe.conf")
	if err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	text := strings.NewReplacer("@DIR@", r.dir, "@LISTEN@", addr, "@UPSTREAM@", upstream).Replace(string(conf))
	file := filepath.Join(r.dir, "httpd.conf")
	writeFile(t, file, []byte(text), 0o644)
	p := start(t, command(t, "apache2", "-f", file, "-D", "FOREGROUND"))
	p.listening(t, addr)
	return front{p, addr, r.certificate}
}

// request sends a request to the front and returns the answer with its body read.
func (f front) request(t *testing.T, method, path, user, password string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, "https://registry.test"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	client := f.certificate.client(f.addr)
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// registryProgram is a server that gatehouse is put before.
type registryProgram struct {
	name    string
	program string
	command func(t *testing.T, config string) *exec.Cmd
}

// registries are those that most tests are run before.
var registries = []registryProgram{
	{"docker-registry", "docker-registry", func(t *testing.T, config string) *exec.Cmd {
		return command(t, "docker-registry", "serve", config)
	}},
	{"distribution-v3", "registry", func(t *testing.T, config string) *exec.Cmd {
		cmd := command(t, "registry", "serve", config)
		cmd.Env = append(cmd.Env, "OTEL_TRACES_EXPORTER=none")
		return cmd
	}},
}

// start starts it with an empty store and returns its URL.
func (r registryProgram) start(t *testing.T) string {
	t.Helper()
	return r.startBelow(t, "/")
}

// startBelow is start for a registry of which all paths begin with prefix.
func (r registryProgram) startBelow(t *testing.T, prefix string) string {
	t.Helper()
	return r.startWith(t, prefix, "")
}

// startWith is startBelow with more of the configuration of the registry.
func (r registryProgram) startWith(t *testing.T, prefix, more string) string {
	t.Helper()
	dir, addr := t.TempDir(), freeAddr(t)
	config := filepath.Join(dir, "config.yml")
	writeFile(t, config, fmt.Appendf(nil, `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %s}
  delete: {enabled: true}
http:
  addr: %s
  prefix: %s
  secret: the same for every start
%s`, filepath.Join(dir, "store"), addr, prefix, more), 0o644)
	start(t, r.command(t, config)).listening(t, addr)
	return "http://" + addr
}

// tunnel starts an HTTP proxy that joins the given host names to addresses and
// knows no others, and returns the environment that makes a program use it and
// trust the certificate.
//
// That is how docker is made to take a server on a loopback address seriously:
// it would look past a bad certificate, and fall back to plain HTTP, for any
// name that resolves to 127.0.0.0/8, which names behind a proxy do not.
func tunnel(t *testing.T, c certificate, addrs map[string]string) []string {
	t.Helper()
	return slowTunnel(t, c, addrs, 0)
}

// slowTunnel is a tunnel in which each connection takes so many bytes a second from its
// client; 0 for any number.
func slowTunnel(t *testing.T, c certificate, addrs map[string]string, rate int) []string {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := net.SplitHostPort(r.Host)
		addr, known := addrs[name]
		if r.Method != http.MethodConnect || !known {
			http.Error(w, "no way to "+r.Host, http.StatusForbidden)
			return
		}
		join(w, addr, rate)
	}))
	t.Cleanup(proxy.Close)
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	return []string{"HTTPS_PROXY=http://" + u.Host, "HTTP_PROXY=http://" + u.Host, "SSL_CERT_FILE=" + c.certFile, "SSL_CERT_DIR=" + t.TempDir()}
}

// join answers a CONNECT and copies both ways between its client and addr, of what the
// client sends so many bytes a second.
func join(w http.ResponseWriter, addr string, rate int) {
	server, err := net.Dial("tcp", addr)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	client, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		server.Close()
		return
	}
	fmt.Fprint(client, "HTTP/1.1 200 OK\r\n\r\n")
	halve := func(dst, src net.Conn, rate int) {
		io.Copy(pacedWriter{dst, rate}, src)
		dst.(*net.TCPConn).CloseWrite()
	}
	go halve(server, client, rate)
	go func() {
		halve(client, server, 0)
		server.Close()
		client.Close()
	}()
}

// pacedWriter takes so many bytes a second; any number if that is 0.
type pacedWriter struct {
	io.Writer
	rate int
}

func (w pacedWriter) Write(b []byte) (int, error) {
	if w.rate > 0 {
		time.Sleep(time.Duration(len(b)) * time.Second / time.Duration(w.rate))
	}
	return w.Writer.Write(b)
}
