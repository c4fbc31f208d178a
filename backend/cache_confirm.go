package backend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gatehouse/backend/fault"
)

// A proof is what somebody can prove without a password.
type proof struct {
	id Identity

	// account says that it outlives the password that it was made with.
	account bool
}

// Confirm returns who id is by now, which is an Identity of an earlier login that somebody
// can prove without the password. It remembers the answer as it does that of a login: for
// CacheConfig.TTL, with a check within CacheConfig.Revalidate, and while the Backend is
// unavailable for CacheConfig.Stale longer.
func (c *Cache) Confirm(ctx context.Context, id Identity) (Identity, error) {
	return c.prove(ctx, proof{id: id})
}

// ConfirmAccount does the same for somebody who can prove that the account of id is theirs,
// whatever its password.
func (c *Cache) ConfirmAccount(ctx context.Context, id Identity) (Identity, error) {
	return c.prove(ctx, proof{id, true})
}

func (c *Cache) prove(ctx context.Context, p proof) (Identity, error) {
	if err := ctx.Err(); err != nil {
		return Identity{}, fmt.Errorf("%w: not asked: %w", ErrUnavailable, err)
	}
	version := c.Version(p.id.User)
	k := c.proofs.proof(p)
	switch f := c.store.login(k, version); {
	case f.state == refused:
		return c.answer(ctx, CacheNegative, Identity{}, f.err)
	case f.state == current && f.check == never:
		return c.answer(ctx, CacheHit, f.id, nil)
	default: // has a function of its own, since what it needs takes memory
		return c.proveAgain(ctx, f, proofAt{p, k, version})
	}
}

// proofAt is a proof with its key, and the version that its user had when it was shown.
type proofAt struct {
	proof   proof
	key     key
	version uint64
}

// proveAgain has the Backend asked whether a proof still counts of which f is known, now or
// meanwhile.
func (c *Cache) proveAgain(ctx context.Context, f finding, p proofAt) (Identity, error) {
	ask := func(ctx context.Context) (Identity, error) { return c.askProof(ctx, p.key, p.proof, p.version) }
	r := renewal{line{askingCheck, p.proof.id.Source}, p.key, p.proof.id.User, ask}
	switch {
	case f.state == current && f.check == soon:
		c.checkMeanwhile(ctx, f.id, func(ctx context.Context) error {
			_, err := ask(ctx)
			return err
		})
		return c.answer(ctx, CacheHit, f.id, nil)
	case f.state == current, f.state == expired:
		return c.renew(ctx, f, r)
	}
	if call := CallOf(ctx); call != nil && call.Remembered {
		return c.answer(ctx, CacheMiss, Identity{}, errNotRemembered)
	}
	found, err := ask(ctx)
	return c.answer(ctx, CacheMiss, found, err)
}

// askProof has the Backend say whether a proof still counts, and for the groups again if
// they are known.
func (c *Cache) askProof(ctx context.Context, k key, p proof, version uint64) (Identity, error) {
	now, timeout := c.store.now()
	f := flight[Identity]{&now.logins, flightKey(version, string(k[:])), timeout, &c.counted.shared}
	return f.ask(ctx, func(ctx context.Context) (Identity, error) {
		// An equal flight may have landed since the caller looked.
		if f := c.store.login(k, version); f.state == refused || f.state == current && f.check == never {
			return f.id, f.err
		}
		asked := time.Now()
		found, err := p.stands(ctx, c.inner, c.store.diesWith())
		if err == nil && c.store.knowsGroups(found) {
			_, err = c.readGroups(ctx, now, found, version)
		}
		c.countCheck(err)
		if err != nil || c.Version(p.id.User) == version {
			c.store.keepLogin(now, k, outcome{id: found, err: err, asked: asked, version: version})
		}
		return found, err
	})
}

// errNotTold is the absence of an answer, and no refusal: a backend that has stopped to show
// an attribute, or is another one by now, has not replaced its users. Whoever has the name
// there may be somebody else.
var errNotTold = fault.With("token.unfollowed", fmt.Errorf("the backend shows nothing, or something of another kind, by which to tell the account from another one of the name: %w", ErrUnavailable))

// stands returns who the account is by now, if the proof still counts: the account stands in
// no way that ends it, and is the same, with the same name. A login of which the backend
// can tell nothing counts as it is.
func (p proof) stands(ctx context.Context, r Revalidator, diesWith []Standing) (Identity, error) {
	now, err := r.Revalidate(ctx, p.id)
	switch {
	case errors.Is(err, errors.ErrUnsupported) && p.account: // which would count for ever
		return Identity{}, fmt.Errorf("%w: nobody can tell whether the account is still there: %w", ErrUnavailable, err)
	case errors.Is(err, errors.ErrUnsupported):
		return p.id, nil
	case err != nil && (now == Identity{} || !p.outlives(err, diesWith)):
		return Identity{}, err
	case now.SameAs(p.id) == Different:
		return Identity{}, ErrReplaced
	case p.account && now.SameAs(p.id) != Same:
		return Identity{}, errNotTold
	case !p.account && PasswordChanged(p.id, now):
		return Identity{}, ErrOutdated
	}
	if !p.account && p.id.Changed != "" {
		now.Changed = p.id.Changed // a server that lags behind shows an earlier one, or none
	}
	return sameName(p.id, now)
}

// outlives reports whether the proof counts although a backend has refused the account.
func (p proof) outlives(refusal error, diesWith []Standing) bool {
	if errors.Is(refusal, ErrOutdated) {
		return p.account
	}
	s := StandingOf(refusal)
	return slices.Contains(chosen, s) && !slices.Contains(diesWith, s)
}

// uncached is the Confirmer of a Backend that remembers nothing.
type uncached struct{ Revalidator }

func (u uncached) Confirm(ctx context.Context, id Identity) (Identity, error) {
	return proof{id: id}.stands(ctx, u.Revalidator, defaultDiesWith)
}

func (u uncached) ConfirmAccount(ctx context.Context, id Identity) (Identity, error) {
	return proof{id, true}.stands(ctx, u.Revalidator, defaultDiesWith)
}
