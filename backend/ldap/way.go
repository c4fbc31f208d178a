package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// way is that of one question to the servers: which may be asked yet, and why the
// others were not or in vain.
type way struct {
	directory *directory
	pool      func(*server) *pool
	servers   []*server // in the order in which they are asked
	tried     []*server
	failures  []error
	resolved  bool // DNS was asked for more servers
}

// What a connection is for.
func searching(s *server) *pool { return s.search }
func binding(s *server) *pool   { return s.users }

func (d *directory) newWay(ctx context.Context, pool func(*server) *pool) *way {
	w := &way{directory: d, pool: pool}
	w.add(d.order(ctx))
	return w
}

// add adds servers that have not been tried, those in doubt after the others.
func (w *way) add(servers []*server) {
	var doubtful []*server
	for _, s := range servers {
		cause := s.breaker.state()
		switch {
		case w.hasTried(s):
		case cause != nil:
			w.leave(s, fmt.Errorf("not asked since it failed: %w", cause))
		case s.late.Load() || s.suspected.Load():
			doubtful = append(doubtful, s)
		default:
			w.servers = append(w.servers, s)
		}
	}
	w.servers = append(w.servers, doubtful...)
}

func (w *way) hasTried(s *server) bool { return slices.Contains(w.tried, s) }

// leave has a server not asked any more.
func (w *way) leave(s *server, err error) {
	w.servers = slices.DeleteFunc(w.servers, func(o *server) bool { return o == s })
	w.tried, w.failures = append(w.tried, s), append(w.failures, err)
}

// reach returns a connection for the caller alone to the first server that has one,
// or an error if none has.
func (w *way) reach(ctx context.Context) (*server, *conn, error) {
	for {
		if len(w.servers) == 0 && !w.resolved && len(w.tried) > 0 {
			w.resolved = true
			w.add(w.directory.fit(ctx, w.directory.resolveNow(ctx)))
		}
		if len(w.servers) == 0 {
			return nil, nil, w.failure()
		}
		first := w.servers[0]
		if c := w.pool(first).ready(); c != nil {
			return first, c, nil
		}
		if s, c, err := w.race(ctx); c != nil || err != nil {
			return s, c, err
		}
	}
}

// headStart is how much sooner than the next one a server is tried that has the
// first place, so that one which does not answer does not hold up a login; RFC 8305,
// section 5. All servers have been tried before the first must have answered.
const headStart = 250 * time.Millisecond

// arrival is what came of making a connection.
type arrival struct {
	server *server
	conn   *conn
	err    error
}

// race returns the first connection that any server lets itself be made, or nothing
// if all of them have failed. Each is tried when the one before it has failed or has
// had its head start. A connection that comes too late is kept for the next question.
func (w *way) race(ctx context.Context) (*server, *conn, error) {
	d := w.directory
	racing, over := context.WithCancel(ctx)
	defer over()
	waiting := slices.Clone(w.servers)
	step := min(d.config.headStart, d.config.ConnectTimeout/time.Duration(len(waiting)))
	timer := time.NewTimer(step)
	defer timer.Stop()
	arrivals, running := make(chan arrival), 0
	var last *server
	next := func() {
		if len(waiting) == 0 {
			return
		}
		last, waiting = waiting[0], waiting[1:]
		running++
		d.connect(racing, last, w.pool(last), arrivals)
		timer.Reset(step)
	}
	for next(); running > 0; {
		select {
		case a := <-arrivals:
			if a.conn != nil || !isLost(a.err) {
				return a.server, a.conn, a.err
			}
			running--
			w.leave(a.server, a.err)
			if a.server == last {
				last = nil
			}
			next()
		case <-timer.C:
			if last != nil && !w.pool(last).isFull() {
				last.late.Store(true)
			}
			next()
		case <-d.ctx.Done():
			return nil, nil, lost(errors.New("the directory is not in use any more"))
		case <-ctx.Done():
			return nil, nil, w.outOfTime(ctx)
		}
	}
	return nil, nil, nil
}

// connect has a connection made or taken, and sends what came of it while anybody
// waits for that. It is found out in any case whether the server can be reached.
func (d *directory) connect(ctx context.Context, s *server, p *pool, arrivals chan<- arrival) {
	d.background(func() {
		c, err := p.take(ctx)
		err = s.label(err)
		switch {
		case err == nil || !isLost(err) || errors.Is(err, errTurn):
			s.late.Store(false)
		default:
			d.giveUp(s, err)
		}
		select {
		case arrivals <- arrival{s, c, err}:
		case <-ctx.Done():
			if c != nil {
				p.put(c, nil)
			}
		}
	})
}

// outOfTime is the failure of a login whose time is over before any server could be
// reached.
func (w *way) outOfTime(ctx context.Context) error {
	var tried []string
	full := true
	for _, s := range w.servers {
		tried = append(tried, s.address.String())
		full = full && w.pool(s).isFull()
	}
	servers := strings.Join(tried, ", ")
	if full {
		return errFull(fmt.Errorf("%s: %w", servers, ctx.Err()))
	}
	return lost(fmt.Errorf("directory server %s: no connection in time: %w", servers, ctx.Err()))
}

// failure says why no server is left.
func (w *way) failure() error {
	if len(w.failures) == 0 {
		return noServer()
	}
	return errors.Join(w.failures...)
}
