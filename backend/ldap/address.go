package ldap

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
)

// address is where a server is, or with a service where DNS says that the
// servers are.
type address struct {
	scheme  string // ldap, ldaps or ldapi
	host    string // name or IP address, which the certificate has, or the path of a socket
	port    string
	service string     // name of the SRV records
	ip      netip.Addr // one address of the name; not valid while that is not known
}

func (a address) isSRV() bool { return a.service != "" }

// isNamed reports whether DNS says where the server is.
func (a address) isNamed() bool {
	_, err := netip.ParseAddr(a.host)
	return a.isSRV() || a.scheme != "ldapi" && err != nil
}

// at returns the address with one of those that its name has.
func (a address) at(ip netip.Addr) address {
	a.ip = ip.Unmap()
	return a
}

// dialed returns what a connection is made to.
func (a address) dialed() (network, target string) {
	if a.scheme == "ldapi" {
		return "unix", a.host
	}
	return "tcp", net.JoinHostPort(a.ipOrHost(), a.port)
}

// ipOrHost returns the one address of the name, or the name while that is not known.
func (a address) ipOrHost() string {
	if a.ip.IsValid() {
		return a.ip.String()
	}
	return a.host
}

// url returns the address as a URL.
func (a address) url() string {
	switch {
	case a.isSRV():
		return "srv:" + a.service
	case a.scheme == "ldapi":
		return "ldapi://" + a.host
	}
	return a.scheme + "://" + net.JoinHostPort(a.host, a.port)
}

// String returns what people call the server: its URL, and which of the addresses
// of a name it is.
func (a address) String() string {
	if a.ip.IsValid() {
		return a.url() + " (" + a.ip.String() + ")"
	}
	return a.url()
}

func parseAddress(text string) (address, error) {
	if service, ok := strings.CutPrefix(text, "srv:"); ok {
		return parseService(service)
	}
	if socket, ok := strings.CutPrefix(text, "ldapi://"); ok {
		path, err := url.PathUnescape(socket)
		if err != nil || !strings.HasPrefix(path, "/") {
			return address{}, fmt.Errorf("%q: want the path of a socket, as in ldapi:///run/slapd/ldapi", shown.URL(text))
		}
		return address{scheme: "ldapi", host: path}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return address{}, fmt.Errorf("%q is no address of a server: want ldaps://HOST, ldap://HOST, ldapi:///PATH or srv:_ldap._tcp.DOMAIN", shown.URL(text))
	}
	port, ok := map[string]string{"ldap": "389", "ldaps": "636"}[u.Scheme]
	switch {
	case !ok:
		return address{}, fmt.Errorf("%q: the scheme is not known: want ldaps, ldap or ldapi", shown.URL(text))
	case u.Hostname() == "":
		return address{}, fmt.Errorf("%q names no host", shown.URL(text))
	case u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return address{}, fmt.Errorf("%q: want no more than a host and a port; the account, bases and filters have keys of their own", shown.URL(text))
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return address{scheme: u.Scheme, host: u.Hostname(), port: port}, nil
}

func parseService(service string) (address, error) {
	a := address{scheme: "ldap", service: strings.TrimSuffix(service, ".")}
	if strings.HasPrefix(service, "_ldaps.") {
		a.scheme = "ldaps"
	}
	if !strings.HasPrefix(service, "_ldap") || serviceDomain(a.service) == "" {
		return address{}, fmt.Errorf("%q: want the name of SRV records, as in srv:_ldap._tcp.dc._msdcs.corp.example", shown.URL("srv:"+service))
	}
	return a, nil
}

// serviceDomain returns the domain that a service is looked up for: what
// follows the last label that begins with an underscore.
func serviceDomain(service string) string {
	labels := strings.Split(service, ".")
	for i := len(labels) - 1; i >= 0; i-- {
		if strings.HasPrefix(labels[i], "_") {
			return strings.Join(labels[i+1:], ".")
		}
	}
	return ""
}

// names asks DNS, as a [net.Resolver] does.
type names struct {
	srv   func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	hosts func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// servers returns the servers that DNS names, best first; RFC 2782. DNS is not
// to be trusted with where passwords go: a server must be in the domain that
// it is looked up for, and is verified by its name there.
func (n names) servers(ctx context.Context, a address) ([]address, error) {
	_, records, err := n.srv(ctx, "", "", a.service)
	if err != nil {
		return nil, fault.Connection("ldap", fmt.Errorf("look up the servers of %s: %w", a, err))
	}
	var servers []address
	domain := strings.ToLower(serviceDomain(a.service))
	for _, r := range records {
		host := strings.ToLower(strings.TrimSuffix(r.Target, "."))
		if host == domain || strings.HasSuffix(host, "."+domain) {
			servers = append(servers, address{scheme: a.scheme, host: host, port: strconv.Itoa(int(r.Port))})
		}
	}
	if len(servers) == 0 {
		return nil, fault.With("ldap.server.none", fmt.Errorf("look up the servers of %s: none of %d records names a host in %s", a, len(records), domain))
	}
	return servers, nil
}

// addresses returns each address that the name of a server has, those of IPv6 and
// IPv4 by turns, so that a family which this machine cannot reach holds up one
// attempt and not several; RFC 8305, section 4.
func (n names) addresses(ctx context.Context, a address) ([]address, error) {
	found, err := n.hosts(ctx, "ip", a.host)
	if err != nil {
		return nil, fault.Connection("ldap", fmt.Errorf("look up %s: %w", a.host, err))
	}
	var families [2][]address
	for _, ip := range found {
		family := 0
		if ip.Unmap().Is4() != found[0].Unmap().Is4() {
			family = 1
		}
		families[family] = append(families[family], a.at(ip))
	}
	var all []address
	for i := range found {
		for _, family := range families {
			if i < len(family) && !slices.Contains(all, family[i]) {
				all = append(all, family[i])
			}
		}
	}
	return all, nil
}
