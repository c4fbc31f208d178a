package backend

import (
	"context"
	"fmt"
)

// Named returns b under the name that the configuration gives it. The name
// stands in Identity.Source of every user that b vouches for and at the head of
// every error. An Identity that has a Source keeps it: whoever set it was
// nearer to the user.
func Named(name string, b Backend) Backend {
	return &named{name: name, inner: b}
}

type named struct {
	name  string
	inner Backend
}

var (
	_ Versioner     = (*named)(nil)
	_ Canonicalizer = (*named)(nil)
	_ Composite     = (*named)(nil)
	_ Resolver      = (*named)(nil)
	_ Revalidator   = (*named)(nil)
	_ Reporter      = (*named)(nil)
)

func (n *named) Authenticate(ctx context.Context, user, password string) (Identity, error) {
	return n.sign(n.inner.Authenticate(ctx, user, password))
}

func (n *named) Resolve(ctx context.Context, user string) (Identity, error) {
	return n.sign(ResolveBy(ctx, n.inner, user))
}

// sign puts the name on an answer about a user.
func (n *named) sign(id Identity, err error) (Identity, error) {
	if err != nil {
		return Identity{}, n.label(err)
	}
	if id.Source == "" {
		id.Source = n.name
	}
	return id, nil
}

func (n *named) Groups(ctx context.Context, id Identity) ([]string, error) {
	groups, err := n.inner.Groups(ctx, id)
	if err != nil {
		return nil, n.label(err)
	}
	return groups, nil
}

func (n *named) Revalidate(ctx context.Context, id Identity) error {
	if err := RevalidateBy(ctx, n.inner, id); err != nil {
		return n.label(err)
	}
	return nil
}

func (n *named) label(err error) error { return fmt.Errorf("backend %q: %w", n.name, err) }

func (n *named) Version(user string) uint64 { return VersionOf(n.inner, user) }

func (n *named) CanonicalUser(name string) string { return CanonicalUserOf(n.inner, name) }

func (n *named) CanonicalGroup(name string) string { return CanonicalGroupOf(n.inner, name) }

func (n *named) Spelling(source string) Canonicalizer { return SpellingOf(n.inner, source) }

func (n *named) Status() Status { return StatusOf(n.inner) }
