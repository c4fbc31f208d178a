package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync/atomic"

	"gatehouse/gateway/rules"
	"gatehouse/gateway/sockets"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/upstream"
)

// clientConn is what is known of the connection that a request comes over. But for
// what is counted it does not change.
type clientConn struct {
	http1      *http1Conn // nil on HTTP/2
	secure     bool       // TLS
	serverName string     // that the client named at the handshake, canonical; empty for none
	source     netip.Addr // who the client is, or the proxy where that does not say
	text       string     // of source
	speaker    netip.Addr // who makes the TLS handshake and sends requests; the zero value if nobody knows

	conn      net.Conn
	known     atomic.Bool  // that it has sent a request
	claimed   atomic.Bool  // it counts for a user
	undecided atomic.Int32 // of its requests, those in the crowd
}

func newClientConn(c net.Conn) *clientConn {
	info := &clientConn{conn: c}
	if t, ok := c.(*tls.Conn); ok {
		info.secure = true
		info.serverName = canonicalServerName(t.ConnectionState().ServerName)
	}
	info.source = sockets.AddrOf(c)
	info.text = info.source.String()
	if !sockets.Of(c).IsUnnamed() {
		info.speaker = info.source
	}
	return info
}

// canonicalServerName returns name as hosts are compared. What is no host name differs
// from every host.
func canonicalServerName(name string) string {
	if host, err := strict.ParseHost(name); err == nil {
		return host
	}
	return name
}

// arrive takes the connection out of those that have not sent a request.
func (c *clientConn) arrive(a *arrivals) {
	if c.conn != nil && c.known.CompareAndSwap(false, true) {
		a.done(c.conn)
	}
}

// vouch says that the connection is of use to somebody: it does not make room any more
// while it has a request.
func (c *clientConn) vouch() {
	sockets.Of(c.conn).Vouch()
}

type clientConnKey struct{}

// connContext tells the requests of an HTTP/2 connection what is known of it.
func connContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, clientConnKey{}, newClientConn(c))
}

// connOf returns what [connContext] has told the request with the context ctx.
func connOf(ctx context.Context) *clientConn {
	c, _ := ctx.Value(clientConnKey{}).(*clientConn)
	if c == nil {
		return &clientConn{}
	}
	return c
}

// clientOf returns for whom a request is counted.
func clientOf(who rules.Subject, addr netip.Addr) upstream.Client {
	if who.LoggedIn {
		return upstream.Client{User: who.Identity.User, Backend: who.Identity.Source}
	}
	return upstream.Client{Network: sockets.NetworkOf(addr)}
}
