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

	"gatehouse/backend"
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

	resolving sync.Mutex // so that DNS is asked once at a time

	mu       sync.Mutex
	servers  []*server
	resolved time.Time
}

// Housekeeping closes connections that lie idle, and asks DNS again.
const (
	sweepEvery   = 15 * time.Second
	resolveEvery = time.Minute
	resolveAgain = time.Second // after a failure
)

func newDirectory(c Config) (*directory, error) {
	t, err := newTrust(c)
	if err != nil {
		return nil, err
	}
	d := &directory{config: c, trust: t, account: newAccount(c), lookup: net.DefaultResolver.LookupSRV}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	if !d.asksDNS() {
		for _, url := range c.URLs {
			if a, err := parseAddress(url); err == nil {
				d.servers = append(d.servers, newServer(a, c, t, d.account))
			}
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

func (d *directory) keepHouse() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-ticker.C:
		}
		d.mu.Lock()
		servers, due := d.servers, time.Since(d.resolved) > resolveEvery
		d.mu.Unlock()
		if due && d.asksDNS() {
			servers = d.resolve(d.ctx)
		}
		for _, s := range servers {
			s.sweep()
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
			return err
		}
		// One question that takes too long must not take the server from
		// everybody else, nor be put to the next one.
		if errors.Is(err, context.DeadlineExceeded) && s.isAlive(ctx) {
			return err
		}
		d.giveUp(ctx, s, err)
		if last || ctx.Err() != nil {
			return err
		}
		failures = append(failures, err)
	}
	if len(failures) == 0 {
		return fmt.Errorf("no server of the directory is known: %w", backend.ErrUnavailable)
	}
	return errors.Join(failures...)
}

// giveUp keeps logins away from a server, and has it probed, unless the failure
// was that of the client who went away.
func (d *directory) giveUp(ctx context.Context, s *server, err error) {
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return
	}
	if !s.breaker.trip(err) {
		return
	}
	d.config.Log.Warn("directory server is not in use until it answers again", slog.Any("error", err))
	s.search.sweep(true)
	s.users.sweep(true)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() == nil {
		d.wg.Go(func() { s.probe(d.ctx) })
	}
}

// order returns the servers in the order in which they are to be asked.
func (d *directory) order(ctx context.Context) []*server {
	servers := d.all(ctx)
	if !d.config.Spread || len(servers) < 2 {
		return servers
	}
	first := rand.IntN(len(servers))
	return slices.Concat(servers[first:], servers[:first])
}

// all returns the servers, after asking DNS where none is known yet.
func (d *directory) all(ctx context.Context) []*server {
	d.mu.Lock()
	servers := d.servers
	d.mu.Unlock()
	if len(servers) > 0 {
		return servers
	}
	return d.resolve(ctx)
}

func (d *directory) asksDNS() bool {
	return slices.ContainsFunc(d.config.URLs, func(url string) bool {
		a, err := parseAddress(url)
		return err == nil && a.isSRV()
	})
}

// resolve asks DNS. A failure leaves the servers as they were.
func (d *directory) resolve(ctx context.Context) []*server {
	d.resolving.Lock()
	defer d.resolving.Unlock()
	d.mu.Lock()
	known, done := d.servers, time.Since(d.resolved) <= resolveEvery
	d.mu.Unlock()
	if done {
		return known
	}
	ctx, cancel := context.WithTimeout(ctx, d.config.ConnectTimeout)
	defer cancel()
	addresses, err := d.addresses(ctx)
	if err != nil {
		d.config.Log.Warn("servers of the directory not looked up; those known stay in use", slog.Any("error", err))
		d.mu.Lock()
		defer d.mu.Unlock()
		d.resolved = time.Now().Add(resolveAgain - resolveEvery)
		return d.servers
	}
	return d.replace(addresses)
}

func (d *directory) addresses(ctx context.Context) ([]address, error) {
	var all []address
	for _, url := range d.config.URLs {
		a, err := parseAddress(url)
		if err != nil {
			return nil, err
		}
		found := []address{a}
		if a.isSRV() {
			if found, err = a.resolve(ctx, d.lookup); err != nil {
				return nil, err
			}
		}
		for _, a := range found {
			if !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
	}
	return all, nil
}

// replace puts new addresses to use. A server that is named again keeps its
// connections and its breaker.
func (d *directory) replace(addresses []address) []*server {
	d.mu.Lock()
	old := d.servers
	d.resolved = time.Now()
	if d.ctx.Err() != nil {
		d.mu.Unlock()
		return old
	}
	d.servers = nil
	for _, a := range addresses {
		i := slices.IndexFunc(old, func(s *server) bool { return s.address == a })
		if i >= 0 {
			d.servers = append(d.servers, old[i])
		} else {
			d.servers = append(d.servers, newServer(a, d.config, d.trust, d.account))
		}
	}
	servers := d.servers
	d.mu.Unlock()
	for _, s := range old {
		if !slices.Contains(servers, s) {
			s.close()
		}
	}
	return servers
}
