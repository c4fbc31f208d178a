package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
)

var _ backend.Reporter = (*Backend)(nil)

// What is done with a server, as it is counted.
const (
	opWait     = "wait"     // for a connection, where all are in use
	opDial     = "dial"     // a connection, still in the clear
	opTLS      = "tls"      // its encryption
	opStartTLS = "starttls" // the same, asked for first
	opAccount  = "account"  // a bind of the service account
	opBind     = "bind"     // a bind of a user
	opGrace    = "grace"    // a bind of a user that the directory allowed after the password has expired, of a few
	opExpiring = "expiring" // a bind of a user whose password expires soon
	opSearch   = "search"   // one question, or one page of its answer
	opPing     = "ping"     // a question about nothing
)

// What comes of it.
const (
	resultOK            = "ok"
	resultRefused       = "refused"       // the credentials are
	resultAbsent        = "absent"        // there is no such entry
	resultIncomplete    = "incomplete"    // the server ends the answer at a limit
	resultUnavailable   = "unavailable"   // no answer, or that there will be none
	resultTimeout       = "timeout"       // no answer in time
	resultCanceled      = "canceled"      // nobody waits for the answer any more
	resultMisconfigured = "misconfigured" // a lack of rights, a certificate that is not trusted, any other answer
)

// resultOf says what came of an operation, given what bindError or the server
// said of it.
func resultOf(err error) string {
	if err == nil {
		return resultOK
	}
	code, answered := codeOf(err)
	var certificate *tls.CertificateVerificationError
	switch {
	case backend.Refused(err):
		return resultRefused
	case errors.Is(err, context.Canceled):
		return resultCanceled
	case isTimeout(err):
		return resultTimeout
	case errors.As(err, &certificate):
		return resultMisconfigured
	case errors.Is(err, backend.ErrUnavailable), !answered, code == ldap.LDAPResultOther:
		return resultUnavailable
	case code == ldap.LDAPResultNoSuchObject:
		return resultAbsent
	case slices.Contains([]uint16{ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultAdminLimitExceeded}, code):
		return resultIncomplete
	}
	return resultMisconfigured
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// meter counts what is done with one server, and keeps the last fault. A nil
// meter counts nothing.
type meter struct {
	server  string
	observe func(backend.Operation) // or nil

	mu    sync.Mutex
	fault string
	when  time.Time
}

// count takes down an operation that began at start.
func (m *meter) count(name string, start time.Time, err error) {
	if m == nil {
		return
	}
	result := resultOf(err)
	if m.observe != nil {
		m.observe(backend.Operation{Server: m.server, Name: name, Result: result, Took: time.Since(start)})
	}
	switch result {
	case resultRefused:
		if name != opAccount {
			return // a user's fault
		}
	case resultUnavailable, resultTimeout, resultMisconfigured:
	default:
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault, m.when = name+": "+err.Error(), time.Now()
}

func (m *meter) last() (fault string, when time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fault, m.when
}

// Status tells of the servers that are known, and is degraded while all of them
// are left alone or the service account cannot log in.
func (b *Backend) Status() backend.Status {
	up := false
	var status backend.Status
	for _, s := range b.directory.known() {
		state := s.status()
		up = up || !state.Down
		status.Servers = append(status.Servers, state)
	}
	status.Degraded = !up || b.directory.account.isFailing()
	return status
}

func (s *server) status() backend.ServerStatus {
	status := backend.ServerStatus{Address: s.address.String(), Down: s.breaker.state() != nil}
	for _, p := range []*pool{s.search, s.users} {
		inUse, idle := p.size()
		status.InUse += inUse
		status.Idle += idle
	}
	status.LastError, status.LastFault = s.meter.last()
	return status
}
