package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// account is the one that searches. All servers share it, and what they say of
// its password: each wrong guess counts toward its being locked, in the
// directory as a whole.
type account struct {
	config Config
	turn   turn // to try a password that may be wrong
	second turn // to do so while the first one waits for a server that does not answer

	mu       sync.Mutex
	text     string              // the passwords as they were read last
	refused  map[string]*refusal // by password
	pause    refusal             // of whatever the password is
	accepted string              // the password that was taken last
	when     time.Time           // when it was
	retried  time.Time           // when a person last had the waits ended
	said     string              // what the log said last
}

// refusal is what the directory said of a password or of the account.
type refusal struct {
	wait  time.Duration
	until time.Time // before which it is not asked again
	code  fault.Code
}

// A refused password is tried again after these times, the first doubled each
// time. Within half an hour that makes four guesses in all, and none for a
// password that is no longer the configured one. What is no refusal, such as an
// error inside the server, counts toward nothing and may pass soon. So may a state
// of the account that the server names, such as locked or disabled: it does not look
// at the password then.
const (
	firstRefusalWait = 4 * time.Minute
	maxRefusalWait   = 30 * time.Minute
	stateWait        = 5 * time.Second
	failureWait      = 2 * time.Second
)

// retryEvery is how often a person may have a password tried in spite of its wait.
const retryEvery = time.Minute

// trustFor is how long a password that was taken is tried on several new
// connections at once, so that far servers do not make logins queue.
const trustFor = 5 * time.Second

func newAccount(c Config) *account {
	return &account{config: c, turn: newTurn(), second: newTurn(), refused: map[string]*refusal{}}
}

// errAccount is the failure of the service account.
var errAccount = errors.New("the service account cannot log in")

// certificate stands for the password of an account that is known by its
// certificate or its socket.
const certificate = "certificate"

// bind binds a new connection as the account. own is the turn of the server.
func (a *account) bind(ctx context.Context, c *conn, own turn) error {
	if !a.config.hasAccount() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.config.ConnectTimeout)
	defer cancel()
	passwords, err := a.passwords()
	if err != nil {
		return fault.With("ldap.account.no_password", fmt.Errorf("%w: read its password: %w: %w", errAccount, err, backend.ErrUnavailable))
	}
	if password, ok := a.proven(passwords); ok {
		if err := a.try(ctx, c, password); !isWrong(err) || len(passwords) == 1 {
			a.tell(err)
			return err
		}
	}
	done, err := a.await(ctx, own)
	if err != nil {
		return err
	}
	defer done()
	return a.tryAll(ctx, c, passwords)
}

// tryAll tries the passwords that are not held, until one is right.
func (a *account) tryAll(ctx context.Context, c *conn, passwords []string) (err error) {
	var answer error // the last one
	tried := 0
	for _, password := range a.order(passwords) {
		if err = a.held(password); err == nil {
			err = a.try(ctx, c, password)
			answer = err
			tried++
		}
		if !isWrong(err) {
			break
		}
	}
	if tried > 0 {
		a.tell(answer)
	}
	if tried > 1 && err == nil {
		a.config.Log.Warn("the service account logs in with the other of its two passwords; take out the one that is not right any more",
			slog.String("bind_dn", a.config.BindDN))
	}
	return err
}

// try tries one password, and notes what the directory says of it.
func (a *account) try(ctx context.Context, c *conn, password string) (err error) {
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

// passwords returns the password, or both during a rotation. Other ones than before
// have not been refused yet.
func (a *account) passwords() ([]string, error) {
	if a.config.SASLExternal {
		return []string{certificate}, nil
	}
	text, err := a.config.BindPassword()
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	if text != a.text {
		clear(a.refused)
		a.text = text
	}
	a.mu.Unlock()
	return parsePasswords(text)
}

// parsePasswords returns the passwords of a text with a line for each, two at most.
func parsePasswords(text string) ([]string, error) {
	lines := strings.Split(strings.TrimRight(text, "\r\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSuffix(line, "\r")
		if !backend.CanBePassword(lines[i]) {
			return nil, fmt.Errorf("line %d is empty or too long", i+1)
		}
	}
	if len(lines) > 2 {
		return nil, fmt.Errorf("it has %d lines: want the password alone, or the old and the new one in a line each while it is changed", len(lines))
	}
	return lines, nil
}
