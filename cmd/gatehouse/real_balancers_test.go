package main_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"gatehouse/internal/testkit"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The tests in this file hold the gateway to the checks of load balancers that
// docs/monitoring.md shows. The only route answers to a name that none of them says.

// healthConfig is a configuration with a health path, but for the file of users.
const healthConfig = `
[health]
path = "/-/healthz"

[[backend]]
name = "local"
type = "htpasswd"
users_file = %q

[[route]]
host = "one.registry.test"
path = "/"
upstream = "http://127.0.0.1:1"
backend = "local"

  [[route.rule]]
  name = "all"
  require = ["valid-user"]
`

// withHealth starts the program with a health path, for one host alone.
func withHealth(t *testing.T) front {
	t.Helper()
	r := newRecipe(t)
	config := filepath.Join(r.dir, "health.toml")
	writeFile(t, config, fmt.Appendf(nil, healthConfig, r.usersFile), 0o644)
	return r.serve(t, "--config", config)
}

// haproxyBlocks returns the configurations of HAProxy in the manual, each of which is a
// backend with one server, put before f.
func haproxyBlocks(t *testing.T, f front) []string {
	t.Helper()
	var blocks []string
	for _, block := range fenced(document(t, "docs/monitoring.md"), "haproxy") {
		text := strings.TrimPrefix(block, "backend gatehouse\n")
		blocks = append(blocks, strings.NewReplacer("10.0.0.1:5043", f.addr, "/etc/ssl/ca.pem", f.certificate.certFile, "registry.example", "registry.test").Replace(text)+"\n")
	}
	return blocks
}

// TestHAProxyChecksAsInTheManual: HAProxy takes the gateway for up with each block of
// the manual, and for down once it has ended.
func TestHAProxyChecksAsInTheManual(t *testing.T) {
	needs(t, "haproxy")
	t.Parallel()
	f := withHealth(t)
	blocks := haproxyBlocks(t, f)
	if len(blocks) != 2 || strings.Contains(blocks[0], "alpn h2") || !strings.Contains(blocks[1], "alpn h2") {
		t.Fatalf("the manual has the blocks %q, want one for HTTP/1.0 and one for HTTP/2", blocks)
	}
	dir := publicDir(t)
	text, socket := "", filepath.Join(dir, "stats.sock")
	for i, block := range blocks {
		text += fmt.Sprintf("backend gatehouse%d\n%s", i, block)
	}
	config := filepath.Join(dir, "haproxy.cfg")
	writeFile(t, config, fmt.Appendf(nil, `global
  stats socket %s
defaults
  timeout connect 5s
  timeout server 5s
  timeout client 5s
  timeout check 5s
  default-server inter 100ms fall 1
%s`, socket, text), 0o644)
	start(t, command(t, "haproxy", "-db", "-f", config))
	for i := range blocks {
		name := fmt.Sprintf("gatehouse%d", i)
		testkit.Await(t, name+" is up", func() bool { return haproxyCheck(socket, name) == "L7OK 200" })
	}
	f.stop()
	for i := range blocks {
		name := fmt.Sprintf("gatehouse%d", i)
		testkit.Await(t, name+" is down", func() bool { return haproxyCheck(socket, name) == "L4CON " })
	}
}

// haproxyCheck returns the outcome of the last check of a backend's server, empty if
// there is none yet.
func haproxyCheck(socket, name string) string {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return ""
	}
	defer c.Close()
	io.WriteString(c, "show stat\n")
	table, _ := io.ReadAll(c)
	for line := range strings.Lines(string(table)) {
		if f := strings.Split(line, ","); f[0] == name && len(f) > 37 && f[1] != "BACKEND" {
			return strings.TrimPrefix(f[36], "* ") + " " + f[37] // check_status, check_code
		}
	}
	return ""
}

// TestProbesOfKubernetes: kubelet asks at the address of the pod, names no server in
// the handshake, verifies no certificate, and speaks HTTP/2 where it may.
func TestProbesOfKubernetes(t *testing.T) {
	t.Parallel()
	f := withHealth(t)
	for _, over2 := range []bool{false, true} {
		client := http.Client{Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
			ForceAttemptHTTP2: over2, DisableKeepAlives: true, DisableCompression: true,
		}}
		req, err := http.NewRequest("GET", "https://"+f.addr+"/-/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("User-Agent", "kube-probe/1.34")
		req.Header.Set("Accept", "*/*")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || (resp.ProtoMajor == 2) != over2 {
			t.Errorf("over HTTP/2 %v: %s, %s", over2, resp.Status, resp.Proto)
		}
	}
}

// TestChecksOfELB: a load balancer of AWS asks at the address, which it names as the
// host, or without a host, and names no server in the handshake.
func TestChecksOfELB(t *testing.T) {
	t.Parallel()
	f := withHealth(t)
	for _, request := range []string{
		"GET /-/healthz HTTP/1.1\r\nHost: " + f.addr + "\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n",
		"GET /-/healthz HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\n\r\n",
		"GET /-/healthz HTTP/1.1\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\n\r\n",
		"GET /-/healthz HTTP/1.0\r\n\r\n",
	} {
		c, err := tls.Dial("tcp", f.addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, request)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%q: %v, %v", request, resp, err)
		}
		c.Close()
	}
}

// TestExplainKnowsTheHealthPath: there is no rule about it, and it needs none.
func TestExplainKnowsTheHealthPath(t *testing.T) {
	r := newRecipe(t)
	config := filepath.Join(r.dir, "health.toml")
	writeFile(t, config, fmt.Appendf(nil, healthConfig, r.usersFile), 0o644)
	for line, want := range map[string]struct {
		code int
		says string
	}{
		"explain GET /-/healthz":                        {0, "200 OK from the gateway itself"},
		"explain HEAD /-/healthz --host other.test":     {0, "is the same at every host and without a login"},
		"explain POST /-/healthz":                       {1, "405 Method Not Allowed from the gateway itself"},
		"explain GET /-/healthz?x":                      {1, "401 Unauthorized"},
		"explain -o json GET /-/healthz":                {0, `"health": true`},
		"can-i GET /-/healthz":                          {0, "yes"},
		"explain GET /-/healthz --user x --groups gods": {0, "allowed"},
	} {
		cmd := command(t, binary(t), append(strings.Fields(line), "--config", config)...)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != want.code || !strings.Contains(string(out), want.says) {
			t.Errorf("%s: exit code %d, want %d and %q in\n%s", line, code, want.code, want.says, out)
		}
	}
}
