package gateway

import (
	"net/netip"
	"testing"

	"gatehouse/gateway/sockets"
	"gatehouse/gateway/upstream"
)

// theSocket returns the one connection of a client that is open.
func (tg *testGateway) theSocket(t *testing.T) *sockets.Socket {
	t.Helper()
	open := tg.server.sockets.All()
	if len(open) != 1 {
		t.Fatalf("%d connections are open, want one", len(open))
	}
	return open[0]
}

// What one client does must not be laid to the others whom a proxy speaks for: after a
// login that was put off, only the connection of a client itself is not read from.
func TestSEC3ConnectionOfAProxyIsNotHeld(t *testing.T) {
	for name, trusted := range map[string]bool{"a client": false, "a proxy": true} {
		overBoth(t, func(t *testing.T, change func(*Config)) {
			route := recipeRoute(t, newCapture(t).url())
			route.Backend = flooded{}
			tg := startGateway(t, func(c *Config) {
				change(c)
				if trusted {
					c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				}
			}, route)
			if resp := tg.do(t, "alice", "GET", "/v2/x", nil); resp.StatusCode != 429 {
				t.Fatalf("%s: status %d", name, resp.StatusCode)
			}
			if held := tg.theSocket(t).IsHeld(); held == trusted {
				t.Errorf("%s: its connection is held: %v", name, held)
			}
		})
	}
}

// A connection that its user has too many of answers one request, and ends the others
// without asking anybody about them.
func TestSEC3TurnedAwayConnectionEndsItsOtherRequests(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, withTLS(t), recipeRoute(t, up.url()))
	h := dialH2(t, tg)
	h.request(true, ":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/v2/")
	if got := h.outcome(); got != "401" {
		t.Fatalf("without a login: %s", got)
	}
	tg.theSocket(t).Claim(upstream.Client{User: "alice"}, 0)
	h.beginFields(3, true, ":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/v2/x", "authorization", basic("alice"))
	if got := h.outcome(); got != "reset" {
		t.Errorf("another request: %s, want a reset", got)
	}
	if n, _, _ := up.counts(); n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
}
