package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// server is one of the configured servers.
type server struct {
	address address
	config  Config
	search  *pool // bound as the service account
	users   *pool // for binds of users, and nothing else
	breaker breaker
	meter   *meter

	ctx       context.Context // done when the server is no longer one of the directory
	cancel    context.CancelFunc
	suspected atomic.Bool // somebody is finding out whether it answers
}

func newServer(ctx context.Context, a address, c Config, t *trust, acc *account) *server {
	s := &server{address: a, config: c, meter: &meter{server: a.String(), observe: c.Observe}}
	s.ctx, s.cancel = context.WithCancel(ctx)
	dial := func(ctx context.Context) (*conn, error) { return t.dial(ctx, a, s.meter) }
	s.users = newPool(c, s.meter, dial)
	s.users.once = true
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
	s.search.stale, s.users.stale = s.drop, s.drop
	return s
}

// ask has f ask a question as the service account. A connection that was kept
// may have been given up by the server meanwhile; then, and only then, the
// question is asked again on a fresh one.
func (s *server) ask(ctx context.Context, f func(*conn) error) error {
	kept, err := s.askOnce(ctx, f)
	if kept && isGone(ctx, err) {
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

// isGone reports whether a question was lost because the connection ended.
func isGone(ctx context.Context, err error) bool {
	return isLost(err) && !isBusy(err) && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
}

// bindAs has f bind as a user on a connection that nothing else uses. What f
// did is never repeated: a server that closed the connection may have counted
// the attempt. That a kept connection ended is no sign that the server is down.
func (s *server) bindAs(ctx context.Context, f func(*conn) error) (asked bool, err error) {
	c, err := s.users.take(ctx)
	if err != nil {
		return false, s.label(err)
	}
	kept := c.kept
	err = f(c)
	s.users.put(c, err)
	if kept && isGone(ctx, err) {
		s.users.sweep(true)
		err = fault.With("ldap.tcp.lost", fmt.Errorf("the connection ended before the answer: %v: %w", err, backend.ErrUnavailable))
	}
	return true, s.label(err)
}

// isAlive finds out whether the server answers anything at all within a time. It
// makes a connection of its own: slow answers may keep all others busy.
func (s *server) isAlive(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, err := s.search.open(ctx)
	if errors.Is(err, errAccount) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.close()
	return c.ping(ctx, limit)
}

func (s *server) label(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("directory server %s: %w", s.address, err)
}

// sweep closes the idle connections that have had their time, or all of them.
func (s *server) sweep(all bool) {
	s.search.sweep(all)
	s.users.sweep(all)
}

// drop closes the idle connections, since one of them turned out to be dead.
func (s *server) drop() { s.sweep(true) }

func (s *server) close() {
	s.cancel()
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
	lastProbe  = time.Second
)

// probe asks the server until it answers or is no longer one of the directory.
func (s *server) probe() {
	wait := firstProbe
	start := time.Now()
	for {
		if s.isAlive(s.ctx, s.config.ConnectTimeout) == nil {
			s.breaker.reset()
			s.config.Log.Info("directory server is in use again", slog.String("server", s.address.String()),
				slog.Duration("after", time.Since(start)))
			return
		}
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait/2)): // gateways must not come all at once
		}
		wait = min(2*wait, lastProbe)
	}
}
