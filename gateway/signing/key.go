package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/backend/fault"
)

// keyYears is how long the certificate of a new key is good. Nothing but the registry of
// one gateway trusts it, and a registry refuses every token when it has ended.
const keyYears = 20

// maxChain bounds the certificates that each token carries, in bytes.
const maxChain = 8 << 10

// minRSA is the size in bits of the smallest RSA key that is taken.
const minRSA = 2048

// Key signs tokens. It has the certificate by which a registry knows it. A Key does not
// change, and may be used from any number of goroutines at once.
type Key struct {
	pair      tls.Certificate
	algorithm jose.SignatureAlgorithm
	id        string
}

// NewKey returns a new P-256 key and its certificate in PEM, as [ParseKey] reads them. It is
// a secret.
func NewKey(now time.Time) (string, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return "", fmt.Errorf("make a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "gatehouse tokens " + now.UTC().Format(time.DateOnly)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(keyYears, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return "", fmt.Errorf("make a certificate: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", fmt.Errorf("encode the key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})) + certificatePEM(certificate), nil
}

func certificatePEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// ParseKey reads a key and its certificate, both in PEM. Certificates of authorities may
// follow that of the key. A certificate that is not good at now is refused: so would every
// token be. Its errors quote nothing, since it may be a secret.
func ParseKey(text string, now time.Time) (*Key, error) {
	k, err := parseKey(text)
	if err == nil {
		err = k.checkTime(now)
	}
	if err != nil {
		return nil, fault.With("upstream.token.key", err)
	}
	return k, nil
}

func parseKey(text string) (*Key, error) {
	key, certificate := strings.Contains(text, "PRIVATE KEY-----"), strings.Contains(text, "BEGIN CERTIFICATE-----")
	switch {
	case strings.Contains(text, "ENCRYPTED"):
		return nil, errors.New("the key is encrypted, and nobody is there to type its password: write it without one, as openssl pkey -in KEY -out NEW does")
	case !key && !certificate:
		return nil, errors.New("there is neither a key nor a certificate in PEM: make both with: gatehouse token key --upstream")
	case !key:
		return nil, errors.New("there is a certificate, and no private key: put both into one, in PEM")
	case !certificate:
		return nil, errors.New("there is a private key, and no certificate: put both into one, in PEM")
	}
	pair, err := tls.X509KeyPair([]byte(text), []byte(text))
	if err != nil {
		return nil, fmt.Errorf("the first certificate and the private key cannot be used, or do not belong together: %w", err)
	}
	size := 0
	for _, der := range pair.Certificate {
		size += len(der)
	}
	if size > maxChain {
		return nil, fmt.Errorf("the certificates have more than %d bytes, and every token carries them: leave only that of the key", maxChain)
	}
	k := &Key{pair: pair}
	if k.algorithm, err = algorithmOf(pair.Leaf.PublicKey); err != nil {
		return nil, err
	}
	thumbprint, err := (&jose.JSONWebKey{Key: pair.Leaf.PublicKey}).Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("the key has no thumbprint: %w", err)
	}
	k.id = base64.RawURLEncoding.EncodeToString(thumbprint)
	return k, nil
}

// algorithmOf returns how a key signs, or why it is not taken.
func algorithmOf(public crypto.PublicKey) (jose.SignatureAlgorithm, error) {
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		switch public.Curve {
		case elliptic.P256():
			return jose.ES256, nil
		case elliptic.P384():
			return jose.ES384, nil
		}
	case *rsa.PublicKey:
		if public.N.BitLen() < minRSA {
			return "", fmt.Errorf("the RSA key has %d bits: it needs at least %d", public.N.BitLen(), minRSA)
		}
		return jose.RS256, nil
	case ed25519.PublicKey:
		return jose.EdDSA, nil
	}
	return "", errors.New("the key is of a sort that registries do not take: use P-256, which gatehouse token key --upstream makes, P-384 or RSA")
}

// checkTime reports why the certificate is not good at now.
func (k *Key) checkTime(now time.Time) error {
	leaf := k.pair.Leaf
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("the certificate has ended on %s, and the registry refuses every token: make another one with gatehouse token key --upstream, and give the registry its certificate too", leaf.NotAfter.Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the certificate is not good before %s: check the clock", leaf.NotBefore.Format(time.RFC3339))
	}
	return nil
}

// ID returns the name of the key in tokens, its thumbprint (RFC 7638). It is no secret.
func (k *Key) ID() string { return k.id }

// NotAfter returns when the certificate ends.
func (k *Key) NotAfter() time.Time { return k.pair.Leaf.NotAfter }

// IsEd25519 reports whether it is a key that registries before version 3 do not know.
func (k *Key) IsEd25519() bool { return k.algorithm == jose.EdDSA }

// Certificate returns the certificate of the key in PEM, which is no secret. It is all that
// a registry needs to trust: whoever had another certificate of the same authority could
// sign tokens too, if the registry trusted that.
func (k *Key) Certificate() string { return certificatePEM(k.pair.Certificate[0]) }

// String returns the name of the key alone.
func (k *Key) String() string { return k.id }

// GoString returns the name of the key alone.
func (k *Key) GoString() string { return k.id }

// sum tells keys apart, with their certificates.
func (k *Key) sum() [sha256.Size]byte {
	h := sha256.New()
	for _, der := range k.pair.Certificate {
		h.Write(der)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// signer returns what signs as the key, with the fields by which every version of a
// registry finds it: version 2 looks at x5c and knows no thumbprint.
func (k *Key) signer() (jose.Signer, error) {
	chain := make([]string, len(k.pair.Certificate))
	for i, der := range k.pair.Certificate {
		chain[i] = base64.StdEncoding.EncodeToString(der)
	}
	options := new(jose.SignerOptions).WithType("JWT").WithHeader("kid", k.id).WithHeader("x5c", chain)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: k.algorithm, Key: k.pair.PrivateKey}, options)
	if err != nil {
		return nil, fmt.Errorf("the key cannot sign: %w", err)
	}
	return s, nil
}
