package watch

import (
	"crypto/tls"
	"fmt"
	"time"

	"gatehouse/backend/fault"
)

// LoadKeyPair reads a certificate chain and its key, both PEM, and checks that
// others will take them: that the two belong together and that the certificate is
// valid today. The key file must not be readable by everybody. Leaf is set.
func LoadKeyPair(certFile, keyFile string) (tls.Certificate, error) {
	chain, err := ReadPEM(certFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	key, err := ReadKey(keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("private key: %w", err)
	}
	pair, err := tls.X509KeyPair([]byte(chain), []byte(key))
	if err != nil {
		return tls.Certificate{}, fault.With("tls.certificate.mismatch", fmt.Errorf("%s and the file of the key are not a certificate and its private key in PEM: %w", certFile, err))
	}
	switch now := time.Now(); {
	case now.After(pair.Leaf.NotAfter):
		return tls.Certificate{}, fault.With("tls.certificate.expired", fmt.Errorf("the certificate in %s expired on %s, and is refused by everybody: renew it", certFile, pair.Leaf.NotAfter.Format(time.RFC3339)))
	case now.Before(pair.Leaf.NotBefore):
		return tls.Certificate{}, fault.With("tls.certificate.not_yet_valid", fmt.Errorf("the certificate in %s is not valid before %s, and is refused by everybody until then: check the clock", certFile, pair.Leaf.NotBefore.Format(time.RFC3339)))
	}
	return pair, nil
}
