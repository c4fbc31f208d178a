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
	return &named{Extend(b), name}
}

type named struct {
	inner
	name string
}

var _ Backend = (*named)(nil)

func (n *named) Authenticate(ctx context.Context, user, password string) (Identity, error) {
	return n.sign(n.inner.Authenticate(ctx, user, password))
}

func (n *named) Resolve(ctx context.Context, user string) (Identity, error) {
	return n.sign(n.inner.Resolve(ctx, user))
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
		return groups, n.label(err)
	}
	return groups, nil
}

func (n *named) Revalidate(ctx context.Context, id Identity) (Identity, error) {
	now, err := n.inner.Revalidate(ctx, id)
	if err != nil {
		return now, n.label(err)
	}
	return n.sign(now, nil)
}

func (n *named) label(err error) error { return fmt.Errorf("backend %q: %w", n.name, err) }
