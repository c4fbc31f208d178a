package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gatehouse/backend"
)

// account is the one that searches. All servers share it, and what they say of
// its password: each wrong guess counts toward its being locked, in the
// directory as a whole.
type account struct {
	config Config
	turn   chan struct{} // holds one token: one bind at a time

	// Guarded by the turn:
	refused string    // the password that the directory refused
	until   time.Time // before which it is not tried again
	wait    time.Duration
}

// A refused password is tried again after these times, the first doubled each
// time. Within half an hour that makes four guesses in all, and none for a
// password that is no longer the configured one.
const (
	firstRefusalWait = 4 * time.Minute
	maxRefusalWait   = 30 * time.Minute
)

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
	if a.config.BindDN == "" && !a.config.SASLExternal {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.config.ConnectTimeout)
	defer cancel()
	select {
	case <-a.turn:
		defer func() { a.turn <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("wait for the service account: %w", gaveUp(ctx))
	}
	password, err := a.password()
	switch {
	case err != nil:
		return fmt.Errorf("%w: read its password: %w: %w", errAccount, err, backend.ErrUnavailable)
	case password == a.refused && time.Now().Before(a.until):
		return fmt.Errorf("%w: its password was refused and is not tried again for %v, lest it be locked; correct it: %w",
			errAccount, time.Until(a.until).Round(time.Second), backend.ErrUnavailable)
	}
	if a.config.SASLExternal {
		err = c.bindExternal(ctx, a.config.ConnectTimeout)
	} else {
		err = bindError(c.bind(ctx, a.config.ConnectTimeout, a.config.BindDN, password))
	}
	return a.judge(err, password)
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

// judge notes what the directory said of a password, if it said anything.
func (a *account) judge(err error, password string) error {
	switch {
	case err == nil:
		if a.refused != "" {
			a.config.Log.Info("the service account can log in again", slog.String("bind_dn", a.config.BindDN))
		}
		a.refused, a.wait = "", 0
		return nil
	case isLost(err):
		return err
	case a.refused != password:
		a.wait = 0
	}
	a.wait = min(max(2*a.wait, firstRefusalWait), maxRefusalWait)
	a.refused, a.until = password, time.Now().Add(a.wait)
	a.config.Log.Error("the service account cannot log in to the directory, so nobody can; correct its name or password",
		slog.String("bind_dn", a.config.BindDN), slog.Any("error", err), slog.Duration("next_try_in", a.wait))
	// For a user this is an outage and no refusal, whatever the code was.
	return fmt.Errorf("%w: %v: %w", errAccount, err, backend.ErrUnavailable)
}
