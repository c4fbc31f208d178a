package main

import (
	"net/netip"

	"gatehouse/gateway"
)

// gateway returns the limits as the gateway has them.
func (c LimitsConfig) gateway() gateway.Limits {
	return gateway.Limits{
		Connections: c.Connections,
		PerAddress:  c.PerAddress,
		Handshakes:  c.Handshakes,
		Streams:     c.Streams,
		HeadBytes:   c.HeadBytes,
		HeadFields:  c.HeadFields,
		BodyRate:    c.BodyRate,
		BodyWindow:  c.BodyWindow.Duration,
	}
}

// trustedProxies returns the networks of trusted_proxies, whose errors are in the
// report.
func (a *assembly) trustedProxies() []netip.Prefix {
	c := a.config
	var networks []netip.Prefix
	for i, text := range c.TrustedProxies {
		network, ok := parseNetwork(text)
		switch {
		case !ok:
			a.report.errorf(c.origin.at("trusted_proxies", i), "%q is not a network: write an address, or one with the length of its prefix, such as \"10.0.0.0/8\"", text)
		case network.Bits() == 0:
			a.report.errorf(c.origin.at("trusted_proxies", i), "%s is everybody, and whoever is trusted can take any address: name the proxies", text)
		default:
			networks = append(networks, network)
		}
	}
	if c.ProxyProtocol && len(c.TrustedProxies) == 0 {
		a.report.errorf(c.origin.at("proxy_protocol"), "nobody is trusted to send the PROXY header: name the proxies in trusted_proxies")
	}
	return networks
}

// parseNetwork reads an address or a network.
func parseNetwork(text string) (netip.Prefix, bool) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), addr.Zone() == ""
	}
	network, err := netip.ParsePrefix(text)
	return network.Masked(), err == nil && !network.Addr().Is4In6()
}
