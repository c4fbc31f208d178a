package ldap

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/ldap/ldaptest"
)

// asksForBlind tells the search for groups whose members the account may not ask for.
func asksForBlind(r ldaptest.Request) bool {
	return r.Kind == ldaptest.Search && strings.Contains(r.Filter, "(!(member=*))")
}

// TestLDAP8BlindBeforeTheFirstSurvey asks for groups as an account that may not read the
// members of groups, before any survey. The rules name dev, which alice is in.
func TestLDAP8BlindBeforeTheFirstSurvey(t *testing.T) {
	s := startSlapd(t)
	c := s.config(t)
	c.GroupMode = groupsSearch
	ask := func(t *testing.T, account string, rules ...string) ([]string, error) {
		t.Helper()
		c.BindDN = account
		b := open(t, c)
		b.Expect(rules)
		id, v := authenticate(t, b, "alice", realPass)
		if v != "in" {
			t.Fatalf("alice: got %s", v)
		}
		return b.Groups(t.Context(), id)
	}
	blind := "cn=blind,ou=system," + base
	for _, rules := range [][]string{{"dev"}, {"cn=dev,ou=groups," + base}, {"absent", "dev"}} {
		if groups, err := ask(t, blind, rules...); backend.IncompleteOf(err) == nil || fault.Of(err) != "ldap.groups.unreadable" {
			t.Errorf("%q: got %q, %v, want that nobody can say who is in dev", rules, groups, err)
		}
	}
	if groups, err := ask(t, blind, "absent"); err != nil {
		t.Errorf("no rule names a group that exists: got %q, %v", groups, err)
	}
	if groups, err := ask(t, "cn=svc,ou=system,"+base, "dev"); err != nil || !slices.Contains(groups, "dev") {
		t.Errorf("an account that may read members: got %q, %v, want dev", groups, err)
	}
}

// TestLDAP8BlindIsAskedOnce: which groups nobody can say who is in is asked with the first
// login alone. A failure leaves groups unknown, is remembered, and is tried again; an
// answer counts even if the next survey fails.
func TestLDAP8BlindIsAskedOnce(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.GroupMode = groupsSearch
	b := open(t, c)
	b.Expect([]string{"dev"})
	refuse := func(r ldaptest.Request) ldaptest.Fault {
		if asksForBlind(r) {
			return ldaptest.Fault{Answer: &ldaptest.Answer{Code: ldap.LDAPResultInsufficientAccessRights}}
		}
		return ldaptest.Fault{}
	}
	s.OnRequest(refuse)
	id, _ := authenticate(t, b, "alice", alicePass)
	for range 3 {
		if groups, err := b.Groups(t.Context(), id); backend.IncompleteOf(err) == nil || fault.Of(err) != "ldap.search.forbidden" || !slices.Contains(groups, "dev") {
			t.Errorf("while it cannot be asked: got %q, %v (%s), want dev and that others may be missing", groups, err, fault.Of(err))
		}
	}
	if n := countBlind(s); n != 1 {
		t.Errorf("a failure is remembered: asked %d times, want once", n)
	}
	b.blind.until = time.Time{} // some seconds later
	s.OnRequest(nil)
	for range 3 {
		if groups, err := b.Groups(t.Context(), id); err != nil || !slices.Contains(groups, "dev") {
			t.Errorf("got %q, %v, want dev", groups, err)
		}
	}
	if n := countBlind(s); n != 2 {
		t.Errorf("an answer is remembered: asked %d times, want twice", n)
	}
	s.OnRequest(refuse)
	if _, err := b.Survey(t.Context(), []string{"dev"}); err == nil {
		t.Error("the survey did not fail")
	}
	if groups, err := b.Groups(t.Context(), id); err != nil {
		t.Errorf("after a survey that failed: got %q, %v, want what was known", groups, err)
	}
	b.Expect([]string{"all"}) // a reload with another rule
	if groups, err := b.Groups(t.Context(), id); backend.IncompleteOf(err) == nil {
		t.Errorf("a rule names another group: got %q, %v, want that groups are unknown", groups, err)
	}
}

func countBlind(s *ldaptest.Server) (n int) {
	for _, r := range s.Requests() {
		if asksForBlind(r) {
			n++
		}
	}
	return n
}

// TestLDAP8BlindIsTriedAgainLaterAndLater: seconds pass after a failure, and minutes at most.
func TestLDAP8BlindIsTriedAgainLaterAndLater(t *testing.T) {
	s := &blindness{}
	s.expect([]string{"b", "a", "b"}, false)
	if _, _, _, counts := s.recall(); counts {
		t.Error("what nobody asked for is known")
	}
	last := time.Duration(0)
	for range 100 {
		began := time.Now()
		s.learn([]string{"a", "b"}, unseen{}, backend.ErrUnavailable)
		wait := s.until.Sub(began)
		if wait < min(last, blindRetryMax) || wait > blindRetryMax+time.Minute {
			t.Fatalf("waits %v after %v", wait, last)
		}
		last = wait.Truncate(time.Second)
	}
	if last != blindRetryMax {
		t.Errorf("waits %v at last, want %v", last, blindRetryMax)
	}
	s.learn([]string{"a"}, unseen{groups: []string{"a"}}, nil)
	if _, _, err, _ := s.recall(); err == nil {
		t.Error("the answer about other groups counts")
	}
	s.learn([]string{"a", "b"}, unseen{groups: []string{"b"}}, nil)
	if _, found, err, counts := s.recall(); err != nil || !counts || !slices.Equal(found.groups, []string{"b"}) {
		t.Errorf("got %q, %v, %v", found.groups, err, counts)
	}
}

// TestLDAP8WhereNotAllGroupsCameARuleIsUnknown: where it could not be found out whether
// groups of rules have groups as members that nobody sees into, who was not found in one
// may be in it. A name that no group has is of none.
func TestLDAP8WhereNotAllGroupsCameARuleIsUnknown(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.GroupMode = groupsSearch
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		if strings.Contains(r.Filter, "(objectClass=*)") && r.Scope == ldap.ScopeWholeSubtree { // for all groups
			return ldaptest.Fault{AfterEntries: true, Answer: &ldaptest.Answer{Code: ldap.LDAPResultTimeLimitExceeded}}
		}
		return ldaptest.Fault{}
	})
	b := open(t, c)
	b.Expect([]string{"core", "absent"})
	id, _ := authenticate(t, b, "alice", alicePass)
	for range 2 {
		groups, err := b.Groups(t.Context(), id)
		missing := backend.IncompleteOf(err)
		if missing == nil || missing.Cause == nil || missing.ShortNames || !slices.Equal(missing.RuledOut, []string{"absent"}) || !slices.Contains(groups, "dev") {
			t.Errorf("got %q, %v (%+v), want dev, that she may be in core, and that nobody is in absent", groups, err, missing)
		}
	}
	b = open(t, c)
	b.Expect([]string{"absent"})
	if groups, err := b.Groups(t.Context(), id); err != nil {
		t.Errorf("no rule names a group that exists: got %q, %v", groups, err)
	}
	c.DirectGroups = true
	b = open(t, c)
	b.Expect([]string{"core"})
	if groups, err := b.Groups(t.Context(), id); err != nil {
		t.Errorf("groups in groups do not count: got %q, %v", groups, err)
	}
}

// TestLDAP8PartsThatComeTooSlowlyAreNotAskedForAgain: where groups do not come at once, and
// their parts take too long, that is known from then on, and keeps no other login waiting.
func TestLDAP8PartsThatComeTooSlowlyAreNotAskedForAgain(t *testing.T) {
	t.Parallel()
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.GroupMode, c.LoginTimeout = groupsSearch, 4*time.Second
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		switch {
		case strings.Contains(r.Filter, "(objectClass=*)") && r.Scope == ldap.ScopeWholeSubtree:
			return ldaptest.Fault{AfterEntries: true, Answer: &ldaptest.Answer{Code: ldap.LDAPResultSizeLimitExceeded}}
		case strings.Contains(r.Filter, "(cn=e*)"):
			return ldaptest.Fault{Hang: true}
		}
		return ldaptest.Fault{}
	})
	b := open(t, c)
	b.Expect([]string{"core"})
	id, _ := authenticate(t, b, "alice", alicePass)
	for range 2 {
		if groups, err := b.Groups(t.Context(), id); backend.IncompleteOf(err) == nil || !slices.Contains(groups, "dev") {
			t.Errorf("got %q, %v, want dev, and that others may be missing", groups, err)
		}
	}
	asked := 0
	for _, r := range s.Requests() {
		if strings.Contains(r.Filter, "(objectClass=*)") && r.Scope == ldap.ScopeWholeSubtree {
			asked++
		}
	}
	if asked > 3 { // whole, in pages, and dynamic ones
		t.Errorf("all groups were asked for %d times", asked)
	}
}
