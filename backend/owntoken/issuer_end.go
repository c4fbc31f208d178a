package owntoken

import (
	"context"
	"fmt"
	"time"
)

// Revoke ends tokens by their IDs, and returns how many of them had not ended before.
func (i *Issuer) Revoke(ctx context.Context, by string, ids ...string) (int, error) {
	return i.RevokeFor(ctx, "", by, ids...)
}

// RevokeFor is Revoke for a reason, which is kept.
func (i *Issuer) RevokeFor(ctx context.Context, why, by string, ids ...string) (int, error) {
	c := Change{At: i.moment(), By: by, Why: why}
	for _, id := range ids {
		t, err := i.store.ByID(ctx, id)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", id, err)
		}
		if t.At(i.now()) == nil {
			c.Revoke = append(c.Revoke, id)
		}
	}
	if len(c.Revoke) == 0 {
		return 0, nil
	}
	return len(c.Revoke), i.store.Change(ctx, c)
}

// Orphan takes down since when the owner of tokens is gone; the zero time says that the
// owner is back.
func (i *Issuer) Orphan(ctx context.Context, since time.Time, by string, ids ...string) error {
	c := Change{At: i.moment(), By: by, Orphan: map[string]time.Time{}}
	for _, id := range ids {
		c.Orphan[id] = since
	}
	return i.store.Change(ctx, c)
}
