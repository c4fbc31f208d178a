package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// server is one of the configured servers.
type server struct {
	address address
	config  Config
	search  *pool // bound as the service account
	users   *pool // for binds of users, and nothing else
	breaker breaker
	meter   *meter
}

func newServer(a address, c Config, t *trust, acc *account) *server {
	s := &server{address: a, config: c, meter: &meter{server: a.String(), observe: c.Observe}}
	dial := func(ctx context.Context) (*conn, error) { return t.dial(ctx, a, s.meter) }
	s.users = newPool(c, s.meter, dial)
	s.search = newPool(c, s.meter, func(ctx context.Context) (*conn, error) {
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		if err := acc.bind(ctx, conn); err != nil {
			conn.close()
			return nil, err
		}
		return conn, nil
	})
	return s
}

// ask has f ask a question as the service account. A connection that was kept
// may have been given up by the server meanwhile; then, and only then, the
// question is asked again on a fresh one.
func (s *server) ask(ctx context.Context, f func(*conn) error) error {
	kept, err := s.askOnce(ctx, f)
	gone := isLost(err) && !isBusy(err) && !errors.Is(err, context.DeadlineExceeded)
	if kept && gone && ctx.Err() == nil {
		s.search.sweep(true)
		_, err = s.askOnce(ctx, f)
	}
	return s.label(err)
}

func (s *server) askOnce(ctx context.Context, f func(*conn) error) (kept bool, err error) {
	c, err := s.search.take(ctx)
	if err != nil {
		return false, err
	}
	kept = c.kept
	err = f(c)
	s.search.put(c, err)
	return kept, err
}

// isBusy reports whether a lost question got an answer after all: that the
// server cannot give one.
func isBusy(err error) bool {
	_, answered := codeOf(err)
	return answered
}

// bindAs has f bind as a user on a connection that nothing else uses. What f
// did is never repeated: a server that closed the connection may have counted
// the attempt.
func (s *server) bindAs(ctx context.Context, f func(*conn) error) (asked bool, err error) {
	c, err := s.users.take(ctx)
	if err != nil {
		return false, s.label(err)
	}
	err = f(c)
	s.users.put(c, err)
	return true, s.label(err)
}

// isAlive reports whether the server answers anything at all in a short while.
func (s *server) isAlive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, aliveTimeout)
	defer cancel()
	_, err := s.askOnce(ctx, func(c *conn) error { return c.ping(ctx, aliveTimeout) })
	return err == nil || errors.Is(err, errAccount)
}

func (s *server) label(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("directory server %s: %w", s.address, err)
}

func (s *server) sweep() {
	s.search.sweep(false)
	s.users.sweep(false)
}

func (s *server) close() {
	s.search.close()
	s.users.close()
}

// breaker keeps logins away from a server that does not answer, until a probe
// in the background found that it does.
type breaker struct {
	mu    sync.Mutex
	cause error // nil while the server is in use
}

func (b *breaker) state() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cause
}

// trip sets the cause and reports whether there was none.
func (b *breaker) trip(cause error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := b.cause == nil
	b.cause = cause
	return first
}

func (b *breaker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cause = nil
}

// A server that was given up is probed at once, and then at intervals that grow
// to the second of these, so that it is back in use soon after it is back.
const (
	firstProbe = 100 * time.Millisecond
	lastProbe  = 2 * time.Second
)

// probe asks the server until it answers or ctx is done.
func (s *server) probe(ctx context.Context) {
	wait := firstProbe
	start := time.Now()
	for {
		if err := s.ask(ctx, func(c *conn) error { return c.ping(ctx, s.config.ConnectTimeout) }); err == nil || errors.Is(err, errAccount) {
			s.breaker.reset()
			s.config.Log.Info("directory server is in use again", slog.String("server", s.address.String()),
				slog.Duration("after", time.Since(start)))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait/2)): // gateways must not come all at once
		}
		wait = min(2*wait, lastProbe)
	}
}
