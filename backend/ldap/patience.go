package ldap

import (
	"context"
	"errors"
	"time"

	"gatehouse/backend/fault"
)

// A search that has waited for some time may wait for a slow server, for one that has
// stopped, or on a connection that a firewall has forgotten, which it tells nobody.
// What it is, is found out meanwhile, so that the search can be asked elsewhere
// before the time of the login is over.

var (
	errForgotten = fault.With("ldap.tcp.lost", errors.New("nothing comes over the kept connection any more"))
	errStopped   = fault.With("ldap.timeout", errors.New("the server does not answer any more"))
)

// patience is how long a search waits before that is found out.
func (c *Config) patience() time.Duration {
	return min(c.aliveTimeout, c.OperationTimeout/4, c.LoginTimeout/10)
}

// wonder has it found out why the search of this moment has no answer yet.
func (c *conn) wonder() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.look != nil && c.asking {
		c.look(c, c.question, c.old)
	}
}

// abandon closes the connection if a question has no answer yet.
func (c *conn) abandon(question int, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking && c.question == question {
		c.cause = cause
		c.raw.Close()
	}
}

// answers reports whether a question about nothing is answered over the connection,
// past another one that waits there.
func (c *conn) answers(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer := make(chan error, 1)
	go func() {
		answer <- guarded(func() error {
			_, err := c.ldap.Search(nothing(""))
			return classify(err)
		})
	}()
	select {
	case err := <-answer:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.proved = !isLost(err) || isBusy(err)
		return c.proved
	case <-ctx.Done():
		return false
	}
}

// hasProved reports whether something came over the connection while the last question
// waited there, so that it is not the connection's fault if it got no answer.
func (c *conn) hasProved() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proved
}

// look finds out why a search has no answer yet on a connection that was kept or made
// for it, and ends it where it will get none.
func (s *server) look(c *conn, question int, kept bool) {
	switch {
	case kept && !c.answers(s.ctx, s.config.aliveTimeout):
		c.abandon(question, errForgotten)
	case !kept && s.isAlive(s.ctx, s.config.aliveTimeout) != nil:
		s.directory.giveUp(s, s.label(lost(errStopped)))
		c.abandon(question, errStopped)
	}
}
