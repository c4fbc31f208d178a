package backend

import (
	"cmp"
	"fmt"
	"time"
)

// CacheConfig says how much a [Cache] holds and for how long. The zero value of
// a field means its default.
type CacheConfig struct {
	// Size bounds the number of good logins, of bad logins and of groups, each
	// by itself. Default 10,000. The groups of all users have no more than 4 Mi
	// names together.
	Size int

	// TTL is how long a good login counts. It is also how long a password that
	// was changed may go on in a Backend that does not tell of changes, and a
	// user who was removed in one that is no [Revalidator] either. Default 5 min.
	TTL time.Duration

	// GroupsTTL is how long the groups of a user count, which is never longer
	// than the login. Default TTL.
	GroupsTTL time.Duration

	// NegativeTTL is how long a bad login counts. Default 30 s.
	NegativeTTL time.Duration

	// Stale is how long after their TTL a good login and its groups go on while
	// the Backend is unavailable. Default 0: not at all.
	Stale time.Duration

	// Revalidate is how long a good login counts before a [Revalidator] has to
	// confirm it. Default 1 min; negative: it never has to.
	Revalidate time.Duration

	// Timeout bounds one question to the Backend. Default 10 s.
	Timeout time.Duration

	// DiesWith are the states of an account that end what [Cache.Confirm] and
	// [Cache.ConfirmAccount] count. Default [Gone], [Disabled] and [Expired].
	DiesWith []Standing
}

// complete returns c with its defaults, or what is wrong with it.
func (c CacheConfig) complete() (CacheConfig, error) {
	if c.Size < 0 || min(c.TTL, c.GroupsTTL, c.NegativeTTL, c.Stale, c.Timeout) < 0 {
		return c, fmt.Errorf("size %d, TTL %v, groups TTL %v, negative TTL %v, stale %v, timeout %v: none may be negative; 0 means the default",
			c.Size, c.TTL, c.GroupsTTL, c.NegativeTTL, c.Stale, c.Timeout)
	}
	c.Size = cmp.Or(c.Size, 10_000)
	c.TTL = cmp.Or(c.TTL, 5*time.Minute)
	c.GroupsTTL = min(cmp.Or(c.GroupsTTL, c.TTL), c.TTL)
	c.NegativeTTL = cmp.Or(c.NegativeTTL, 30*time.Second)
	c.Revalidate = cmp.Or(c.Revalidate, time.Minute)
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	if len(c.DiesWith) == 0 {
		c.DiesWith = defaultDiesWith
	}
	return c, CheckStandings(c.DiesWith)
}
