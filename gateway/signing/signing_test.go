package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// pemOf returns a key and a certificate of it that is good from noon on for a time.
func pemOf(t testing.TB, private crypto.Signer, good time.Duration) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: noon, NotAfter: noon.Add(good)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})) + certificatePEM(der)
}

func ecKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t testing.TB) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newSigner returns a signer whose clock stands at *now.
func newSigner(t testing.TB, text string, now *time.Time) *Signer {
	t.Helper()
	key, err := ParseKey(text, *now)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(key, Name{Issuer: "gatehouse", Service: "registry"})
	if err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return *now }
	return s
}

// opened verifies a token by the certificate in it, and returns what it says.
func opened(t testing.TB, s *Signer, authorization string) (claims, jose.Header) {
	t.Helper()
	text, ok := strings.CutPrefix(authorization, "Bearer ")
	if !ok {
		t.Fatalf("%q is no bearer token", authorization)
	}
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.RS256, jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	header := signed.Signatures[0].Protected
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(s.Key().Certificate()))
	chains, err := header.Certificates(x509.VerifyOptions{Roots: roots, CurrentTime: s.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := signed.Verify(chains[0][0].PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	return c, header
}

func authorization(t testing.TB, s *Signer, g Grant) string {
	t.Helper()
	text, err := s.Authorization(g)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTokensSayWhatWasDecided(t *testing.T) {
	now := noon
	s := newSigner(t, pemOf(t, ecKey(t, elliptic.P256()), time.Hour), &now)
	for _, tt := range []struct {
		grant Grant
		want  string
	}{
		{Grant{User: "alice", Method: "GET", Repository: "a/b"}, `[{"type":"repository","name":"a/b","actions":["pull"]}]`},
		{Grant{Method: "HEAD", Repository: "a/b"}, `[{"type":"repository","name":"a/b","actions":["pull"]}]`},
		{Grant{Method: "PUT", Repository: "a/b"}, `[{"type":"repository","name":"a/b","actions":["pull","push"]}]`},
		{Grant{Method: "PATCH", Repository: "a/b"}, `[{"type":"repository","name":"a/b","actions":["pull","push"]}]`},
		{Grant{Method: "POST", Repository: "a/b", From: "c"}, `[{"type":"repository","name":"a/b","actions":["pull","push"]},{"type":"repository","name":"c","actions":["pull"]}]`},
		{Grant{Method: "DELETE", Repository: "a/b"}, `[{"type":"repository","name":"a/b","actions":["delete"]}]`},
		{Grant{Method: "GET", Catalog: true}, `[{"type":"registry","name":"catalog","actions":["*"]}]`},
		{Grant{Method: "PUT", Catalog: true}, `[]`},
		{Grant{Method: "GET"}, `[]`},
		{Grant{Method: "GET", From: "c"}, `[]`},
		{Grant{Method: "OPTIONS", Repository: "a/b"}, `[]`},
		{Grant{Method: "MKCOL", Repository: "a/b"}, `[]`},
	} {
		c, header := opened(t, s, authorization(t, s, tt.grant))
		got, _ := json.Marshal(c.Access)
		if string(got) != tt.want || c.Subject != tt.grant.User || c.Issuer != "gatehouse" || c.Audience != "registry" {
			t.Errorf("%+v: got %s, want %s, of %+v", tt.grant, got, tt.want, c)
		}
		if c.Expires != noon.Unix()+300 || c.NotBefore != noon.Unix()-60 || header.KeyID != s.Key().ID() {
			t.Errorf("%+v: %+v, key %q", tt.grant, c, header.KeyID)
		}
	}
}

func TestTokensAreReusedForAMinute(t *testing.T) {
	now := noon.Add(time.Minute)
	s := newSigner(t, pemOf(t, ecKey(t, elliptic.P256()), time.Hour), &now)
	grant := Grant{User: "alice", Method: "GET", Repository: "a/b"}
	first := authorization(t, s, grant)
	now = now.Add(59 * time.Second)
	if again := authorization(t, s, Grant{User: "alice", Method: "HEAD", Repository: "a/b"}); again != first {
		t.Error("an equal question was signed again")
	}
	for _, other := range []Grant{
		{User: "bob", Method: "GET", Repository: "a/b"}, {Method: "GET", Repository: "a/b"}, {User: "alice", Method: "GET", Repository: "a/c"},
		{User: "alice", Method: "PUT", Repository: "a/b"}, {User: "alice", Method: "DELETE", Repository: "a/b"},
		{User: "alice", Method: "GET", Repository: "a/b", From: "c"}, {User: "alice", Method: "GET", Catalog: true}, {User: "alice", Method: "GET"},
	} {
		if authorization(t, s, other) == first {
			t.Errorf("%+v has the token of another", other)
		}
	}
	now = now.Add(time.Second)
	if authorization(t, s, grant) == first {
		t.Error("a token was used again after a minute")
	}
	now = noon
	if c, _ := opened(t, s, authorization(t, s, grant)); c.Expires != noon.Unix()+300 {
		t.Error("a token of the future was used when the clock was set back")
	}
}

// Anybody may ask for any name where pulls need no login.
func TestWhatIsKeptIsBounded(t *testing.T) {
	r := newRecent()
	long := strings.Repeat("x", 8<<10)
	for i := range 3000 {
		r.add(Grant{Repository: fmt.Sprint(i, long)}, long, noon.Add(reuse))
		if r.bytes > maxRecentBytes || r.known.Len() > maxRecent {
			t.Fatalf("%d entries with %d bytes", r.known.Len(), r.bytes)
		}
	}
	for i := range 3000 {
		r.add(Grant{Repository: fmt.Sprint(i)}, "x", noon.Add(reuse))
		r.add(Grant{Repository: fmt.Sprint(i)}, "xy", noon.Add(reuse))
	}
	sum := 0
	for _, g := range r.known.Keys() {
		s, _ := r.known.Peek(g)
		sum += sizeOf(g, s)
	}
	if r.known.Len() != maxRecent || r.bytes != sum {
		t.Errorf("%d entries, counted %d bytes of %d", r.known.Len(), r.bytes, sum)
	}
	r.add(Grant{Repository: strings.Repeat(long, 300)}, "x", noon)
	if r.known.Len() != 0 || r.bytes != 0 {
		t.Errorf("one that is too large left %d entries with %d bytes", r.known.Len(), r.bytes)
	}
}

func TestManySignAtOnce(t *testing.T) {
	now := noon
	s := newSigner(t, pemOf(t, ecKey(t, elliptic.P256()), time.Hour), &now)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 50 {
				g := Grant{User: "alice", Method: "GET", Repository: fmt.Sprintf("a/%d", (i+j)%10)}
				if c, _ := opened(t, s, authorization(t, s, g)); c.Access[0].Name != g.Repository {
					t.Errorf("asked for %s, got %s", g.Repository, c.Access[0].Name)
				}
			}
		})
	}
	all.Wait()
}

func TestAnEndedCertificateSignsNothing(t *testing.T) {
	now := noon
	s := newSigner(t, pemOf(t, ecKey(t, elliptic.P256()), time.Hour), &now)
	now = noon.Add(2 * time.Hour)
	if text, err := s.Authorization(Grant{Method: "GET"}); err == nil || text != "" || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestKeysOfAllSortsSign(t *testing.T) {
	now := noon
	for _, key := range []crypto.Signer{ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384()), rsaKey(t, 2048), edKey(t)} {
		s := newSigner(t, pemOf(t, key, time.Hour), &now)
		if c, _ := opened(t, s, authorization(t, s, Grant{User: "alice", Method: http.MethodGet})); c.Subject != "alice" {
			t.Errorf("%T: %+v", key, c)
		}
		if _, ed := key.(ed25519.PrivateKey); s.Key().IsEd25519() != ed {
			t.Errorf("%T: IsEd25519 is wrong", key)
		}
	}
}

func TestKeysThatAreNoneAreRefused(t *testing.T) {
	good, other := pemOf(t, ecKey(t, elliptic.P256()), time.Hour), pemOf(t, ecKey(t, elliptic.P256()), time.Hour)
	key, certificate := good[:strings.Index(good, "-----BEGIN CERT")], good[strings.Index(good, "-----BEGIN CERT"):]
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":               {"", "neither a key nor a certificate"},
		"a password":            {"hunter2", "neither a key nor a certificate"},
		"no certificate":        {key, "no certificate"},
		"no key":                {certificate, "no private key"},
		"another's certificate": {key + other[strings.Index(other, "-----BEGIN CERT"):], "do not belong together"},
		"cut":                   {good[:len(good)-60], "cannot be used"},
		"encrypted":             {strings.ReplaceAll(good, "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "it is encrypted, and nobody"},
		"a small RSA key":       {pemOf(t, rsaKey(t, 1024), time.Hour), "at least 2048"},
		"P-521":                 {pemOf(t, ecKey(t, elliptic.P521()), time.Hour), "do not take"},
		"a long chain":          {good + strings.Repeat(certificate, 60), "bytes"},
		"ended":                 {pemOf(t, ecKey(t, elliptic.P256()), -time.Minute), "has ended"},
	} {
		if k, err := ParseKey(tt.text, noon); err == nil || k != nil || !strings.Contains(strings.Replace(err.Error(), "the key is", "it is", 1), tt.want) {
			t.Errorf("%s: error %v, want %q", name, err, tt.want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v quotes what may be a secret", name, err)
		}
	}
	if _, err := ParseKey(good, noon.Add(-time.Minute)); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Errorf("before its time: %v", err)
	}
}

func TestNewKeysAreGood(t *testing.T) {
	text, err := NewKey(noon)
	if err != nil {
		t.Fatal(err)
	}
	for _, now := range []time.Time{noon, noon.AddDate(19, 11, 0)} {
		s := newSigner(t, text, &now)
		opened(t, s, authorization(t, s, Grant{User: "alice", Method: "GET"}))
	}
	k, _ := ParseKey(text, noon)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if shown := fmt.Sprintf(verb, k); shown != k.ID() {
			t.Errorf("%s shows %q", verb, shown)
		}
	}
}

// BenchmarkAuthorization measures a token that is sent again, and one that is signed.
func BenchmarkAuthorization(b *testing.B) {
	now := noon
	ec := pemOf(b, ecKey(b, elliptic.P256()), time.Hour)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	for name, text := range map[string]string{"ES256": ec, "RS256": pemOf(b, private, time.Hour)} {
		s := newSigner(b, text, &now)
		grant := Grant{User: "alice", Method: "GET", Repository: "team/app"}
		b.Run(name+"/reused", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Authorization(grant); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/signed", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Nanosecond)
				if _, err := s.sign(grant, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
