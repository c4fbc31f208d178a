package backend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Cache remembers the answers of another Backend. Its memory holds no password and
// nothing from which a password could be guessed.
//
// Refusals are remembered apart from successes, and for a shorter time. A failure to
// answer, such as [ErrUnavailable], is not remembered. Equal questions at the same
// time reach the Backend as one question. Only CacheConfig.Timeout bounds it, so a
// caller that gives up does not end it for the others. A panic of the Backend is an
// error for all of them.
//
// A change that a [Versioner] reports counts with the next call. A change that a
// [Revalidator] can find counts within CacheConfig.Revalidate. A remembered login
// that is used after half of that time is checked in the background. After all of
// that time it is checked first. Its groups are read again too. A user whom the
// Revalidator refuses is forgotten. The request that found this out goes on with a
// login by its password, unless the account may not log in at all.
//
// A login of the same account with another password ends the logins with earlier
// passwords. Otherwise an old password would be good for TTL after its change. If
// the Backend says that the password was not changed, both stay good. If an account
// was made anew under the name of another one, its login ends all logins of that one.
//
// While the Backend is unavailable, a success may count for CacheConfig.Stale longer.
// This holds for a login and its groups if they had an answer before, were not
// refused since, and the Backend was asked again without an answer. The first refusal
// of a remembered success ends all logins of that user.
type Cache struct {
	inner
	keys    *keyer
	proofs  *keyer // for logins without a password
	store   *store
	outages *outages
	checks  *checks
	counted counters
}

var _ Backend = (*Cache)(nil)

// NewCache returns an empty Cache for what b says. It fails if a value in cfg is
// negative.
func NewCache(b Backend, cfg CacheConfig) (*Cache, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, fmt.Errorf("make a credential cache: %w", err)
	}
	s, err := newStore(cfg)
	if err != nil {
		return nil, fmt.Errorf("make a credential cache: %w", err)
	}
	return &Cache{inner: Extend(b), keys: newKeyer(), proofs: newKeyer(), store: s, outages: newOutages(cfg.Timeout), checks: newChecks()}, nil
}

// Configure makes cfg count from the next call on, also for what is remembered, of
// which it forgets only what there is no room for any more. It fails, and changes
// nothing, if a value in cfg is negative.
func (c *Cache) Configure(cfg CacheConfig) error {
	cfg, err := cfg.complete()
	if err != nil {
		return fmt.Errorf("configure a credential cache: %w", err)
	}
	c.store.configure(cfg)
	c.outages.configure(cfg.Timeout)
	return nil
}

// Authenticate returns the remembered answer to the question, or else the
// Backend's.
func (c *Cache) Authenticate(ctx context.Context, user, password string) (Identity, error) {
	if err := ctx.Err(); err != nil {
		return Identity{}, fmt.Errorf("%w: not asked: %w", ErrUnavailable, err)
	}
	a := attempt{c.Version(user), user, password}
	k := c.keys.login(user, password)
	f := c.store.login(k, a.version)
	if f.check != never {
		waited, err := c.confirm(ctx, f, a.version)
		if err != nil && !leavesToPassword(err) {
			return c.answer(ctx, CacheMiss, Identity{}, err)
		}
		if waited { // and the login may have been forgotten meanwhile
			f = c.store.login(k, a.version)
		}
	}
	switch f.state {
	case current:
		return c.answer(ctx, CacheHit, f.id, nil)
	case refused:
		return c.answer(ctx, CacheNegative, Identity{}, f.err)
	case expired:
		ask := func(ctx context.Context) (Identity, error) { return c.askLogin(ctx, k, a) }
		return c.renew(ctx, f, renewal{line{askingLogin, f.id.Source}, k, user, ask})
	}
	if call := CallOf(ctx); call != nil && call.Remembered {
		return c.answer(ctx, CacheMiss, Identity{}, errNotRemembered)
	}
	id, err := c.askLogin(ctx, k, a)
	return c.answer(ctx, CacheMiss, id, err)
}

// errNotRemembered is the answer where a Call wants none but one that is remembered.
var errNotRemembered = fmt.Errorf("%w: not asked: the login is not remembered", ErrUnavailable)

// answer takes down what part the Cache had in an answer to a login.
func (c *Cache) answer(ctx context.Context, s CacheState, id Identity, err error) (Identity, error) {
	c.counted.logins.count(s)
	if call := CallOf(ctx); call != nil {
		call.Cache = s
	}
	return id, err
}

func (c *Cache) askLogin(ctx context.Context, k key, a attempt) (Identity, error) {
	now, timeout := c.store.now()
	f := flight[Identity]{&now.logins, flightKey(a.version, string(k[:])), timeout, &c.counted.shared}
	return f.ask(ctx, func(ctx context.Context) (Identity, error) {
		// An equal flight may have landed since the caller looked.
		switch f := c.store.login(k, a.version); f.state {
		case current, refused:
			return f.id, f.err
		}
		asked := time.Now()
		id, err := c.inner.Authenticate(ctx, a.user, a.password)
		if err != nil {
			id = Identity{}
		}
		// If the version is another now, nobody knows which of them let the user in.
		if err != nil || c.Version(a.user) == a.version {
			c.store.keepLogin(now, k, outcome{id, c.keys.password(id, a.password), err, asked, a.version})
		}
		return id, err
	})
}

// Groups returns the remembered groups of id, or else the Backend's. In a [Call] it
// writes nothing but that they are stale.
func (c *Cache) Groups(ctx context.Context, id Identity) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: not asked: %w", ErrUnavailable, err)
	}
	version := c.Version(id.User)
	known, state := c.store.members(id, version)
	s, err := CacheHit, error(nil)
	switch state {
	case unknown:
		s = CacheMiss
		known, err = c.askGroups(ctx, id, version)
	case expired:
		known, s, err = c.renewGroups(ctx, id, version, known)
	}
	c.counted.groups.count(s)
	if call := CallOf(ctx); call != nil && s == CacheStale {
		call.Cache = s
	}
	if err != nil {
		return nil, err
	}
	return slices.Clone(known.names), known.failure()
}

func (c *Cache) askGroups(ctx context.Context, id Identity, version uint64) (roll, error) {
	now, timeout := c.store.now()
	f := flight[roll]{&now.groups, flightKey(version, id.parts()...), timeout, &c.counted.shared}
	return f.ask(ctx, func(ctx context.Context) (roll, error) {
		if known, state := c.store.members(id, version); state == current {
			return known, nil
		}
		return c.readGroups(ctx, now, id, version)
	})
}

// readGroups asks the Backend for the groups of id during e.
func (c *Cache) readGroups(ctx context.Context, e *era, id Identity, version uint64) (roll, error) {
	asked := time.Now()
	names, err := c.inner.Groups(ctx, id)
	found := roll{names, IncompleteOf(err)}
	if found.missing != nil {
		err = nil // what was found is an answer
	}
	switch {
	case lasting(err):
		c.store.dismiss(id)
	case errors.Is(err, ErrForgotten):
		c.store.outdate(id)
	case err == nil && c.Version(id.User) == version:
		c.store.keepGroups(e, id, answer[roll]{value: found, version: version, asked: asked})
	}
	return found, err
}

// A roll is the groups of a user.
type roll struct {
	names   []string
	missing *Incomplete // nil if these are all
}

// failure returns the error that goes with the names.
func (r roll) failure() error {
	if r.missing == nil {
		return nil
	}
	return r.missing
}

// Purge forgets everything, and whatever is just being asked. It returns how many
// logins it has forgotten that would have been let in.
func (c *Cache) Purge() int { return c.store.purge() }

// PurgeUser does so for one user in any spelling, whichever source vouched. It
// forgets all refusals too, since those may be about anybody.
func (c *Cache) PurgeUser(user string) int {
	spelled := make(map[string]string) // by source
	return c.store.purgeUser(func(id Identity) bool {
		if _, ok := spelled[id.Source]; !ok {
			spelled[id.Source] = c.Spelling(id.Source).CanonicalUser(user)
		}
		return id.User == spelled[id.Source] || strings.EqualFold(id.User, user)
	})
}
