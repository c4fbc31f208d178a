package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/spell"
)

// groupsOfRules looks for each group that a rule names.
func (e *examination) groupsOfRules(ctx context.Context) {
	for _, name := range e.what.Groups {
		e.groupOfRule(ctx, name, true)
	}
	for _, name := range e.what.OptionalGroups {
		e.groupOfRule(ctx, name, false)
	}
}

// errNoGroup is the finding that a rule names a group that nobody can be in.
var errNoGroup = fault.Kind("ldap.groups.missing", "no group has this name, so that nobody is in it")

// groupOfRule looks for a group by what a rule calls it.
func (e *examination) groupOfRule(ctx context.Context, name string, required bool) {
	q := query{
		base: e.config.GroupBases[0], scope: ldap.ScopeWholeSubtree, attributes: append(e.groupAttributes(), "groupType"),
		filter: "(&" + e.config.GroupFilter + equals(e.config.GroupNameAttr, name) + ")",
	}
	if looksLikeDN(name) {
		q.base, q.scope, q.filter = name, ldap.ScopeBaseObject, e.config.GroupFilter
	}
	for _, g := range e.config.FilterGroups {
		if fold(g.Name) == fold(name) {
			e.filterGroup(ctx, name, g.Filter)
			return
		}
	}
	e.step("group of a rule", name, e.ldapsearch(q), func(f *backend.Finding) error {
		err := e.CheckGroup(name)
		switch {
		case err != nil:
			err = fmt.Errorf("%w: %w", errNoGroup, err)
		case looksLikeDN(name):
			err = e.groupByDN(ctx, f, q)
		default:
			err = e.groupByName(ctx, f, q, name)
		}
		if errors.Is(err, errNoGroup) && !required {
			f.Text, f.Advice = strings.TrimPrefix(f.Text+": not in this directory; another backend of the rule may have it", ": "), ""
			return nil
		}
		return err
	})
}

// filterGroup says what a group of the configuration is made of.
func (e *examination) filterGroup(ctx context.Context, name, filter string) {
	q := query{base: e.config.UserBases[0], scope: ldap.ScopeWholeSubtree, filter: filter, attributes: []string{"1.1"}, limit: 1}
	e.step("group of a rule", name, e.ldapsearch(q), func(f *backend.Finding) error {
		entries, err := e.asService(ctx, q)
		f.Text = "a filter_group: " + filter
		if err == nil && len(entries) == 0 {
			f.Advice = "nobody matches the filter at present"
		}
		if code, answered := codeOf(err); answered && code == ldap.LDAPResultSizeLimitExceeded {
			return nil // there are several
		}
		return err
	})
}

func (e *examination) groupByDN(ctx context.Context, f *backend.Finding, q query) error {
	entries, err := e.asService(ctx, q)
	if code, answered := codeOf(err); answered && code == ldap.LDAPResultNoSuchObject {
		e.explainAbsence(ctx, f, q.base, err)
		return errNoGroup
	}
	switch {
	case err != nil:
		return err
	case len(entries) == 0:
		f.Advice = "have the rule name a group, or change group_filter so that it matches this entry"
		return errNoGroup
	case !e.inGroupBases(q.base):
		f.Advice = "add its place to group_bases"
		return fmt.Errorf("it is not below group_bases: %w", errNoGroup)
	}
	return e.judgeGroup(f, entries[0])
}

func (e *examination) inGroupBases(name string) bool {
	own, err := parseDN(name)
	return err == nil && e.isPlaceOfGroups(own)
}

// isPlaceOfGroups reports whether groups are searched for where an entry is.
func (b *Backend) isPlaceOfGroups(name dn) bool {
	return slices.ContainsFunc(b.config.GroupBases, func(text string) bool {
		base, err := parseBase(text)
		return err == nil && name.isBelow(base)
	})
}

// groupByName looks for a group by its short name.
func (e *examination) groupByName(ctx context.Context, f *backend.Finding, q query, name string) error {
	if e.config.GroupMode == groupsNone {
		f.Advice = "set group_mode, or a preset that does"
		return errNoGroup
	}
	if e.config.GroupNameAttr == nameIsDN {
		f.Advice = "name the group by its DN, or set group_name_attr"
		return errNoGroup
	}
	var found []*ldap.Entry
	for _, base := range e.config.GroupBases {
		q.base, q.paged = base, true
		entries, err := e.asService(ctx, q)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if !slices.ContainsFunc(found, func(o *ldap.Entry) bool { return canonicalDN(o.DN) == canonicalDN(entry.DN) }) {
				found = append(found, entry)
			}
		}
	}
	switch len(found) {
	case 0:
		f.Advice = "correct the rule, or make the group below group_bases" + spell.DidYouMean(name, e.nearNames(ctx, name))
		return errNoGroup
	case 1:
		return e.judgeGroup(f, found[0])
	}
	for _, entry := range found {
		f.Details = append(f.Details, entry.DN)
	}
	f.Advice = "name one of them by its DN in the rule, as in \"group \\\"" + found[0].DN + "\\\"\", or narrow group_bases"
	return fault.With("groups.ambiguous", fmt.Errorf("%d groups share the name, so that it counts for none of them", len(found)))
}

// securityEnabled is the bit of groupType without which a group is in no token;
// [MS-ADTS], section 2.2.12.
const securityEnabled = 1 << 31

// judgeGroup says which group was found, and whether users can be seen to be in it.
func (e *examination) judgeGroup(f *backend.Finding, entry *ldap.Entry) error {
	f.Text = entry.DN
	kind, err := strconv.ParseInt(first(entry, "groupType"), 10, 64)
	if err == nil && e.config.GroupMode == groupsTokens && kind&securityEnabled == 0 {
		return fault.With("ldap.groups.distribution", errors.New("it is a distribution group, which is in no token"))
	}
	return nil
}

// nearNames returns the names of groups that begin or end as name does: a typing
// error spoils one half of it.
func (e *examination) nearNames(ctx context.Context, name string) []string {
	letters := []rune(name)
	half := (len(letters) + 1) / 2
	attribute := e.config.GroupNameAttr
	filter := "(|(" + attribute + "=" + ldap.EscapeFilter(string(letters[:half])) + "*)(" + attribute + "=*" + ldap.EscapeFilter(string(letters[half:])) + "))"
	var names []string
	for _, base := range e.config.GroupBases {
		entries, err := e.asService(ctx, query{
			base: base, scope: ldap.ScopeWholeSubtree, filter: "(&" + e.config.GroupFilter + filter + ")", attributes: []string{attribute}, paged: true,
		})
		if err != nil {
			continue // there is no suggestion then
		}
		for _, entry := range entries {
			names = append(names, values(entry, attribute)...)
		}
	}
	return names
}
