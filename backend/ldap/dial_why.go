package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"

	"gatehouse/backend/fault"
)

// diagnose returns the failure to encrypt a connection to a server with its true cause,
// where the failure by itself does not tell. It tries on another connection what would
// go well if it was that, and sends nothing there but what TLS begins with.
func (t *trust) diagnose(ctx context.Context, a address, failure error) error {
	code := fault.Of(failure)
	starts := t.encryption(a) == opStartTLS
	switch {
	case ctx.Err() != nil:
	case starts && (code == "ldap.tcp.lost" || code == "ldap.protocol") && t.speaksTLS(ctx, a):
		return recoded(startedTLS, failure)
	case !starts && code == "ldap.tls.not_tls" && t.startsTLS(ctx, a):
		return recoded("ldap.tls.starttls_port", failure)
	case (code == "ldap.tls.not_tls" || strings.HasSuffix(failure.Error(), "tls: handshake failure")) && t.hasRSAKeyExchange(ctx, a, starts):
		return recoded("ldap.tls.rsa_key_exchange", failure)
	}
	return failure
}

// diagnosePlain is diagnose for the first question on a connection in the clear.
func (t *trust) diagnosePlain(ctx context.Context, a address, failure error) error {
	if a.scheme != "ldap" || t.encryption(a) != "" || !isLost(failure) || ctx.Err() != nil || !t.speaksTLS(ctx, a) {
		return failure
	}
	return lost(advised(recoded(startedTLS, failure)))
}

// startedTLS says that something else was said to a server which begins with TLS.
const startedTLS fault.Code = "ldap.starttls.tls_port"

// recoded returns a failure with another code: that nearest to the cause counts, and so
// the cause stays as text alone.
func recoded(code fault.Code, failure error) error {
	return fault.With(code, errors.New(failure.Error()))
}

// try reports whether f succeeds on a connection of its own.
func (t *trust) try(ctx context.Context, a address, f func(net.Conn) error) bool {
	raw, err := t.connect(ctx, a)
	if err != nil {
		return false
	}
	defer raw.Close()
	return f(raw) == nil
}

// speaksTLS reports whether a server speaks TLS from the first byte on.
func (t *trust) speaksTLS(ctx context.Context, a address) bool {
	return t.try(ctx, a, func(raw net.Conn) error { return peek(ctx, raw, &tls.Config{MinVersion: tls.VersionTLS12}) })
}

// startsTLS reports whether a server speaks TLS when it is asked to.
func (t *trust) startsTLS(ctx context.Context, a address) bool {
	return t.try(ctx, a, func(raw net.Conn) error { return requestTLS(ctx, raw) })
}

// hasRSAKeyExchange reports whether a server has cipher suites without forward secrecy,
// which Go does not offer unless it is told to. A server that has no others says so by an
// alert, or hangs up, as those with GnuTLS do.
func (t *trust) hasRSAKeyExchange(ctx context.Context, a address, starts bool) bool {
	var suites []uint16
	for _, s := range tls.InsecureCipherSuites() {
		if strings.HasPrefix(s.Name, "TLS_RSA_") {
			suites = append(suites, s.ID)
		}
	}
	return t.try(ctx, a, func(raw net.Conn) error {
		if starts {
			if err := requestTLS(ctx, raw); err != nil {
				return err
			}
		}
		return peek(ctx, raw, &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: suites})
	})
}

// peek does a handshake to see whether it can be done. The certificate is not verified:
// nothing is said on the connection, and nothing that it says is believed.
func peek(ctx context.Context, raw net.Conn, c *tls.Config) error {
	c.InsecureSkipVerify = true
	return tls.Client(raw, c).HandshakeContext(ctx)
}
