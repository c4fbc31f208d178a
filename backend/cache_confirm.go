package backend

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Confirm returns who id is by now, which is an Identity of an earlier login that somebody
// can prove without the password. It remembers the answer as it does that of a login: for
// CacheConfig.TTL, with a check within CacheConfig.Revalidate, and while the Backend is
// unavailable for CacheConfig.Stale longer.
func (c *Cache) Confirm(ctx context.Context, id Identity) (Identity, error) {
	if err := ctx.Err(); err != nil {
		return Identity{}, fmt.Errorf("%w: not asked: %w", ErrUnavailable, err)
	}
	version := c.Version(id.User)
	k := c.proofs.identity(id)
	f := c.store.login(k, version)
	if f.check != never {
		waited, err := c.confirm(ctx, f, version)
		if err != nil { // which there is no password to leave it to
			return c.answer(ctx, CacheMiss, Identity{}, err)
		}
		if waited { // and it may have been forgotten meanwhile
			f = c.store.login(k, version)
		}
	}
	ask := func(ctx context.Context) (Identity, error) { return c.askProof(ctx, k, id, version) }
	switch f.state {
	case current:
		return c.answer(ctx, CacheHit, f.id, nil)
	case refused:
		return c.answer(ctx, CacheNegative, Identity{}, f.err)
	case expired:
		return c.renew(ctx, f.id, renewal{line{askingCheck, id.Source}, k, id.User, ask})
	}
	if call := CallOf(ctx); call != nil && call.Remembered {
		return c.answer(ctx, CacheMiss, Identity{}, errNotRemembered)
	}
	found, err := ask(ctx)
	return c.answer(ctx, CacheMiss, found, err)
}

// askProof has the Backend say whether id still counts.
func (c *Cache) askProof(ctx context.Context, k key, id Identity, version uint64) (Identity, error) {
	now, timeout := c.store.now()
	f := flight[Identity]{&now.logins, flightKey(version, string(k[:])), timeout, &c.counted.shared}
	return f.ask(ctx, func(ctx context.Context) (Identity, error) {
		// An equal flight may have landed since the caller looked.
		switch f := c.store.login(k, version); f.state {
		case current, refused:
			return f.id, f.err
		}
		asked := time.Now()
		found, err := revalidated(ctx, c.inner, id)
		if err != nil || c.Version(id.User) == version {
			c.store.keepLogin(now, k, outcome{id: found, err: err, asked: asked, version: version})
		}
		return found, err
	})
}

// revalidated returns who id is by now. One that the Backend cannot tell more of counts as
// it is. One that has another name by now would be somebody else to rules.
func revalidated(ctx context.Context, r Revalidator, id Identity) (Identity, error) {
	now, err := r.Revalidate(ctx, id)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return id, nil
	case err != nil:
		return Identity{}, err
	}
	return sameName(id, now)
}

// uncached is the Confirmer of a Backend that remembers nothing.
type uncached struct{ Revalidator }

func (u uncached) Confirm(ctx context.Context, id Identity) (Identity, error) {
	return revalidated(ctx, u.Revalidator, id)
}
