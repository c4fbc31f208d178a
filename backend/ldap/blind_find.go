package ldap

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend/fault"
)

// findBlind returns the groups of which neither that they have a member nor that they
// have none is true: those with some names, and those that these may have as members.
func (b *Backend) findBlind(ctx context.Context, names []string) (unseen, error) {
	if len(names) == 0 || !b.config.asksForMembers() {
		return unseen{}, nil
	}
	r := &resolver{Backend: b, search: b.asService, memory: b.memory}
	if b.config.DirectGroups {
		blind, err := r.blindOf(ctx, b.filtersFor(names))
		return b.sortBlind(names, blind), err
	}
	blind, err := r.blindOfAll(ctx)
	found := b.sortBlind(names, blind)
	switch {
	case err != nil && fault.Of(err) != "ldap.search.incomplete":
		return unseen{}, err
	case err == nil && len(found.inner) <= maxInner:
		return found, nil
	case err == nil:
		err = fmt.Errorf("there are %d such groups", len(found.inner))
	}
	blind, errNamed := r.blindOf(ctx, b.filtersFor(names))
	found = b.sortBlind(names, blind)
	found.partly = err
	return found, errNamed
}

// maxInner bounds how many groups whose members nobody sees are followed to the groups
// that they are in, which takes questions with each login.
const maxInner = 100

// blindOfAll returns what blindOf does of all groups. Where a limit of the server does not
// let them come at once, they come in parts. That this takes too long is an answer, too:
// each login would find it out again.
func (r *resolver) blindOfAll(ctx context.Context) ([]group, error) {
	blind, err := r.blindOf(ctx, []string{"(objectClass=*)"})
	if !isAtLimit(err) {
		return blind, err
	}
	left, limit := maxBlindParts, r.config.LoginTimeout/2
	inTime, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	blind, err = r.blindFrom(inTime, "", &left)
	if err != nil && inTime.Err() != nil && ctx.Err() == nil {
		err = fault.With("ldap.search.incomplete", fmt.Errorf("the groups did not come in parts within %v: %w", limit, err))
	}
	return blind, err
}

// maxBlindParts bounds how many parts are asked for where a limit of the server is small.
const maxBlindParts = 2000

// partsBy is the attribute by which the parts are told: every class of groups has it,
// whatever group_name_attr is (RFC 4519, section 3; RFC 2307, section 4).
const partsBy = "cn"

// beginnings are what a name may go on with that gets a part of its own. One that goes on
// with anything else, or has ended, is in a part with the others, and so is a group
// without a name.
const beginnings = "etaoinsrhdlucmfywgpbvkxqjz0123456789-_. "

// blindFrom returns what blindOf does of the groups whose names begin in a way. A group of
// which neither the members nor the name may be read is in no part: an account that may
// have all entries finds these, too.
func (r *resolver) blindFrom(ctx context.Context, prefix string, left *int) ([]group, error) {
	all, err := r.blindAmong(ctx, prefix, beginnings, left)
	if err != nil {
		return nil, err
	}
	rest := "(!" + anyOf(startsWith(prefix, beginnings)) + ")"
	if prefix != "" {
		rest = "(&" + anyOf(startsWith(prefix, "")) + rest + ")"
	}
	others, err := r.blindPart(ctx, rest, left)
	return append(all, others...), err
}

// blindAmong returns what blindOf does of the groups whose names go on with some letters,
// which are halved as long as there are too many groups.
func (r *resolver) blindAmong(ctx context.Context, prefix, letters string, left *int) ([]group, error) {
	all, err := r.blindPart(ctx, anyOf(startsWith(prefix, letters)), left)
	switch {
	case !isAtLimit(err):
		return all, err
	case len(letters) == 1:
		return r.blindFrom(ctx, prefix+letters, left)
	}
	half := len(letters) / 2
	if all, err = r.blindAmong(ctx, prefix, letters[:half], left); err != nil {
		return nil, err
	}
	others, err := r.blindAmong(ctx, prefix, letters[half:], left)
	return append(all, others...), err
}

// blindPart asks for one part.
func (r *resolver) blindPart(ctx context.Context, filter string, left *int) ([]group, error) {
	if *left--; *left < 0 {
		return nil, fault.With("ldap.search.incomplete", fmt.Errorf("the groups do not come in %d parts either, as the server ends answers early", maxBlindParts))
	}
	return r.blindOf(ctx, []string{filter})
}

// startsWith returns filters for entries whose name begins in a way and goes on with one
// of some letters, or with anything.
func startsWith(prefix, letters string) []string {
	if letters == "" {
		return []string{"(" + partsBy + "=" + ldap.EscapeFilter(prefix) + "*)"}
	}
	var filters []string
	for _, c := range letters {
		filters = append(filters, "("+partsBy+"="+ldap.EscapeFilter(prefix+string(c))+"*)")
	}
	return filters
}

// blindOf returns those of the groups that match some filters of which neither that they
// have a member nor that they have none is true.
func (r *resolver) blindOf(ctx context.Context, filters []string) ([]group, error) {
	all, err := r.find(ctx, filters, false)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	open, err := r.seen(ctx, filters, r.config.openGroups())
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(g group) bool { return open[g.key] }), nil
}

// openGroups is the filter for groups of which it is true that they have a member, or that
// they have none: a search for a member of one finds it.
func (c *Config) openGroups() string {
	condition := c.GroupFilter
	for _, attribute := range c.GroupMemberAttrs {
		condition += isReadable(attribute)
	}
	return "(&" + condition + ")"
}

// sortBlind tells the groups that rules name from the others.
func (b *Backend) sortBlind(names []string, blind []group) unseen {
	rules := b.canonicalGroups(names)
	found := unseen{entries: blind, inner: map[string]bool{}}
	for _, g := range blind {
		if slices.ContainsFunc(append(g.names, g.key), func(name string) bool { _, named := slices.BinarySearch(rules, name); return named }) {
			found.groups = append(found.groups, g.key)
		} else {
			found.inner[g.key] = true
		}
	}
	slices.Sort(found.groups)
	found.groups = slices.Compact(found.groups)
	return found
}
