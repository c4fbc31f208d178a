package gateway

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// Whoever connected just before the gateway ends has the one request answered that
// follows, over either version of the protocol.
func TestFirstRequestIsAnsweredWhileTheGatewayEnds(t *testing.T) {
	for _, protocol := range []string{"http/1.1", "h2"} {
		t.Run(protocol, func(t *testing.T) {
			tg := startGateway(t, withTLS(t), recipeRoute(t, newCapture(t).url()))
			c, err := tg.handshake(t, &tls.Config{NextProtos: []string{protocol}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			tg.end()
			testkit.Await(t, "no connection is accepted any more", func() bool { return tg.Stats().State != StateServing })

			r, _ := http.NewRequest("GET", "https://localhost/v2/", nil)
			resp, err := roundTrip(c, r)
			if err != nil {
				t.Fatalf("the request was cut off: %v", err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("got %s, want 401", resp.Status)
			}
		})
	}
}

// roundTrip sends r as the first request of a connection.
func roundTrip(c net.Conn, r *http.Request) (*http.Response, error) {
	over := &http.Transport{
		ForceAttemptHTTP2: true,
		DialTLSContext:    func(context.Context, string, string) (net.Conn, error) { return c, nil },
	}
	return over.RoundTrip(r)
}

func TestArrivalsAreWaitedForWithinBounds(t *testing.T) {
	a := newArrivals()
	c, _ := testkit.Pair(t)
	a.add(c)
	begin := time.Now()
	a.settle(50 * time.Millisecond)
	if waited := time.Since(begin); waited < 50*time.Millisecond {
		t.Errorf("waited %v for a client that is silent, want the limit", waited)
	}
	go a.done(c)
	a.settle(time.Hour)
	a.settle(time.Hour) // there are none
}
