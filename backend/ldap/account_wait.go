package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// turn holds a token for whoever may do what only one may at a time.
type turn chan struct{}

func newTurn() turn {
	t := make(turn, 1)
	t <- struct{}{}
	return t
}

// errTurn is the failure of a connection that could not log in because another one
// was about to, at a server that did not answer. It says nothing of its own server.
var errTurn = errors.New("wait for the service account to log in elsewhere")

// await waits until a password may be tried that may be wrong: by one connection of
// a server, whose turn is own, and of all of them. A server that does not answer holds
// up the others for a while only, and never more than one other guess is made.
func (a *account) await(ctx context.Context, own turn) (done func(), err error) {
	expired := func() error { return lost(fmt.Errorf("%w: %w", errTurn, ctx.Err())) }
	select {
	case <-own:
	case <-ctx.Done():
		return nil, expired()
	}
	var second turn // not before the patience is over
	timer := time.NewTimer(min(a.config.aliveTimeout, a.config.ConnectTimeout/3))
	defer timer.Stop()
	for {
		select {
		case <-a.turn:
			return func() { a.turn <- struct{}{}; own <- struct{}{} }, nil
		case <-second:
			return func() { a.second <- struct{}{}; own <- struct{}{} }, nil
		case <-timer.C:
			second = a.second
		case <-ctx.Done():
			own <- struct{}{}
			return nil, expired()
		}
	}
}

// proven returns the password that the directory took a moment ago, if it is one of
// these.
func (a *account) proven(passwords []string) (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.accepted, time.Since(a.when) < trustFor && slices.Contains(passwords, a.accepted)
}

// order returns passwords with the one first that was taken last.
func (a *account) order(passwords []string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(passwords) == 2 && passwords[1] == a.accepted {
		return []string{passwords[1], passwords[0]}
	}
	return passwords
}

// accountError is the failure of the service account. For a user it is an outage and no
// refusal, whatever the directory said.
type accountError struct {
	cause error
	wrong bool // the password is
}

// Error returns that the account failed, and why.
func (e *accountError) Error() string { return errAccount.Error() + ": " + e.cause.Error() }

// Unwrap returns what the failure is, and not what it would be of a user.
func (e *accountError) Unwrap() []error { return []error{errAccount, backend.ErrUnavailable} }

// isWrong reports whether a password is refused, or was when it was tried last.
func isWrong(err error) bool {
	var failure *accountError
	return errors.As(err, &failure) && failure.wrong
}

// held fails while a password is not to be tried again.
func (a *account) held(password string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if left := time.Until(a.pause.until); left > 0 {
		return fault.With(a.pause.code, &accountError{fmt.Errorf("it failed to, and is tried again in %v", left.Round(time.Second)), false})
	}
	r := a.refused[password]
	if r == nil || !time.Now().Before(r.until) {
		return nil
	}
	return fault.With(r.code, &accountError{fmt.Errorf("it failed to, and is not tried again for %v, lest it be locked; correct it",
		time.Until(r.until).Round(time.Second)), true})
}

// judge notes what the directory said of a password or of the account, if it said
// anything.
func (a *account) judge(err error, password string) error {
	if isLost(err) {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.pause, a.accepted, a.when = refusal{}, password, time.Now()
		delete(a.refused, password)
		return nil
	}
	a.when = time.Time{}
	code := faultOfAccount(err)
	wrong := false
	switch {
	case errors.Is(err, backend.ErrLocked):
		a.pause = refusal{stateWait, time.Now().Add(stateWait), code}
	case !backend.Refused(err):
		a.pause = refusal{failureWait, time.Now().Add(failureWait), code}
	default:
		r := &refusal{wait: firstRefusalWait, code: code}
		if before := a.refused[password]; before != nil {
			r.wait = min(2*before.wait, maxRefusalWait)
		}
		r.until = time.Now().Add(r.wait)
		a.refused[password] = r
		wrong = true
	}
	return fault.With(code, &accountError{err, wrong})
}

// tell puts into the log what came of trying: each refusal of a password, and what may
// pass by itself once.
func (a *account) tell(err error) {
	if isLost(err) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		if a.said != "" {
			a.config.Log.Info("the service account can log in again", slog.String("bind_dn", a.config.BindDN))
		}
		a.said = ""
		return
	}
	var failure *accountError
	if !errors.As(err, &failure) {
		return
	}
	if text := failure.cause.Error(); text != a.said || failure.wrong {
		a.said = text
		a.config.Log.Error("the service account cannot log in to the directory, so nobody can; correct its name or password",
			slog.String("bind_dn", a.config.BindDN), slog.Any("error", failure.cause), slog.String(fault.Attr, string(fault.Of(err))),
			slog.Duration("next_try_in", time.Until(a.next()).Round(time.Second)))
	}
}

// next returns when a password may be tried again.
func (a *account) next() time.Time {
	if time.Now().Before(a.pause.until) {
		return a.pause.until
	}
	var next time.Time
	for _, r := range a.refused {
		if next.IsZero() || r.until.Before(next) {
			next = r.until
		}
	}
	return next
}

// retry has all passwords be tried again, because a person says that the account has
// been put in order. It reports false where somebody said so a moment ago: each wrong
// one that is tried counts toward its being locked.
func (a *account) retry() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if !a.next().After(now) {
		return true
	}
	if now.Sub(a.retried) < retryEvery {
		return false
	}
	a.retried, a.pause.until = now, time.Time{}
	for _, r := range a.refused {
		r.until = time.Time{}
	}
	return true
}

// faultOfAccount returns the code of what the directory said of the account.
func faultOfAccount(err error) fault.Code {
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
