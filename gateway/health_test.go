package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"gatehouse/gateway/rules"
	"gatehouse/internal/testkit"
)

const healthPath = "/-/healthz"

// withHealth returns change with a health path.
func withHealth(change func(*Config)) func(*Config) {
	return func(c *Config) {
		c.HealthPath = healthPath
		if change != nil {
			change(c)
		}
	}
}

// Load balancers ask for any host, or none, and get an answer that names nobody.
func TestHealthIsAnsweredBeforeHostsAndRoutes(t *testing.T) {
	up := newCapture(t)
	route := recipeRoute(t, up.url())
	route.Path, route.Hosts = "/", []string{"registry.test"}
	tg := startGateway(t, withHealth(nil), route)
	for name, request := range map[string]string{
		"HTTP/1.1":                   "GET " + healthPath + " HTTP/1.1\r\nHost: registry.test\r\n\r\n",
		"HTTP/1.1, address":          "GET " + healthPath + " HTTP/1.1\r\nHost: 10.0.0.1:5043\r\n\r\n",
		"HTTP/1.1, an empty Host":    "GET " + healthPath + " HTTP/1.1\r\nHost:\r\n\r\n",
		"HTTP/1.1, another host":     "GET " + healthPath + " HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"HTTP/1.1, no host":          "GET " + healthPath + " HTTP/1.1\r\n\r\n",
		"HTTP/1.0, no host":          "GET " + healthPath + " HTTP/1.0\r\n\r\n",
		"HTTP/1.1, a wrong password": "GET " + healthPath + " HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp5\r\n\r\n",
	} {
		w := tg.dial(t)
		w.send(t, request)
		resp := w.answer(t, "GET")
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 || string(body) != "ok\n" || resp.Header.Get("X-Request-Id") != "" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %q %v", name, resp.StatusCode, body, resp.Header)
		}
	}
	w := tg.dial(t)
	w.send(t, "HEAD "+healthPath+" HTTP/1.0\r\n\r\n")
	if resp := w.answer(t, "HEAD"); resp.StatusCode != 200 || resp.ContentLength != 3 {
		t.Errorf("HEAD: %d, length %d", resp.StatusCode, resp.ContentLength)
	}
	if got := tg.access.String(); got != "" {
		t.Errorf("the access log has %s", got)
	}
	if n, _, _ := up.counts(); n != 0 {
		t.Errorf("the upstream was asked %d times", n)
	}
}

// Only that path, and only GET and HEAD, are a health check; nothing of it is forwarded.
func TestWhatIsNoHealthCheckIsARequestLikeAnyOther(t *testing.T) {
	up := newCapture(t)
	route := recipeRoute(t, up.url())
	route.Path = "/"
	tg := startGateway(t, withHealth(nil), route)
	for request, want := range map[string]int{
		"POST " + healthPath + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello":      405,
		"DELETE " + healthPath + " HTTP/1.1\r\nHost: localhost\r\n\r\n":                              405,
		"GET " + healthPath + "?x HTTP/1.1\r\nHost: localhost\r\n\r\n":                               401,
		"GET " + healthPath + "/ HTTP/1.1\r\nHost: localhost\r\n\r\n":                                401,
		"GET /-/HEALTHZ HTTP/1.1\r\nHost: localhost\r\n\r\n":                                         401,
		"GET /-/health%7a HTTP/1.1\r\nHost: localhost\r\n\r\n":                                       401,
		"GET http://localhost" + healthPath + " HTTP/1.1\r\nHost: localhost\r\n\r\n":                 401,
		"GET " + healthPath + " HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n":                              400,
		"GET " + healthPath + " HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n": 400,
		"GET / HTTP/1.1\r\nHost:\r\n\r\n":                                                            400,
		"GET / HTTP/1.0\r\nHost:\r\n\r\n":                                                            400,
		"GET " + healthPath + " HTTP/1.1\r\nHost: a b\r\n\r\n":                                       400,
		"GET /v2/ HTTP/1.1\r\n\r\n":                                                                  400,
	} {
		w := tg.dial(t)
		w.send(t, request)
		if resp := w.answer(t, "GET"); resp.StatusCode != want {
			t.Errorf("%q: status %d, want %d", request, resp.StatusCode, want)
		}
	}
	if n, _, _ := up.counts(); n != 0 {
		t.Errorf("the upstream was asked %d times", n)
	}
}

// Checks whose answers nobody takes are no way around the bound on what strangers have.
func TestHealthAnswersThatNobodyReadsEndTheConnection(t *testing.T) {
	tg := startPrepared(t, withHealth(withTLS(t)), func(g *Gateway) { g.sites.current().limits.Undecided = 4 }, recipeRoute(t, newCapture(t).url()))
	h := dialH2(t, tg)
	h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	for i := range uint32(16) {
		if h.beginFields(2*i+1, true, ":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", healthPath) != nil {
			break
		}
	}
	testkit.Await(t, "the connection is ended", func() bool { return tg.sites.crowd.cut.Load() > 0 })
	io.Copy(io.Discard, h.conn)
	testkit.Await(t, "nothing of it is left", func() bool { return tg.Stats().Undecided == 0 })
}

func TestHealthPathIsOffByDefault(t *testing.T) {
	tg := startGateway(t, nil, recipeRoute(t, newCapture(t).url()))
	w := tg.dial(t)
	w.send(t, "GET "+healthPath+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if resp := w.answer(t, "GET"); resp.StatusCode != 404 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// Over TLS the name of the handshake may be another one than the host of the check.
func TestHealthOverTLSIsNeverMisdirected(t *testing.T) {
	route := recipeRoute(t, newCapture(t).url())
	route.Hosts = []string{"registry.test"}
	tg := startGateway(t, withHealth(withTLS(t)), route)
	for _, method := range []string{"GET", "HEAD", "POST"} {
		r, err := http.NewRequest(method, tg.url(healthPath), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "registry.test"
		resp, err := tg.client(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		want := map[string]int{"GET": 200, "HEAD": 200, "POST": 405}[method]
		if resp.StatusCode != want || resp.Proto != "HTTP/2.0" || method == "GET" && string(body) != "ok\n" {
			t.Errorf("%s: %d %q over %s, want %d", method, resp.StatusCode, body, resp.Proto, want)
		}
	}
	if got := tg.access.String(); got != "" {
		t.Errorf("the access log has %s", got)
	}
}

// A connection that is open still learns that the gateway ends.
func TestHealthWhileDraining(t *testing.T) {
	tg := startGateway(t, withHealth(nil), recipeRoute(t, newCapture(t).url()))
	w := tg.dial(t)
	w.send(t, "GET "+healthPath+" HTTP/1.1\r\n") // a request under way
	testkit.Await(t, "it serves", func() bool { return tg.sites.state.Load() == isServing })
	tg.sites.state.Store(isDraining)
	w.send(t, "Host: x\r\n\r\n")
	resp := w.answer(t, "GET")
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 503 || string(body) != "draining\n" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

func TestHealthPathsThatTakeSomethingAwayAreRefused(t *testing.T) {
	named := Route{Path: "/", Rules: []rules.Rule{{Name: "all"}, {Name: "app", Paths: []string{"/app/**"}}}}
	for path, want := range map[string]string{
		"/-/healthz": "", "/healthz": "", "/apps": "",
		"/": "not one path", "": "begin with", "healthz": "begin with", "/a/../b": "segments", "//": "segments", "/a?b": "?", "/a%41": "%", "/*": "not one path", "/a/**": "not one path",
		"/v2/": "v2", "/v2": "v2", "/nexus/v2/x": "v2", "/V2/x": "v2",
		"/app": "rule", "/app/healthz": "rule", "/ui": "route", "/ui/": "route", "/ui/x": "", "/a\u202eb": "invisible",
	} {
		err := CheckHealthPath(path, []Route{named, {Path: "/ui/"}})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", path, err, want)
		}
	}
	if _, err := New(Config{Listen: []string{"127.0.0.1:0"}, HealthPath: "/v2/x"}); err == nil || !strings.Contains(err.Error(), "health path") {
		t.Errorf("New: %v", err)
	}
}

// The rulebook tells a health check from other requests as the gateway does.
func TestRulebookKnowsHealthChecks(t *testing.T) {
	up := newCapture(t)
	route := recipeRoute(t, up.url())
	route.Path, route.Hosts = "/", []string{"registry.test"}
	tg := startGateway(t, withHealth(nil), route)
	book, err := NewRulebook([]Route{route})
	if err != nil {
		t.Fatal(err)
	}
	book.HealthPath = healthPath
	checks := 0
	for _, target := range []string{healthPath, healthPath + "?", healthPath + "/", "/-/HEALTHZ", "http://registry.test" + healthPath, "/v2/"} {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "FOO"} {
			for _, host := range []string{"registry.test", "other.test", "10.0.0.1:5043", "a b"} {
				a := book.Explain(Question{Method: method, Target: target, Host: host, Source: loopback})
				if a.Health {
					checks++
					if i := book.RouteFor(host, target); i >= 0 {
						t.Errorf("%s at %s would go to route %d", target, host, i)
					}
				}
				w := tg.dial(t)
				w.send(t, method+" "+target+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
				resp := w.answer(t, method)
				if isCheck := resp.Header.Get("X-Request-Id") == ""; resp.StatusCode != a.Status || isCheck != a.Health {
					t.Errorf("%s %s at %s: %d, a check: %v; foreseen %d, %v", method, target, host, resp.StatusCode, isCheck, a.Status, a.Health)
				}
			}
		}
	}
	if checks != 12 {
		t.Errorf("%d health checks, want one for each of four known methods at three hosts", checks)
	}
}
