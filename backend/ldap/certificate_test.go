package ldap

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/ldap/ldaptest"
)

// certifiedRSA returns a certificate of an RSA key for 127.0.0.1, and a file with the
// authority that issued it. spoil may change what is signed.
func certifiedRSA(t *testing.T, spoil func(tbs []byte) []byte) (tls.Certificate, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x0102030405060708), Subject: pkix.Name{CommonName: "CA of RSA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	root, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf := *template
	leaf.Subject.CommonName, leaf.IsCA, leaf.IPAddresses = "dc1", false, []net.IP{net.IPv4(127, 0, 0, 1)}
	leaf.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	der, err := x509.CreateCertificate(rand.Reader, &leaf, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if spoil != nil {
		der = signAgain(t, der, key, spoil)
	}
	file := writeFile(t, "own.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root}))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// signAgain signs a certificate that the library would not make.
func signAgain(t *testing.T, der []byte, key *rsa.PrivateKey, spoil func([]byte) []byte) []byte {
	t.Helper()
	var parts struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &parts); err != nil {
		t.Fatal(err)
	}
	tbs := spoil(parts.TBS.FullBytes)
	digest := sha256.Sum256(tbs)
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	parts.TBS, parts.Signature = asn1.RawValue{FullBytes: tbs}, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	der, err = asn1.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// negative makes the serial number negative, and nothing else.
func negative(tbs []byte) []byte {
	return []byte(strings.Replace(string(tbs), "\x02\x08\x01\x02\x03", "\x02\x08\x81\x02\x03", 1))
}

// refusedCertificate is a server whose certificate or port is not as it should be.
type refusedCertificate struct {
	server ldaptest.Config
	change func(*Config, *ldaptest.Server)

	code   fault.Code
	says   []string                                    // in the error, which the log has
	never  string                                      // what must not be advised
	remedy func(*testing.T, *Config, *ldaptest.Server) // that is advised
}

func refusedCertificates(t *testing.T) map[string]refusedCertificate {
	authority, err := ldaptest.NewAuthority("own CA")
	if err != nil {
		t.Fatal(err)
	}
	nameless, err := authority.Issue()
	if err != nil {
		t.Fatal(err)
	}
	trusted := writeFile(t, "ca.pem", authority.PEM())
	below, belowFile := certifiedRSA(t, negative)
	old, oldFile := certifiedRSA(t, nil)
	same := func(*Config, *ldaptest.Server) {}
	return map[string]refusedCertificate{
		"no subjectAltName": {
			server: ldaptest.Config{Certificate: &nameless}, change: func(c *Config, _ *ldaptest.Server) { c.CAFile = trusted },
			code: "ldap.tls.no_names", says: []string{"subjectAltName"}, never: "set server_name",
		},
		"no subjectAltName, with server_name": {
			server: ldaptest.Config{Certificate: &nameless}, change: func(c *Config, _ *ldaptest.Server) { c.CAFile, c.ServerName = trusted, "directory" },
			code: "ldap.tls.no_names", says: []string{"subjectAltName"}, never: "set server_name",
		},
		"a negative serial number": {
			server: ldaptest.Config{Certificate: &below}, change: func(c *Config, _ *ldaptest.Server) { c.CAFile = belowFile },
			code: "ldap.tls.negative_serial", says: []string{"negative serial number", "GODEBUG=x509negativeserial=1"},
			remedy: func(t *testing.T, c *Config, _ *ldaptest.Server) { t.Setenv("GODEBUG", "x509negativeserial=1") },
		},
		"RSA key exchange alone": {
			server: ldaptest.Config{Certificate: &old, MaxTLSVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
			change: func(c *Config, _ *ldaptest.Server) { c.CAFile = oldFile },
			code:   "ldap.tls.rsa_key_exchange", says: []string{"handshake failure", "GODEBUG=tlsrsakex=1"},
			remedy: func(t *testing.T, c *Config, _ *ldaptest.Server) { t.Setenv("GODEBUG", "tlsrsakex=1") },
		},
		"RSA key exchange alone, after StartTLS": {
			server: ldaptest.Config{Certificate: &old, MaxTLSVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
			change: func(c *Config, s *ldaptest.Server) {
				c.CAFile, c.URLs, c.StartTLS = oldFile, []string{s.URL("ldap")}, true
			},
			code: "ldap.tls.rsa_key_exchange", says: []string{"GODEBUG=tlsrsakex=1"},
			remedy: func(t *testing.T, c *Config, _ *ldaptest.Server) { t.Setenv("GODEBUG", "tlsrsakex=1") },
		},
		"StartTLS on a port of TLS": {
			change: func(c *Config, s *ldaptest.Server) {
				c.URLs, c.StartTLS = []string{strings.Replace(s.URL("ldaps"), "ldaps:", "ldap:", 1)}, true
			},
			code: "ldap.starttls.tls_port", says: []string{"write ldaps:// in urls"},
			remedy: func(t *testing.T, c *Config, s *ldaptest.Server) {
				c.URLs, c.StartTLS = []string{s.URL("ldaps")}, false
			},
		},
		"TLS on a port of StartTLS": {
			change: func(c *Config, s *ldaptest.Server) {
				c.URLs = []string{strings.Replace(s.URL("ldap"), "ldap:", "ldaps:", 1)}
			},
			code: "ldap.tls.starttls_port", says: []string{"write ldap:// in urls and start_tls = true"},
			remedy: func(t *testing.T, c *Config, s *ldaptest.Server) { c.URLs, c.StartTLS = []string{s.URL("ldap")}, true },
		},
		"a handshake that fails for another reason": {
			server: ldaptest.Config{MaxTLSVersion: tls.VersionTLS11}, change: same, code: "ldap.tls.refused", never: "tlsrsakex",
		},
	}
}

// TestLDAP5CertificatesThatGoRefuses: each has a code and a true cause, and advice that
// works when it is followed, or that says that nothing here would. No password is sent.
func TestLDAP5CertificatesThatGoRefuses(t *testing.T) {
	for name, tt := range refusedCertificates(t) {
		t.Run(name, func(t *testing.T) {
			s := start(t, tt.server)
			c := configFor(t, s)
			tt.change(&c, s)
			_, err := open(t, c).Authenticate(t.Context(), "alice", alicePass)
			if got := fault.Of(err); got != tt.code || verdict(err) != "unavailable" {
				t.Fatalf("got %q, %v, want %q", got, err, tt.code)
			}
			for _, want := range tt.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("want %q in %v", want, err)
				}
			}
			advice := examineTLS(t, c).Advice
			for _, text := range []string{err.Error(), advice} {
				if text == "" || tt.never != "" && strings.Contains(text, tt.never) {
					t.Errorf("wrong advice: %q", text)
				}
			}
			if n := s.Count(ldaptest.Bind); n != 0 {
				t.Errorf("%d passwords were sent", n)
			}
			if tt.remedy == nil {
				return
			}
			tt.remedy(t, &c, s)
			if _, got := authenticate(t, open(t, c), "alice", alicePass); got != "in" {
				t.Errorf("after what was advised: %s", got)
			}
		})
	}
}

// examineTLS returns what doctor finds of the encryption of the connection.
func examineTLS(t *testing.T, c Config) (found backend.Finding) {
	t.Helper()
	open(t, c).Examine(t.Context(), backend.Examination{}, func(f backend.Finding) {
		if f.Step == "TLS" && f.Failed {
			found = f
		}
	})
	return found
}
