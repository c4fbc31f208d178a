package ldap

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"gatehouse/backend/fault"
	"gatehouse/backend/watch"
)

// trust has what connections are encrypted with, from files that are read again
// when they change. What cannot be used never takes the place of what can.
type trust struct {
	config  Config
	current atomic.Pointer[tls.Config]
	stop    func()
}

func newTrust(c Config) (*trust, error) {
	t := &trust{config: c, stop: func() {}}
	var files []string
	for _, file := range []string{c.CAFile, c.CertFile, c.KeyFile} {
		if file != "" {
			files = append(files, file)
		}
	}
	if len(files) > 0 {
		// First watch and then read, so that no change falls in between.
		t.stop = watch.Start(files, t.reload)
	}
	if err := t.load(); err != nil {
		t.stop()
		return nil, err
	}
	return t, nil
}

func (t *trust) reload() {
	if err := t.load(); err != nil {
		t.config.Log.Error("changed certificates for the directory cannot be used; the last good ones stay in use", "error", err)
		return
	}
	t.config.Log.Info("certificates for the directory read again")
}

func (t *trust) load() error {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.config.CAFile != "" {
		authorities, _, err := watch.ReadAuthorities(t.config.CAFile)
		if err != nil {
			return ofKey("ca_file", err)
		}
		c.RootCAs = authorities
	}
	if t.config.CertFile != "" {
		cert, err := t.clientCertificate()
		if err != nil {
			return err
		}
		c.Certificates = []tls.Certificate{cert}
	}
	if old := t.current.Load(); old == nil || !isSame(old, c) {
		t.current.Store(c)
	}
	return nil
}

// isSame reports whether two configurations trust the same and show the same certificate.
func isSame(a, b *tls.Config) bool {
	if a.RootCAs != nil && !a.RootCAs.Equal(b.RootCAs) { // of a pool that is read from a file
		return false
	}
	return slices.EqualFunc(a.Certificates, b.Certificates, func(a, b tls.Certificate) bool {
		return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal)
	})
}

func (t *trust) clientCertificate() (tls.Certificate, error) {
	cert, err := watch.ReadPEM(t.config.CertFile)
	if err != nil {
		return tls.Certificate{}, ofKey("cert_file", err)
	}
	key, err := watch.ReadKey(t.config.KeyFile)
	if err != nil {
		return tls.Certificate{}, ofKey("key_file", err)
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		return tls.Certificate{}, fault.With("tls.certificate.mismatch", ofKey("cert_file", err))
	}
	return pair, nil
}

// client returns the configuration for a connection to host.
func (t *trust) client(host string) *tls.Config {
	c := t.current.Load().Clone()
	c.ServerName, _, _ = strings.Cut(host, "%") // without the zone of an IPv6 address, which is for this machine alone
	if t.config.ServerName != "" {
		c.ServerName = t.config.ServerName
	}
	return c
}

// warnOf says what is dangerous about a configuration that works.
func warnOf(c Config) {
	if c.InsecurePlaintext {
		c.Log.Warn("insecure_plaintext is set: passwords cross the network in the clear", slog.Any("urls", c.URLs))
	}
	if c.GroupMode == groupsInChain {
		c.Log.Warn("group_mode = \"in_chain\" makes a domain controller walk all groups for each user, which takes minutes in a large domain; token_groups takes a millisecond")
	}
	for _, url := range c.URLs {
		a, err := parseAddress(url)
		if err == nil && a.isCatalog() && c.GroupMode != groupsNone && !c.isForest() { // where controllers are asked
			c.Log.Warn("a global catalog has the members of universal groups only: take groups from a domain controller", slog.String("url", url))
		}
	}
}
