package sockets

import (
	"net/netip"
	"time"

	"gatehouse/gateway/limits"
	"gatehouse/gateway/strict"
)

// Terms are on what connections are let in. They are part of a configuration.
type Terms struct {
	Limits        limits.Bounds
	Proxies       strict.Networks // that are believed about whom they speak for
	ProxyProtocol bool            // they begin with a PROXY header
	Handshake     time.Duration   // in which it has to come
	MakeRoom      func()          // cuts off a request whose client is stuck, if there is one; called where no connection can make room
}

// cappedNetwork returns the network of whose connections there may be no more than
// some, or the zero value. Behind a proxy, and on this machine, are many clients.
func (t Terms) cappedNetwork(addr netip.Addr) netip.Prefix {
	if !addr.IsValid() || addr.IsLoopback() || t.Proxies.Contains(addr) {
		return netip.Prefix{}
	}
	return NetworkOf(addr)
}

// NetworkOf returns the network that one client is taken to have.
func NetworkOf(addr netip.Addr) netip.Prefix {
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	network, _ := addr.WithZone("").Prefix(bits)
	return network
}
