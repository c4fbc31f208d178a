package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend/fault"
)

// findBlind returns the groups of which neither that they have a member nor that they
// have none is true: those with some names, and those that these may have as members.
func (b *Backend) findBlind(ctx context.Context, names []string) (unseen, error) {
	if len(names) == 0 || b.config.GroupMode != groupsSearch && b.config.GroupMode != groupsInChain {
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
// let them come at once, they come in parts.
func (r *resolver) blindOfAll(ctx context.Context) ([]group, error) {
	blind, err := r.blindOf(ctx, []string{"(objectClass=*)"})
	if !isAtLimit(err) {
		return blind, err
	}
	left := maxBlindParts
	return r.blindFrom(ctx, "", &left)
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
	var all []group
	var asked strings.Builder
	for _, c := range beginnings {
		more := prefix + string(c)
		part := startsWith(more)
		asked.WriteString(part)
		blind, err := r.blindPart(ctx, part, left)
		if isAtLimit(err) {
			blind, err = r.blindFrom(ctx, more, left)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, blind...)
	}
	rest := "(!(|" + asked.String() + "))"
	if prefix != "" {
		rest = "(&" + startsWith(prefix) + rest + ")"
	}
	others, err := r.blindPart(ctx, rest, left)
	return append(all, others...), err
}

// blindPart asks for one part.
func (r *resolver) blindPart(ctx context.Context, filter string, left *int) ([]group, error) {
	if *left--; *left < 0 {
		return nil, fault.With("ldap.search.incomplete", fmt.Errorf("the groups do not come in %d parts either, as the server ends answers early", maxBlindParts))
	}
	return r.blindOf(ctx, []string{filter})
}

// startsWith is the filter for entries whose name begins in a way.
func startsWith(prefix string) string {
	return "(" + partsBy + "=" + ldap.EscapeFilter(prefix) + "*)"
}

// blindOf returns those of the groups that match some filters of which neither that they
// have a member nor that they have none is true.
func (r *resolver) blindOf(ctx context.Context, filters []string) ([]group, error) {
	all, err := r.find(ctx, filters, false)
	if err != nil {
		return nil, err
	}
	condition := r.config.GroupFilter
	for _, attribute := range r.config.GroupMemberAttrs {
		condition += isReadable(attribute)
	}
	open, err := r.seen(ctx, filters, "(&"+condition+")")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(g group) bool { return open[g.key] }), nil
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
