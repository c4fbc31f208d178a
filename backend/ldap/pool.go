package ldap

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// pool keeps connections of one kind to one server.
type pool struct {
	life        context.Context // done when the server is no longer one of the directory
	open        func(context.Context) (*conn, error)
	meter       *meter
	stale       func()        // called when an idle connection turns out to be dead
	once        bool          // a question cannot be asked again where its connection has ended
	slots       chan struct{} // one for each connection in use
	idleTimeout time.Duration
	lifetime    time.Duration

	aliveTimeout time.Duration // as in Config

	mu     sync.Mutex
	idle   []*conn // the one used last is at the end
	closed bool
}

func newPool(life context.Context, c Config, m *meter, open func(context.Context) (*conn, error)) *pool {
	return &pool{
		life:        life,
		meter:       m,
		open:        open,
		slots:       make(chan struct{}, c.MaxConnections),
		idleTimeout: c.IdleTimeout,
		lifetime:    c.MaxLifetime,

		aliveTimeout: c.aliveTimeout,
	}
}

// checkAfter is how long a connection may lie idle before it is tried out,
// rather than trusted with a question that cannot be asked twice.
const checkAfter = 3 * time.Second

// ready returns a connection for the caller alone that was used a moment ago, or nil
// if there is none. The caller gives it back with put.
func (p *pool) ready() *conn {
	select {
	case p.slots <- struct{}{}:
	default:
		return nil
	}
	if c := p.pop(checkAfter); c != nil {
		return c
	}
	<-p.slots
	return nil
}

// take returns a connection for the caller alone, who gives it back with put. It
// waits as long as ctx lets it until one more may be in use; whether the server then
// answers is found out whatever becomes of ctx.
func (p *pool) take(ctx context.Context) (c *conn, err error) {
	if err := p.wait(ctx); err != nil {
		return nil, err
	}
	err = guarded(func() (err error) { c, err = p.fresh(); return err })
	if err != nil {
		<-p.slots
		return nil, err
	}
	return c, nil
}

// fresh returns an idle connection that is not dead, or a new one.
func (p *pool) fresh() (*conn, error) {
	for c := p.pop(p.idleTimeout); c != nil; c = p.pop(p.idleTimeout) {
		if time.Since(c.since) < checkAfter || c.ping(p.life, p.aliveTimeout, "") == nil {
			return c, nil
		}
		c.close()
		p.stale() // to find out of each by itself would take as long again
	}
	c, err := p.open(p.life)
	if err != nil {
		return nil, err
	}
	// Connections made together must not all end together.
	c.expires = time.Now().Add(p.lifetime - rand.N(p.lifetime/10+1))
	return c, nil
}

// wait waits until one connection more may be in use.
func (p *pool) wait(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	start := time.Now()
	var err error
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		err = errFull(ctx.Err())
	}
	p.meter.count(opWait, start, err)
	return err
}

// errFull is the failure of a login that got no connection before its time was over,
// since all were in use.
func errFull(cause error) error {
	return fault.With("ldap.pool.exhausted", fmt.Errorf("all connections to the server are in use: %w: %w", backend.ErrUnavailable, cause))
}

// isFull reports whether no other connection may be in use.
func (p *pool) isFull() bool { return len(p.slots) == cap(p.slots) }

// size returns how many connections are in use, and how many wait to be.
func (p *pool) size() (inUse, idle int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.slots), len(p.idle)
}

// pop returns the idle connection used last that can still be used, if it has not lain
// idle for longer than since, or nil.
func (p *pool) pop(since time.Duration) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		c, now := p.idle[last], time.Now()
		usable := p.isUsable(c, now)
		if usable && now.Sub(c.since) >= since {
			return nil // all others have lain there for longer
		}
		p.idle = p.idle[:last]
		if usable {
			return c
		}
		go c.close()
	}
	return nil
}

func (p *pool) isUsable(c *conn, now time.Time) bool {
	return !c.isClosing() && !c.isOutdated() && now.Before(c.expires) && now.Sub(c.since) < p.idleTimeout && (!p.once || c.socket.Quiet())
}

// put gives a connection back after a question with the given outcome. Only an
// answer leaves it fit for use.
func (p *pool) put(c *conn, err error) {
	defer func() { <-p.slots }()
	c.kept, c.since = true, time.Now()
	if _, answered := codeOf(err); err == nil || answered && !isLost(err) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.closed {
			p.idle = append(p.idle, c)
			return
		}
	}
	c.close()
}

// sweep closes the idle connections that have had their time, or all of them.
func (p *pool) sweep(all bool) {
	p.mu.Lock()
	var keep, drop []*conn
	for _, c := range p.idle {
		if !all && p.isUsable(c, time.Now()) {
			keep = append(keep, c)
		} else {
			drop = append(drop, c)
		}
	}
	p.idle = keep
	p.mu.Unlock()
	for _, c := range drop {
		c.close()
	}
}

// close closes the idle connections, and each other one when it is given back.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.sweep(true)
}
