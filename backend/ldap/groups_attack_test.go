package ldap

import (
	"fmt"
	"slices"
	"testing"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

// Who may make a group of any name must not become a member of another by it.
func TestGroupCannotPassForAnother(t *testing.T) {
	admins := cnDN("admins")
	named := func(rdn string, names ...string) ldaptest.Entry {
		return ldaptest.Entry{DN: "ou=" + rdn + ",ou=other," + base, Attributes: map[string][]string{
			"objectClass": {"groupOfNames"}, "cn": names, "member": {uidDN("alice")}}}
	}
	s := start(t, ldaptest.Config{Entries: append(company(), groupEntry("admins", "groups", uidDN("bob")),
		named("1", admins), named("2", "CN=Admins, OU=groups, "+base), named("3", "Managers"), named("4", "plain", "admins"),
		named("6", "cn=admins,corp", "cn =admins+,x"),
		named("5", "\u212aeepers", "admins\u00a0", "ａdmins", "ad\u200bmins"))})
	c := configFor(t, s)
	c.FilterGroups = []struct{ Name, Filter string }{{"managers", "(title=Manager)"}}
	b := open(t, c)
	groups, err := groupsFor(t, b, "alice", alicePass)
	if backend.MissingGroups(err) != nil || !slices.Contains(groups, "plain") {
		t.Errorf("got %q, %v, want plain in it", groups, err)
	}
	for _, forged := range []string{admins, "admins", "managers", "keepers", "cn=admins,corp", "cn =admins+,x"} {
		if slices.Contains(groups, b.CanonicalGroup(forged)) {
			t.Errorf("alice passes for a member of %q: %q", forged, groups)
		}
	}
}

// Servers do not agree which of these are equal, so none is.
func TestNamesThatOnlyLookAlikeAreNotEqual(t *testing.T) {
	plain := "cn=kim dev,dc=x"
	for _, name := range []string{"cn=\u212aim dev,dc=x", "cn=kim\u00a0dev,dc=x", "cn=kim dev\u00a0,dc=x", "cn=ｋim dev,dc=x", "cn=ki\u200bm dev,dc=x", "cn=k\u0131m dev,dc=x", "cn=kim\tdev,dc=x", "cn=kim \xffdev,dc=x"} {
		if canonicalDN(name) == canonicalDN(plain) {
			t.Errorf("%q counts as equal to %q", name, plain)
		}
		if again := canonicalDN(canonicalDN(name)); again != canonicalDN(name) {
			t.Errorf("%q becomes %q and then %q", name, canonicalDN(name), again)
		}
	}
	if canonicalDN("cn=\xff,dc=x") == canonicalDN("cn=\xfe,dc=x") || canonicalDN(`cn=\ff,dc=x`) == canonicalDN(`cn=\fe,dc=x`) {
		t.Error("names that are no text count as equal")
	}
}

// What the account may not read of a user is an outage, and not fewer groups.
func TestGroupsThatCannotBeReadAreAFailure(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: adCompany(), ActiveDirectory: true})
	for _, tt := range []struct {
		mode string
		hide string
	}{
		{groupsTokens, "tokenGroups"}, {groupsMemberOf, "objectSid"}, {groupsMemberOf, "primaryGroupID"}, {groupsInChain, "objectSid"}, {groupsSearch, "primaryGroupID"},
	} {
		c := adConfig(t, s)
		c.GroupMode = tt.mode
		b := open(t, c)
		id, _ := authenticate(t, b, "alice", alicePass)
		s.Hide(tt.hide)
		if groups, err := b.Groups(t.Context(), id); err == nil || groups != nil {
			t.Errorf("%s without %s: got %q, %v, want an error", tt.mode, tt.hide, groups, err)
		}
		s.Hide()
	}
	c := configFor(t, start(t, ldaptest.Config{Entries: append(company(), person("nameless", alicePass))}))
	c.GroupMemberAttrs = []string{"memberUid"}
	b := open(t, c)
	id, _ := authenticate(t, b, "nameless", alicePass)
	b.config.UserNameAttr = "employeeNumber" // which nobody has
	if groups, err := b.Groups(t.Context(), id); err == nil || groups != nil {
		t.Errorf("memberUid of a user without a name: got %q, %v, want an error", groups, err)
	}
}

// The primary group of a user may be in other groups, like any.
func TestGroupsOfThePrimaryGroup(t *testing.T) {
	above := ldaptest.Entry{DN: "CN=above,OU=Groups," + base, Attributes: map[string][]string{
		"objectClass": {"group"}, "cn": {"above"}, "objectSid": {ldaptest.SID(1300)}, "member": {"CN=primary,OU=Groups," + base}}}
	s := start(t, ldaptest.Config{Entries: append(adCompany(), above), ActiveDirectory: true})
	for _, mode := range []string{groupsTokens, groupsMemberOf, groupsSearch, groupsInChain} {
		c := adConfig(t, s)
		c.GroupMode = mode
		got, err := groupsFor(t, open(t, c), "dave", alicePass)
		t.Log(mode)
		wantGroups(t, got, err, "backend", "dev", "all", "primary", "above")
	}
}

// 200 groups on each of five levels take seven questions for each level, of which four
// are asked at once.
func TestManyGroupsOnEachLevel(t *testing.T) {
	entries := company()
	for level := range 5 {
		for i := range 200 {
			member := uidDN("bob")
			if level > 0 {
				member = cnDN(fmt.Sprintf("g%d-%03d", level-1, i))
			}
			entries = append(entries, groupEntry(fmt.Sprintf("g%d-%03d", level, i), "groups", member))
		}
	}
	s := start(t, ldaptest.Config{Entries: entries})
	b := open(t, configFor(t, s))
	id, _ := authenticate(t, b, "bob", "bob-5ecret")
	s.Forget()
	groups, err := b.Groups(t.Context(), id)
	if err != nil || len(groups) != 2*1003 {
		t.Errorf("got %d names, %v, want 2006", len(groups), err)
	}
	pages := 0
	for _, r := range s.Requests() {
		if r.Kind == ldaptest.Search && r.Paged {
			pages++
		}
	}
	if pages > 1+1+5*7+16 { // those with the user, those with the groups of each level, the names
		t.Errorf("it took %d questions, want at most 53", pages)
	}
}
