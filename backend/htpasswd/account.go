package htpasswd

import (
	"context"

	"gatehouse/backend"
)

// errBarred is the refusal of a user whose line says that nobody may log in by it.
var errBarred = backend.Stand(backend.Disabled, backend.ErrLocked)

// Revalidate looks whether the users file still has the line by which id was let in. An
// Identity without a handle is one that was not let in by a password: any line of its name
// is its own.
func (b *Backend) Revalidate(ctx context.Context, id backend.Identity) (backend.Identity, error) {
	if ctx.Err() != nil {
		return backend.Identity{}, gaveUp(ctx)
	}
	users := b.current.Load().users
	h := users.hash(id.User)
	now := id
	if h != nil {
		now = users.identity(id.User)
		now.Source = id.Source
	}
	switch {
	case h == nil:
		return backend.Identity{}, backend.ErrUnknownUser
	case isLocked(h):
		return now, errBarred
	case id.Handle != "" && now.Handle != id.Handle:
		return now, backend.ErrOutdated
	}
	return now, nil
}

// Follows reports whether id was let in by a line of the users file, which names the
// account and the password.
func (b *Backend) Follows(id backend.Identity) bool { return id.Handle != "" }
