package gateway

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"gatehouse/gateway/flow"
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
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "500")
		w.Header().Set("Docker-Content-Digest", "sha256:0123456789abcdef")
		w.Write(make([]byte, 500))
	}))
	defer service.Close()
	route := apacheRecipe(b)
	route.Backend, route.Upstream = everyone, upstream.Config{URL: service.URL}
	g, err := New(Config{Listen: []string{"127.0.0.1:0"}, Routes: []Route{route}, AccessOut: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	defer g.release()
	r := httptest.NewRequest(http.MethodGet, "/v2/library/app/manifests/latest", nil)
	r.Host = "registry.test:5043"
	r.Header.Set("Authorization", basic("pull"))
	r.Header.Set("User-Agent", "docker/28.2.2")
	r.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
	conn := &clientConn{http1: &http1Conn{Conn: deadlineConn{}}, source: netip.MustParseAddr("192.0.2.1")}
	conn.http1.sending = flow.NewPace(time.Minute, conn.http1.SetWriteDeadline)
	b.ReportAllocs()
	for b.Loop() {
		x := newExchange(g.sites.enter(), nullWriter{make(http.Header)}, r, conn)
		x.run(r.Context(), nil)
	}
}

// deadlineConn is a connection on which only deadlines are set.
type deadlineConn struct{ net.Conn }

func (deadlineConn) SetWriteDeadline(time.Time) error { return nil }
