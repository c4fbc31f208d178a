package backend

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// CacheConfig says how much a [Cache] holds and for how long. The zero value of
// a field means its default.
type CacheConfig struct {
	// Size bounds the number of good logins, of bad logins and of groups, each
	// by itself. Default 10,000.
	Size int

	// TTL is how long a good login and the groups of a user count. It is also
	// how long a password that was changed, or a user who was removed, may go
	// on in a Backend that does not tell of changes. Default 5 min.
	TTL time.Duration

	// NegativeTTL is how long a bad login counts. Default 30 s.
	NegativeTTL time.Duration

	// Timeout bounds one question to the Backend. Default 10 s.
	Timeout time.Duration
}

// A Cache remembers what another Backend said. Neither a password nor anything
// that one could be guessed from is in its memory.
//
// Refusals are remembered apart from successes and for a shorter time. Whatever
// is no answer, such as [ErrUnavailable], is not remembered at all. Equal
// questions that are asked at once reach the Backend as one, which is bounded
// by CacheConfig.Timeout alone: a caller that gives up leaves the others their
// answer. A panic of the Backend is an error to all of them.
//
// A change that the Backend tells of as a [Versioner] counts with the next call.
type Cache struct {
	inner   Backend
	timeout time.Duration
	keys    *keyer
	store   *store
}

var (
	_ Backend       = (*Cache)(nil)
	_ Versioner     = (*Cache)(nil)
	_ Canonicalizer = (*Cache)(nil)
	_ Composite     = (*Cache)(nil)
)

// NewCache returns an empty Cache for what b says. It fails if a value in cfg is
// negative.
func NewCache(b Backend, cfg CacheConfig) (*Cache, error) {
	if cfg.Size < 0 || cfg.TTL < 0 || cfg.NegativeTTL < 0 || cfg.Timeout < 0 {
		return nil, fmt.Errorf("make a credential cache: size %d, TTL %v, negative TTL %v, timeout %v: none may be negative; 0 means the default",
			cfg.Size, cfg.TTL, cfg.NegativeTTL, cfg.Timeout)
	}
	cfg.Size = cmp.Or(cfg.Size, 10_000)
	cfg.TTL = cmp.Or(cfg.TTL, 5*time.Minute)
	cfg.NegativeTTL = cmp.Or(cfg.NegativeTTL, 30*time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	s, err := newStore(cfg)
	if err != nil {
		return nil, fmt.Errorf("make a credential cache: %w", err)
	}
	return &Cache{inner: b, timeout: cfg.Timeout, keys: newKeyer(), store: s}, nil
}

// Authenticate returns the remembered answer to the question, or else the
// Backend's.
func (c *Cache) Authenticate(ctx context.Context, user, password string) (Identity, error) {
	if err := ctx.Err(); err != nil {
		return Identity{}, fmt.Errorf("%w: not asked: %w", ErrUnavailable, err)
	}
	a := attempt{c.Version(user), user, password}
	k := c.keys.login(a)
	if id, known, err := c.store.login(k); known {
		return id, err
	}
	return c.askLogin(ctx, k, a)
}

func (c *Cache) askLogin(ctx context.Context, k key, a attempt) (Identity, error) {
	now := c.store.now()
	f := flight[Identity]{&now.logins, string(k[:]), c.timeout}
	return f.ask(ctx, func(ctx context.Context) (Identity, error) {
		// An equal flight may have landed since the caller looked.
		if id, known, err := c.store.login(k); known {
			return id, err
		}
		asked := time.Now()
		id, err := c.inner.Authenticate(ctx, a.user, a.password)
		if err != nil {
			id = Identity{}
		}
		// If the version is another now, nobody knows which of them answered.
		if c.Version(a.user) == a.version {
			c.store.keepLogin(now, k, outcome{id, err, asked})
		}
		return id, err
	})
}

// Groups returns the remembered groups of id, or else the Backend's.
func (c *Cache) Groups(ctx context.Context, id Identity) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: not asked: %w", ErrUnavailable, err)
	}
	m := membership{id, c.Version(id.User)}
	groups, known := c.store.members(m)
	if !known {
		var err error
		if groups, err = c.askGroups(ctx, m); err != nil {
			return nil, err
		}
	}
	return slices.Clone(groups), nil
}

func (c *Cache) askGroups(ctx context.Context, m membership) ([]string, error) {
	now := c.store.now()
	question := appendQuestion(nil, m.version, m.id.User, m.id.Handle, m.id.Source)
	f := flight[[]string]{&now.groups, string(question), c.timeout}
	return f.ask(ctx, func(ctx context.Context) ([]string, error) {
		if groups, known := c.store.members(m); known {
			return groups, nil
		}
		asked := time.Now()
		groups, err := c.inner.Groups(ctx, m.id)
		if err == nil && c.Version(m.id.User) == m.version {
			c.store.keepGroups(now, m, groups, asked)
		}
		return groups, err
	})
}

// Purge forgets everything, and whatever is just being asked.
func (c *Cache) Purge() { c.store.purge() }

// PurgeUser forgets what is known of user in any spelling. It forgets all
// refusals too, since those may be about anybody.
func (c *Cache) PurgeUser(user string) { c.store.purgeUser(c.CanonicalUser(user)) }

// Version returns the version of the Backend that the Cache is for.
func (c *Cache) Version(user string) uint64 { return VersionOf(c.inner, user) }

// CanonicalUser returns the spelling of the Backend that the Cache is for.
func (c *Cache) CanonicalUser(name string) string { return CanonicalUserOf(c.inner, name) }

// CanonicalGroup returns the spelling of the Backend that the Cache is for.
func (c *Cache) CanonicalGroup(name string) string { return CanonicalGroupOf(c.inner, name) }

// Spelling returns that of the Backend that the Cache is for.
func (c *Cache) Spelling(source string) Canonicalizer { return SpellingOf(c.inner, source) }
