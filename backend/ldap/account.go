package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// account is the one that searches. All servers share it, and what they say of
// its password: each wrong guess counts toward its being locked, in the
// directory as a whole.
type account struct {
	config Config
	turn   chan struct{} // holds one token, for who tries a password that may be wrong

	mu      sync.Mutex
	refused string    // the password that the directory refused
	until   time.Time // before which it is not tried again
	wait    time.Duration
	proven  string // the password that it took last
	when    time.Time
	said    string // what the log said last
	code    fault.Code
}

// A refused password is tried again after these times, the first doubled each
// time. Within half an hour that makes four guesses in all, and none for a
// password that is no longer the configured one. What is no refusal, such as an
// error inside the server, counts toward nothing and may pass soon.
const (
	firstRefusalWait = 4 * time.Minute
	maxRefusalWait   = 30 * time.Minute
	failureWait      = 2 * time.Second
)

// trustFor is how long a password that was taken is tried on several new
// connections at once, so that far servers do not make logins queue.
const trustFor = 5 * time.Second

func newAccount(c Config) *account {
	a := &account{config: c, turn: make(chan struct{}, 1)}
	a.turn <- struct{}{}
	return a
}

// errAccount is the failure of the service account.
var errAccount = errors.New("the service account cannot log in")

// certificate stands for the password of an account that is known by its
// certificate or its socket.
const certificate = "certificate"

// bind binds a new connection as the account.
func (a *account) bind(ctx context.Context, c *conn) error {
	if !a.config.hasAccount() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.config.ConnectTimeout)
	defer cancel()
	password, err := a.password()
	if err != nil {
		return fault.With("ldap.account.no_password", fmt.Errorf("%w: read its password: %w: %w", errAccount, err, backend.ErrUnavailable))
	}
	if !a.isProven(password) {
		select {
		case <-a.turn:
			defer func() { a.turn <- struct{}{} }()
		case <-ctx.Done():
			return lost(fmt.Errorf("wait for the service account: %w", ctx.Err()))
		}
	}
	if err := a.held(password); err != nil {
		return err
	}
	start := time.Now()
	if a.config.SASLExternal {
		err = c.bindExternal(ctx, a.config.ConnectTimeout)
	} else {
		_, err = c.bind(ctx, a.config.ConnectTimeout, a.config.BindDN, password)
	}
	c.meter.count(opAccount, start, err)
	return a.judge(err, password)
}

// isFailing reports whether the account could not log in when it last tried.
func (a *account) isFailing() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.said != ""
}

func (a *account) password() (string, error) {
	if a.config.SASLExternal {
		return certificate, nil
	}
	password, err := a.config.BindPassword()
	if err == nil && !validPassword(password) {
		err = errors.New("it is empty or too long")
	}
	return password, err
}

// isProven reports whether the directory took the password a moment ago.
func (a *account) isProven(password string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return password == a.proven && time.Since(a.when) < trustFor
}

// held fails while a password that was refused is not to be tried again.
func (a *account) held(password string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	left := time.Until(a.until)
	if password != a.refused || left <= 0 {
		return nil
	}
	return fault.With(a.code, fmt.Errorf("%w: it failed to, and is not tried again for %v, lest it be locked; correct it: %w",
		errAccount, left.Round(time.Second), backend.ErrUnavailable))
}

// judge notes what the directory said of a password, if it said anything.
func (a *account) judge(err error, password string) error {
	if isLost(err) {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		if a.said != "" {
			a.config.Log.Info("the service account can log in again", slog.String("bind_dn", a.config.BindDN))
		}
		a.refused, a.wait, a.said = "", 0, ""
		a.proven, a.when = password, time.Now()
		return nil
	}
	if a.refused != password {
		a.wait, a.said = 0, ""
	}
	hold := failureWait
	if backend.Refused(err) {
		a.wait = min(max(2*a.wait, firstRefusalWait), maxRefusalWait)
		hold = a.wait
	}
	a.proven, a.refused, a.until = "", password, time.Now().Add(hold)
	a.code = a.fault(err)
	if text := err.Error(); text != a.said || hold > failureWait {
		a.said = text
		a.config.Log.Error("the service account cannot log in to the directory, so nobody can; correct its name or password",
			slog.String("bind_dn", a.config.BindDN), slog.Any("error", err), slog.String(fault.Attr, string(a.code)), slog.Duration("next_try_in", hold))
	}
	// For a user this is an outage and no refusal, whatever the code was.
	return fault.With(a.code, fmt.Errorf("%w: %v: %w", errAccount, err, backend.ErrUnavailable))
}

// fault returns the code of what the directory said of the account.
func (a *account) fault(err error) fault.Code {
	code, _ := codeOf(err)
	sub := subCode.FindStringSubmatch(err.Error())
	switch {
	case errors.Is(err, backend.ErrLocked):
		return "ldap.account.locked"
	case code == ldap.LDAPResultInvalidDNSyntax:
		return "ldap.account.malformed_name"
	case code == ldap.LDAPResultStrongAuthRequired, code == ldap.LDAPResultConfidentialityRequired:
		return "ldap.account.encryption"
	case backend.Refused(err) && sub != nil && sub[1] == "525":
		return "ldap.account.unknown"
	case backend.Refused(err):
		return "ldap.account.wrong_password"
	}
	return "ldap.account.failed"
}
