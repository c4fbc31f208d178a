package ldap

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// A search for the groups of a user passes over those whose members the account may not
// ask for, as if the user were in none of them. A rule such as "not group banned" would
// let everybody in, and so would one about a group that has such a group as a member.
// Which groups are such groups is therefore known before an answer about groups is taken
// for all of it.

// blindness remembers which of the groups of rules nobody can say who is in.
type blindness struct {
	asking chan struct{} // holds a token while the directory is asked

	mu       sync.Mutex
	named    []string // the groups that rules name
	known    bool     // whether found is the answer about named
	found    unseen
	failure  error // of asking the last time; nil if there was none since the last answer
	failures int
	until    time.Time // when it is asked again after a failure
}

// unseen are the groups of which nobody can say who is in them.
type unseen struct {
	groups  []string // the keys of those that rules name
	entries []group
	inner   map[string]bool // by key, of entries: no rule names it, and groups of rules may have it as a member
	partly  error           // why inner ones were not looked for; nil if they were
}

// How long the failure to find that out counts, at first and at most.
const (
	blindRetry    = 5 * time.Second
	blindRetryMax = 2 * time.Minute
)

// expect adds names of groups, or sets them where all are given.
func (s *blindness) expect(names []string, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !all {
		names = slices.Concat(s.named, names)
	}
	names = slices.Clone(names)
	slices.Sort(names)
	if names = slices.Compact(names); !slices.Equal(names, s.named) {
		s.named, s.known = names, false
		s.failure, s.failures, s.until = nil, 0, time.Time{}
	}
}

// recall returns what is known, and whether it counts: it does not where the directory has
// to be asked about named.
func (s *blindness) recall() (named []string, found unseen, err error, counts bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.known || len(s.named) == 0:
		return s.named, s.found, nil, true
	case s.failure != nil && time.Now().Before(s.until):
		return s.named, unseen{}, s.failure, true
	}
	return s.named, unseen{}, nil, false
}

// learn remembers an answer about named, or the failure to get one. What was known before
// a failure is as good as then.
func (s *blindness) learn(named []string, found unseen, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !slices.Equal(named, s.named): // of a configuration that is not in use any more
	case err != nil:
		s.failure, s.until = err, time.Now().Add(min(blindRetry<<min(s.failures, 10), blindRetryMax))
		s.failures++
	default:
		s.known, s.found, s.failure, s.failures = true, found, nil, 0
	}
}

// Expect notes the names of groups. See [backend.Surveyor].
func (b *Backend) Expect(groups []string) { b.blind.expect(groups, false) }

// blindGroups returns the groups of rules of which nobody can say who is in them. The
// directory is asked once, by whoever comes first.
func (b *Backend) blindGroups(ctx context.Context) (unseen, error) {
	if _, found, err, counts := b.blind.recall(); counts {
		return found, err
	}
	select {
	case b.blind.asking <- struct{}{}:
		defer func() { <-b.blind.asking }()
	case <-ctx.Done():
		return unseen{}, gaveUp(ctx)
	}
	named, found, err, counts := b.blind.recall()
	if counts {
		return found, err
	}
	found, err = b.findBlind(ctx, named)
	if err == nil || ctx.Err() == nil { // who went away or came late has proved nothing
		b.blind.learn(named, found, err)
	}
	return found, err
}

// surveyMembers looks for groups that rules name and of which the account may not ask
// who their members are.
func (b *Backend) surveyMembers(ctx context.Context, groups []string) (remarks []backend.Remark, err error) {
	b.blind.expect(groups, true)
	named, _, _, _ := b.blind.recall()
	blind, err := b.findBlind(ctx, named)
	if err != nil {
		return nil, err
	}
	b.blind.learn(named, blind, nil)
	for _, name := range blind.groups {
		err := blindError([]string{name})
		remarks = append(remarks, backend.Remark{Subject: "members of " + name, Text: err.Error(), Code: fault.Of(err), Advice: fault.Of(err).Advice()})
	}
	if blind.partly != nil {
		err := partlyError(blind.partly)
		remarks = append(remarks, backend.Remark{Subject: "groups in groups", Text: err.Error(), Code: fault.Of(err),
			Advice: "let the service account have the entries of all groups (in OpenLDAP: limits with size=unlimited) and read their members, or narrow group_bases or group_filter, or set group_nesting = false"})
	}
	return append(remarks, b.surveyInner(ctx, blind)...), nil
}

// surveyInner tells which groups of rules have groups as members of which nobody can say
// who is in them.
func (b *Backend) surveyInner(ctx context.Context, blind unseen) (remarks []backend.Remark) {
	if len(blind.inner) == 0 {
		return nil
	}
	named, _, _, _ := b.blind.recall()
	decided, err := b.decidedBeside(ctx, blind)
	for _, name := range b.canonicalGroups(named) {
		if err != nil || !slices.Contains(decided, name) && !slices.Contains(blind.groups, name) {
			err := blindError(blind.keys())
			remarks = append(remarks, backend.Remark{Subject: "groups in " + name, Text: err.Error(), Code: fault.Of(err), Advice: fault.Of(err).Advice()})
		}
	}
	return remarks
}

// keys returns the names of the groups, a few of them where they are many.
func (u unseen) keys() []string {
	var keys []string
	for _, g := range u.entries {
		keys = append(keys, g.key)
	}
	slices.Sort(keys)
	return some(slices.Compact(keys))
}

// some returns texts for a message, a few of them where they are many.
func some(texts []string) []string {
	const most = 5
	if len(texts) > most {
		return append(slices.Clone(texts[:most]), fmt.Sprintf("%d more", len(texts)-most))
	}
	return texts
}

// blindError says that nobody can tell who is in some groups.
func blindError(groups []string) error {
	return fault.With("ldap.groups.unreadable", fmt.Errorf("the service account may not ask for the members of %s (group_member_attrs), so that nobody can say who is in it", strings.Join(groups, "; ")))
}

// partlyError says that nobody can tell whether the groups of rules have groups as members
// of which nobody can say who is in them.
func partlyError(cause error) error {
	return fault.With("ldap.groups.unreadable", fmt.Errorf("whether the groups that rules name have groups as members of which the service account may not ask for the members could not be found out, so that nobody can say who is not in them: %w", cause))
}

// decidedBeside returns those names of rules that are neither of a blind group nor of one
// that such a group is in, as far as that can be seen: who is in the first may be in these.
// It is found out for each user, since a group may be put into another at any time.
func (b *Backend) decidedBeside(ctx context.Context, found unseen) ([]string, error) {
	r := &resolver{Backend: b, search: b.asService, memory: b.memory}
	blind := found.entries
	around, err := r.walk(ctx, blind)
	if err == nil && r.config.GroupMode == groupsInChain {
		var filters []string
		for _, g := range blind {
			filters = append(filters, inChain(g.dn))
		}
		var above []group
		above, err = r.find(ctx, filters, true)
		around = append(around, above...)
	}
	if err != nil || r.missing != nil {
		return nil, err
	}
	doubtful, nameless := map[string]bool{}, map[string]string{}
	for _, g := range around {
		doubtful[g.key] = true
		for _, name := range g.names {
			doubtful[name] = true
		}
		if g.nameless && !found.inner[g.key] {
			nameless[g.key] = equals(r.nameAttribute(), g.dn)
		}
	}
	if silent, err := r.silent(ctx, nameless); err != nil || len(silent) > 0 {
		return nil, err
	}
	rules, _, _, _ := r.blind.recall()
	return slices.DeleteFunc(r.canonicalGroups(rules), func(name string) bool { return doubtful[name] }), nil
}

// doubtBlind notes the groups of which nobody can say whether the user is in them, or
// that nobody can say which ones these are.
func (r *resolver) doubtBlind(ctx context.Context, names []string) {
	if r.asUser() {
		return
	}
	found, err := r.blindGroups(ctx)
	if err != nil {
		r.lack(false, fmt.Errorf("whether the service account may ask for the members of the groups that rules name could not be found out: %w", err))
		return
	}
	if found.partly != nil {
		r.doubtNamed(ctx, partlyError(found.partly))
	}
	others := unseen{inner: found.inner, entries: slices.DeleteFunc(slices.Clone(found.entries), func(g group) bool { return slices.Contains(names, g.key) })}
	if len(others.entries) == 0 {
		return
	}
	decided, err := r.decidedBeside(ctx, found)
	if err != nil {
		decided = nil
	}
	rules, _, _, _ := r.blind.recall()
	if len(decided) < len(r.canonicalGroups(rules)) {
		r.lack(false, blindError(others.keys()), decided...)
	}
}

// doubtNamed notes that nobody can say whether the user is in the groups that rules name,
// for a reason. A name that no group has is of none.
func (r *resolver) doubtNamed(ctx context.Context, reason error) {
	named, err := r.namedGroups(ctx)
	switch {
	case err != nil:
		r.lack(false, reason)
	case len(named) > 0:
		r.lack(false, reason, r.rulesWithout(slices.Collect(maps.Keys(named)))...)
	}
}
