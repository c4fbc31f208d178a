package gateway

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/gateway/flow"
	"gatehouse/gateway/token"
	"gatehouse/gateway/upstream"
)

// nullWriter is a client that takes everything.
type nullWriter struct{ h http.Header }

func (w nullWriter) Header() http.Header         { return w.h }
func (w nullWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w nullWriter) WriteHeader(int)             {}
func (w nullWriter) Flush()                      {}

// BenchmarkServeHTTP is what a small pull costs without the client's connection:
// rules, login, the exchange with an upstream on loopback and the access record.
func BenchmarkServeHTTP(b *testing.B) {
	benchServe(b, apacheRecipe(b), everyone, func(*token.Keyring) string { return basic("pull") })
}

// BenchmarkServeSigned is that with a token for the upstream, which is one that was signed
// a moment ago.
func BenchmarkServeSigned(b *testing.B) {
	route := apacheRecipe(b)
	route.UpstreamTokens = newTokenSigner(b)
	benchServe(b, route, everyone, func(*token.Keyring) string { return basic("pull") })
}

// BenchmarkServeRemembered is that with the login remembered, by a password and by a token.
func BenchmarkServeRemembered(b *testing.B) {
	cache, err := backend.NewCache(&accounts{people: everyone}, backend.CacheConfig{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("password", func(b *testing.B) {
		benchServe(b, apacheRecipe(b), cache, func(*token.Keyring) string { return basic("pull") })
	})
	b.Run("token", func(b *testing.B) {
		benchServe(b, apacheRecipe(b), cache, func(keys *token.Keyring) string {
			text, err := keys.Seal(token.Access, token.Token{
				ID: token.NewID(), Expires: 1 << 40, Service: "registry.test", Scopes: "repository:library/app:pull",
				Identity: backend.Identity{User: "pull", Source: "people"},
			})
			if err != nil {
				b.Fatal(err)
			}
			return bearer(text)
		})
	})
}

func benchServe(b *testing.B, route Route, users backend.Backend, authorization func(*token.Keyring) string) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "500")
		w.Header().Set("Docker-Content-Digest", "sha256:0123456789abcdef")
		w.Write(make([]byte, 500))
	}))
	defer service.Close()
	route.Backend, route.Backends, route.Upstream = users, []string{"people"}, upstream.Config{URL: service.URL}
	keys := newKeyring(b)
	g, err := New(Config{Listen: []string{"127.0.0.1:0"}, Routes: []Route{route}, AccessOut: io.Discard, Tokens: &Tokens{Keys: keys}})
	if err != nil {
		b.Fatal(err)
	}
	defer g.release()
	r := httptest.NewRequest(http.MethodGet, "/v2/library/app/manifests/latest", nil)
	r.Host = "registry.test:5043"
	r.Header.Set("Authorization", authorization(keys))
	r.Header.Set("User-Agent", "docker/28.2.2")
	r.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
	conn := &clientConn{http1: &http1Conn{Conn: deadlineConn{}, http1Work: new(http1Work)}, source: netip.MustParseAddr("192.0.2.1")}
	conn.http1.sending = flow.NewPace(time.Minute, conn.http1.SetWriteDeadline)
	b.ReportAllocs()
	for b.Loop() {
		x := newExchange(g.sites.enter(), nullWriter{make(http.Header)}, r, conn)
		x.run(r.Context(), nil)
		if x.status != http.StatusOK {
			b.Fatalf("status %d: %v", x.status, x.cause)
		}
	}
}

// deadlineConn is a connection on which only deadlines are set.
type deadlineConn struct{ net.Conn }

func (deadlineConn) SetWriteDeadline(time.Time) error { return nil }
