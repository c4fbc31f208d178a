package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// readEntry finds out where the user's entry is by now, and reads what the mode needs
// of it. A group that names a user by the place where the entry was is not found by
// the new one, and the other way round: without a look the user would be in no group.
func (r *resolver) readEntry(ctx context.Context) error {
	if r.findsItself() {
		return nil
	}
	attributes := r.ownAttributes()
	if r.id.Anchor != "" {
		e, err := r.entryOf(ctx, r.id, attributes...)
		if err != nil {
			return fmt.Errorf("read the entry of the user: %w", err)
		}
		r.entry, r.dn = e, e.DN
		return nil
	}
	if len(attributes) == 0 {
		return nil
	}
	entries, err := r.search(ctx, query{base: r.dn, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: attributes})
	if err != nil {
		return fmt.Errorf("read the entry of the user: %w", err)
	}
	if len(entries) != 1 {
		return fault.With("ldap.groups.unreadable", errors.New("read the entry of the user: it is not there"))
	}
	r.entry = entries[0]
	return nil
}

// ownAttributes returns what is read of the entry of the user: what it takes to find groups,
// and what tells of groups that are not found.
func (r *resolver) ownAttributes() []string {
	names := r.memberAttributes()
	if r.config.asksForMembers() {
		names = append(names, r.config.memberOf())
	}
	return names
}

// findsItself reports whether readEntry need not look where the entry is: nobody asks,
// or the search for groups finds that out; see [resolver.membersAndSelf].
func (r *resolver) findsItself() bool {
	switch r.config.GroupMode {
	case groupsNone:
		return len(r.config.FilterGroups) == 0
	case groupsSearch:
		_, ok := anchorFilter(r.id.Anchor)
		return ok && len(r.memberAttributes()) == 0
	}
	return false
}

// isSelf reports whether an entry is that of the user. The anchor alone tells it from
// nearly all others.
func (r *resolver) isSelf(e *ldap.Entry) bool {
	kind, _, _ := strings.Cut(r.id.Anchor, ":")
	if r.anchorOf(e, kind) != r.id.Anchor {
		return false
	}
	now, err := r.identityAs(e, r.id)
	return err == nil && now.SameAs(r.id) == backend.Same
}

// membersAndSelf returns the groups with the user as a member. The same search finds
// the entry of the user, so that no question more is asked to know where it is by now.
// An entry that is elsewhere, or not below the group bases, is looked for by itself.
func (r *resolver) membersAndSelf(ctx context.Context) ([]group, error) {
	filters, err := r.memberFilters()
	if err != nil {
		return nil, err
	}
	self, _ := anchorFilter(r.id.Anchor)
	self = "(&" + equals(r.config.UserNameAttr, r.id.User) + self + ")" // the name is indexed
	var found []group
	for _, base := range r.config.GroupBases {
		entries, err := r.searchMembers(ctx, query{
			base: base, scope: ldap.ScopeWholeSubtree, paged: true,
			attributes: append(append(r.config.anchors(), r.config.UserNameAttr), r.groupAttributes()...),
			filter:     "(|(&" + r.config.GroupFilter + anyOf(filters) + ")" + self + ")",
		})
		if err != nil {
			return nil, fmt.Errorf("search groups: %w", err)
		}
		for _, e := range entries {
			if r.isSelf(e) {
				r.entry = e
				continue
			}
			found = append(found, r.groupOf(e))
		}
	}
	if r.entry != nil && canonicalDN(r.entry.DN) == canonicalDN(r.dn) {
		return found, nil
	}
	e, err := r.entryOf(ctx, r.id, r.ownAttributes()...)
	if err != nil {
		return nil, fmt.Errorf("read the entry of the user: %w", err)
	}
	r.entry = e
	if canonicalDN(e.DN) == canonicalDN(r.dn) {
		return found, nil
	}
	r.dn = e.DN
	if filters, err = r.memberFilters(); err != nil {
		return nil, err
	}
	return r.find(ctx, filters, false)
}
