package ldap

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/ldap/ldaptest"
)

// TestLDAP5PortsAndCiphersOfSlapd has a real server say the same as the one of
// [TestLDAP5CertificatesThatGoRefuses]: the code is that of the true cause, and what is
// advised works.
func TestLDAP5PortsAndCiphersOfSlapd(t *testing.T) {
	s := startSlapd(t)
	tlsPort, clearPort := strings.Replace(s.ldapsURL, "ldaps:", "ldap:", 1), strings.Replace(s.ldapURL, "ldap:", "ldaps:", 1)
	toTLS := func(c *Config) { c.URLs, c.StartTLS, c.InsecurePlaintext = []string{s.ldapsURL}, false, false }
	for name, tt := range map[string]slapdPort{
		"StartTLS on the TLS port": {func(c *Config) { c.URLs, c.StartTLS = []string{tlsPort}, true }, "ldap.starttls.tls_port", "TLS", toTLS},
		"TLS on the StartTLS port": {func(c *Config) { c.URLs = []string{clearPort} }, "ldap.tls.starttls_port", "TLS",
			func(c *Config) { c.URLs, c.StartTLS = []string{s.ldapURL}, true }},
		"in the clear on the TLS port": {func(c *Config) { c.URLs, c.InsecurePlaintext = []string{tlsPort}, true }, "ldap.starttls.tls_port", "service bind", toTLS},
	} {
		t.Run(name, func(t *testing.T) { tt.check(t, s.config(t)) })
	}
	s.kill()
	s.useRSAKeyExchange(t)
	byEnvironment := func(*Config) { t.Setenv("GODEBUG", "tlsrsakex=1") }
	slapdPort{func(*Config) {}, "ldap.tls.rsa_key_exchange", "TLS", byEnvironment}.check(t, s.config(t))
}

// slapdPort is a way to connect that cannot work, and one that can.
type slapdPort struct {
	change func(*Config)
	code   fault.Code
	step   string // of the examination that fails for it
	remedy func(*Config)
}

func (p slapdPort) check(t *testing.T, c Config) {
	t.Helper()
	p.change(&c)
	_, err := open(t, c).Authenticate(t.Context(), "alice", realPass)
	if fault.Of(err) != p.code || verdict(err) != "unavailable" || !strings.Contains(err.Error(), p.code.Advice()) {
		t.Errorf("got %v (%s), want %s and its advice", err, fault.Of(err), p.code)
	}
	if f := find(examine(t, c, backend.Examination{}), p.step, ""); f.Code != p.code || f.Advice != p.code.Advice() {
		t.Errorf("doctor: got %+v, want %s", f, p.code)
	}
	p.remedy(&c)
	if _, got := authenticate(t, open(t, c), "alice", realPass); got != "in" {
		t.Errorf("after what was advised: %s", got)
	}
}

// useRSAKeyExchange starts the server again with no other cipher suites.
func (s *slapd) useRSAKeyExchange(t *testing.T) {
	t.Helper()
	pair, authority := certifiedRSA(t, nil)
	cert, key, err := ldaptest.KeyPair(pair)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := os.ReadFile(filepath.Join(s.dir, "slapd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	suites := "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA" // as GnuTLS writes them, which slapd is built with
	for name, text := range map[string][]byte{
		"cert.pem": cert, "key.pem": key, "ca.pem": ca, "slapd.conf": append([]byte("TLSCipherSuite "+suites+"\n"), conf...),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.launch(t, s.ldaps)
}
