package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/backend/ldap/ldaptest"
	"gatehouse/internal/testkit"
)

func TestEveryTransport(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "ldapi")
	s := start(t, ldaptest.Config{Socket: socket})
	for _, tt := range []struct {
		scheme    string
		startTLS  bool
		plaintext bool
		encrypted bool
	}{{"ldaps", false, false, true}, {"ldap", true, false, true}, {"ldapi", false, false, false}, {"ldap", false, true, false}} {
		s.Forget()
		c := configFor(t, s)
		c.URLs, c.StartTLS, c.InsecurePlaintext = []string{s.URL(tt.scheme)}, tt.startTLS, tt.plaintext
		b := open(t, c)
		if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
			t.Errorf("%+v: got %s", tt, got)
		}
		for _, r := range s.Requests() {
			if r.Kind == ldaptest.Bind && r.TLS != tt.encrypted {
				t.Errorf("%+v: a bind with TLS %v", tt, r.TLS)
			}
		}
	}
}

// Whatever is wrong with the server's TLS, it never sees a password.
func TestNoPasswordCrossesAConnectionThatIsNotVerified(t *testing.T) {
	stranger, err := ldaptest.NewAuthority("a stranger")
	if err != nil {
		t.Fatal(err)
	}
	expired, err := stranger.IssueUntil(time.Now().Add(-time.Hour), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	otherName, err := stranger.Issue("other.example")
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(code int64) ldaptest.Fault { return ldaptest.Fault{Answer: &ldaptest.Answer{Code: code}} }
	tests := []struct {
		name   string
		server ldaptest.Config
		scheme string
		fault  ldaptest.Fault // of StartTLS
		config func(*Config)
		want   string // in the error
	}{
		{name: "wrong authority", scheme: "ldaps", config: func(c *Config) { c.CAFile = writeFile(t, "ca.pem", stranger.PEM()) }, want: "ca_file"},
		{name: "wrong authority, StartTLS", scheme: "ldap", config: func(c *Config) { c.CAFile = writeFile(t, "ca.pem", stranger.PEM()) }, want: "ca_file"},
		{name: "system's authorities", scheme: "ldaps", config: func(c *Config) { c.CAFile = "" }, want: "ca_file"},
		{name: "wrong server_name", scheme: "ldaps", config: func(c *Config) { c.ServerName = "dc9.corp.example" }, want: "server_name"},
		{name: "wrong server_name, StartTLS", scheme: "ldap", config: func(c *Config) { c.ServerName = "dc9.corp.example" }, want: "server_name"},
		{name: "expired", server: ldaptest.Config{Certificate: &expired}, scheme: "ldaps", config: func(c *Config) { c.CAFile = writeFile(t, "ca.pem", stranger.PEM()) }, want: "renewed"},
		{name: "other name", server: ldaptest.Config{Certificate: &otherName}, scheme: "ldaps", config: func(c *Config) { c.CAFile = writeFile(t, "ca.pem", stranger.PEM()) }, want: "server_name"},
		{name: "TLS 1.1", server: ldaptest.Config{MaxTLSVersion: tls.VersionTLS11}, scheme: "ldaps", want: "TLS"},
		{name: "StartTLS refused with 2", scheme: "ldap", fault: refuse(2), want: "refuses"},
		{name: "StartTLS refused with 52", scheme: "ldap", fault: refuse(52), want: "refuses"},
		{name: "StartTLS answered as a bind", scheme: "ldap", fault: ldaptest.Fault{Tag: 1}, want: "something else"},
		{name: "StartTLS answered for another request", scheme: "ldap", fault: ldaptest.Fault{IDShift: 1}, want: "something else"},
		{name: "answer in the clear behind StartTLS", scheme: "ldap", fault: ldaptest.Fault{Raw: append(
			[]byte("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"), []byte("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00")...)}, want: "TLS"},
		{name: "connection closed", scheme: "ldap", fault: ldaptest.Fault{Close: true}, want: "start TLS"},
		{name: "garbage", scheme: "ldap", fault: ldaptest.Fault{Raw: []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), Close: true}, want: "start TLS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, tt.server)
			s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
				if r.Kind == ldaptest.StartTLS {
					return tt.fault
				}
				return ldaptest.Fault{}
			})
			c := configFor(t, s)
			c.URLs, c.StartTLS = []string{s.URL(tt.scheme)}, tt.scheme == "ldap"
			if tt.config != nil {
				tt.config(&c)
			}
			b := open(t, c)
			_, err := b.Authenticate(t.Context(), "alice", alicePass)
			if got := verdict(err); got != "unavailable" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %s, %v, want unavailable with %q", got, err, tt.want)
			}
			if n := s.Count(ldaptest.Bind) + s.Count(ldaptest.Search); n != 0 {
				t.Errorf("the server saw %d binds and searches, want none: %+v", n, s.Requests())
			}
		})
	}
}

func TestNameToVerifyCanBeSet(t *testing.T) {
	s := start(t, ldaptest.Config{})
	for _, scheme := range []string{"ldaps", "ldap"} {
		c := configFor(t, s)
		c.URLs, c.StartTLS, c.ServerName = []string{s.URL(scheme)}, scheme == "ldap", "directory.example"
		if _, got := authenticate(t, open(t, c), "alice", alicePass); got != "in" {
			t.Errorf("%s: got %s", scheme, got)
		}
	}
}

func TestCertificateIsTheServiceAccount(t *testing.T) {
	s := start(t, ldaptest.Config{External: svcDN, Readers: []string{svcDN}, Socket: filepath.Join(t.TempDir(), "ldapi")})
	pair, err := s.CA().Issue("gateway")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ldaptest.KeyPair(pair)
	if err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"ldaps", "ldap", "ldapi"} {
		c := configFor(t, s)
		c.URLs, c.StartTLS = []string{s.URL(scheme)}, scheme == "ldap"
		c.BindDN, c.BindPassword, c.SASLExternal = "", nil, true
		if scheme != "ldapi" {
			c.CertFile, c.KeyFile = writeFile(t, "cert.pem", cert), writeFile(t, "key.pem", key)
		}
		if _, got := authenticate(t, open(t, c), "alice", alicePass); got != "in" {
			t.Errorf("%s: got %s, want in", scheme, got)
		}
	}
}

// A new authority counts without a restart; a broken file does not take the
// place of a good one.
func TestChangedAuthorityIsUsed(t *testing.T) {
	t.Parallel()
	s := start(t, ldaptest.Config{})
	stranger, err := ldaptest.NewAuthority("a stranger")
	if err != nil {
		t.Fatal(err)
	}
	c := configFor(t, s)
	c.CAFile = writeFile(t, "ca.pem", stranger.PEM())
	b := open(t, c)
	if _, got := authenticate(t, b, "alice", alicePass); got != "unavailable" {
		t.Fatalf("wrong authority: got %s", got)
	}
	if err := os.WriteFile(c.CAFile, s.CA().PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return verdictOf(b, "alice", alicePass) == "in" })
	before := b.directory.trust.current.Load()
	if err := os.WriteFile(c.CAFile, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if b.directory.trust.current.Load() != before {
		t.Error("a broken file took the place of a good one")
	}
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("after a broken file: got %s", got)
	}
}

// until waits for ok.
func until(t testing.TB, ok func() bool) {
	t.Helper()
	testkit.Await(t, "it has happened", ok)
}

func verdictOf(b *Backend, user, password string) string {
	_, err := b.Authenticate(context.Background(), user, password)
	return verdict(err)
}

func TestServersFromDNS(t *testing.T) {
	a, err := parseAddress("srv:_ldap._tcp.dc._msdcs.corp.example")
	if err != nil {
		t.Fatal(err)
	}
	records := []*net.SRV{{Target: "DC1.corp.example.", Port: 389}, {Target: "evil.example.", Port: 389}, {Target: "evilcorp.example.", Port: 389}, {Target: "dc2.eu.corp.example", Port: 1389}}
	dns := names{srv: func(context.Context, string, string, string) (string, []*net.SRV, error) { return "", records, nil }}
	got, err := dns.servers(t.Context(), a)
	if err != nil || len(got) != 2 || got[0].String() != "ldap://dc1.corp.example:389" || got[1].String() != "ldap://dc2.eu.corp.example:1389" {
		t.Errorf("got %v, %v", got, err)
	}
	records = records[1:3]
	if got, err := dns.servers(t.Context(), a); err == nil {
		t.Errorf("servers of other domains: got %v, want an error", got)
	}
	for service, want := range map[string]string{
		"_ldap._tcp.corp.example": "corp.example", "_ldap._tcp.dc._msdcs.corp.example": "corp.example",
		"_ldap._tcp.Berlin._sites.dc._msdcs.corp.example": "corp.example", "_ldap._tcp.Berlin._sites.corp.example": "corp.example",
	} {
		_ = want
		if a, err := parseAddress("srv:" + service); err != nil || !strings.HasSuffix(serviceDomain(a.service), "corp.example") {
			t.Errorf("%s: domain %q, %v", service, serviceDomain(a.service), err)
		}
	}
}

// A name that DNS gives is verified as what it was looked up as, and encrypted
// without being told to.
func TestServerFromDNSIsUsedOverTLS(t *testing.T) {
	s := start(t, ldaptest.Config{})
	host, port, err := net.SplitHostPort(strings.TrimPrefix(s.URL("ldap"), "ldap://"))
	if err != nil {
		t.Fatal(err)
	}
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	c := configFor(t, s)
	c.URLs = []string{"srv:_ldap._tcp.localhost"}
	target, failing := "localhost.", errors.New("no such host")
	c.names.srv = func(context.Context, string, string, string) (string, []*net.SRV, error) {
		return "", []*net.SRV{{Target: target, Port: uint16(number)}}, failing
	}
	b := open(t, c)
	if _, got := authenticate(t, b, "alice", alicePass); got != "unavailable" {
		t.Errorf("DNS down: got %s, want unavailable", got)
	}
	failing = nil
	b.directory.mu.Lock()
	b.directory.asked = time.Time{}
	b.directory.mu.Unlock()
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("got %s, want in (%s)", got, host)
	}
	for _, r := range s.Requests() {
		if r.Kind == ldaptest.Bind && !r.TLS {
			t.Error("a bind in the clear")
		}
	}
}
