package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// Revalidate reads the entry of a user who logged in before: whether it is the same
// entry, wherever it is by now, is where users are, matches user_filter and has the
// same name, whether the account is locked, disabled or expired, and whether the
// password was changed since. What the service account may not read of an account's
// state does not count; the next login with a password finds it out.
func (b *Backend) Revalidate(ctx context.Context, id backend.Identity) (backend.Identity, error) {
	switch {
	case ctx.Err() != nil:
		return backend.Identity{}, gaveUp(ctx)
	case !b.config.hasAccount():
		return backend.Identity{}, fmt.Errorf("without a service account nobody can look at user %q: %w", id.User, errors.ErrUnsupported)
	case !b.isPlaceOfUsers(id.Handle) && !b.config.followsAliases():
		return backend.Identity{}, fmt.Errorf("user %q: entry %q is not below user_bases: %w", id.User, id.Handle, backend.ErrUnknownUser)
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, b.config.LoginTimeout)
	defer cancel()
	ctx = b.sameRoute(ctx, id.Handle)
	e, err := b.entryOf(ctx, id, stateAttributes()...)
	now := backend.Identity{}
	if err == nil {
		now, err = b.stands(ctx, e, id)
	}
	if err != nil {
		return now, fmt.Errorf("user %q: %w", id.User, err)
	}
	b.using(now.Handle, began)
	return now, nil
}

// Follows reports whether there is a service account that can look at the entry of id, and
// whether that is known by more than its name.
func (b *Backend) Follows(id backend.Identity) bool {
	_, anchored := anchorFilter(id.Anchor)
	return b.config.hasAccount() && anchored
}

// isPlaceOfUsers reports whether users are searched for where an entry is.
func (b *Backend) isPlaceOfUsers(name string) bool {
	own, err := parseDN(name)
	return err == nil && slices.ContainsFunc(b.config.UserBases, func(text string) bool {
		base, err := parseBase(text)
		return err == nil && own.isBelow(base) && (b.config.UserScope != "one" || len(own) == len(base)+1)
	})
}

// readAgain returns the entry of a user with the attributes that say who it is, and
// those that are wanted.
func (b *Backend) readAgain(ctx context.Context, name string, wanted []string) (*ldap.Entry, error) {
	entries, err := b.asService(ctx, query{
		base: name, scope: ldap.ScopeBaseObject, filter: b.filter.anyone,
		attributes: append(b.userAttributes(), wanted...),
	})
	if code, answered := codeOf(err); answered && code == ldap.LDAPResultNoSuchObject {
		return nil, b.missing(ctx, name, err)
	}
	if err != nil {
		return nil, err
	}
	if len(entries) != 1 {
		return nil, b.unmatched(ctx, name)
	}
	return entries[0], nil
}

// unmatched tells an entry that does not match user_filter from one of which nobody can
// say: the account may not read it, or not what the filter asks for, any more. Neither
// the filter nor its opposite is true of such an entry.
func (b *Backend) unmatched(ctx context.Context, name string) error {
	others, err := b.asService(ctx, query{
		base: name, scope: ldap.ScopeBaseObject, filter: "(!" + b.filter.anyone + ")", attributes: []string{"1.1"},
	})
	switch code, answered := codeOf(err); {
	case answered && code == ldap.LDAPResultNoSuchObject:
		return b.missing(ctx, name, err)
	case err != nil:
		return err
	case len(others) != 1:
		return fault.With("ldap.user.unreadable", fmt.Errorf("entry %q is there, and the service account may not read it, or not what user_filter asks for: %w", name, backend.ErrUnavailable))
	}
	return fmt.Errorf("entry %q does not match user_filter: %w", name, backend.ErrUnknownUser)
}

// missing tells an entry that is gone from an account that may not read it any
// more: a directory whose access rules were spoilt says the same of every user,
// and of the bases too.
func (b *Backend) missing(ctx context.Context, name string, cause error) error {
	own, _ := parseDN(name)
	for _, text := range b.config.UserBases {
		if base, err := parseBase(text); err != nil || !own.isBelow(base) {
			continue
		}
		if _, err := b.asService(ctx, query{base: text, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"1.1"}}); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %w", cause, backend.ErrUnknownUser)
}

// stands returns who the user is now that logged in as id and whose entry e is, if
// the account may be used.
func (b *Backend) stands(ctx context.Context, e *ldap.Entry, id backend.Identity) (backend.Identity, error) {
	now, err := b.identityAs(e, id)
	if err != nil {
		return backend.Identity{}, err
	}
	if now.User != id.User {
		return backend.Identity{}, fmt.Errorf("entry %q has another name: %w", e.DN, backend.ErrUnknownUser)
	}
	state, err := b.accountState(ctx, e, time.Now())
	switch {
	case state.text != "":
		return now, state.refusal()
	case err != nil:
		return backend.Identity{}, err
	case backend.PasswordChanged(id, now):
		return now, backend.ErrOutdated
	case id.Changed != "":
		now.Changed = id.Changed // a server that lags behind shows an earlier one, or none
	}
	return now, nil
}

func first(e *ldap.Entry, attribute string) string {
	if all := values(e, attribute); len(all) > 0 {
		return all[0]
	}
	return ""
}
