package ldap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// directory is all servers together.
type directory struct {
	config     Config
	configured []address // as Config.URLs has them
	trust      *trust
	account    *account

	// Probes, connections that are being made and housekeeping go on until the
	// context is done.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	lookups  singleflight.Group // of DNS
	outdated chan struct{}      // holds a token when DNS is to be asked

	mu         sync.Mutex
	servers    []*server
	records    map[address]record
	asked      time.Time // when DNS was
	incomplete bool      // DNS did not answer everything
}

// sweepEvery is how often connections that lie idle are closed.
const sweepEvery = 15 * time.Second

func newDirectory(c Config) (*directory, error) {
	t, err := newTrust(c)
	if err != nil {
		return nil, err
	}
	d := &directory{config: c, trust: t, account: newAccount(c), outdated: make(chan struct{}, 1), records: map[address]record{}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	for _, url := range c.URLs {
		a, err := parseAddress(url)
		if err != nil {
			continue // which validate does not let pass
		}
		d.configured = append(d.configured, a)
		if !a.isSRV() {
			d.servers = append(d.servers, d.newServer(a))
		}
	}
	d.wg.Go(d.keepHouse)
	if d.isNamed() {
		d.wg.Go(d.followDNS)
	}
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

// keepHouse closes connections that lie idle.
func (d *directory) keepHouse() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-ticker.C:
		}
		d.guard(d.sweep)
	}
}

func (d *directory) sweep() {
	for _, s := range d.known() {
		s.sweep(false)
	}
}

// ask has f ask a question of the first server that gives an answer. It may be asked
// more than once, of one server and of several.
func (d *directory) ask(ctx context.Context, f func(*conn) error) error {
	w := d.newWay(ctx, searching)
	var hungUp *server // on the question, on a connection that was made for it
	for {
		s, c, err := w.reach(ctx)
		if err != nil {
			return err
		}
		kept := c.kept
		err = s.ask(c, f)
		if err == nil || !isLost(err) {
			routeOf(ctx).took(s)
			return err
		}
		switch {
		case ctx.Err() != nil:
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				d.suspect(s, err) // there was no time to find out
			}
			return err
		case s.breaker.state() != nil:
			w.leave(s, err)
		case isBusy(err):
			d.suspect(s, err)
			w.leave(s, err)
		case kept && !c.hasProved():
			s.sweep(true) // and on a fresh connection again
		case isGone(ctx, err) && hungUp != s:
			hungUp = s
		case d.isDead(ctx, s, err):
			d.giveUp(s, err)
			w.leave(s, err)
		case hungUp == s:
			return fault.With("ldap.search.hung_up", fmt.Errorf("%w: %v: %w", errHungUp, err, backend.ErrUnavailable))
		default:
			return err
		}
	}
}

// errHungUp is the failure of a search that a server hangs up on, again on a second
// connection, while it answers others. It would fare no better elsewhere.
var errHungUp = errors.New("the server hangs up on this search, and not on others")

// bindAs has f bind as a user at the first server that can be reached. There
// is one attempt in all, whatever comes of it.
func (d *directory) bindAs(ctx context.Context, f func(*conn) error) error {
	s, c, err := d.newWay(ctx, binding).reach(ctx)
	if err != nil {
		return err
	}
	err = s.bindAs(ctx, c, f)
	switch {
	case err == nil || !isLost(err):
		routeOf(ctx).took(s)
	case d.isFailing(ctx, s, err):
		d.giveUp(s, err)
	}
	return err
}

// isFailing reports whether it is for the server that the bind of a user was lost.
// One that takes too long must not take the server from everybody else; whoever went
// away tells nothing of the server.
func (d *directory) isFailing(ctx context.Context, s *server, err error) bool {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return false
	case !errors.Is(err, context.DeadlineExceeded):
		return true
	}
	return d.isDead(ctx, s, err)
}

// isDead reports whether a server that did not answer a question answers nothing
// at all.
func (d *directory) isDead(ctx context.Context, s *server, cause error) bool {
	dead := s.isAlive(ctx, d.config.aliveTimeout) != nil
	if dead && ctx.Err() != nil {
		d.suspect(s, cause) // there was no time to find out
		return false
	}
	return dead
}

// suspect has it found out whether a server still answers. Meanwhile others are
// asked first.
func (d *directory) suspect(s *server, cause error) {
	if !s.suspected.CompareAndSwap(false, true) {
		return
	}
	d.background(func() {
		defer s.suspected.Store(false)
		if s.isAlive(s.ctx, d.config.aliveTimeout) != nil {
			d.giveUp(s, cause)
		}
	})
}

// giveUp keeps logins away from a server, and has it probed.
func (d *directory) giveUp(s *server, cause error) {
	if s.ctx.Err() != nil || !s.breaker.trip(cause) {
		return
	}
	d.config.Log.Warn("directory server is not in use until it answers again",
		slog.Any("error", cause), slog.String(fault.Attr, string(fault.Of(cause))))
	s.sweep(true)
	d.background(s.probe)
	select {
	case d.outdated <- struct{}{}:
	default:
	}
}

// background runs f, which ends when the directory is closed.
func (d *directory) background(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() == nil {
		d.wg.Go(func() { d.guard(f) })
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
	servers := d.fit(ctx, d.all(ctx))
	if !d.config.Spread || len(servers) < 2 {
		return servers
	}
	first := slices.Index(servers, routeOf(ctx).server())
	if first < 0 {
		first = rand.IntN(len(servers))
	}
	return slices.Concat(servers[first:], servers[:first])
}

// all returns the servers, after asking DNS where that has not been done.
func (d *directory) all(ctx context.Context) []*server {
	d.mu.Lock()
	asked := !d.asked.IsZero()
	d.mu.Unlock()
	if asked || !d.isNamed() {
		return d.known()
	}
	return d.resolve(ctx)
}

// noServer is the failure where DNS names none.
func noServer() error {
	return fault.With("ldap.server.none", fmt.Errorf("no server of the directory is known: %w", backend.ErrUnavailable))
}
