package gateway

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"gatehouse/gateway/strict"
)

// origin is where a request comes from.
type origin struct {
	addr  netip.Addr
	text  string // of addr
	proto string // "http" or "https", as the client spoke
	host  string // that the client asked, with its port, as a trusted proxy says; empty if none does
}

// origin returns where requests come from whose connection is the client's own.
func (c *clientConn) origin() origin {
	proto := "http"
	if c.secure {
		proto = "https"
	}
	return origin{addr: c.source, text: c.text, proto: proto}
}

// originOf returns for whom a trusted proxy speaks in r. What anybody else says about
// itself is not looked at. A proxy that says nothing is itself the client.
//
// Each hop is believed about the hop before it, and no further. The fields come from the
// one who speaks on the connection. That is not the proxy where it has only handed on
// the connection of its client.
func (d *door) originOf(r *http.Request, c *clientConn) (origin, *problem) {
	from := c.origin()
	if !d.proxies.Contains(c.speaker) {
		return from, nil
	}
	if proto := r.Header["X-Forwarded-Proto"]; len(proto) == 1 && (proto[0] == "http" || proto[0] == "https") {
		from.proto = proto[0]
	}
	if host := only(r.Header["X-Forwarded-Host"]); host != "" {
		if _, err := strict.ParseHost(host); err != nil {
			return from, badRequest("the X-Forwarded-Host field of a proxy is malformed")
		}
		from.host = host
	}
	lines := r.Header["X-Forwarded-For"]
	if len(lines) == 0 {
		return from, nil
	}
	addr, ok := forwardedFor(lines, d.proxies)
	if !ok {
		return from, badRequest("the X-Forwarded-For field of a proxy is malformed")
	}
	from.addr, from.text = addr, addr.String()
	return from, nil
}

// forwardedFor returns the client that X-Forwarded-For names: the last address in
// it that is not of a trusted proxy, as each proxy appends the one that it was asked
// from. What stands before that one is the client's own to write, and is not read. If
// all are trusted it is the first.
func forwardedFor(lines []string, trusted strict.Networks) (client netip.Addr, ok bool) {
	list := strings.Split(strings.Join(lines, ","), ",")
	for _, item := range slices.Backward(list) {
		client, ok = forwardedAddr(strings.Trim(item, " \t"))
		if !ok || !trusted.Contains(client) {
			return client, ok
		}
	}
	return client, ok
}

// forwardedAddr reads an address, which some proxies write with its port.
func forwardedAddr(s string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return plainAddr(withPort.Addr())
	}
	if inside, ok := strings.CutPrefix(s, "["); ok {
		inside, ok = strings.CutSuffix(inside, "]")
		if !ok || !strings.Contains(inside, ":") {
			return netip.Addr{}, false
		}
		s = inside
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return plainAddr(addr)
}

// plainAddr refuses an address with a zone, which means something on the proxy alone
// and hides the address from networks that contain it.
func plainAddr(addr netip.Addr) (netip.Addr, bool) {
	return addr.Unmap(), addr.Zone() == ""
}
