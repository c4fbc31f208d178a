package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/gateway/upstream"
	"gatehouse/internal/testkit"
)

// people is a backend of a few users in memory. Its password for each is the name
// and "-secret".
type people map[string][]string

func (p people) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	switch _, known := p[user]; {
	case !known:
		return backend.Identity{}, backend.ErrUnknownUser
	case password != user+"-secret":
		return backend.Identity{}, backend.ErrWrongPassword
	}
	return backend.Identity{User: user, Source: "people"}, nil
}

func (p people) Groups(ctx context.Context, id backend.Identity) ([]string, error) {
	return slices.Clone(p[id.User]), nil
}

var everyone = people{"pull": {}, "push": {"pusher"}, "alice": {"devs"}}

// testGateway is a gateway under test and what it says in its access log.
type testGateway struct {
	*Gateway
	addr   string
	roots  *x509.CertPool
	access *testkit.Buffer
	log    *testkit.Buffer
	served chan error
	end    context.CancelFunc
}

// recipeRoute is the route of the recipe, in front of upstream.
func recipeRoute(t testing.TB, service string) Route {
	t.Helper()
	r := apacheRecipe(t)
	r.Backend, r.Upstream = everyone, upstream.Config{URL: service}
	return r
}

// startGateway runs a gateway on loopback until the test ends. Without change it
// speaks plain HTTP.
func startGateway(t testing.TB, change func(*Config), routes ...Route) *testGateway {
	t.Helper()
	return startPrepared(t, change, func(*Gateway) {}, routes...)
}

// startPrepared is startGateway, and changes the gateway before it serves anybody.
func startPrepared(t testing.TB, change func(*Config), prepare func(*Gateway), routes ...Route) *testGateway {
	t.Helper()
	tg := &testGateway{access: new(testkit.Buffer), log: new(testkit.Buffer), served: make(chan error, 1)}
	cfg := Config{Listen: []string{"127.0.0.1:0"}, Routes: routes, AccessOut: tg.access, Log: testkit.NewLog(tg.log)}
	if change != nil {
		change(&cfg)
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	tg.Gateway = g
	prepare(g)
	if cfg.TLS != nil {
		chain, err := os.ReadFile(cfg.TLS.CertFile)
		if err != nil {
			t.Fatal(err)
		}
		tg.roots = x509.NewCertPool()
		tg.roots.AppendCertsFromPEM(chain)
	}
	if err := g.Listen(); err != nil {
		t.Fatalf("Listen: %v", err)
	}
	tg.addr = g.Addrs()[0].String()
	var ctx context.Context
	ctx, tg.end = context.WithCancel(context.Background())
	go func() { tg.served <- g.Serve(ctx) }()
	t.Cleanup(func() {
		tg.end()
		tg.Close()
		select {
		case <-tg.served:
		case <-time.After(time.Minute):
			t.Error("Serve did not return after Close")
		}
	})
	return tg
}

func withTLS(t *testing.T) func(*Config) {
	t.Helper()
	files := testCertificate(t, t.TempDir(), "localhost", "registry.test")
	return func(c *Config) { c.TLS = &files }
}

// testCertificate writes a certificate for the names and 127.0.0.1 into dir.
func testCertificate(t *testing.T, dir string, names ...string) TLS {
	t.Helper()
	now := time.Now()
	return testCertificateFor(t, dir, now.Add(-time.Hour), now.Add(time.Hour), names...)
}

// testCertificateFor does the same for a time of one's choice.
func testCertificateFor(t *testing.T, dir string, from, to time.Time, names ...string) TLS {
	t.Helper()
	files := TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	testkit.Certificate{CertFile: files.CertFile, KeyFile: files.KeyFile, Hosts: append(names, "127.0.0.1"), From: from, To: to}.Write(t)
	return files
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// basic is an Authorization field for a user of people.
func basic(user string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+user+"-secret"))
}

// raw sends bytes on a new connection, without TLS, and reads everything that comes
// back until the gateway closes it, as the request has to make it do.
func (tg *testGateway) raw(t *testing.T, request string) string {
	t.Helper()
	c := tg.connect(t)
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatalf("write: %v", err)
	}
	b, _ := io.ReadAll(c) // a reset is an end as well
	return string(b)
}

// get1 sends one request head as it is on a new connection and reads one answer.
func (tg *testGateway) get1(t *testing.T, request string) *http.Response {
	t.Helper()
	w := tg.dial(t)
	defer w.Close()
	w.send(t, request)
	method, _, _ := strings.Cut(request, " ")
	return w.answer(t, method)
}

func (tg *testGateway) url(path string) string {
	if tg.cfg.TLS != nil {
		return "https://" + tg.addr + path
	}
	return "http://" + tg.addr + path
}

// do sends a request as user, empty for nobody, with an ordinary client.
func (tg *testGateway) do(t testing.TB, user, method, path string, body io.Reader) *http.Response {
	t.Helper()
	r, err := http.NewRequest(method, tg.url(path), body)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		r.Header.Set("Authorization", basic(user))
	}
	resp, err := tg.client(t).Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func (tg *testGateway) client(t testing.TB) *http.Client {
	transport := &http.Transport{
		DisableCompression: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{RootCAs: tg.roots},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read body: %v", err)
	}
	return string(b)
}

func TestRecipeThroughProxy(t *testing.T) {
	up := newUpstreamLog(t, nil)
	tg := startGateway(t, nil, recipeRoute(t, up.URL))
	for _, tt := range []struct {
		user, method, path string
		want               int
	}{
		{"", "GET", "/v2/", 401},
		{"", "HEAD", "/v2/", 401},
		{"stranger", "GET", "/v2/", 401},
		{"pull", "GET", "/v2/", 200},
		{"pull", "GET", "/v2", 200},
		{"pull", "HEAD", "/v2/app/manifests/1", 200},
		{"pull", "PUT", "/v2/app/manifests/1", 403},
		{"push", "PUT", "/v2/app/manifests/1", 200},
		{"push", "DELETE", "/v2/app/manifests/1", 200},
		{"", "OPTIONS", "/v2/", 401},
		{"push", "OPTIONS", "/v2/", 403},
		{"push", "TRACE", "/v2/", 405},
		{"push", "PROPFIND", "/v2/", 501},
		{"push", "GET", "/", 404},
		{"push", "GET", "/v2x", 404},
	} {
		before := len(up.requests())
		resp := tg.do(t, tt.user, tt.method, tt.path, nil)
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %s %s: status %d, want %d", tt.user, tt.method, tt.path, resp.StatusCode, tt.want)
		}
		if reached := len(up.requests()) > before; reached != (tt.want == 200) {
			t.Errorf("%s: %s %s: reached the upstream: %v", tt.user, tt.method, tt.path, reached)
		}
	}
}
