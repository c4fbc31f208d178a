package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/gateway/limits"
	"gatehouse/internal/testkit"
)

// testLimits are those of a gateway that nobody has limited.
func testLimits() limits.Bounds {
	var l limits.Limits
	l.SetDefaults()
	return l.Bounded()
}

// The whole way: the connection that is idle goes, the one with a request stays.
func TestIdleConnectionMakesRoomForANewOne(t *testing.T) {
	for name, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		up := newCapture(t)
		m := NewMetrics("v1", "go1")
		tg := startGateway(t, func(c *Config) {
			c.Limits.Connections, c.Metrics = 2, m
			if change != nil {
				change(c)
			}
		}, recipeRoute(t, up.url()))
		feed, answer := uploading(t, tg, up)
		idle := tg.dial(t)
		idle.send(t, head("GET /v2/ HTTP/1.1"))
		if resp := idle.answer(t, "GET"); resp.StatusCode != 200 {
			t.Fatalf("%s: status %d", name, resp.StatusCode)
		}
		// The answer is sent before its connection is one that waits.
		testkit.Await(t, name+": the connection is idle", func() bool { return tg.Stats().IdleConnections == 1 })
		fresh := tg.dial(t)
		fresh.send(t, head("GET /v2/ HTTP/1.1"))
		if resp := fresh.answer(t, "GET"); resp.StatusCode != 200 {
			t.Errorf("%s: the new connection: status %d", name, resp.StatusCode)
		}
		if !idle.ended() {
			t.Errorf("%s: the idle connection goes on", name)
		}
		feed.Write([]byte(" and end"))
		feed.Close()
		if resp := <-answer; resp == nil || resp.StatusCode != 200 {
			t.Errorf("%s: the upload beside it ended with %v", name, resp)
		}
		if got := samples(t, m, "gatehouse_connections_shed_total")[""]; got != 1 {
			t.Errorf("%s: %v connections made room, want 1", name, got)
		}
	}
}

func TestConnectionsBeyondAllRequestsAreClosed(t *testing.T) {
	t.Parallel()
	up := newCapture(t)
	m := NewMetrics("v1", "go1")
	tg := startGateway(t, func(c *Config) { c.Limits.Connections, c.Metrics = 1, m }, recipeRoute(t, up.url()))
	feed, answer := uploading(t, tg, up)
	if !tg.dial(t).ended() {
		t.Error("a connection more than there may be goes on")
	}
	if got := samples(t, m, "gatehouse_connections_refused_total")["reason=total"]; got != 1 {
		t.Errorf("%v connections were refused, want 1", got)
	}
	feed.Close()
	if resp := <-answer; resp == nil || resp.StatusCode != 200 {
		t.Errorf("the upload ended with %v", resp)
	}
}

// With a rate that nobody reaches over a window of no time, whoever makes the gateway
// wait is slow, and whoever makes its upstream wait is not.
func TestSlowBodyIsCutOff(t *testing.T) {
	for name, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		up := newCapture(t)
		m := NewMetrics("v1", "go1")
		tg := startGateway(t, func(c *Config) {
			c.Limits.BodyRate, c.Limits.BodyWindow, c.Metrics = 1<<40, 2*time.Nanosecond, m
			if change != nil {
				change(c)
			}
		}, recipeRoute(t, up.url()))
		feed, answer := uploading(t, tg, up)
		go func() {
			for {
				if _, err := feed.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		testkit.Await(t, name+": the upload is cut off", func() bool { _, _, broken := up.counts(); return broken == 1 })
		feed.CloseWithError(io.ErrUnexpectedEOF)
		if resp := <-answer; resp != nil {
			t.Errorf("%s: answer %v", name, resp.Status)
		}
		testkit.Await(t, name+": it is counted", func() bool { return samples(t, m, "gatehouse_slow_bodies_total")[""] == 1 })
	}
}

func TestSlowReaderOfAnAnswerIsCutOff(t *testing.T) {
	up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, zeros(64<<20)) })
	tg := startGateway(t, func(c *Config) { c.Limits.BodyRate, c.Limits.BodyWindow = 1<<40, 2*time.Nanosecond }, recipeRoute(t, up.URL))
	w := tg.dial(t)
	w.send(t, head("GET /v2/x HTTP/1.1"))
	resp, err := http.ReadResponse(w.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Errorf("all of the answer came, %d bytes", n)
	}
	if !strings.Contains(fmt.Sprint(tg.records(t, 1)[0]["cause"]), limits.ErrTooSlow.Error()) {
		t.Errorf("the record says %v", tg.records(t, 1)[0])
	}
}

func TestHeadLimitsAreThoseOfTheConfiguration(t *testing.T) {
	tg := startGateway(t, func(c *Config) { c.Limits.HeadBytes, c.Limits.HeadFields = 64<<10, 200 }, recipeRoute(t, newCapture(t).url()))
	for name, tt := range map[string]struct {
		fields []string
		status int
	}{
		"40 KiB":     {slicesRepeat("X-Long: "+strings.Repeat("x", 4000), 10), 200},
		"80 KiB":     {slicesRepeat("X-Long: "+strings.Repeat("x", 8000), 10), 431},
		"150 fields": {slicesRepeat("X-A: b", 150), 200},
		"250 fields": {slicesRepeat("X-A: b", 250), 431},
	} {
		w := tg.dial(t)
		go io.WriteString(w, head("GET /v2/ HTTP/1.1", tt.fields...))
		if resp := w.answer(t, "GET"); resp.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d", name, resp.StatusCode, tt.status)
		}
	}
}

func slicesRepeat(s string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}
