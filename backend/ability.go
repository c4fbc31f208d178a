package backend

import (
	"context"
	"errors"
)

// VersionOf returns b's version of user, and 0 where b is no [Versioner]. By it
// and its siblings below, whoever has a Backend uses what it can do besides, and a
// decorator passes that on.
func VersionOf(b Backend, user string) uint64 {
	if v, ok := b.(Versioner); ok {
		return v.Version(user)
	}
	return 0
}

// CanonicalUserOf returns b's spelling of a user's name, and the name itself
// where b is no [Canonicalizer].
func CanonicalUserOf(b Backend, name string) string {
	if c, ok := b.(Canonicalizer); ok {
		return c.CanonicalUser(name)
	}
	return name
}

// CanonicalGroupOf returns b's spelling of a group's name, and the name itself
// where b is no [Canonicalizer].
func CanonicalGroupOf(b Backend, name string) string {
	if c, ok := b.(Canonicalizer); ok {
		return c.CanonicalGroup(name)
	}
	return name
}

// ResolveBy has b find out who a login as user would be, and fails with
// [errors.ErrUnsupported] where b is no [Resolver].
func ResolveBy(ctx context.Context, b Backend, user string) (Identity, error) {
	if r, ok := b.(Resolver); ok {
		return r.Resolve(ctx, user)
	}
	return Identity{}, errors.ErrUnsupported
}

// RevalidateBy has b find out whether id still counts, and fails with
// [errors.ErrUnsupported] where b is no [Revalidator].
func RevalidateBy(ctx context.Context, b Backend, id Identity) error {
	if r, ok := b.(Revalidator); ok {
		return r.Revalidate(ctx, id)
	}
	return errors.ErrUnsupported
}
