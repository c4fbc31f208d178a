package ldap

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// servers tries every server by itself and reports whether any works.
func (e *examination) servers(ctx context.Context) bool {
	works := false
	for _, a := range e.directory.configured {
		for _, server := range e.lookUp(ctx, a) {
			for _, one := range e.addresses(ctx, server) {
				works = e.tryServer(ctx, one) || works
			}
		}
	}
	return works
}

// lookUp returns the servers that an address stands for.
func (e *examination) lookUp(ctx context.Context, a address) (servers []address) {
	if !a.isSRV() {
		return []address{a}
	}
	e.step("SRV", a.service, shell("dig", "+short", "SRV", a.service), func(f *backend.Finding) (err error) {
		ctx, cancel := context.WithTimeout(ctx, e.config.ConnectTimeout)
		defer cancel()
		servers, err = e.config.names.servers(ctx, a)
		for _, s := range servers {
			f.Details = append(f.Details, s.String())
		}
		f.Text = fmt.Sprintf("%d servers", len(servers))
		return err
	})
	return servers
}

// addresses returns each address that the name of a server has.
func (e *examination) addresses(ctx context.Context, a address) (all []address) {
	if !a.isNamed() {
		return []address{a}
	}
	e.step("DNS", a.host, shell("getent", "ahosts", a.host), func(f *backend.Finding) (err error) {
		ctx, cancel := context.WithTimeout(ctx, e.config.ConnectTimeout)
		defer cancel()
		all, err = e.config.names.addresses(ctx, a)
		f.Text = fmt.Sprintf("%d addresses", len(all))
		for _, one := range all {
			f.Details = append(f.Details, one.ip.String())
		}
		return err
	})
	return all
}

// tryServer tries a server at one address from the bottom up.
func (e *examination) tryServer(ctx context.Context, a address) bool {
	c := e.connect(ctx, a)
	if c == nil {
		return false
	}
	defer c.close()
	if e.server.host == "" {
		e.server = a
	}
	e.rootDSE(ctx, c, a)
	return e.serviceBind(ctx, c, a)
}

// connect returns a connection to a server, encrypted for its name, or nil.
func (e *examination) connect(ctx context.Context, a address) *conn {
	ctx, cancel := context.WithTimeout(ctx, e.config.ConnectTimeout)
	defer cancel()
	var raw, stream net.Conn
	command := shell("nc", "-vz", a.ipOrHost(), a.port)
	if a.scheme == "ldapi" {
		command = shell("nc", "-vzU", a.host)
	}
	if !e.step("TCP", a.String(), command, func(*backend.Finding) (err error) {
		raw, err = e.directory.trust.connect(ctx, a)
		return err
	}) {
		return nil
	}
	if a.scheme == "ldapi" {
		return newConn(raw, raw)
	}
	if !e.step("TLS", a.String(), e.sClient(a), func(f *backend.Finding) (err error) {
		stream, err = e.directory.trust.encrypt(ctx, raw, a)
		e.describe(f, stream, err)
		return err
	}) {
		raw.Close()
		return nil
	}
	return newConn(raw, stream)
}

// soon is when an end of a certificate is worth a word.
const soon = 30 * 24 * time.Hour

// describe says how a connection is encrypted, or which certificates were not
// good enough for it.
func (e *examination) describe(f *backend.Finding, stream net.Conn, failure error) {
	var refused *tls.CertificateVerificationError
	var chain []*x509.Certificate
	if errors.As(failure, &refused) {
		chain = refused.UnverifiedCertificates
	} else if t, ok := stream.(*tls.Conn); ok {
		state := t.ConnectionState()
		chain = state.PeerCertificates
		f.Text = tls.VersionName(state.Version)
	} else if failure == nil {
		f.Text = "none: passwords cross the network in the clear"
	}
	for _, c := range chain {
		left := time.Until(c.NotAfter)
		f.Details = append(f.Details, fmt.Sprintf("%s, names: %s, issuer: %s, until %s: %d days left", c.Subject,
			cmp.Or(strings.Join(certified(c), " "), "none"), c.Issuer, c.NotAfter.UTC().Format(time.DateOnly), int(left.Hours()/24)))
		if left < soon && failure == nil {
			f.Advice = "have the certificate renewed before it expires"
		}
	}
	if len(chain) > 0 && failure != nil {
		f.Advice = adviceOnChain(chain, failure)
	}
}

// certified returns the names that a certificate is for.
func certified(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

func adviceOnChain(chain []*x509.Certificate, err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	last := chain[len(chain)-1]
	switch {
	case errors.As(err, &unknown):
		return fmt.Sprintf("put the certificate of the authority %q into a file and name that in ca_file", last.Issuer)
	case errors.As(err, &name) && len(certified(chain[0])) == 0:
		return fmt.Sprintf("have the certificate issued anew with %s in its subjectAltName: names elsewhere do not count, and no setting here makes up for it", name.Host)
	case errors.As(err, &name):
		return fmt.Sprintf("use a name in urls that the certificate has, or set server_name: it is for %s", strings.Join(certified(chain[0]), ", "))
	}
	return fault.Of(err).Advice()
}

// serviceBind logs in as whoever searches.
func (e *examination) serviceBind(ctx context.Context, c *conn, a address) bool {
	subject := cmp.Or(e.config.BindDN, "anonymous")
	switch {
	case e.config.SASLExternal:
		subject = "SASL EXTERNAL"
	case e.asUser():
		subject = "none, users search with their own rights"
	}
	command := e.ldapsearch(query{filter: "(objectClass=*)", attributes: []string{"1.1"}})
	return e.step("service bind", subject, command, func(*backend.Finding) error {
		return e.directory.trust.diagnosePlain(ctx, a, e.directory.account.bind(ctx, c, newTurn()))
	})
}
