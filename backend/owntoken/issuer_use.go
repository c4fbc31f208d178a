package owntoken

import "context"

// ByID returns the token with an ID, whether or not it has ended. Its error is or wraps
// [ErrNone] if there is none.
func (i *Issuer) ByID(ctx context.Context, id string) (Token, error) { return i.store.ByID(ctx, id) }

// Note takes down that a token was used.
func (i *Issuer) Note(id string, u Use) { i.store.Note(id, u) }
