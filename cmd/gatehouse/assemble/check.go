package assemble

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode"

	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
)

// missing reports that the table at path lacks key. It says nothing if a key of
// the table was not understood: that is probably the one.
func (a *Assembly) missing(key, advice string, path ...any) {
	o := a.Config.Origin
	if !o.IsFlawed(path...) {
		a.Report.Errorf(o.At(path...), "%s is missing: %s", key, advice)
	}
}

// checkListen checks the addresses to listen on.
func (a *Assembly) checkListen() {
	c := a.Config
	if len(c.Listen) == 0 {
		a.Report.Errorf(c.Origin.At("listen"), "listen is an empty list: name an address, such as %q, or leave the key out for the default", ":5043")
	}
	for i, addr := range c.Listen {
		at := c.Origin.At("listen", i)
		if err := gateway.CheckOnce(c.Listen, i, addr, nil); err != nil {
			a.Report.Errorf(at, "%v", err)
		}
		loopback, err := CheckListenAddress(addr)
		switch {
		case err != nil:
			a.Report.Errorf(at, "%v", err)
		case !loopback && a.Gateway.TLS == nil && !c.InsecurePlaintext && !a.wantsTLS():
			a.Report.Errorf(at, "%s would take passwords over the network in plain HTTP: set cert_file and key_file under [tls] (--cert and --key), "+
				"listen on 127.0.0.1, or set insecure_plaintext = true if a proxy in front terminates TLS", addr)
		}
	}
}

// CheckListenAddress reports whether an address can be reached from this machine only.
func CheckListenAddress(addr string) (loopback bool, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false, fmt.Errorf("%q is not an address to listen on: write IP:PORT or :PORT, with an IPv6 address in brackets", addr)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false, fmt.Errorf("%q has no port number: write IP:PORT with a port from 1 to 65535", addr)
	}
	return strict.IsLoopback(host), nil
}

// wantsTLS reports whether anything is set under [tls].
func (a *Assembly) wantsTLS() bool {
	return a.Config.Origin.Has("tls") || a.Config.TLS != config.TLS{}
}

// certificate returns the files of the certificate that clients see, nil for none.
func (a *Assembly) certificate() *gateway.TLS {
	c := a.Config
	if !a.wantsTLS() {
		return nil
	}
	switch {
	case c.TLS == config.TLS{}:
		a.missing("cert_file", "[tls] needs the file of the certificate chain and, as key_file, that of its key", "tls")
	case c.TLS.CertFile == "":
		a.missing("cert_file", "[tls] needs the file of the certificate chain, in PEM", "tls")
	case c.TLS.KeyFile == "":
		a.missing("key_file", "[tls] needs the file of the private key, in PEM", "tls")
	}
	if c.TLS.CertFile == "" || c.TLS.KeyFile == "" {
		return nil
	}
	files := &gateway.TLS{
		CertFile: c.Origin.File(c.TLS.CertFile, "tls", "cert_file"),
		KeyFile:  c.Origin.File(c.TLS.KeyFile.Reveal(), "tls", "key_file"),
	}
	a.checkPair(pair{files.CertFile, files.KeyFile, c.Origin.At("tls", "cert_file"), c.Origin.At("tls", "key_file")})
	return files
}

// checkRoutes checks what routes say, except for rules and files.
func (a *Assembly) checkRoutes() {
	c := a.Config
	if len(c.Routes) == 0 {
		a.missing("route", "without a [[route]] there is nothing that anybody could reach")
	}
	taken := gateway.Places{}
	for i, r := range c.Routes {
		a.checkRoutePath(i, r)
		a.checkHosts(i, r)
		if err := taken.Take(gateway.Route{Path: r.Path, Hosts: r.Names()}); err != nil {
			a.Report.Errorf(a.at(i, "path"), "%v", err)
		}
		a.checkRouteBackend(i, r)
		a.checkUpstream(i, r)
		a.checkHeaders(i, r)
		a.checkOrigins(i, r)
		if strings.ContainsFunc(r.Realm, unicode.IsControl) {
			a.Report.Errorf(a.at(i, "realm"), "the realm has a control character in it, which no header may carry")
		}
	}
}

func (a *Assembly) checkRoutePath(i int, r config.Route) {
	if r.Path == "" && !a.Config.Origin.Has("path", "route", i) {
		a.missing("path", "say which requests this route takes, such as path = \"/v2/\"", "route", i)
	} else if err := rules.CheckPrefix(r.Path); err != nil {
		a.Report.Errorf(a.at(i, "path"), "%v", err)
	}
}

// checkHealth checks [health], after the routes are known.
func (a *Assembly) checkHealth() {
	c := a.Config
	ok := c.Origin.Has("health")
	if ok && c.Health.Path == "" {
		a.missing("path", "[health] needs the path that load balancers ask for, such as path = \"/-/healthz\"", "health")
	} else if ok {
		if err := gateway.CheckHealthPath(c.Health.Path, a.Gateway.Routes); err != nil {
			a.Report.Errorf(c.Origin.At("health", "path"), "%v", err)
		}
	}
}

// checkUpstream checks where a route leads and the files for the way there.
func (a *Assembly) checkUpstream(i int, r config.Route) {
	if r.Upstream == "" {
		a.missing("upstream", "say where requests go, such as upstream = \"http://127.0.0.1:5000\"", "route", i)
		return
	}
	https := strings.HasPrefix(r.Upstream.Reveal(), "https:")
	if err := (gateway.Route{Path: r.Path, Registry: registryRoot(r)}).CheckUpstreamURL(a.upstreamURL(i)); err != nil {
		a.Report.Errorf(a.at(i, "upstream"), "%v", err)
	}
	for key, value := range map[string]string{
		"upstream_ca_file": r.UpstreamCAFile, "upstream_server_name": r.UpstreamServerName,
		"upstream_cert_file": r.UpstreamCertFile, "upstream_key_file": r.UpstreamKeyFile.Reveal(),
	} {
		if value != "" && !https {
			a.Report.Errorf(a.at(i, key), "%s means nothing for an upstream without TLS: write https:// in upstream, or take the key out", key)
		}
	}
	a.checkUpstreamFiles(i, r)
	if strings.Contains(r.UpstreamUser, ":") || strings.ContainsFunc(r.UpstreamUser, unicode.IsControl) {
		a.Report.Errorf(a.at(i, "upstream_user"), "the user name for the upstream has a colon or control character, which Basic credentials cannot carry")
	}
	if r.UpstreamUser != "" && r.ForwardAuthorization {
		a.Report.Errorf(a.at(i, "forward_authorization"), "the upstream can be sent the client's credentials or those of upstream_user, not both: take one of them out")
	}
}

func (a *Assembly) checkUpstreamFiles(i int, r config.Route) {
	o := a.Config.Origin
	if r.UpstreamCAFile != "" {
		a.checkAuthorities(o.File(r.UpstreamCAFile), a.at(i, "upstream_ca_file"))
	}
	switch {
	case r.UpstreamCertFile != "" && r.UpstreamKeyFile == "":
		a.Report.Errorf(a.at(i, "upstream_cert_file"), "a client certificate for the upstream without its key: set upstream_key_file too")
	case r.UpstreamKeyFile != "" && r.UpstreamCertFile == "":
		a.Report.Errorf(a.at(i, "upstream_key_file"), "a key for the upstream without its certificate: set upstream_cert_file too")
	case r.UpstreamKeyFile != "":
		a.checkPair(pair{o.File(r.UpstreamCertFile), o.File(r.UpstreamKeyFile.Reveal()), a.at(i, "upstream_cert_file"), a.at(i, "upstream_key_file")})
	}
}

// checkHeaders checks the names of headers that tell the upstream who somebody is,
// and of those that it gets or does not get from clients.
func (a *Assembly) checkHeaders(i int, r config.Route) {
	for key, name := range map[string]string{"user_header": r.UserHeader, "groups_header": r.GroupsHeader} {
		if err := gateway.CheckIdentityHeader(name); err != nil {
			a.Report.Errorf(a.at(i, key), "%v", err)
		}
	}
	if r.UserHeader != "" && strings.EqualFold(r.UserHeader, r.GroupsHeader) {
		a.Report.Errorf(a.at(i, "groups_header"), "user_header and groups_header are the same: one would replace the other")
	}
	a.checkGroupsHeader(i, r)
	route := gateway.Route{UserHeader: r.UserHeader, GroupsHeader: r.GroupsHeader, KeepHeaders: r.KeepHeaders, ResponseHeaders: r.ResponseHeaders}
	for j, name := range r.KeepHeaders {
		if err := route.CheckKeptHeader(name); err != nil {
			a.Report.Errorf(a.at(i, "keep_headers", j), "%v", err)
		}
	}
	for j, name := range r.RemoveHeaders {
		if err := route.CheckRemovedHeader(name); err != nil {
			a.Report.Errorf(a.at(i, "remove_headers", j), "%v", err)
		}
	}
	for j := range r.ResponseHeaders {
		if err := route.CheckResponseHeader(j); err != nil {
			a.Report.Errorf(a.at(i, "response_headers", j), "%v", err)
		}
	}
}

// checkGroupsHeader refuses what is said of a header that the route does not have.
func (a *Assembly) checkGroupsHeader(i int, r config.Route) {
	if r.GroupsHeader != "" {
		return
	}
	for _, key := range []string{"groups_header_form", "groups_header_bytes", "groups_header_over"} {
		if a.Config.Origin.Has(key, "route", i) {
			a.Report.Errorf(a.at(i, key), "%s is about groups_header, which the route does not have: set groups_header too", key)
		}
	}
}
