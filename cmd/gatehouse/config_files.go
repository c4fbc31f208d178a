package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"gatehouse/backend/watch"
)

// pair is a certificate with its key: the files and where they were named.
type pair struct {
	certFile, keyFile string
	certAt, keyAt     place
}

// checkPair checks that a certificate and its key can be used.
func (a *assembly) checkPair(p pair) {
	cert, _, errCert := watch.Read(p.certFile, watch.Limits{MaxSize: 1 << 20})
	if errCert != nil {
		a.report.errorf(p.certAt, "certificate: %v", errCert)
	}
	key, errKey := readSecret(p.keyFile)
	if errKey != nil {
		a.report.errorf(p.keyAt, "private key: %v", errKey)
	}
	if errCert != nil || errKey != nil {
		return
	}
	loaded, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		a.report.errorf(p.certAt, "%s and %s are not a certificate and its private key in PEM: %v", p.certFile, p.keyFile, err)
		return
	}
	a.checkValidity(p, loaded.Leaf)
}

// soon is how long before its end a certificate is warned of.
const soon = 14 * 24 * time.Hour

func (a *assembly) checkValidity(p pair, leaf *x509.Certificate) {
	now := time.Now()
	switch {
	case now.After(leaf.NotAfter):
		a.report.errorf(p.certAt, "the certificate in %s expired on %s, and is refused by everybody: renew it", p.certFile, leaf.NotAfter.Format(time.RFC3339))
	case now.Add(soon).After(leaf.NotAfter):
		a.report.warnf(p.certAt, "the certificate in %s expires on %s: renew it", p.certFile, leaf.NotAfter.Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		a.report.warnf(p.certAt, "the certificate in %s is not valid before %s: clients refuse it until then; check the clock", p.certFile, leaf.NotBefore.Format(time.RFC3339))
	}
}

// checkAuthorities checks a file with the certificates of authorities.
func (a *assembly) checkAuthorities(path string, at place) {
	text, _, err := watch.Read(path, watch.Limits{MaxSize: 4 << 20})
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM([]byte(text)) {
		err = fmt.Errorf("%s holds no certificate in PEM", path)
	}
	if err != nil {
		a.report.errorf(at, "authorities: %v", err)
	}
}
