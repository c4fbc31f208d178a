package ldap

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// pool keeps connections of one kind to one server.
type pool struct {
	open        func(context.Context) (*conn, error)
	meter       *meter
	stale       func()        // called when an idle connection turns out to be dead
	once        bool          // a question cannot be asked again where its connection has ended
	slots       chan struct{} // one for each connection in use
	idleTimeout time.Duration
	lifetime    time.Duration

	mu     sync.Mutex
	idle   []*conn // the one used last is at the end
	closed bool
}

func newPool(c Config, m *meter, open func(context.Context) (*conn, error)) *pool {
	return &pool{
		meter:       m,
		open:        open,
		slots:       make(chan struct{}, c.MaxConnections),
		idleTimeout: c.IdleTimeout,
		lifetime:    c.MaxLifetime,
	}
}

// checkAfter is how long a connection may lie idle before it is tried out,
// rather than trusted with a question that cannot be asked twice.
const checkAfter = 3 * time.Second

// aliveTimeout is what finding a dead connection may cost a login.
const aliveTimeout = time.Second

// take returns a connection for the caller alone, who gives it back with put.
// It waits for one as long as ctx lets it.
func (p *pool) take(ctx context.Context) (*conn, error) {
	if err := p.wait(ctx); err != nil {
		return nil, err
	}
	for c := p.pop(); c != nil; c = p.pop() {
		if time.Since(c.since) < checkAfter || c.ping(ctx, aliveTimeout) == nil {
			return c, nil
		}
		c.close()
		if ctx.Err() != nil {
			<-p.slots
			return nil, gaveUp(ctx)
		}
		p.stale() // to find out of each by itself would take as long again
	}
	c, err := p.open(ctx)
	if err != nil {
		<-p.slots
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
		err = fault.With("ldap.pool.exhausted", errors.Join(errors.New("all connections to the server are in use"), backend.ErrUnavailable, ctx.Err()))
	}
	p.meter.count(opWait, start, err)
	return err
}

// size returns how many connections are in use, and how many wait to be.
func (p *pool) size() (inUse, idle int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.slots), len(p.idle)
}

// pop returns the idle connection used last that can still be used, or nil.
func (p *pool) pop() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		c := p.idle[last]
		p.idle = p.idle[:last]
		if p.isUsable(c, time.Now()) {
			return c
		}
		go c.close()
	}
	return nil
}

func (p *pool) isUsable(c *conn, now time.Time) bool {
	return !c.isClosing() && now.Before(c.expires) && now.Sub(c.since) < p.idleTimeout && (!p.once || isQuiet(c.raw))
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
