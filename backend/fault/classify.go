package fault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
)

// Connection returns err with the code, among those that begin with area, that a
// failure to connect to a server or to go on speaking with it has.
func Connection(area string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err // nobody waits for it any more, which is no fault
	}
	name := nameOf(err)
	if name == "" {
		name = certificateName(err)
	}
	if name == "" {
		name = systemName(err)
	}
	return With(Code(area+"."+name), err)
}

// Handshake is [Connection] for a failure of a TLS handshake, at which servers that
// do not know TLS hang up.
func Handshake(area string, err error) error {
	if err != nil && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
		err = With(Code(area+".tls.not_tls"), err)
	}
	return Connection(area, err)
}

// nameOf returns the name of a failure to find the address of a server.
func nameOf(err error) string {
	var dns *net.DNSError
	switch {
	case !errors.As(err, &dns):
		return ""
	case dns.IsNotFound:
		return "dns.not_found"
	}
	return "dns.failed"
}

// certificateName returns the name of a failure of TLS.
func certificateName(err error) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var chain *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var remote *net.OpError
	switch {
	case errors.As(err, &unknown):
		return "tls.unknown_authority"
	case errors.As(err, &host) && !hasNames(host.Certificate):
		return "tls.no_names"
	case errors.As(err, &host):
		return "tls.wrong_name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "tls.expired"
	case errors.As(err, &invalid), errors.As(err, &chain):
		return "tls.invalid_certificate"
	case errors.As(err, &record):
		return "tls.not_tls"
	// The standard library has no types for these two.
	case strings.Contains(err.Error(), "x509: negative serial number"):
		return "tls.negative_serial"
	case strings.Contains(err.Error(), "tls: failed to parse certificate from server"):
		return "tls.malformed_certificate"
	case errors.As(err, &alert), errors.As(err, &remote) && (remote.Op == "remote error" || remote.Op == "local error"):
		return "tls.refused"
	}
	return ""
}

// hasNames reports whether a certificate has a subjectAltName, by which alone its owner
// is told: RFC 9525, section 2.
func hasNames(c *x509.Certificate) bool {
	return len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses)+len(c.URIs) > 0
}

// systemName returns the name of a failure that the operating system told of.
func systemName(err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{syscall.EMFILE, "descriptors"}, {syscall.ENFILE, "descriptors"},
		{syscall.ECONNREFUSED, "tcp.refused"},
		{syscall.EHOSTUNREACH, "tcp.unreachable"}, {syscall.ENETUNREACH, "tcp.unreachable"}, {syscall.EADDRNOTAVAIL, "tcp.unreachable"},
		{fs.ErrNotExist, "socket.missing"}, {fs.ErrPermission, "socket.forbidden"},
		{context.DeadlineExceeded, "timeout"}, {os.ErrDeadlineExceeded, "timeout"}, {syscall.ETIMEDOUT, "timeout"},
		{io.EOF, "tcp.lost"}, {io.ErrUnexpectedEOF, "tcp.lost"}, {net.ErrClosed, "tcp.lost"}, {syscall.ECONNRESET, "tcp.lost"}, {syscall.EPIPE, "tcp.lost"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "timeout"
	}
	return "failed"
}

// Listener returns err with the code of a failure to listen on an address, or to
// accept connections.
func Listener(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []struct {
		err  error
		code Code
	}{
		{syscall.EADDRINUSE, "listen.in_use"}, {syscall.EACCES, "listen.forbidden"}, {syscall.EADDRNOTAVAIL, "listen.no_address"},
		{syscall.EMFILE, "listen.descriptors"}, {syscall.ENFILE, "listen.descriptors"},
	} {
		if errors.Is(err, known.err) {
			return With(known.code, err)
		}
	}
	return With("listen.failed", err)
}

// File returns err with the code of a failure to read or write a file.
func File(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []struct {
		err  error
		code Code
	}{
		{fs.ErrNotExist, "file.missing"}, {fs.ErrPermission, "file.forbidden"}, {syscall.ENOSPC, "file.disk_full"}, {syscall.EDQUOT, "file.disk_full"},
		{syscall.EMFILE, "listen.descriptors"}, {syscall.ENFILE, "listen.descriptors"},
	} {
		if errors.Is(err, known.err) {
			return With(known.code, err)
		}
	}
	return With("file.failed", err)
}
