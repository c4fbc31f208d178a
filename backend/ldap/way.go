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

// add adds servers that have not been tried, those in doubt after the others, and those
// that failed a question after those that are only slow.
func (w *way) add(servers []*server) {
	var late, suspected []*server
	for _, s := range servers {
		cause := s.breaker.state()
		switch {
		case w.hasTried(s):
		case cause != nil:
			w.leave(s, notAsked(cause))
		case s.suspected.Load():
			suspected = append(suspected, s)
		case s.late.Load():
			late = append(late, s)
		default:
			w.servers = append(w.servers, s)
		}
	}
	w.servers = slices.Concat(w.servers, late, suspected)
}

func notAsked(cause error) error { return fmt.Errorf("not asked since it failed: %w", cause) }

// isDoubtful reports whether it is being found out if a server can be reached and answers.
func (s *server) isDoubtful() bool { return s.late.Load() || s.suspected.Load() }

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
	next := func(isUrgent bool) {
		timer.Reset(step)
		s := w.next(&waiting, isUrgent)
		if s == nil {
			return
		}
		last = s
		running++
		d.connect(racing, s, w.pool(s), arrivals)
	}
	for next(true); running > 0; {
		select {
		case a := <-arrivals:
			if w.isGood(&a) {
				return a.server, a.conn, a.err
			}
			running--
			w.leave(a.server, a.err)
			if a.server == last {
				last = nil
			}
			next(true)
		case <-timer.C:
			if last != nil && !w.pool(last).isFull() {
				last.late.Store(true)
			}
			next(false)
		case <-d.ctx.Done():
			return nil, nil, lost(errors.New("the directory is not in use any more"))
		case <-ctx.Done():
			return nil, nil, w.outOfTime(ctx)
		}
	}
	return nil, nil, nil
}

// next takes out the first of the servers that wait for their turn. One in doubt gets no
// bind of a user, which cannot be sent again, before there is nothing better or the doubt
// is over: that it lets a connection be made soon does not say that it answers. A server
// that was given up since the race began gets none at all.
func (w *way) next(waiting *[]*server, isUrgent bool) *server {
	for len(*waiting) > 0 {
		s := (*waiting)[0]
		cause := s.breaker.state()
		if cause == nil && !isUrgent && w.pool(s).once && s.isDoubtful() {
			return nil
		}
		*waiting = (*waiting)[1:]
		if cause == nil {
			return s
		}
		w.leave(s, notAsked(cause))
	}
	return nil
}

// isGood reports whether an arrival ends the race. A connection to a server that was given
// up while it was made does not.
func (w *way) isGood(a *arrival) bool {
	if a.conn == nil {
		return !isLost(a.err)
	}
	cause := a.server.breaker.state()
	if cause == nil {
		return true
	}
	a.err = notAsked(cause)
	w.pool(a.server).put(a.conn, a.err)
	return false
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
