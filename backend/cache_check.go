package backend

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// maxChecks is how many logins are checked at once behind the backs of callers.
// Those that are not will be checked while a caller waits.
const maxChecks = 16

// confirm sees to it that the Backend lets a remembered login count on, and reports
// whether that took any time. It returns an error if the login does not count, and
// none if that could not be found out: it counts until its time is over then.
func (c *Cache) confirm(ctx context.Context, f finding, version uint64) (waited bool, err error) {
	l := line{askingCheck, f.id.Source}
	switch {
	case c.outages.on(l):
		c.meanwhile(ctx, l, func(ctx context.Context) error { return c.check(ctx, f.id, version) })
		return false, nil
	case f.check == soon:
		c.checkMeanwhile(ctx, f.id, func(ctx context.Context) error { return c.check(ctx, f.id, version) })
		return false, nil
	}
	err = c.check(ctx, f.id, version)
	if c.heed(ctx, l, err) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return true, err
}

// check asks the Backend whether id still counts, and for the groups again if they
// are known.
func (c *Cache) check(ctx context.Context, id Identity, version uint64) error {
	now, timeout := c.store.now()
	f := flight[struct{}]{&now.checks, flightKey(version, id.parts()...), timeout, &c.counted.shared}
	_, err := f.ask(ctx, func(ctx context.Context) (struct{}, error) {
		if c.store.isConfirmed(id) { // by an equal flight that has just landed
			return struct{}{}, nil
		}
		return struct{}{}, c.revalidate(ctx, now, id, version)
	})
	return err
}

func (c *Cache) revalidate(ctx context.Context, e *era, id Identity, version uint64) error {
	asked := time.Now()
	now, err := c.inner.Revalidate(ctx, id)
	if err == nil {
		id, err = c.follow(e, id, now)
	}
	if err == nil && c.store.knowsGroups(id) {
		_, err = c.readGroups(ctx, e, id, version)
	}
	c.countCheck(err)
	switch {
	case err == nil:
		c.store.confirm(e, id, asked, false)
	case errors.Is(err, errors.ErrUnsupported):
		c.store.confirm(e, id, asked, true)
	case errors.Is(err, ErrOutdated):
		c.store.outdate(id)
	case lasting(err):
		c.store.dismiss(id)
	}
	return err
}

// countCheck counts a question whether a login still counts by what came of it.
func (c *Cache) countCheck(err error) {
	switch {
	case err == nil:
		c.counted.confirmed.Add(1)
	case errors.Is(err, errors.ErrUnsupported):
	case lasting(err):
		c.counted.revoked.Add(1)
	case errors.Is(err, ErrUnavailable):
		c.counted.unasked.Add(1)
	default:
		c.counted.unchecked.Add(1)
	}
}

// follow has the logins of id be those of now, which the Backend says the user is by
// now. Under another name they would be somebody else's to rules.
func (c *Cache) follow(e *era, id, now Identity) (Identity, error) {
	if now == id {
		return id, nil
	}
	if _, err := sameName(id, now); err != nil {
		return id, err
	}
	c.store.rename(e, id, now)
	return now, nil
}

// sameName returns now, which is who id is by now, unless the two have different names.
func sameName(id, now Identity) (Identity, error) {
	if now.User != id.User || now.Source != id.Source {
		return Identity{}, fmt.Errorf("user %q is called %q now: %w", id.User, now.User, ErrUnknownUser)
	}
	return now, nil
}

// leavesToPassword reports whether err, of a check without a password, is one after
// which a login with the password may succeed: the account has gone, and there may be
// another by that name, or the password was changed, and the one at hand may be the
// new one.
func leavesToPassword(err error) bool { return lasting(err) && !errors.Is(err, ErrLocked) }

// checkMeanwhile checks a login behind the back of its caller, unless that is being
// done or there are too many such checks.
func (c *Cache) checkMeanwhile(ctx context.Context, id Identity, check func(context.Context) error) {
	if !c.checks.begin(id) {
		return
	}
	ctx = detached(ctx, context.Background())
	go func() {
		defer c.checks.end(id)
		c.outages.heed(line{askingCheck, id.Source}, check(ctx))
	}()
}

// checks are the logins that are being checked behind the backs of callers.
type checks struct {
	mu  sync.Mutex
	now map[Identity]bool
}

func newChecks() *checks { return &checks{now: make(map[Identity]bool)} }

// begin reports whether the caller may check id, and has to call end then.
func (c *checks) begin(id Identity) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now[id] || len(c.now) >= maxChecks {
		return false
	}
	c.now[id] = true
	return true
}

func (c *checks) end(id Identity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.now, id)
}
