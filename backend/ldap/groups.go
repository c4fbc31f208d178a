package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// group is a group as the directory has it.
type group struct {
	dn      string   // as the server spells it
	key     string   // the spelling of the name that all equal names share
	names   []string // folded values of the attribute with the name
	parents []string // names of the groups that it says it is in
	sid     string   // the security identifier; empty unless there is one
	hidden  bool     // nobody may read what it says

	nameless bool // it shows no value of the attribute with the name
}

// newGroup returns a group of which no more than the name is known. All users share
// one text of it.
func (m groupMemory) newGroup(dn string) group {
	key, known := m.keys.get(dn)
	if !known {
		key = canonicalDN(dn)
		m.keys.put(dn, key, time.Now())
	}
	return group{dn: dn, key: key}
}

// resolver finds the groups of one user.
type resolver struct {
	*Backend
	search searcher
	alone  bool        // whether one search at a time may run
	memory groupMemory // what search found; another account may see other groups
	id     backend.Identity
	dn     string      // where the entry of the user is now
	entry  *ldap.Entry // nil until it is read

	missing *backend.Incomplete // of the groups; nil for nothing
	shared  []string            // short names of them that other groups have too
}

// lack notes that not all groups could be found out, and which names of rules are not
// those of a missing one. What lacks short names alone is less than what lacks groups.
func (r *resolver) lack(shortNames bool, cause error, ruledOut ...string) {
	another := &backend.Incomplete{Cause: cause, ShortNames: shortNames, RuledOut: ruledOut}
	both := backend.Together(r.missing, another)
	if r.missing != nil && (shortNames || !r.missing.ShortNames) {
		cause = r.missing.Cause
	}
	both.Cause = cause
	r.missing = both
}

// resolver returns what finds the groups of id with the rights of the service account.
func (b *Backend) resolver(id backend.Identity, memory groupMemory) *resolver {
	return &resolver{Backend: b, search: b.asService, memory: memory, id: id, dn: id.Handle}
}

// groups returns the names of all groups that the user is in. With an error that is a
// [backend.Incomplete] they are those that could be found out.
func (r *resolver) groups(ctx context.Context) ([]string, error) {
	r.doubtGroups(ctx)
	_, _, names, err := r.resolve(ctx)
	if err != nil {
		return nil, err
	}
	matching, err := r.filterGroups(ctx)
	if err != nil {
		return nil, err
	}
	names = append(names, matching...)
	slices.Sort(names)
	names = slices.Compact(names)
	r.doubtBlind(ctx, names)
	if r.missing == nil && len(r.shared) == 0 {
		return names, nil
	}
	return names, backend.Together(&backend.Incomplete{Shared: r.shared}, r.missing)
}

// resolve returns the groups that name the user, these and all that they are in,
// and the names of all.
func (r *resolver) resolve(ctx context.Context) (direct, all []group, names []string, err error) {
	if err := r.readEntry(ctx); err != nil {
		return nil, nil, nil, err
	}
	r.doubtDomain(ctx)
	if direct, err = r.direct(ctx); err != nil {
		return nil, nil, nil, err
	}
	if all, err = r.walk(ctx, direct); err != nil {
		return nil, nil, nil, err
	}
	if names, err = r.names(ctx, all); err != nil {
		return nil, nil, nil, err
	}
	if err = r.doubtUnseen(ctx, all); err != nil {
		return nil, nil, nil, err
	}
	return direct, all, names, r.doubtNames(ctx, all)
}

// memberAttributes returns what must be read of a user's entry to find groups.
func (b *Backend) memberAttributes() []string {
	c := b.config
	var names []string
	switch c.GroupMode {
	case groupsNone:
		return nil
	case groupsTokens:
		if c.isForest() {
			return []string{"objectSid", "tokenGroups", "tokenGroupsGlobalAndUniversal"}
		}
		return []string{"objectSid", "tokenGroups"}
	case groupsMemberOf:
		names = append(names, c.memberOf())
	case groupsSearch:
		if slices.ContainsFunc(c.GroupMemberAttrs, holdsNames) {
			names = append(names, c.UserNameAttr)
		}
	}
	switch c.PrimaryGroup {
	case primarySID:
		names = append(names, "primaryGroupID", "objectSid")
	case primaryGID:
		names = append(names, "gidNumber", "objectClass")
	}
	return names
}

// holdsNames reports whether the values of an attribute with members are the
// names of users and not of entries; RFC 2307, section 3.
func holdsNames(attribute string) bool { return attributeName(attribute) == "memberuid" }

// direct returns the groups that the user is in without regard to nesting, as
// far as the mode tells one from the other.
func (r *resolver) direct(ctx context.Context) ([]group, error) {
	switch r.config.GroupMode {
	case groupsTokens:
		sids := values(r.entry, "tokenGroups")
		if len(sids) == 0 && r.missing != nil { // a global catalog does not have all of them
			sids = values(r.entry, "tokenGroupsGlobalAndUniversal")
		}
		if len(sids) == 0 { // each user has a primary group at least
			return nil, errNoTokens
		}
		return r.bySID(ctx, sids)
	case groupsMemberOf:
		found, err := r.listedGroups(ctx)
		if err != nil {
			return nil, err
		}
		primary, err := r.primary(ctx)
		return append(found, primary...), err
	case groupsSearch:
		if r.entry == nil && r.id.Anchor != "" {
			return r.membersAndSelf(ctx)
		}
		filters, err := r.memberFilters()
		if err != nil {
			return nil, err
		}
		return r.findWithPrimary(ctx, filters)
	case groupsInChain:
		found, err := r.primary(ctx)
		if err != nil {
			return nil, err
		}
		filters := []string{inChain(r.dn)}
		for _, g := range found {
			filters = append(filters, inChain(g.dn))
		}
		others, err := r.find(ctx, filters, false)
		return append(found, others...), err
	}
	return nil, nil
}

// listedGroups returns the groups that memberOf of the user names. That there is no
// value is no answer by itself: a user in no group has none, and so has one of whom it
// may not be read. Who searches with the own rights need not see groups at all.
func (r *resolver) listedGroups(ctx context.Context) ([]group, error) {
	names := values(r.entry, r.config.memberOf())
	if len(names) > 0 {
		return r.byDN(ctx, names)
	}
	var found []group
	if !r.asUser() {
		var err error
		if found, err = r.find(ctx, holderFilters([]group{{dn: r.dn}}, r.config.memberDNs()), false); err != nil {
			return nil, err
		}
	}
	if len(found) > 0 {
		r.lack(false, r.config.noMemberOf(found[0]))
		return found, nil
	}
	isAbsent, err := r.matchesUser(ctx, isAbsent(r.config.memberOf()))
	if err == nil && !isAbsent {
		r.lack(false, fault.With("ldap.groups.unreadable", fmt.Errorf("%s of the user is empty, and that it has no value is not true: whoever searches may not read it, or the directory does not have it", r.config.memberOf())))
	}
	return nil, err
}

// noMemberOf says that memberOf of a user is empty although a group has the user.
func (c Config) noMemberOf(g group) error {
	return fault.With("ldap.groups.no_memberof", fmt.Errorf("%s of the user is empty, or the account may not read it, and %s has the user as a member", c.memberOf(), g.dn))
}

// mustHaveGID reports whether the entry of the user is of a class that has a gidNumber
// (RFC 2307, section 3), or its classes cannot be read.
func (r *resolver) mustHaveGID() bool {
	classes := values(r.entry, "objectClass")
	return len(classes) == 0 || slices.ContainsFunc(classes, func(c string) bool { return strings.EqualFold(c, "posixAccount") })
}

// inChain is the filter for all groups that name is in, however deep.
func inChain(name string) string {
	return "(member:1.2.840.113556.1.4.1941:=" + ldap.EscapeFilter(name) + ")"
}

// memberFilters returns the filters that match the groups with the user as a
// member, and the primary group.
func (r *resolver) memberFilters() ([]string, error) {
	var filters []string
	for _, attribute := range r.config.GroupMemberAttrs {
		if !holdsNames(attribute) {
			filters = append(filters, equals(attribute, r.dn))
			continue
		}
		// The directory compares these with regard to case: it is the stored
		// name that counts, and not the folded one.
		name, err := singleName(r.entry, r.config.UserNameAttr)
		if err != nil {
			return nil, err
		}
		filters = append(filters, equals(attribute, name))
	}
	if r.config.PrimaryGroup == primaryGID {
		if len(values(r.entry, "gidNumber")) == 0 && r.mustHaveGID() {
			r.lack(false, fault.With("ldap.groups.unreadable", errors.New("read gidNumber of the user: the account may not; primary_group = \"none\" does without")))
		}
		for _, gid := range values(r.entry, "gidNumber") {
			filters = append(filters, equals("gidNumber", gid))
		}
	}
	if r.config.PrimaryGroup == primarySID {
		sid, err := r.primarySID()
		if err != nil {
			return nil, err
		}
		filters = append(filters, equals("objectSid", sid))
	}
	return filters, nil
}
