package backend

import (
	"context"
	"errors"
)

// renewal is a question about a login that has expired, or has to be checked.
type renewal struct {
	line
	key  key
	user string // as whom somebody came
	ask  func(context.Context) (Identity, error)
}

// renew asks about the login that was found, which counts on if there is no answer.
func (c *Cache) renew(ctx context.Context, f finding, r renewal) (Identity, error) {
	l := r.line
	if c.outages.on(l) {
		c.meanwhile(ctx, l, func(ctx context.Context) error {
			_, err := r.ask(ctx)
			return err
		})
		return c.answer(ctx, f.state.shown(), f.id, nil)
	}
	id, err := r.ask(ctx)
	if c.heed(ctx, l, err) {
		// What it was a while ago is not what it is now: there may have been a
		// purge, or another version.
		if f := c.store.login(r.key, c.Version(r.user)); f.state == expired || f.state == current {
			return c.answer(ctx, f.state.shown(), f.id, nil)
		}
	}
	return c.answer(ctx, CacheMiss, id, err)
}

// shown returns the part that a Cache had in an answer by a login in that state.
func (s state) shown() CacheState {
	if s == current {
		return CacheHit
	}
	return CacheStale
}

// renewGroups does for groups what renew does for a login.
func (c *Cache) renewGroups(ctx context.Context, id Identity, version uint64, old roll) (roll, CacheState, error) {
	l := line{askingGroups, id.Source}
	if c.outages.on(l) {
		c.meanwhile(ctx, l, func(ctx context.Context) error {
			_, err := c.askGroups(ctx, id, version)
			return err
		})
		return old, CacheStale, nil
	}
	groups, err := c.askGroups(ctx, id, version)
	if c.heed(ctx, l, err) {
		if groups, state := c.store.members(id, c.Version(id.User)); state == expired {
			return groups, CacheStale, nil
		}
	}
	return groups, CacheMiss, err
}

// heed takes down what came of a question on l, and reports whether that means
// that the Backend cannot be asked: it does not if the caller has given up.
func (c *Cache) heed(ctx context.Context, l line, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	c.outages.heed(l, err)
	return errors.Is(err, ErrUnavailable)
}

// meanwhile asks a question on l, which is out, behind the back of a caller who
// does not wait for the answer, unless another question does so already.
func (c *Cache) meanwhile(ctx context.Context, l line, question func(context.Context) error) {
	if !c.outages.claim(l) {
		return
	}
	ctx = detached(ctx, context.Background())
	go func() { c.outages.heed(l, question(ctx)) }()
}
