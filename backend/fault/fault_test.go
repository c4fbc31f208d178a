package fault_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"gatehouse/backend/fault"
)

func TestOfFindsTheCodeNearestToTheCause(t *testing.T) {
	cause := errors.New("cause")
	kind := fault.Kind("login.locked", "locked")
	for name, tt := range map[string]struct {
		err  error
		want fault.Code
	}{
		"none":                  {cause, ""},
		"no error":              {nil, ""},
		"attached":              {fault.With("file.missing", cause), "file.missing"},
		"wrapped":               {fmt.Errorf("a: %w", fmt.Errorf("b: %w", fault.With("file.missing", cause))), "file.missing"},
		"two":                   {fault.With("config.secret", fmt.Errorf("a: %w", fault.With("file.missing", cause))), "file.missing"},
		"first of several":      {errors.Join(cause, fault.With("file.missing", cause), fault.With("config.secret", cause)), "file.missing"},
		"kind":                  {fmt.Errorf("a: %w", kind), "login.locked"},
		"attached before":       {fmt.Errorf("%w: %w", kind, fault.With("file.missing", cause)), "file.missing"},
		"attached to a kind":    {fault.With("ldap.user.disabled", fmt.Errorf("disabled: %w", kind)), "ldap.user.disabled"},
		"own method":            {fmt.Errorf("a: %w", ownCode{}), "listen.failed"},
		"empty code is no code": {fault.With("", kind), "login.locked"},
	} {
		if got := fault.Of(tt.err); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

type ownCode struct{}

func (ownCode) Error() string         { return "own" }
func (ownCode) FaultCode() fault.Code { return "listen.failed" }

func TestWithKeepsTextAndCauses(t *testing.T) {
	err := fault.With("file.missing", fmt.Errorf("read: %w", os.ErrNotExist))
	if got, want := err.Error(), "read: file does not exist"; got != want || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %q, which is os.ErrNotExist: %v; want %q, true", got, errors.Is(err, os.ErrNotExist), want)
	}
	if err := fault.With("file.missing", nil); err != nil {
		t.Errorf("no error became %v", err)
	}
	if a, b := fault.Kind("login.locked", "x"), fault.Kind("login.locked", "x"); errors.Is(a, b) || !errors.Is(fmt.Errorf("%w", a), a) {
		t.Error("kinds are not told apart")
	}
}

// Success costs nothing.
func TestNoErrorAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		if fault.Of(fault.Connection("ldap", nil)) != "" || fault.With("file.missing", nil) != nil {
			t.Error("no error has a code")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestConnectionErrors(t *testing.T) {
	op := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	for name, tt := range map[string]struct {
		err  error
		want fault.Code
	}{
		"no such name":          {&net.DNSError{IsNotFound: true}, "dns.not_found"},
		"resolver":              {&net.DNSError{IsTemporary: true}, "dns.failed"},
		"resolver late":         {&net.DNSError{IsTimeout: true}, "dns.failed"},
		"refused":               {op(syscall.ECONNREFUSED), "tcp.refused"},
		"no route":              {op(syscall.EHOSTUNREACH), "tcp.unreachable"},
		"no network":            {op(syscall.ENETUNREACH), "tcp.unreachable"},
		"reset":                 {op(syscall.ECONNRESET), "tcp.lost"},
		"broken pipe":           {op(syscall.EPIPE), "tcp.lost"},
		"end":                   {io.EOF, "tcp.lost"},
		"end too early":         {io.ErrUnexpectedEOF, "tcp.lost"},
		"closed":                {net.ErrClosed, "tcp.lost"},
		"descriptors":           {op(syscall.EMFILE), "descriptors"},
		"system's":              {op(syscall.ENFILE), "descriptors"},
		"no socket":             {op(syscall.ENOENT), "socket.missing"},
		"socket's mode":         {op(syscall.EACCES), "socket.forbidden"},
		"context":               {context.DeadlineExceeded, "timeout"},
		"deadline":              {os.ErrDeadlineExceeded, "timeout"},
		"kernel":                {op(syscall.ETIMEDOUT), "timeout"},
		"authority":             {x509.UnknownAuthorityError{}, "tls.unknown_authority"},
		"host name":             {x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"other.example"}}}, "tls.wrong_name"},
		"no host names":         {x509.HostnameError{Certificate: &x509.Certificate{}}, "tls.no_names"},
		"serial number":         {errors.New("tls: failed to parse certificate from server: x509: negative serial number"), "tls.negative_serial"},
		"certificate":           {errors.New("tls: failed to parse certificate from server: x509: malformed validity"), "tls.malformed_certificate"},
		"expired":               {x509.CertificateInvalidError{Reason: x509.Expired}, "tls.expired"},
		"usage":                 {x509.CertificateInvalidError{Reason: x509.IncompatibleUsage}, "tls.invalid_certificate"},
		"other chain":           {&tls.CertificateVerificationError{Err: errors.New("x")}, "tls.invalid_certificate"},
		"no TLS":                {tls.RecordHeaderError{Msg: "x"}, "tls.not_tls"},
		"alert":                 {tls.AlertError(40), "tls.refused"},
		"other":                 {errors.New("x"), "failed"},
		"nobody waits":          {context.Canceled, ""},
		"name nobody waits for": {fmt.Errorf("%w: %w", &net.DNSError{}, context.Canceled), ""},
	} {
		for _, area := range []string{"ldap", "upstream"} {
			want := fault.Code("")
			if tt.want != "" {
				want = fault.Code(area) + "." + tt.want
			}
			if got := fault.Of(fault.Connection(area, fmt.Errorf("connect: %w", tt.err))); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
}

// What the standard library really returns for servers of all kinds.
func TestHandshakesWithRealServers(t *testing.T) {
	secure := httptest.NewTLSServer(nil)
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	handshake := func(address string, c *tls.Config) fault.Code {
		raw, err := net.Dial("tcp", address)
		if err != nil {
			return fault.Of(fault.Connection("ldap", err))
		}
		defer raw.Close()
		return fault.Of(fault.Handshake("ldap", tls.Client(raw, c).Handshake()))
	}
	at := secure.Listener.Addr().String()
	for name, tt := range map[string]struct {
		config *tls.Config
		want   fault.Code
	}{
		"good":      {&tls.Config{RootCAs: roots, ServerName: "example.com"}, ""},
		"authority": {&tls.Config{ServerName: "example.com"}, "ldap.tls.unknown_authority"},
		"name":      {&tls.Config{RootCAs: roots, ServerName: "example.org"}, "ldap.tls.wrong_name"},
		"version":   {&tls.Config{RootCAs: roots, ServerName: "example.com", MaxVersion: tls.VersionTLS10, MinVersion: tls.VersionTLS10}, "ldap.tls.refused"},
	} {
		if got := handshake(at, tt.config); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	plain := httptest.NewServer(nil)
	defer plain.Close()
	if got, want := handshake(plain.Listener.Addr().String(), &tls.Config{ServerName: "x"}), fault.Code("ldap.tls.not_tls"); got != want {
		t.Errorf("a server without TLS: got %q, want %q", got, want)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if got, want := handshake(closed.Addr().String(), nil), fault.Code("ldap.tcp.refused"); got != want {
		t.Errorf("no server: got %q, want %q", got, want)
	}
	if got, want := fault.Of(fault.Handshake("ldap", io.EOF)), fault.Code("ldap.tls.not_tls"); got != want {
		t.Errorf("a server that hangs up: got %q, want %q", got, want)
	}
}

func TestListenerErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, taken := net.Listen("tcp", l.Addr().String())
	_, foreign := net.Listen("tcp", "192.0.2.1:0")
	for want, err := range map[fault.Code]error{
		"listen.in_use": taken, "listen.no_address": foreign, "listen.forbidden": os.NewSyscallError("bind", syscall.EACCES),
		"listen.descriptors": os.NewSyscallError("accept4", syscall.EMFILE), "listen.failed": errors.New("x"),
	} {
		if got := fault.Of(fault.Listener(fmt.Errorf("listen: %w", err))); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}

func TestFileErrors(t *testing.T) {
	_, missing := os.Open(filepath.Join(t.TempDir(), "absent"))
	for want, err := range map[fault.Code]error{
		"file.missing": missing, "file.forbidden": os.ErrPermission, "file.disk_full": &os.PathError{Op: "write", Err: syscall.ENOSPC},
		"listen.descriptors": &os.PathError{Op: "open", Err: syscall.EMFILE}, "file.failed": errors.New("x"),
	} {
		if got := fault.Of(fault.File(err)); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}

func TestCatalogue(t *testing.T) {
	shape := regexp.MustCompile(`^[a-z]+(\.[a-z_]+)+$`)
	seen := map[fault.Code]bool{}
	for _, g := range fault.Catalogue() {
		if g.Title == "" || len(g.Entries) == 0 {
			t.Errorf("the group %q is empty", g.Title)
		}
		for _, e := range g.Entries {
			switch {
			case seen[e.Code]:
				t.Errorf("%s is there twice", e.Code)
			case !shape.MatchString(string(e.Code)):
				t.Errorf("%s is no code", e.Code)
			case len(e.Means) < 20 || len(e.Do) < 5 || strings.ContainsAny(e.Means+e.Do, "{}|\n"):
				t.Errorf("%s: %q, %q: want what it means and what to do", e.Code, e.Means, e.Do)
			case e.Code.Advice() == "" || strings.Contains(e.Code.Advice(), "`"):
				t.Errorf("%s: the advice is %q", e.Code, e.Code.Advice())
			}
			seen[e.Code] = true
		}
	}
	if fault.Code("no.such").Advice() != "" {
		t.Error("there is advice about a code that is not in the catalogue")
	}
}

// The log, metrics, the audit log and why have one word for one code.
func TestEveryCodeHasOneReason(t *testing.T) {
	used := map[fault.Code]bool{}
	for _, g := range fault.Catalogue() {
		for _, e := range g.Entries {
			row, ok := fault.RowOf(e.Code)
			if !ok {
				t.Errorf("the table has no reason for %s", e.Code)
			}
			used[row] = true
		}
	}
	for _, row := range fault.Rows() {
		if !used[row] {
			t.Errorf("the reason of %s is that of no code", row)
		}
	}
}

func TestReasonOf(t *testing.T) {
	locked := fault.Kind("login.locked", "locked")
	for want, err := range map[fault.Reason]error{
		"failed":              errors.New("no code"),
		"locked":              fault.With("file.missing", locked), // the code says too little
		"backend_unavailable": fault.With("ldap.account.wrong_password", locked),
		"upstream_timeout":    fault.Kind("upstream.answer.late", "late"),
	} {
		if got := fault.ReasonOf(fmt.Errorf("outside: %w", err)); got != want {
			t.Errorf("%v: reason %q, want %q", err, got, want)
		}
	}
}
