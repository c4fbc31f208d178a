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

// server is one server at one address.
type server struct {
	directory *directory
	config    Config
	address   address
	search    *pool // bound as the service account
	users     *pool // for binds of users, and nothing else
	breaker   breaker
	meter     *meter
	turn      turn // to log in as the service account, while its password may be wrong

	ctx       context.Context // done when the server is no longer one of the directory
	cancel    context.CancelFunc
	suspected atomic.Bool            // somebody is finding out whether it answers
	domain    atomic.Pointer[string] // in a forest: of which it is a controller
	late      atomic.Bool            // a connection took so long that others were tried
}

func (d *directory) newServer(a address) *server {
	c := d.config
	s := &server{directory: d, config: c, address: a, meter: &meter{server: a.String(), observe: c.Observe}, turn: newTurn()}
	s.ctx, s.cancel = context.WithCancel(d.ctx)
	s.search = newPool(s.ctx, c, s.meter, s.openSearch)
	s.users = newPool(s.ctx, c, s.meter, s.open)
	s.users.once = true
	s.search.stale, s.users.stale = s.drop, s.drop
	return s
}

// open makes a connection.
func (s *server) open(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.ConnectTimeout)
	defer cancel()
	return s.directory.trust.dial(ctx, s.address, s.meter)
}

// openSearch makes a connection and logs in as the service account. Without one it
// makes sure that the server answers, as a login does: it may be a proxy that took
// the connection.
func (s *server) openSearch(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.ConnectTimeout)
	defer cancel()
	c, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	if s.config.hasAccount() {
		err = s.directory.account.bind(ctx, c, s.turn)
	} else {
		err = c.ping(ctx, s.config.ConnectTimeout, "")
	}
	if err != nil {
		c.close()
		return nil, s.directory.trust.diagnosePlain(ctx, s.address, err)
	}
	c.look = func(c *conn, question int, kept bool) {
		s.directory.background(func() { s.look(c, question, kept) })
	}
	return c, nil
}

// ask has f ask a question as the service account.
func (s *server) ask(c *conn, f func(*conn) error) error {
	err := f(c)
	s.search.put(c, err)
	return s.label(err)
}

// isBusy reports whether a lost question got an answer after all: that the
// server cannot give one.
func isBusy(err error) bool {
	_, answered := codeOf(err)
	return answered
}

// isGone reports whether a question was lost because the connection ended, and not
// because the server said something that makes no sense.
func isGone(ctx context.Context, err error) bool {
	return isLost(err) && !isBusy(err) && fault.Of(err) != "ldap.protocol" && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
}

// bindAs has f bind as a user on a connection that nothing else uses. What f
// did is never repeated: a server that closed the connection may have counted
// the attempt. That a kept connection ended is no sign that the server is down.
func (s *server) bindAs(ctx context.Context, c *conn, f func(*conn) error) error {
	kept := c.kept
	err := f(c)
	s.users.put(c, err)
	if kept && isLost(err) && !isBusy(err) {
		s.users.sweep(true) // a firewall that forgot one connection forgot all
	}
	if kept && isGone(ctx, err) {
		err = fault.With("ldap.tcp.lost", fmt.Errorf("the connection ended before the answer: %v: %w", err, backend.ErrUnavailable))
	}
	return s.label(err)
}

// isAlive finds out whether the server answers anything at all within a time: a
// question about an entry with users, since a server may know itself and not be able
// to read any. It makes a connection of its own: slow answers may keep all others
// busy.
func (s *server) isAlive(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return guarded(func() error {
		c, err := s.openSearch(ctx)
		if errors.Is(err, errAccount) || errors.Is(err, errTurn) {
			return nil
		}
		if err != nil {
			return err
		}
		defer c.close()
		return c.ping(ctx, limit, s.config.UserBases[0])
	})
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

// reinstate puts the server to use again.
func (s *server) reinstate() {
	s.breaker.reset()
	s.late.Store(false)
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
			s.reinstate()
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
