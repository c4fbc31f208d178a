package ldap

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/ldap/ldaptest"
)

// ownRights has users search themselves, with memberOf.
func ownRights(t *testing.T, s *ldaptest.Server) Config {
	c := configFor(t, s)
	c.BindDN, c.BindPassword, c.BindTemplate = "", nil, "uid={user},ou=people,"+base
	c.GroupMode, c.GroupBases, c.DirectGroups = groupsMemberOf, []string{"ou=groups," + base}, true
	return c
}

// TestLDAP8OwnMemberOfThatCannotBeRead: for users who search with their own rights, too,
// an empty memberOf is that of a user in no group only where it is true that there is no
// value.
func TestLDAP8OwnMemberOfThatCannotBeRead(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: append(company(), person("dave", alicePass, "memberOf", cnDN("dev")))})
	b := open(t, ownRights(t, s))
	for user, want := range map[string][]string{"dave": {"dev"}, "alice": {}} {
		got, err := groupsFor(t, b, user, alicePass)
		wantGroups(t, got, err, want...)
	}
	s.Hide("memberOf")
	got, err := groupsFor(t, open(t, ownRights(t, s)), "dave", alicePass)
	wantPart(t, got, err, false)
	if fault.Of(err) != "ldap.groups.unreadable" {
		t.Errorf("got %v (%s)", err, fault.Of(err))
	}
}

// TestLDAP8BaseThatAnotherUserSees: that one user sees a base says nothing of another, of
// whom a search in pages below it finds nothing as if there were no groups.
func TestLDAP8BaseThatAnotherUserSees(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: append(company(), person("dave", alicePass))})
	c := ownRights(t, s)
	c.Preset, c.GroupMode = "389ds", groupsSearch // which asks for pages at once
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		switch hidden := strings.Contains(r.Bound, "dave") && r.DN == "ou=groups,"+base; {
		case hidden && r.Paged:
			return ldaptest.Fault{Answer: &ldaptest.Answer{}}
		case hidden:
			return ldaptest.Fault{Answer: &ldaptest.Answer{Code: ldap.LDAPResultNoSuchObject}}
		}
		return ldaptest.Fault{}
	})
	b := open(t, c)
	got, err := groupsFor(t, b, "alice", alicePass)
	wantGroups(t, got, err, "dev")
	if got, err = groupsFor(t, b, "dave", alicePass); fault.Of(err) != "ldap.search.no_base" {
		t.Errorf("got %q, %v (%s), want that the base is not there", got, err, fault.Of(err))
	}
}

// TestLDAP8SchemaThatIsNotAnswered: while the directory does not say what it knows, a
// filter on what it may not know proves nothing; once it answers, all is as always.
func TestLDAP8SchemaThatIsNotAnswered(t *testing.T) {
	s := start(t, ldaptest.Config{})
	var down atomic.Bool
	s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
		if down.Load() && r.Kind == ldaptest.Search && slices.Contains(r.Attributes, "subschemaSubentry") {
			return ldaptest.Fault{Answer: &ldaptest.Answer{Code: ldap.LDAPResultOther}}
		}
		return ldaptest.Fault{}
	})
	c := configFor(t, s)
	c.UserFilter = "(&(uid={user})(!(employeeType=robot)))"
	c.GroupMemberAttrs = []string{"member", "crew"}
	c.FilterGroups = []struct{ Name, Filter string }{{"odd", "(shoeSize=44)"}}
	down.Store(true)
	b := open(t, c)
	got, err := groupsFor(t, b, "alice", alicePass)
	wantPart(t, got, err, false, "dev", "all")
	if fault.Of(err) != "ldap.search.failed" {
		t.Errorf("got %v (%s)", err, fault.Of(err))
	}
	if _, v := authenticate(t, b, "nobody", alicePass); v != "unavailable" {
		t.Errorf("a user that is not found: got %s, want unavailable", v)
	}
	c.GroupMemberAttrs = nil
	got, err = groupsFor(t, open(t, c), "alice", alicePass)
	wantPart(t, got, err, true, "dev", "all") // the filter_group alone is in doubt
	down.Store(false)
	b.schemas.until = time.Time{} // some seconds later
	if _, v := authenticate(t, b, "nobody", alicePass); v != "unknown" {
		t.Errorf("a directory that has no schema to read: got %s, want unknown", v)
	}
	got, err = groupsFor(t, b, "alice", alicePass)
	wantGroups(t, got, err, "dev", "all")
}

// An outage counts for seconds, and what was read before it goes on to count.
func TestLDAP8SchemaIsReadAgainSoonAfterAnOutage(t *testing.T) {
	s := &schemas{}
	for _, tt := range []struct {
		failure error
		most    time.Duration
	}{{backend.ErrUnavailable, schemaOutage}, {errNoDN, schemaRetry}} {
		s.learn(nil, tt.failure)
		if wait := time.Until(s.until); wait > tt.most {
			t.Errorf("%v: the schema is read again after %v, want %v at most", tt.failure, wait, tt.most)
		}
	}
	known := &schema{}
	s.learn(known, nil)
	s.learn(nil, backend.ErrUnavailable)
	if got, err, _ := s.recall(); got != known || err != nil {
		t.Errorf("after an outage: got %v, %v, want what was known", got, err)
	}
}

// What is remembered of groups has a bound in parts, whatever their number.
func TestMemoHasRoomForSoManyParts(t *testing.T) {
	m := newPartsMemo(time.Hour, groupParts)
	m.load.most = 100
	now := time.Now()
	for range 3 { // the second time each takes the place of itself
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			m.put(key, make([]group, 30), now)
		}
	}
	m.forget("e")
	m.forget("e")
	if n, sum := m.entries.Len(), m.load.sum; n != 2 || sum != 60 {
		t.Errorf("there are %d values of %d parts, want 2 of 60", n, sum)
	}
	m.put("f", []group{{parents: make([]string, 500)}}, now)
	if _, known := m.get("f"); !known || m.entries.Len() != 1 {
		t.Errorf("a value that is too large by itself: there are %d values", m.entries.Len())
	}
	if n := roomForParts(); n < 1 || n > maxParts {
		t.Errorf("there is room for %d parts", n)
	}
}
