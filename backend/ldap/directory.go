package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// directory is all servers together.
type directory struct {
	config  Config
	trust   *trust
	account *account
	lookup  srvLookup

	// Probes and housekeeping run until the context is done.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	lookups singleflight.Group // of DNS

	mu       sync.Mutex
	servers  []*server
	resolved time.Time
}

// sweepEvery is how often connections that lie idle are closed.
const sweepEvery = 15 * time.Second

func newDirectory(c Config) (*directory, error) {
	t, err := newTrust(c)
	if err != nil {
		return nil, err
	}
	d := &directory{config: c, trust: t, account: newAccount(c), lookup: net.DefaultResolver.LookupSRV}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	for _, url := range c.URLs {
		if a, err := parseAddress(url); err == nil && !a.isSRV() {
			d.servers = append(d.servers, newServer(d.ctx, a, c, t, d.account))
		}
	}
	d.wg.Go(d.keepHouse)
	return d, nil
}

func (d *directory) close() {
	d.mu.Lock()
	d.cancel()
	servers := d.servers
	d.mu.Unlock()
	for _, s := range servers {
		s.close()
	}
	d.wg.Wait()
	d.trust.stop()
}

// keepHouse closes connections that lie idle, and has DNS asked: now and then,
// and at once where there are servers to go on with meanwhile.
func (d *directory) keepHouse() {
	if len(d.known()) > 0 && d.asksDNS() {
		d.resolve(d.ctx)
	}
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-ticker.C:
		}
		if d.asksDNS() {
			d.resolve(d.ctx)
		}
		for _, s := range d.known() {
			s.sweep(false)
		}
	}
}

// ask has f ask a question of the first server that gives an answer.
func (d *directory) ask(ctx context.Context, f func(*conn) error) error {
	return d.each(ctx, func(s *server) (bool, error) { return false, s.ask(ctx, f) })
}

// bindAs has f bind as a user at the first server that can be reached. There
// is one attempt in all, whatever comes of it.
func (d *directory) bindAs(ctx context.Context, f func(*conn) error) error {
	return d.each(ctx, func(s *server) (bool, error) { return s.bindAs(ctx, f) })
}

// each calls f with one server after the other, until one gives an answer or
// f says that it was the last.
func (d *directory) each(ctx context.Context, f func(*server) (last bool, err error)) error {
	failures := []error{}
	for _, s := range d.order(ctx) {
		if cause := s.breaker.state(); cause != nil {
			failures = append(failures, fmt.Errorf("not asked since it failed: %w", cause))
			continue
		}
		last, err := f(s)
		if err == nil || !isLost(err) {
			routeOf(ctx).took(s)
			return err
		}
		if d.isFailing(ctx, s, err) {
			d.giveUp(s, err)
		} else {
			last = true
		}
		if last || ctx.Err() != nil {
			return err
		}
		failures = append(failures, err)
	}
	if len(failures) == 0 {
		return fault.With("ldap.server.none", fmt.Errorf("no server of the directory is known: %w", backend.ErrUnavailable))
	}
	return errors.Join(failures...)
}

// isFailing reports whether it is for the server that a question was lost. One
// that takes too long must not take the server from everybody else, nor be put
// to the next one; whoever went away tells nothing of the server.
func (d *directory) isFailing(ctx context.Context, s *server, err error) bool {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return false
	case !errors.Is(err, context.DeadlineExceeded):
		return true
	}
	alive := s.isAlive(ctx, aliveTimeout) == nil
	if !alive && ctx.Err() != nil {
		// There was no time to find out.
		if s.suspected.CompareAndSwap(false, true) {
			d.background(func() {
				defer s.suspected.Store(false)
				if s.isAlive(s.ctx, aliveTimeout) != nil && s.ctx.Err() == nil {
					d.giveUp(s, err)
				}
			})
		}
		return false
	}
	return !alive
}

// giveUp keeps logins away from a server, and has it probed.
func (d *directory) giveUp(s *server, err error) {
	if !s.breaker.trip(err) {
		return
	}
	d.config.Log.Warn("directory server is not in use until it answers again", slog.Any("error", err))
	s.sweep(true)
	d.background(s.probe)
}

// background runs f, which ends when the directory is closed.
func (d *directory) background(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() == nil {
		d.wg.Go(f)
	}
}

// known returns the servers without asking DNS.
func (d *directory) known() []*server {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.servers
}

// order returns the servers in the order in which they are to be asked.
func (d *directory) order(ctx context.Context) []*server {
	servers := d.all(ctx)
	if !d.config.Spread || len(servers) < 2 {
		return servers
	}
	first := slices.Index(servers, routeOf(ctx).server())
	if first < 0 {
		first = rand.IntN(len(servers))
	}
	return slices.Concat(servers[first:], servers[:first])
}

// all returns the servers, after asking DNS where none is known yet.
func (d *directory) all(ctx context.Context) []*server {
	if servers := d.known(); len(servers) > 0 {
		return servers
	}
	return d.resolve(ctx)
}
