package gateway

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"gatehouse/internal/testkit"
)

// Strangers who come and go must not leave anything behind. A connection that ends with
// requests under way was kept for the whole idle time-out, by a timer of net/http.
func TestSEC2NothingIsLeftOfAConnectionThatEnded(t *testing.T) {
	withCert := withTLS(t)
	tg := startGateway(t, func(c *Config) {
		withCert(c)
		c.Timeouts.Idle = time.Hour
	}, recipeRoute(t, newCapture(t).url()))
	var freed atomic.Int32
	const visits = 5
	for range visits {
		h := dialH2(t, tg)
		if err := h.begin(1, false); err != nil {
			t.Fatal(err)
		}
		testkit.Await(t, "the request is under way", func() bool { return tg.Stats().Running > 0 })
		runtime.AddCleanup(tg.theSocket(t), func(n *atomic.Int32) { n.Add(1) }, &freed)
		h.conn.Close()
		testkit.Await(t, "the connection has left", func() bool { open, _ := tg.server.sockets.Counts(); return open == 0 })
	}
	testkit.Await(t, "the memory of all is free", func() bool {
		runtime.GC()
		return freed.Load() == visits
	})
}

// A client is told before a connection is closed that has no request, so that it sends none
// at that moment.
func TestIdleConnectionOfHTTP2IsEndedInOrder(t *testing.T) {
	withCert := withTLS(t)
	tg := startGateway(t, func(c *Config) {
		withCert(c)
		c.Timeouts.Idle = 50 * time.Millisecond
	}, recipeRoute(t, newCapture(t).url()))
	h := dialH2(t, tg)
	for {
		f, err := h.ReadFrame()
		if err != nil {
			t.Fatalf("it was closed without a word: %v", err)
		}
		if away, ok := f.(*http2.GoAwayFrame); ok {
			if away.ErrCode != http2.ErrCodeNo || away.LastStreamID != 1<<31-1 {
				t.Errorf("told %v", away)
			}
			break
		}
	}
	h.request(true, ":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/v2/", "authorization", basic("pull"))
	if got := h.outcome(); got != "200" { // which crossed with the word
		t.Errorf("a request after that: %s", got)
	}
	for {
		if _, err := h.ReadFrame(); err != nil {
			break
		}
	}
}
