package sockets

import (
	"bufio"
	"fmt"
	"net"
	"time"

	"github.com/pires/go-proxyproto"
)

// ReadProxyHeader receives the header of the PROXY protocol, version 1 or 2, with
// which a trusted proxy begins a connection, and takes it for the connection of the
// client that it names. One that names no address of TCP leaves the address of the
// proxy; proxies send such to see whether the gateway is there. But a client may speak
// on that connection, so that nothing said on it about others is believed.
//
// From others no such header is read. It is neither TLS nor HTTP, and refused as such.
func (s *Set) ReadProxyHeader(c *Socket, now Terms) error {
	if !now.ProxyProtocol || !now.Proxies.Contains(AddrOf(c)) {
		return nil
	}
	c.SetReadDeadline(time.Now().Add(now.Handshake))
	defer c.SetReadDeadline(time.Time{})
	in := bufio.NewReader(c.Conn)
	header, err := proxyproto.Read(in)
	if err != nil {
		s.refusals[refusedUnproxied].Add(1)
		return fmt.Errorf("PROXY header of a trusted proxy: %w", err)
	}
	if n := in.Buffered(); n > 0 {
		early, _ := in.Peek(n)
		c.early = early
		c.spoke.Store(true)
	}
	if client, ok := header.SourceAddr.(*net.TCPAddr); ok && header.Command.IsProxy() {
		return s.readdress(c, client, now)
	}
	c.unnamed = true
	return nil
}
