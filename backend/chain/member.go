package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gatehouse/backend"
)

// part is a backend by its name.
type part struct {
	Name    string
	Backend backend.Extended
}

func newPart(name string, b backend.Backend) (part, error) {
	if name == "" || b == nil {
		return part{}, fmt.Errorf("a part of the chain called %q has no name or no backend", name)
	}
	return part{name, backend.Extend(b)}, nil
}

// member is a member of a chain.
type member struct {
	part
	nextOnWrongPassword bool
	nextOnUnavailable   bool
	lenders             []part // of groups, to users of this member
}

// member returns the member called name, nil if there is none.
func (b *Backend) member(name string) *member {
	for _, m := range b.members {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// lend has p asked for groups of the users of every other part.
func (b *Backend) lend(p part) {
	for _, m := range b.members {
		if m.Name != p.Name {
			m.lenders = append(m.lenders, p)
		}
	}
	if b.member(p.Name) == nil {
		b.parts = append(b.parts, p)
	}
}

// stamp names m as the source of whoever it vouches for, whatever stood there: it
// is m that is asked about the user from now on.
func (m *member) stamp(id backend.Identity, err error) (backend.Identity, error) {
	if err != nil {
		return backend.Identity{}, err
	}
	id.Source = m.Name
	return id, nil
}

// Groups asks the member that vouched for id, and whoever has extra groups.
func (b *Backend) Groups(ctx context.Context, id backend.Identity) ([]string, error) {
	m, err := b.voucher(id)
	if err != nil {
		return nil, err
	}
	groups, err := m.Backend.Groups(ctx, id)
	missing := backend.IncompleteOf(err)
	if err != nil && missing == nil || len(m.lenders) == 0 {
		return groups, err
	}
	for _, lender := range m.lenders {
		more, err := lender.groupsOf(ctx, id.User)
		if part := backend.IncompleteOf(err); part != nil {
			missing = backend.Together(missing, part)
		} else if err != nil {
			return nil, fmt.Errorf("extra groups: %w", err)
		}
		groups = append(groups, more...)
	}
	for i, name := range groups {
		groups[i] = m.CanonicalGroup(name)
	}
	slices.Sort(groups)
	if groups = slices.Compact(groups); missing != nil {
		return groups, m.respell(missing)
	}
	return groups, nil
}

// respell returns what is missing with the names spelled as those of the groups are.
func (m *member) respell(missing *backend.Incomplete) *backend.Incomplete {
	own := *missing
	respelled := func(names []string) (all []string) {
		for _, name := range names {
			all = append(all, m.CanonicalGroup(name))
		}
		return all
	}
	own.Shared, own.RuledOut = respelled(missing.Shared), respelled(missing.RuledOut)
	return &own
}

// voucher returns the member that vouched for id.
func (b *Backend) voucher(id backend.Identity) (*member, error) {
	if m := b.member(id.Source); m != nil {
		return m, nil
	}
	return nil, fmt.Errorf("user %q was vouched for by %q, which is no member of the chain", id.User, id.Source)
}

// groupsOf returns the groups of whoever p calls user. A backend that can look
// users up does so: it may need more than a name to find their groups. Any other
// need not know the user at all.
func (p part) groupsOf(ctx context.Context, user string) ([]string, error) {
	id, err := p.Backend.Resolve(ctx, user)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		id = backend.Identity{User: p.Backend.CanonicalUser(user), Source: p.Name}
	case errors.Is(err, backend.ErrUnknownUser) && !errors.Is(err, backend.ErrUnavailable):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return p.Backend.Groups(ctx, id)
}

// Follows asks the member that vouched for id.
func (b *Backend) Follows(id backend.Identity) bool {
	m := b.member(id.Source)
	return m != nil && m.Backend.Follows(id)
}

// Revalidate asks the member that vouched for id.
func (b *Backend) Revalidate(ctx context.Context, id backend.Identity) (backend.Identity, error) {
	m, err := b.voucher(id)
	if err != nil {
		return backend.Identity{}, err
	}
	now, err := m.Backend.Revalidate(ctx, id)
	if now != (backend.Identity{}) { // as it may be with a refusal, too
		now.Source = m.Name
	}
	return now, err
}
