package ldap

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
)

// address is where a server is, or with a service where DNS says that the
// servers are.
type address struct {
	scheme  string // ldap, ldaps or ldapi
	host    string // name or IP address, or the path of a socket
	port    string
	service string // name of the SRV records
}

func (a address) isSRV() bool { return a.service != "" }

// String returns the address as a URL.
func (a address) String() string {
	switch {
	case a.isSRV():
		return "srv:" + a.service
	case a.scheme == "ldapi":
		return "ldapi://" + a.host
	}
	return a.scheme + "://" + net.JoinHostPort(a.host, a.port)
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

// srvLookup is net.Resolver.LookupSRV.
type srvLookup func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)

// resolve returns the servers that DNS names, best first; RFC 2782. DNS is not
// to be trusted with where passwords go: a server must be in the domain that
// it is looked up for, and is verified by its name there.
func (a address) resolve(ctx context.Context, lookup srvLookup) ([]address, error) {
	_, records, err := lookup(ctx, "", "", a.service)
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
