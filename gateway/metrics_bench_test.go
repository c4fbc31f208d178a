package gateway

import (
	"io"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/gateway/record"
	"gatehouse/gateway/rules"
	"gatehouse/internal/testkit"
)

// BenchmarkRecordOfARequest is what counting and the access log add to a request,
// beside the 40 µs that a small one costs.
func BenchmarkRecordOfARequest(b *testing.B) {
	m := NewMetrics("v1", "go1")
	s := &site{metrics: m, routes: []*route{{}}}
	s.measure([]Route{{Path: "/v2/"}})
	out := record.NewWriter(io.Discard, testkit.NewLog(new(testkit.Buffer)))
	defer out.Close()
	access, err := record.NewAccessLog(record.JSON, out)
	if err != nil {
		b.Fatal(err)
	}
	s.access = access
	x := &exchange{
		site: s, route: s.routes[0], start: time.Now(), status: 200, claimed: "alice", id: newID(), sent: 500,
		entry:    entry{from: origin{addr: netip.MustParseAddr("192.0.2.1"), text: "192.0.2.1"}},
		who:      rules.Subject{LoggedIn: true, Identity: backend.Identity{User: "alice", Source: "local"}},
		decision: rules.Decision{Verdict: rules.Allowed, Rule: "pull"}, loginTook: time.Microsecond, upstreamTook: 200 * time.Microsecond,
		r: &http.Request{
			Method: "GET", Host: "registry.test:5043", RequestURI: "/v2/library/app/manifests/latest", Proto: "HTTP/1.1",
			Header: http.Header{"User-Agent": {"docker/28.2.2 go/go1.24"}},
		},
	}
	b.Run("metrics", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.inFlight.Inc()
			x.count()
			m.inFlight.Dec()
		}
	})
	b.Run("access", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			x.recordAccess()
		}
	})
}
