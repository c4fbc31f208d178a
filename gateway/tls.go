package gateway

import (
	"crypto/tls"
	"log/slog"
	"sync/atomic"

	"gatehouse/backend/watch"
)

// certificate is the TLS configuration of the listeners. It follows the files of
// the certificate.
type certificate struct {
	files  TLS
	log    *slog.Logger
	config atomic.Pointer[tls.Config] // for the next handshake
	stop   func()
}

// newCertificate reads the certificate and begins to watch its files.
func newCertificate(files TLS, log *slog.Logger) (*certificate, error) {
	c := &certificate{files: files, log: log}
	c.stop = watch.Start([]string{files.CertFile, files.KeyFile}, c.reload)
	if err := c.load(); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// load reads the certificate and makes it that of the next handshake.
func (c *certificate) load() error {
	config, err := c.files.read()
	if err == nil {
		c.config.Store(config)
	}
	return err
}

// read makes a new configuration. Each has session ticket keys of its own, which
// crypto/tls rotates, so that nobody resumes a session that was made under an
// earlier certificate. GetConfigForClient would share the keys.
func (files TLS) read() (*tls.Config, error) {
	pair, err := watch.LoadKeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		NextProtos:   []string{"h2", "http/1.1"},
		// Forward secrecy and AEAD only; TLS 1.3 has nothing else.
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		// Small first records save a round trip in browsers and cost a system
		// call each; registry clients read whole answers.
		DynamicRecordSizingDisabled: true,
	}, nil
}

// reload follows a change of the files. A pair that does not work, such as one of
// which only half has been replaced yet, leaves the old one in use.
func (c *certificate) reload() {
	if err := c.load(); err != nil {
		c.log.Error("certificate not reloaded; the old one stays in use", "error", err)
		return
	}
	c.log.Info("certificate reloaded", "file", c.files.CertFile)
}
