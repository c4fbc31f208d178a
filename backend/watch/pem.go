package watch

import (
	"crypto/x509"
	"fmt"

	"gatehouse/backend/fault"
)

// pemMax bounds a file of certificates or with a key. The bundle of authorities that a
// distribution comes with has 0.2 MiB.
const pemMax = 4 << 20

// ReadPEM returns the content of a file with certificates. The files of keys are for
// [ReadKey].
func ReadPEM(path string) (string, error) {
	text, _, err := Read(path, Limits{MaxSize: pemMax})
	return text, err
}

// ReadKey returns the content of a file with a private key, which not everybody may be
// able to read.
func ReadKey(path string) (string, error) {
	text, _, err := Read(path, Limits{MaxSize: pemMax, Secret: true})
	return text, err
}

// ReadAuthorities reads a file with the certificates of authorities. It returns its
// text too, by which a change can be told.
func ReadAuthorities(path string) (*x509.CertPool, string, error) {
	text, err := ReadPEM(path)
	if err != nil {
		return nil, "", err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM([]byte(text)) {
		return nil, "", fault.With("tls.certificate.no_authority", fmt.Errorf("%s holds no certificate in PEM form", path))
	}
	return authorities, text, nil
}
