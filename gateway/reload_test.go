package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"gatehouse/backend"
	"gatehouse/backend/watch"
	"gatehouse/gateway/record"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/upstream"
	"gatehouse/internal/testkit"
)

// side is one of two configurations that differ in all that a request meets.
type side string

// Authenticate knows one user, whose name has the side in it.
func (s side) Authenticate(_ context.Context, user, password string) (backend.Identity, error) {
	if user != "alice" || password != "alice-secret" {
		return backend.Identity{}, backend.ErrWrongPassword
	}
	return backend.Identity{User: "user-" + string(s), Source: "people"}, nil
}

// Groups returns one group, which has the side in its name.
func (s side) Groups(context.Context, backend.Identity) ([]string, error) {
	return []string{"group-" + string(s)}, nil
}

// newSide returns the configuration of a side, whose upstream answers with what it
// was told.
func newSide(t *testing.T, s side) Route {
	t.Helper()
	up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "upstream-"+string(s)+" "+r.Header.Get("X-User-"+string(s))+" "+r.Header.Get("X-Group-"+string(s)))
	})
	return Route{
		Path: "/v2/", Realm: "realm-" + string(s), Backend: s, Upstream: upstream.Config{URL: up.URL},
		UserHeader: "X-User-" + string(s), GroupsHeader: "X-Group-" + string(s),
		Rules: []rules.Rule{
			{Name: "pull-" + string(s), Methods: []string{"GET"}, Paths: everyPath, Require: mustRequire(t, "group group-"+string(s))},
			{Name: "push-" + string(s), Paths: everyPath, Require: mustRequire(t, "group nobody-"+string(s))},
		},
	}
}

// sideOf returns the side that an answer is from. It fails the test if there is
// another side in it, or none.
func sideOf(t *testing.T, answer string) side {
	t.Helper()
	a, b := strings.Contains(answer, "-a"), strings.Contains(answer, "-b")
	if a == b {
		t.Errorf("an answer is from a mixture of two configurations: %q", answer)
	}
	if a {
		return "a"
	}
	return "b"
}

// ask sends a request of alice, or with a wrong password where she is told so, and
// returns all of the answer that a configuration has a part in.
func ask(t *testing.T, client *http.Client, method, url, password string) (answer string, reused bool) {
	t.Helper()
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), method, url, nil)
	if err != nil {
		t.Error(err)
		return "", false
	}
	r.SetBasicAuth("alice", password)
	resp, err := client.Do(r)
	if err != nil {
		t.Errorf("%s %s: %v", method, url, err)
		return "", false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("%s %s: body: %v", method, url, err)
	}
	return resp.Proto + " " + resp.Status + " " + resp.Header.Get("Www-Authenticate") + " " + string(body), reused
}

// reload puts routes into service, with all else that tg was started with.
func (tg *testGateway) reload(t *testing.T, routes ...Route) {
	t.Helper()
	cfg := tg.cfg
	cfg.Routes = routes
	if err := tg.Reload(cfg); err != nil {
		t.Fatalf("Reload: %v", err)
	}
}

func TestReloadHoldsFromTheNextRequestOfAConnection(t *testing.T) {
	for name, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		tg := startGateway(t, change, newSide(t, "a"))
		client := tg.client(t)
		before, _ := ask(t, client, "GET", tg.url("/v2/"), "alice-secret")
		tg.reload(t, newSide(t, "b"))
		after, reused := ask(t, client, "GET", tg.url("/v2/"), "alice-secret")
		if want := name + " 200 OK  upstream-a user-a group-a"; before != want {
			t.Errorf("before: %q, want %q", before, want)
		}
		if want := name + " 200 OK  upstream-b user-b group-b"; after != want {
			t.Errorf("after: %q, want %q", after, want)
		}
		if !reused {
			t.Errorf("%s: the connection did not outlive the reload", name)
		}
	}
}

// A user who is taken out of the rules is out with the next request, also where the
// connection and the credentials are old.
func TestReloadTakesRightsAwayAtOnce(t *testing.T) {
	route := recipeRoute(t, newCapture(t).url())
	tg := startGateway(t, nil, route)
	w := tg.dial(t)
	push := head("PUT /v2/app/manifests/1 HTTP/1.1", "Content-Length: 0")
	w.send(t, push)
	if got := w.answer(t, "PUT").StatusCode; got != 200 {
		t.Errorf("before: status %d", got)
	}
	route.Rules = route.Rules[:1]
	tg.reload(t, route)
	w.send(t, push)
	if got := w.answer(t, "PUT").StatusCode; got != 403 {
		t.Errorf("after: status %d", got)
	}
}

func TestRunningRequestEndsUnderWhatItBeganWith(t *testing.T) {
	for name, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		old, next := newCapture(t), newCapture(t)
		var released atomic.Int64
		tg := startGateway(t, func(c *Config) {
			if change != nil {
				change(c)
			}
			c.Released = func() { released.Add(1) }
		}, recipeRoute(t, old.url()))
		feed, answer := uploading(t, tg, old)
		cfg := tg.cfg
		cfg.Routes, cfg.Released = []Route{recipeRoute(t, next.url())}, nil
		if err := tg.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		if got := tg.do(t, "pull", "GET", "/v2/", nil).StatusCode; got != 200 {
			t.Errorf("%s: the next request: status %d", name, got)
		}
		if n := released.Load(); n != 0 {
			t.Errorf("%s: what the upload began with was released under it", name)
		}
		feed.Write([]byte(" and end"))
		feed.Close()
		if resp := <-answer; resp == nil || resp.StatusCode != 200 || old.bodies[0] != "begin and end" {
			t.Errorf("%s: answer %v, the upstream got %q", name, resp, old.bodies)
		}
		if begun, _, _ := next.counts(); begun != 1 {
			t.Errorf("%s: the new upstream got %d requests, want 1", name, begun)
		}
		testkit.Await(t, name+": what the upload began with is released", func() bool { return released.Load() == 1 })
	}
}

func TestReloadKeepsTheConnectionsOfUnchangedUpstreams(t *testing.T) {
	kept, changed := newCapture(t), newCapture(t)
	routes := func(idle time.Duration) []Route {
		a, b := recipeRoute(t, kept.url()), recipeRoute(t, changed.url())
		a.Path, b.Path = "/v2/kept/", "/v2/changed/"
		b.Upstream.IdleTimeout = idle
		return []Route{a, b}
	}
	tg := startGateway(t, nil, routes(time.Minute)...)
	pull := func() {
		tg.do(t, "pull", "GET", "/v2/kept/x", nil)
		tg.do(t, "pull", "GET", "/v2/changed/x", nil)
		testkit.Await(t, "the connections are idle", func() bool { return tg.sites.current().slots.Stats().Idle == 2 })
	}
	pull()
	for range 3 {
		tg.reload(t, routes(2*time.Minute)...)
		pull()
	}
	for what, up := range map[string]*capture{"unchanged": kept, "changed once": changed} {
		want := 1
		if up == changed {
			want = 2
		}
		up.mu.Lock()
		if up.conns != want {
			t.Errorf("%s: %d connections, want %d", what, up.conns, want)
		}
		up.mu.Unlock()
	}
}

// The authorities are part of what an upstream is: a connection that was made under
// others does not go on.
func TestReloadSeesAnUpstreamsChangedFiles(t *testing.T) {
	dir := t.TempDir()
	files := testCertificate(t, dir, "localhost")
	pair, err := watch.LoadKeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	up := newUpstreamScript(t, func(c net.Conn, _ *http.Request) bool { io.WriteString(c, hello); return true },
		&tls.Config{Certificates: []tls.Certificate{pair}})
	route := recipeRoute(t, "https://"+up.Addr().String())
	route.Upstream.CAFile = filepath.Join(dir, "ca.pem")
	copyFile(t, files.CertFile, route.Upstream.CAFile)
	tg := startGateway(t, nil, route)
	if got := tg.do(t, "pull", "GET", "/v2/", nil).StatusCode; got != 200 {
		t.Errorf("before: status %d", got)
	}
	copyFile(t, testCertificate(t, t.TempDir(), "localhost").CertFile, route.Upstream.CAFile)
	tg.reload(t, route)
	if got := tg.do(t, "pull", "GET", "/v2/", nil).StatusCode; got != 503 {
		t.Errorf("with authorities that do not know it: status %d, want 503", got)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, to, data)
}

func TestFailedReloadChangesNothing(t *testing.T) {
	secure := withTLS(t)
	tg := startGateway(t, secure, newSide(t, "a"))
	before := tg.sites.current()
	for name, change := range map[string]func(*Config){
		"no backend":          func(c *Config) { c.Routes[0].Backend = nil },
		"a path twice":        func(c *Config) { c.Routes = append(c.Routes, c.Routes[0]) },
		"a bad pattern":       func(c *Config) { c.Routes[0].Rules[0].Paths = []string{"v2"} },
		"a bad upstream":      func(c *Config) { c.Routes[0].Upstream.URL = "ftp://x" },
		"a second bad route":  func(c *Config) { r := newSide(t, "b"); r.Path, r.Backend = "/x/", nil; c.Routes = append(c.Routes, r) },
		"an unknown log form": func(c *Config) { c.AccessLog = "xml" },
		"the same upstream":   func(c *Config) { c.Routes, c.AccessLog = tg.cfg.Routes, "xml" },
		"no certificate":      func(c *Config) { c.TLS = &TLS{CertFile: "/does/not/exist", KeyFile: "/does/not/exist"} },
		"no address":          func(c *Config) { c.Listen = nil },
	} {
		cfg := tg.cfg
		cfg.Routes = []Route{newSide(t, "b")}
		cfg.Released = func() { t.Errorf("%s: what was refused is released as if it had been in use", name) }
		change(&cfg)
		if err := tg.Reload(cfg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if tg.sites.current() != before {
		t.Error("another site is in use")
	}
	answer, _ := ask(t, tg.client(t), "GET", tg.url("/v2/"), "alice-secret")
	if sideOf(t, answer) != "a" || !strings.Contains(answer, "200 OK") {
		t.Errorf("afterwards: %q", answer)
	}
	idle := func() int { return before.slots.Stats().Idle }
	testkit.Await(t, "the connection to the upstream is idle", func() bool { return idle() == 1 })
	tg.reload(t, newSide(t, "b"))
	testkit.Await(t, "nothing keeps the connections of what was in use, nor of what was refused", func() bool { return idle() == 0 })
}

func TestReloadRefusesWhatNeedsARestart(t *testing.T) {
	plain := startGateway(t, nil, newSide(t, "a"))
	secure := startGateway(t, withTLS(t), newSide(t, "a"))
	for name, tt := range map[string]struct {
		tg     *testGateway
		change func(*Config)
		want   string
	}{
		"another address": {plain, func(c *Config) { c.Listen = []string{"127.0.0.1:1"} }, "changing listen from 127.0.0.1:0 to 127.0.0.1:1 needs a restart"},
		"one more":        {plain, func(c *Config) { c.Listen = []string{"127.0.0.1:0", "127.0.0.1:1"} }, "needs a restart"},
		"TLS":             {plain, func(c *Config) { c.TLS = secure.cfg.TLS }, "changing from plain HTTP to TLS needs a restart"},
		"no TLS":          {secure, func(c *Config) { c.TLS = nil }, "changing from TLS to plain HTTP needs a restart"},
	} {
		cfg := tt.tg.cfg
		tt.change(&cfg)
		err := tt.tg.Reload(cfg)
		if !errors.Is(err, ErrNeedsRestart) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", name, err, tt.want)
		}
	}
}

func TestReloadAfterTheEndIsRefused(t *testing.T) {
	var released atomic.Int64
	tg := startGateway(t, func(c *Config) { c.Released = func() { released.Add(1) } }, newSide(t, "a"))
	tg.end()
	<-tg.served
	tg.served <- nil
	if err := tg.Reload(tg.cfg); err == nil {
		t.Error("a gateway that has ended took a configuration")
	}
	if n := released.Load(); n != 1 {
		t.Errorf("released %d times, want once", n)
	}
}

func TestReloadTakesAnotherCertificate(t *testing.T) {
	tg := startGateway(t, withTLS(t), newSide(t, "a"))
	serial := func() string {
		c, err := tg.handshake(t, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	first := serial()
	cfg := tg.cfg
	other := testCertificate(t, t.TempDir(), "localhost")
	cfg.TLS = &other
	if err := tg.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	second := serial()
	if first == second {
		t.Error("files of another name: the handshake shows the old certificate")
	}
	testCertificate(t, filepath.Dir(other.CertFile), "localhost")
	if err := tg.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if third := serial(); third == second {
		t.Error("files with another content: the handshake shows the old certificate")
	}
}

// Whoever was let in by a session ticket would keep a connection to a service whose
// configuration was another.
func TestReloadEndsTLSSessionTickets(t *testing.T) {
	tg := startGateway(t, withTLS(t), newSide(t, "a"))
	cache := tls.NewLRUClientSessionCache(1)
	resumed := func() bool {
		c, err := tg.handshake(t, &tls.Config{ClientSessionCache: cache, NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		io.Copy(io.Discard, c) // the ticket comes with the answer
		return c.ConnectionState().DidResume
	}
	if resumed() || !resumed() {
		t.Fatal("the second connection does not resume the session of the first")
	}
	tg.reload(t, newSide(t, "b"))
	if resumed() {
		t.Error("a session from before the reload was resumed")
	}
}

func TestReloadTakesAnotherFormOfAccessLog(t *testing.T) {
	tg := startGateway(t, nil, newSide(t, "a"))
	tg.do(t, "alice", "GET", "/v2/", nil)
	cfg := tg.cfg
	cfg.AccessLog = record.Common
	if err := tg.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	tg.do(t, "alice", "GET", "/v2/", nil)
	testkit.Await(t, "there are two records", func() bool { return strings.Count(tg.access.String(), "\n") == 2 })
	first, second, _ := strings.Cut(tg.access.String(), "\n")
	if !strings.HasPrefix(first, "{") || !strings.HasPrefix(second, "127.0.0.1 - user-a [") {
		t.Errorf("records %q and %q", first, second)
	}
}

// While two configurations that differ in everything follow each other as fast as
// they can, no request fails, none is answered by a mixture of the two, and nothing
// is left of those that have gone.
func TestReloadUnderLoadLosesAndMixesNothing(t *testing.T) {
	const reloads, clients = 200, 4
	for name, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		a, b := newSide(t, "a"), newSide(t, "b")
		var released atomic.Int64
		count := func() { released.Add(1) }
		tg := startGateway(t, func(c *Config) {
			if change != nil {
				change(c)
			}
			c.Released = count
		}, a)
		over := make(chan struct{})
		var working sync.WaitGroup
		var seen [2]atomic.Int64
		for range clients {
			client := tg.client(t)
			working.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-over:
						return
					default:
					}
					// Allowed, denied by a rule, and not logged in.
					method := []string{"GET", "DELETE", "GET"}[n%3]
					password := []string{"alice-secret", "alice-secret", "wrong"}[n%3]
					status := []string{" 200 ", " 403 ", " 401 "}[n%3]
					answer, _ := ask(t, client, method, tg.url("/v2/x"), password)
					if !strings.Contains(answer, status) {
						t.Errorf("%s: %s: answer %q, want status%s", name, method, answer, status)
					}
					seen[sideOf(t, answer)[0]-'a'].Add(1)
				}
			})
		}
		for n := range reloads {
			tg.reload(t, []Route{b, a}[n%2])
			time.Sleep(time.Millisecond)
		}
		close(over)
		working.Wait()
		if seen[0].Load() == 0 || seen[1].Load() == 0 {
			t.Errorf("%s: %d answers of one side and %d of the other: that is no test", name, seen[0].Load(), seen[1].Load())
		}
		testkit.Await(t, name+": the old sites are released", func() bool { return released.Load() == reloads })
		tg.sites.mu.Lock()
		if n := len(tg.sites.live); n != 1 {
			t.Errorf("%s: %d sites are alive, want 1", name, n)
		}
		tg.sites.mu.Unlock()
	}
}

// A site must not be released under a request, nor twice, however entering, leaving
// and replacing interleave.
func TestSitesAreReleasedOnceAndUnused(t *testing.T) {
	const replacements = 30_000
	var releases atomic.Int64
	make := func() *site {
		s := &site{}
		s.onRelease = func() {
			releases.Add(1)
			if s.uses.Load() < 0 {
				t.Error("a site was left more often than it was entered")
			}
			s.routes = []*route{nil} // is seen, and by the race detector too
		}
		return s
	}
	all := newSites(make())
	over := new(atomic.Bool)
	var working sync.WaitGroup
	for range 4 {
		working.Go(func() {
			for !over.Load() {
				s := all.enter()
				if s.routes != nil {
					t.Error("a site was released under a request")
				}
				s.leave()
			}
		})
	}
	for range replacements {
		all.replace(make())
	}
	over.Store(true)
	working.Wait()
	if n := releases.Load(); n != replacements {
		t.Errorf("%d releases, want %d", n, replacements)
	}
	if n := all.running(); n != 0 {
		t.Errorf("%d requests are said to run", n)
	}
}

// Timeouts that are changed hold for the connections that come after it.
func TestReloadTakesOtherTimeouts(t *testing.T) {
	t.Parallel()
	tg := startGateway(t, withTLS(t), newSide(t, "a"))
	client := tg.client(t)
	ask(t, client, "GET", tg.url("/v2/"), "alice-secret")
	cfg := tg.cfg
	cfg.Timeouts.Idle = 50 * time.Millisecond
	if err := tg.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []string{"http/1.1", "h2"} {
		c, err := tg.handshake(t, &tls.Config{NextProtos: []string{protocol}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if protocol == "h2" {
			io.WriteString(c, http2.ClientPreface)
			http2.NewFramer(c, c).WriteSettings()
		}
		if _, err := io.Copy(io.Discard, c); os.IsTimeout(err) {
			t.Errorf("%s: an idle connection is not closed", protocol)
		}
	}
	if answer, reused := ask(t, client, "GET", tg.url("/v2/"), "alice-secret"); !reused || !strings.Contains(answer, "200 OK") {
		t.Errorf("a connection from before: %q, reused: %v", answer, reused)
	}
}
