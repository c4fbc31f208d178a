package strict

import (
	"net/netip"
	"strconv"
	"strings"
)

const (
	errHost     Error = "host: not a host name or address"
	errHostPort Error = "host: not a port from 1 to 65535"
)

// ParseHost reads the value of a Host header or the authority of a target and
// returns the host alone, in lower case and without the dot of a fully qualified
// name. IPv6 addresses keep their brackets. Anything but a name or an address with
// perhaps a port is refused: it would otherwise be copied into forwarding headers
// ("evil;proto=https"), or match no route while an upstream reads one out of it.
func ParseHost(hostport string) (host string, err error) {
	if strings.HasPrefix(hostport, "[") {
		return canonicalIPv6(hostport)
	}
	host, port, hasPort := strings.Cut(hostport, ":")
	if hasPort && !isPort(port) {
		return "", errHostPort
	}
	host = strings.TrimSuffix(host, ".")
	if !isHostName(host) {
		return "", errHost
	}
	host = strings.ToLower(host)
	if LooksNumeric(host) {
		// Resolvers disagree about "127.1", "0x7f.1" and "010.0.0.1".
		if _, err := netip.ParseAddr(host); err != nil {
			return "", errHost
		}
	}
	return host, nil
}

func canonicalIPv6(hostport string) (string, error) {
	literal, port, ok := strings.Cut(hostport[1:], "]")
	if !ok {
		return "", errHost
	}
	addr, err := netip.ParseAddr(literal)
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return "", errHost
	}
	if port != "" && (port[0] != ':' || !isPort(port[1:])) {
		return "", errHostPort
	}
	return "[" + addr.String() + "]", nil
}

// isPort accepts a port in its only spelling: decimal, without a sign or leading
// zeros.
func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil && s[0] != '0'
}

// hostBytes are those of names (RFC 1123) and the underscore, which container
// networks use.
var hostBytes = newByteSet(alphanumeric + "-_")

// isHostName checks the lengths of RFC 1035, section 2.3.4.
func isHostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || !hostBytes.containsAll(label) {
			return false
		}
	}
	return true
}

// LooksNumeric reports whether a name ends in a number, in which case URL parsers
// take it for an IPv4 address.
func LooksNumeric(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	hex, isHex := strings.CutPrefix(last, "0x")
	return strings.Trim(last, "0123456789") == "" ||
		isHex && strings.Trim(hex, "0123456789abcdef") == ""
}
