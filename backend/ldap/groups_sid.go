package ldap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend/fault"
)

// bySID returns the groups with the given security identifiers, which the user has.
func (r *resolver) bySID(ctx context.Context, sids []string) ([]group, error) {
	filters := map[string]string{}
	for _, sid := range sids {
		filters[sidKey(sid)] = equals("objectSid", sid)
	}
	found, err := r.byKey(ctx, filters, func(g group) string { return sidKey(g.sid) })
	if err != nil {
		return nil, err
	}
	for _, g := range found {
		delete(filters, sidKey(g.sid))
	}
	return found, r.doubtSIDs(ctx, filters)
}

// sidKey is what a group is remembered by that is known by its security identifier.
func sidKey(sid string) string { return "sid:" + sid }

// doubtSIDs notes the groups of the user that no search finds, by their identifiers. One
// that the account sees elsewhere, or that group_filter is false of, is no group, and so
// is one of another domain or that every system has. Any other is a group that is hidden
// from the account: whatever a rule means that cannot be seen may be it.
func (r *resolver) doubtSIDs(ctx context.Context, filters map[string]string) error {
	maps.DeleteFunc(filters, func(key, _ string) bool { return !r.isOfDomain(strings.TrimPrefix(key, sidKey(""))) })
	reasons, err := r.absentSIDs(ctx, filters)
	if err != nil {
		return err
	}
	maps.DeleteFunc(reasons, func(_ string, why absence) bool { return why == isNoGroup })
	if len(reasons) == 0 {
		return nil
	}
	var texts []string
	for key := range reasons {
		texts = append(texts, sidText(strings.TrimPrefix(key, sidKey(""))))
	}
	slices.Sort(texts)
	err = fault.With("ldap.groups.hidden", fmt.Errorf("the user is in the groups with the security identifiers %s, which the service account may not read, or not what group_filter asks for", strings.Join(texts, ", ")))
	var others []string
	if r.config.GroupMode == groupsTokens || r.config.DirectGroups { // else one that is hidden may be in these
		others = r.without(r.namesOfOthers(ctx), slices.Collect(maps.Keys(reasons)))
	}
	r.lack(false, err, others...)
	return nil
}

// absentSIDs returns why no search for groups found those with the given keys.
func (r *resolver) absentSIDs(ctx context.Context, filters map[string]string) (map[string]absence, error) {
	reasons, asked := map[string]absence{}, map[string]string{}
	for key, filter := range filters {
		if why, known := r.memory.hidden.get(key); known {
			reasons[key] = why
		} else {
			asked[key] = filter
		}
	}
	if len(asked) == 0 {
		return reasons, nil
	}
	alternatives := slices.Sorted(maps.Values(asked))
	now := time.Now()
	places, err := r.placesOf(ctx, alternatives)
	if err != nil {
		return nil, err
	}
	others, err := r.seen(ctx, alternatives, "(!"+r.config.GroupFilter+")")
	if err != nil {
		return nil, err
	}
	for key := range asked {
		why, place := isNoGroup, places[key]
		switch {
		case place == nil:
			why = isHidden
		case r.isPlaceOfGroups(place) && !others[place.String()]:
			why = isUnclear
		}
		reasons[key] = why
		r.memory.hidden.put(key, why, now)
	}
	return reasons, nil
}

// placesOf returns the names of the entries with some security identifiers that are
// anywhere in the domain of the user, or in the forest, by their keys.
func (r *resolver) placesOf(ctx context.Context, alternatives []string) (map[string]dn, error) {
	top := topOf(r.dn)
	if r.config.isForest() {
		top = ""
	}
	places := map[string]dn{}
	for _, filter := range oneOfNames(alternatives) {
		entries, err := r.search(ctx, query{base: top, scope: ldap.ScopeWholeSubtree, paged: true, filter: filter, attributes: []string{"objectSid"}})
		if err != nil {
			return nil, fmt.Errorf("search groups: %w", err)
		}
		for _, e := range entries {
			if place, err := parseDN(e.DN); err == nil {
				places[sidKey(first(e, "objectSid"))] = place
			}
		}
	}
	return places, nil
}

// isOfDomain reports whether a security identifier may be that of a group in the
// directory: one of the domain of the user, which all but the last part tells, or of any
// in a forest. Those that begin otherwise than S-1-5-21 are the same on all systems;
// [MS-DTYP], section 2.4.2.4.
func (r *resolver) isOfDomain(sid string) bool {
	const domains = "\x05\x15\x00\x00\x00" // -5-21-
	if len(sid) != 28 || sid[7:12] != domains {
		return false
	}
	own := first(r.entry, "objectSid")
	return r.config.isForest() || len(own) != len(sid) || own[:24] == sid[:24]
}

// sidText returns a security identifier as people write it: S-1-5-21-….
func sidText(sid string) string {
	if len(sid) < 8 || len(sid) != 8+4*int(sid[1]) {
		return fmt.Sprintf("%x", sid)
	}
	text := fmt.Sprintf("S-%d-%d", sid[0], binary.BigEndian.Uint64(append([]byte{0, 0}, sid[2:8]...)))
	for part := []byte(sid[8:]); len(part) > 0; part = part[4:] {
		text += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(part))
	}
	return text
}

// primary returns the primary group of a user of Active Directory, which no
// attribute with members shows.
func (r *resolver) primary(ctx context.Context) ([]group, error) {
	if r.config.PrimaryGroup != primarySID {
		return nil, nil
	}
	sid, err := r.primarySID()
	if err != nil {
		return nil, err
	}
	return r.bySID(ctx, []string{sid})
}

// primarySID returns the identifier of the user's primary group: that of the
// user with the last part replaced; [MS-DTYP], section 2.4.2.
func (r *resolver) primarySID() (string, error) {
	own, relative := first(r.entry, "objectSid"), first(r.entry, "primaryGroupID")
	id, err := strconv.ParseUint(relative, 10, 32)
	if err != nil || len(own) < 12 {
		return "", fault.With("ldap.groups.unreadable", errors.New("read objectSid and primaryGroupID of the user: the account may not, or the user has none; primary_group = \"none\" does without"))
	}
	domain := own[:len(own)-4]
	return string(binary.LittleEndian.AppendUint32([]byte(domain), uint32(id))), nil
}

// findWithPrimary returns the groups that match one of the alternatives, of which the
// primary group of a user of Active Directory has to be one.
func (r *resolver) findWithPrimary(ctx context.Context, alternatives []string) ([]group, error) {
	found, err := r.find(ctx, alternatives, false)
	if err != nil || r.config.PrimaryGroup != primarySID {
		return found, err
	}
	sid, err := r.primarySID()
	if err != nil || slices.ContainsFunc(found, func(g group) bool { return g.sid == sid }) {
		return found, err
	}
	return found, r.doubtSIDs(ctx, map[string]string{sidKey(sid): equals("objectSid", sid)})
}
