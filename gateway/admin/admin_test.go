package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/gateway"
	"gatehouse/internal/testkit"
)

// fakeGateway is whatever a test wants it to be.
type fakeGateway struct {
	mu    sync.Mutex
	stats gateway.Stats
	last  []gateway.Refusal
}

func (g *fakeGateway) Stats() gateway.Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stats
}

func (g *fakeGateway) set(s gateway.State) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stats.State = s
}

func (g *fakeGateway) Addrs() []net.Addr {
	return []net.Addr{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5043}}
}

func (g *fakeGateway) LastRefusals(n int) []gateway.Refusal { return g.last[:min(n, len(g.last))] }

// directory is a backend with one server.
type directory struct {
	backend.Backend
	down bool
}

func (d directory) Status() backend.Status {
	return backend.Status{Degraded: d.down, Servers: []backend.ServerStatus{{
		Address: "dc1.corp.example:636", Down: d.down, LastError: "connect: <refused>", LastFault: time.Now(),
	}}}
}

// testServer is a server under test, with a client for each way in.
type testServer struct {
	*Server
	gateway   *fakeGateway
	log       *testkit.Buffer
	tcp, unix *http.Client
	addr      string
}

// start runs a server until the test ends.
func start(t *testing.T, change func(*Config)) *testServer {
	t.Helper()
	ts := &testServer{gateway: &fakeGateway{stats: gateway.Stats{State: gateway.StateServing}}, log: new(testkit.Buffer)}
	cfg := Config{
		Listen: "127.0.0.1:0", Socket: filepath.Join(t.TempDir(), "admin.sock"), Version: "v1.2.3",
		Gateway: ts.gateway, Metrics: gateway.NewMetrics("v1.2.3", "go1"),
		Configuration: func() Configuration {
			return Configuration{File: "/etc/gatehouse/config.toml", Hash: "abc", Loaded: time.Now(), LastReload: Reload{Time: time.Now(), OK: true}}
		},
		Log: slog.New(slog.NewTextHandler(ts.log, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	ts.Server = s
	if err := s.Listen(); err != nil {
		t.Fatalf("Listen: %v", err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	ts.connect(cfg)
	return ts
}

func (ts *testServer) connect(cfg Config) {
	dial := func(network, address string) *http.Client {
		return &http.Client{
			Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, address)
			}},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if cfg.Listen != "" {
		ts.addr = ts.Addrs()[0].String()
		ts.tcp = dial("tcp", ts.addr)
	}
	ts.unix = dial("unix", cfg.Socket)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request whose target is path and whose headers are fields, as "Name:
// value".
func ask(t *testing.T, c *http.Client, method, path string, fields ...string) answer {
	t.Helper()
	r, err := http.NewRequest(method, "http://localhost"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		if f == "" {
			continue
		}
		name, value, _ := strings.Cut(f, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func TestWhatIsServedWhere(t *testing.T) {
	ts := start(t, func(c *Config) {
		c.Reload = func(context.Context) error { return nil }
		c.Purge = func(string) (int, error) { return 2, nil }
		c.Why = func(id string) (any, bool) { return map[string]string{"id": id}, id == "1234ABCD" }
		c.Probe = func(_ context.Context, name string) (any, bool) {
			return map[string]string{"backend": name}, name == "cor p"
		}
	})
	for _, test := range []struct {
		method, path string
		tcp, unix    int
	}{
		{"GET", "/metrics", 200, 200}, {"HEAD", "/metrics", 200, 200},
		{"GET", "/livez", 200, 200}, {"GET", "/readyz", 200, 200},
		{"GET", "/status", 200, 200}, {"GET", "/status.json", 200, 200}, {"GET", "/", 302, 302},
		{"GET", "/nothing", 404, 404},
		{"POST", "/reload", 405, 200}, {"GET", "/reload", 404, 405},
		{"POST", "/purge", 405, 200}, {"POST", "/purge?user=alice", 405, 200}, {"POST", "/purge?user=", 405, 400},
		{"GET", "/purge", 404, 405},
		{"POST", "/probe/cor%20p", 405, 200}, {"POST", "/probe/other", 405, 404}, {"GET", "/probe/cor%20p", 404, 405},
		{"GET", "/why/1234ABCD", 404, 200}, {"GET", "/why/00000000", 404, 404},
		{"POST", "/status", 405, 200}, {"OPTIONS", "/status", 405, 200}, {"DELETE", "/metrics", 405, 200},
		{"GET", "/debug/pprof/", 404, 404}, {"GET", "/debug/pprof/cmdline", 404, 404},
	} {
		if got := ask(t, ts.tcp, test.method, test.path).status; got != test.tcp {
			t.Errorf("%s %s over TCP: %d, want %d", test.method, test.path, got, test.tcp)
		}
		if got := ask(t, ts.unix, test.method, test.path).status; got != test.unix {
			t.Errorf("%s %s on the socket: %d, want %d", test.method, test.path, got, test.unix)
		}
	}
}

func TestProfilesAreServedOnlyIfSwitchedOnAndOnlyHere(t *testing.T) {
	local := start(t, func(c *Config) { c.PProf = true })
	if got := ask(t, local.tcp, "GET", "/debug/pprof/cmdline").status; got != 200 {
		t.Errorf("over TCP on loopback: %d, want 200", got)
	}
	if got := ask(t, local.unix, "GET", "/debug/pprof/cmdline").status; got != 200 {
		t.Errorf("on the socket: %d, want 200", got)
	}
	remote := start(t, func(c *Config) { c.PProf, c.InsecureRemote, c.Listen = true, true, "0.0.0.0:0" })
	if got := ask(t, remote.tcp, "GET", "/debug/pprof/cmdline").status; got != 404 {
		t.Errorf("over TCP for everybody: %d, want 404", got)
	}
	if got := ask(t, remote.unix, "GET", "/debug/pprof/cmdline").status; got != 200 {
		t.Errorf("on the socket of the same: %d, want 200", got)
	}
}

// A page on the web whose name leads to this address reads nothing.
func TestRequestsUnderOtherNamesAreRefused(t *testing.T) {
	ts := start(t, func(c *Config) { c.Hosts = []string{"gatehouse"} })
	_, port, _ := net.SplitHostPort(ts.addr)
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:" + port: 200, "127.0.0.1:" + port: 200, "127.8.9.1": 200, "[::1]:" + port: 200, "gatehouse:" + port: 200,
		"evil.example": 421, "evil.example:" + port: 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421,
		"10.0.0.1:" + port: 421, "0.0.0.0:" + port: 421, "gatehouse.evil.example": 421,
	} {
		for _, path := range []string{"/status", "/metrics", "/livez", "/status.json"} {
			if got := ask(t, ts.tcp, "GET", path, "Host: "+host).status; got != want {
				t.Errorf("%s of %s: %d, want %d", path, host, got, want)
			}
		}
	}
}

func TestListenerForEverybodyKnowsItsOwnAddress(t *testing.T) {
	ts := start(t, func(c *Config) { c.Listen, c.InsecureRemote = "0.0.0.0:0", true })
	_, port, _ := net.SplitHostPort(ts.addr)
	conn, err := net.Dial("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for host, want := range map[string]int{"127.0.0.2": 200, "203.0.113.9": 421, "evil.example": 421} {
		if got := ask(t, ts.tcp, "GET", "/livez", "Host: "+host+":"+port).status; got != want {
			t.Errorf("%s: %d, want %d", host, got, want)
		}
	}
}

func TestOtherOriginsAreNotLetIn(t *testing.T) {
	ts := start(t, nil)
	for _, path := range []string{"/metrics", "/livez", "/readyz", "/status", "/status.json", "/nothing"} {
		a := ask(t, ts.tcp, "GET", path, "Origin: https://evil.example")
		for name := range a.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: the answer has %s", path, name)
			}
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
		if policy := a.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: Content-Security-Policy: %q", path, policy)
		}
	}
}

func TestAddressesThatOthersCanReachAreRefused(t *testing.T) {
	for address, local := range map[string]bool{
		"127.0.0.1:9043": true, "localhost:9043": true, "[::1]:9043": true, "127.0.0.2:0": true, "": true,
		":9043": false, "0.0.0.0:9043": false, "[::]:9043": false, "192.0.2.1:9043": false, "gatehouse.example:9043": false, "localhost.example:9043": false,
	} {
		if err := checkListen(address, false); (err == nil) != local {
			t.Errorf("%q: %v", address, err)
		}
		if err := checkListen(address, true); err != nil {
			t.Errorf("%q with insecure_remote: %v", address, err)
		}
	}
	if err := checkListen("localhost", true); err == nil {
		t.Error("an address without a port is taken")
	}
	if _, err := New(Config{Listen: ":9043"}); err == nil {
		t.Error("New takes an address that others can reach")
	}
}

func TestReadiness(t *testing.T) {
	ts := start(t, nil)
	for state, want := range map[gateway.State]answer{
		gateway.StateStarting: {status: 503, body: "starting\n"},
		gateway.StateServing:  {status: 200, body: "ready\n"},
		gateway.StateDraining: {status: 503, body: "draining\n"},
	} {
		ts.gateway.set(state)
		if got := ask(t, ts.tcp, "GET", "/readyz"); got.status != want.status || got.body != want.body {
			t.Errorf("%s: %d %q, want %d %q", state, got.status, got.body, want.status, want.body)
		}
		if got := ask(t, ts.tcp, "GET", "/livez"); got.status != 200 {
			t.Errorf("%s: /livez: %d", state, got.status)
		}
	}
}

// All replicas would be taken out of service at once otherwise.
func TestDirectoryOutageIsDegradedAndReady(t *testing.T) {
	ts := start(t, func(c *Config) {
		c.Metrics.SetBackends([]gateway.BackendInfo{{Name: "local"}, {Name: "corp", Backend: directory{down: true}}})
	})
	if got := ask(t, ts.tcp, "GET", "/readyz"); got.status != 200 || got.body != "degraded: backend corp\n" {
		t.Errorf("readiness: %d %q", got.status, got.body)
	}
	if s := ts.Status(); !s.Degraded || s.Backends[0].Degraded || !s.Backends[1].Degraded {
		t.Errorf("status: %+v", s.Backends)
	}
}

func TestReloadSaysWhatCameOfIt(t *testing.T) {
	var failure error
	ts := start(t, func(c *Config) { c.Reload = func(context.Context) error { return failure } })
	var done struct{ File, Hash, Error string }
	a := ask(t, ts.unix, "POST", "/reload")
	if err := json.Unmarshal([]byte(a.body), &done); err != nil || a.status != 200 || done.Hash != "abc" {
		t.Errorf("a good one: %d %s (%v)", a.status, a.body, err)
	}
	failure = errors.New("config.toml:3:1: unknown key")
	a = ask(t, ts.unix, "POST", "/reload")
	if err := json.Unmarshal([]byte(a.body), &done); err != nil || a.status != 422 || done.Error != failure.Error() {
		t.Errorf("a bad one: %d %s (%v)", a.status, a.body, err)
	}
}

func TestPurgeNamesTheUser(t *testing.T) {
	var purged []string
	ts := start(t, func(c *Config) {
		c.Purge = func(user string) (int, error) { purged = append(purged, user); return 2, nil }
	})
	ask(t, ts.unix, "POST", "/purge")
	a := ask(t, ts.unix, "POST", "/purge?user=al%20ice%26b")
	if fmt.Sprintf("%q", purged) != `["" "al ice&b"]` || !strings.Contains(a.body, `"caches": 2`) {
		t.Errorf("purged %q, and answered %s", purged, a.body)
	}
	if strings.Contains(ts.log.String(), "al ice") {
		t.Errorf("the log names the user: %s", ts.log)
	}
}

func TestPanicEndsTheRequestAlone(t *testing.T) {
	ts := start(t, func(c *Config) {
		c.Reload = func(context.Context) error { panic("out of order") }
		c.Metrics.SetBackends([]gateway.BackendInfo{{Name: "corp", Backend: panicking{}}})
	})
	for _, path := range []string{"/reload", "/status"} {
		if resp, err := ts.unix.Post("http://localhost"+path, "", nil); err == nil {
			resp.Body.Close()
			t.Errorf("%s: %s, want no answer", path, resp.Status)
		}
	}
	if a := ask(t, ts.tcp, "GET", "/metrics"); a.status != 200 || !strings.Contains(a.body, "gatehouse_build_info") {
		t.Errorf("/metrics: %d, want what there is in spite of the backend", a.status)
	}
	if got := ask(t, ts.tcp, "GET", "/livez").status; got != 200 {
		t.Errorf("/livez afterwards: %d", got)
	}
}

type panicking struct{ backend.Backend }

func (panicking) Status() backend.Status { panic("out of order") }

func TestSocketIsForItsOwnerAndGroup(t *testing.T) {
	ts := start(t, nil)
	info, err := os.Stat(ts.cfg.Socket)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != os.ModeSocket|0o660 {
		t.Errorf("mode %v, want 0660", got)
	}
	left, err := os.ReadDir(filepath.Dir(ts.cfg.Socket))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the socket there are %v (%v)", left, err)
	}
}

func TestSocketThatNobodyServesIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	ts := start(t, func(c *Config) { c.Socket = path })
	if got := ask(t, ts.unix, "GET", "/livez").status; got != 200 {
		t.Errorf("status %d", got)
	}
}

func TestSocketThatIsServedIsLeftAlone(t *testing.T) {
	first := start(t, nil)
	second, err := New(first.cfg)
	if err != nil {
		t.Fatal(err)
	}
	second.cfg.Listen = ""
	if err := second.Listen(); err == nil || !strings.Contains(err.Error(), "another process serves it") {
		t.Errorf("Listen: %v", err)
	}
	if got := ask(t, first.unix, "GET", "/livez").status; got != 200 {
		t.Errorf("the first one afterwards: %d", got)
	}
}

func TestFileInThePlaceOfTheSocketIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Socket: path, Metrics: gateway.NewMetrics("v1", "go1")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("Listen: %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("the file holds %q (%v)", text, err)
	}
}

func TestSocketIsGoneAfterClose(t *testing.T) {
	s, err := New(Config{Socket: filepath.Join(t.TempDir(), "admin.sock"), Metrics: gateway.NewMetrics("v1", "go1")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	<-served
	if _, err := os.Lstat(s.cfg.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket: %v", err)
	}
}
