package gateway

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"gatehouse/gateway/flow"
	"gatehouse/gateway/limits"
	"gatehouse/gateway/upstream"
	"gatehouse/internal/testkit"
)

// The whole way, over both protocols: one user holds all that one may, is told to wait
// for more, and others are served.
func TestSEC3OneUserDoesNotTakeAll(t *testing.T) {
	for name, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		over := make(chan bool)
		up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
			if r.URL.Path == "/v2/held" {
				<-over
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			return true
		})
		m := NewMetrics("v1", "go1")
		tg := startGateway(t, func(c *Config) {
			c.Metrics, c.Limits.UpstreamConnections, c.Limits.UpstreamQueue = m, 4, 1
			if change != nil {
				change(c)
			}
		}, recipeRoute(t, up.url()))
		var asking sync.WaitGroup
		statuses := make(chan int, 10)
		ask := func() { asking.Go(func() { statuses <- tg.do(t, "push", "GET", "/v2/held", nil).StatusCode }) }
		for i := range 3 { // two are carried out, and one waits
			ask()
			testkit.Await(t, "it is under way", func() bool { k := tg.sites.current().slots.Stats(); return k.Used+k.Waiting == i+1 })
		}
		resp := tg.do(t, "push", "GET", "/v2/held", nil)
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || resp.Proto != name {
			t.Errorf("%s: one more over %s: status %d, Retry-After %q", name, resp.Proto, resp.StatusCode, resp.Header.Get("Retry-After"))
		}
		if resp := tg.do(t, "pull", "GET", "/v2/", nil); resp.StatusCode != 200 {
			t.Errorf("%s: another user: status %d", name, resp.StatusCode)
		}
		if got := samples(t, m, "gatehouse_upstream_refused_total")["reason=client"]; got != 1 {
			t.Errorf("%s: %v refused, want 1", name, got)
		}
		close(over)
		asking.Wait()
		close(statuses)
		for status := range statuses {
			if status != 200 && status != 503 { // of the one that waited, if that took long
				t.Errorf("%s: status %d", name, status)
			}
		}
		if used := tg.sites.current().slots.Stats().Used; used != 0 {
			t.Errorf("%s: %d slots are left in use", name, used)
		}
	}
}

// A client that takes nothing of an answer loses it when another user has to wait, over
// both protocols; the next one is not told of it.
func TestSEC3StuckReaderIsCutOff(t *testing.T) {
	for name, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/x" {
				io.Copy(w, zeros(64<<20))
			}
		})
		m := NewMetrics("v1", "go1")
		tg := startPrepared(t, func(c *Config) {
			c.Metrics, c.Limits.UpstreamConnections = m, 1
			if change != nil {
				change(c)
			}
		}, stuckSoon, recipeRoute(t, up.URL))
		if change == nil {
			tg.dial(t).send(t, head("GET /v2/x HTTP/1.1"))
		} else {
			h := dialH2(t, tg)
			h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			h.begin(1, true)
		}
		testkit.Await(t, name+": the client is cut off", func() bool {
			k := tg.sites.current().slots
			k.ShedAny()
			return k.Stats().Shed > 0
		})
		if resp := tg.do(t, "pull", "GET", "/v2/", nil); resp.StatusCode != 200 {
			t.Errorf("%s: the next one: status %d", name, resp.StatusCode)
		}
		if got := samples(t, m, "gatehouse_stuck_clients_shed_total")[""]; got != 1 {
			t.Errorf("%s: %v clients were cut off, want 1", name, got)
		}
		testkit.Await(t, name+": all have ended", func() bool { return tg.Stats().Running == 0 })
		// The slot is given back before the record is written, so that either may be first.
		records := tg.records(t, 2)
		if !slices.ContainsFunc(records, func(r map[string]any) bool { return r["code"] == "request.stuck" }) {
			t.Errorf("%s: the records say %v", name, records)
		}
	}
}

// stuckSoon has a client count as stuck soon, and not after half a minute.
func stuckSoon(g *Gateway) { g.sites.current().limits.Slots.Stuck = 100 * time.Millisecond }

// A slot may be taken away between two pieces of a body, before the next deadline is set:
// nothing more of it is moved then.
func TestNothingMovesAfterTheSlotWasTakenAway(t *testing.T) {
	slots, few := upstream.NewSlots(), upstream.SlotLimits{Total: 1, Upstream: 1, Client: 1, Stuck: time.Minute}
	var s upstream.Slot
	if err := slots.Acquire(t.Context(), &s, upstream.Claim{Limits: &few, Holder: holder{}}); err != nil {
		t.Fatal(err)
	}
	s.Await(upstream.FromClient, time.Now().Add(-few.Stuck))
	slots.ShedAny()
	moved := false
	touch := func() (int, error) { moved = true; return 1, nil }
	deadline := func(time.Time) error { return nil }
	up := &uploadBody{body: readerFunc(func([]byte) (int, error) { return touch() }), left: 9, deadline: deadline, pace: flow.NewPace(time.Minute, deadline), rate: limits.NewRate(testLimits().Limits), slot: &s}
	if n, err := up.Read(make([]byte, 9)); n != 0 || !errors.Is(err, upstream.ErrStuckClient) {
		t.Errorf("read %d bytes of the request: %v", n, err)
	}
	x := &exchange{site: &site{limits: testLimits()}, pace: &flow.Pace{Idle: time.Minute, Set: deadline}, slot: &s, w: writerFunc(func([]byte) (int, error) { return touch() })}
	if n, err := x.sender()([]byte("answer")); n != 0 || !errors.Is(err, upstream.ErrStuckClient) {
		t.Errorf("sent %d bytes of the answer: %v", n, err)
	}
	if moved {
		t.Error("a body was moved for a client that was cut off")
	}
}

// holder does not mind to lose its slot.
type holder struct{}

func (holder) Stop() {}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
func (writerFunc) Header() http.Header           { return nil }
func (writerFunc) WriteHeader(int)               {}
