package gateway

import (
	"gatehouse/gateway/limits"
	"gatehouse/gateway/strict"
	"net/netip"
	"time"
)

// terms are on what connections are let in. They are part of a configuration.
type terms struct {
	limits        limits.Bounds
	proxies       strict.Networks // that are believed about whom they speak for
	proxyProtocol bool            // they begin with a PROXY header
	handshake     time.Duration   // in which it has to come
	makeRoom      func()          // cuts off a request whose client is stuck, if there is one; called where no connection can make room
}

// cappedNetwork returns the network of whose connections there may be no more than
// some, or the zero value. Behind a proxy, and on this machine, are many clients.
func (t terms) cappedNetwork(addr netip.Addr) netip.Prefix {
	if !addr.IsValid() || addr.IsLoopback() || t.proxies.Contains(addr) {
		return netip.Prefix{}
	}
	return networkOf(addr)
}

// networkOf returns the network that one client is taken to have.
func networkOf(addr netip.Addr) netip.Prefix {
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	network, _ := addr.WithZone("").Prefix(bits)
	return network
}
