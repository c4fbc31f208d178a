package strict

import (
	"fmt"
	"net/netip"
	"slices"
)

// Networks are a set of networks.
type Networks []netip.Prefix

// Contains reports whether addr is in one of them. An address with a zone is in none.
func (n Networks) Contains(addr netip.Addr) bool {
	return slices.ContainsFunc(n, func(one netip.Prefix) bool { return one.Contains(addr) })
}

// IsLoopback reports whether host, an address or a name, stands for this machine and no
// way over the network leads to it.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// ParseNetwork reads an address, which is a network of one, or a CIDR range. It refuses
// one with bits set beyond its length: either the address or the length is a mistake.
// An IPv4 network that is written as one of IPv6 is returned as what it is. The error
// says what to write.
func ParseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a CIDR range: write all of it, such as 10.1.0.0/16 or 2001:db8::/32", text)
	}
	if prefix.Masked() != prefix {
		return netip.Prefix{}, fmt.Errorf("%q has bits set beyond its length: write %s, or %s for the one address", text, prefix.Masked(), prefix.Addr())
	}
	if prefix.Addr().Is4In6() {
		const mappedBits = 96 // of ::ffff:0:0/96, RFC 4291 section 2.5.5.2
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-mappedBits)
	}
	return prefix, nil
}
