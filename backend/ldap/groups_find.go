package ldap

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/sync/errgroup"

	"gatehouse/backend/fault"
)

// find returns the groups that match one of the alternatives. With keep, the
// answer is remembered: users in the same groups share it.
func (r *resolver) find(ctx context.Context, alternatives []string, keep bool) ([]group, error) {
	var found []group
	var asked []string // and not remembered
	for _, filter := range oneOf(alternatives, alternativesMax) {
		groups, known := r.memory.found.get(digest(filter))
		if known && keep {
			found = append(found, groups...)
		} else {
			asked = append(asked, filter)
		}
	}
	now := time.Now()
	answers, err := r.searchGroups(ctx, asked)
	if err != nil {
		return nil, err
	}
	for i, groups := range answers {
		found = append(found, groups...)
		if keep {
			r.memory.found.put(digest(asked[i]), groups, now)
		}
	}
	return found, nil
}

// digest returns what a filter is remembered by, which takes less memory.
func digest(filter string) string {
	sum := sha256.Sum256([]byte(filter))
	return string(sum[:])
}

// searchGroups returns the groups under the group bases that match each of some
// filters.
func (r *resolver) searchGroups(ctx context.Context, filters []string) ([][]group, error) {
	ofGroups := make([]string, len(filters))
	for i, filter := range filters {
		ofGroups[i] = "(&" + r.config.GroupFilter + filter + ")"
	}
	answers, err := r.searchAll(ctx, ofGroups, r.groupAttributes())
	if err != nil {
		return nil, err
	}
	found := make([][]group, len(filters))
	for i, entries := range answers {
		for _, e := range entries {
			found[i] = append(found[i], r.groupOf(e))
		}
	}
	return found, nil
}

// searchesAtOnce is how many searches may run at a time for one user, who is in so many
// groups that it takes several.
const searchesAtOnce = 4

// searchAll returns what is under the group bases and matches each of some filters.
func (r *resolver) searchAll(ctx context.Context, filters, attributes []string) ([][]*ldap.Entry, error) {
	found := make([][]*ldap.Entry, len(filters))
	var failed atomic.Bool
	ask := func(i int) error {
		for _, base := range r.config.GroupBases {
			entries, err := r.searchMembers(ctx, query{base: base, scope: ldap.ScopeWholeSubtree, paged: true, filter: filters[i], attributes: attributes})
			if err != nil {
				return fmt.Errorf("search groups: %w", err)
			}
			found[i] = append(found[i], entries...)
		}
		return nil
	}
	if len(filters) == 1 {
		return found, ask(0)
	}
	var searches errgroup.Group
	searches.SetLimit(searchesAtOnce)
	if r.alone {
		searches.SetLimit(1)
	}
	for i := range filters {
		searches.Go(func() error {
			if failed.Load() {
				return nil // of which the error tells
			}
			err := guarded(func() error { return ask(i) })
			if err != nil {
				failed.Store(true)
			}
			return err
		})
	}
	return found, searches.Wait()
}

// searchMembers runs a query that may ask for the members of groups. OpenLDAP finds
// dynamic groups by their members only where the answer comes whole: on pages they are
// missing without a word. Where a limit does not let all come at once, the pages have
// the other groups, and the dynamic ones come by themselves.
func (r *resolver) searchMembers(ctx context.Context, q query) ([]*ldap.Entry, error) {
	if !r.config.mayBeDynamic() {
		return r.search(ctx, q)
	}
	whole := q
	whole.paged = false
	entries, err := r.search(ctx, whole)
	if !isAtLimit(err) {
		return entries, err
	}
	if entries, err = r.search(ctx, q); err != nil {
		return nil, err
	}
	whole.filter = "(&" + isDynamic + q.filter + ")"
	dynamic, err := r.search(ctx, whole)
	return append(entries, dynamic...), err
}

// dynamicClass is the usual class of groups whose members a server makes of a search.
const dynamicClass = "groupOfURLs"

// isDynamic is the filter for groups whose members OpenLDAP makes of a search. They may
// be of any class. The search is in an attribute that is labeledURI or derived from it,
// such as memberURL (slapo-dynlist(5)), and a filter on labeledURI is on these too; RFC
// 4511, section 4.5.1.7.
const isDynamic = "(|(objectClass=" + dynamicClass + ")(labeledURI=*))"

// mayBeDynamic reports whether there may be dynamic groups in a server that has its own
// way with them.
func (c *Config) mayBeDynamic() bool {
	return c.Preset == "" || c.Preset == "openldap" || c.Preset == "rfc2307" || strings.Contains(strings.ToLower(c.GroupFilter), strings.ToLower(dynamicClass))
}

// isAtLimit reports whether a server ended its answer at a limit of its size.
func isAtLimit(err error) bool {
	code, answered := codeOf(err)
	return answered && (code == ldap.LDAPResultSizeLimitExceeded || code == ldap.LDAPResultAdminLimitExceeded)
}

// groupAttributes returns what is read of a group: its name, the identifier by
// which a token names it, and what it says of its own groups; see [resolver.doubtUnseen].
func (b *Backend) groupAttributes() []string {
	names := []string{"objectSid"}
	if b.config.GroupNameAttr != nameIsDN {
		names = append(names, b.config.GroupNameAttr)
	}
	if b.config.GroupMode == groupsMemberOf || b.config.asksForMembers() {
		names = append(names, b.config.memberOf())
	}
	return names
}

func (r *resolver) groupOf(e *ldap.Entry) group {
	g := r.memory.newGroup(e.DN)
	g.parents = values(e, r.config.memberOf())
	if all := values(e, "objectSid"); len(all) == 1 {
		g.sid = all[0]
	}
	if r.config.GroupNameAttr == nameIsDN {
		return g
	}
	own, _ := r.shortName(g.key)
	names := values(e, r.config.GroupNameAttr)
	g.nameless = len(names) == 0
	for _, name := range names {
		folded := fold(name)
		if folded == own {
			folded = own // a part of a text that there is already
		}
		if !looksLikeDN(name) && !r.isFilterGroup(folded) {
			g.names = append(g.names, folded)
		}
	}
	return g
}

// isFilterGroup reports whether the configuration has a group of this name. One
// of the directory must not pass for it, nor by its short name for another's DN.
func (b *Backend) isFilterGroup(name string) bool {
	for _, g := range b.config.FilterGroups {
		if fold(g.Name) == name {
			return true
		}
	}
	return false
}

// filterGroups returns the configured groups whose filters match the user.
func (r *resolver) filterGroups(ctx context.Context) ([]string, error) {
	var names, others, opposites []string
	for _, g := range r.config.FilterGroups {
		is, err := r.matchesUser(ctx, g.Filter)
		switch {
		case err != nil:
			return nil, fmt.Errorf("group %q: %w", g.Name, err)
		case is:
			names = append(names, fold(g.Name))
		default:
			others = append(others, fold(g.Name))
			opposites = append(opposites, "(!"+g.Filter+")")
		}
	}
	return names, r.ruleOut(ctx, others, opposites)
}

// ruleOut makes sure that the opposites of the filters that did not match the user do,
// which are those of some groups. A filter on what the account may not read, or the
// directory does not know, is neither true nor false, and says nothing of the user.
func (r *resolver) ruleOut(ctx context.Context, groups, opposites []string) error {
	if len(opposites) == 0 {
		return nil
	}
	unknown, err := r.unknownAttributes(ctx, r.filterGroupReferences())
	if len(unknown) > 0 {
		err = unknownError(unknown)
	}
	if err != nil {
		r.lack(true, err, r.rulesWithout(groups)...)
		return nil
	}
	is, err := r.matchesUser(ctx, "(&"+strings.Join(opposites, "")+")")
	if err == nil && !is {
		r.lack(true, fault.With("ldap.groups.undecided", fmt.Errorf("neither a filter of these nor its opposite is true of the user: %s; the account may not read what it asks for", strings.Join(opposites, " "))), r.rulesWithout(groups)...)
	}
	return err
}

// matchesUser reports whether a filter matches the entry of the user.
func (r *resolver) matchesUser(ctx context.Context, filter string) (bool, error) {
	entries, err := r.search(ctx, query{base: r.dn, scope: ldap.ScopeBaseObject, filter: filter, attributes: []string{"1.1"}})
	return len(entries) > 0, err
}

// groupMemory is what is remembered of groups.
type groupMemory struct {
	found  memo[[]group]  // by filter, by name, by security identifier
	sole   memo[string]   // by name: the key of the group that alone has it; empty where several have it
	shared memo[[]string] // by name, for explanations: the groups that have it, where they are several
	used   memo[bool]     // by attribute: whether any group has it
	keys   memo[string]   // by DN as a server spells it
	hidden memo[absence]  // by DN or security identifier, of a group of a user that no search finds: why
	silent memo[bool]     // by DN, of a group that shows no short name: whether it may have one
}

func newGroupMemory(c Config) groupMemory {
	return groupMemory{
		found: newPartsMemo(c.GroupTTL, groupParts), sole: newMemo[string](c.GroupTTL),
		shared: newPartsMemo(namesakesTTL, func(names []string) int { return len(names) }), hidden: newMemo[absence](c.GroupTTL), keys: newMemo[string](namesakesTTL),
		used: newMemo[bool](c.GroupTTL), silent: newMemo[bool](c.GroupTTL),
	}
}
