package ldap

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

// groupsFor returns the groups of a user who logs in.
func groupsFor(t testing.TB, b *Backend, user, password string) ([]string, error) {
	t.Helper()
	id, got := authenticate(t, b, user, password)
	if got != "in" {
		t.Fatalf("%s: got %s", user, got)
	}
	return b.Groups(t.Context(), id)
}

// searches counts the searches but those of the root entry.
func searches(s *ldaptest.Server) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Kind == ldaptest.Search && r.DN != "" {
			n++
		}
	}
	return n
}

func TestGroupsOfGroups(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: append(company(),
		person("dave", alicePass), person("erin", alicePass),
		groupEntry("loopa", "groups", uidDN("dave"), cnDN("loopb")), groupEntry("loopb", "groups", cnDN("loopa")),
		ldaptest.Entry{DN: cnDN("uniq"), Attributes: map[string][]string{"objectClass": {"groupOfUniqueNames"}, "cn": {"Uniq"}, "uniqueMember": {"UID=erin, ou=People," + base}}},
	)})
	c := configFor(t, s)
	b := open(t, c)
	for user, want := range map[string][]string{
		"alice": {"dev", "all"}, "bob": {"backend", "dev", "all"}, "carol": {"core", "backend", "dev", "all"}, "dave": {"loopa", "loopb"}, "erin": {"uniq"},
	} {
		password := alicePass
		if user == "bob" || user == "carol" {
			password = user + "-5ecret"
		}
		got, err := groupsFor(t, b, user, password)
		wantGroups(t, got, err, want...)
	}
	c.DirectGroups = true
	got, err := groupsFor(t, open(t, c), "carol", "carol-5ecret")
	wantGroups(t, got, err, "core")
}

// wantPart expects groups of which it is known that they are not all, or lack short
// names alone.
func wantPart(t *testing.T, got []string, err error, shortNames bool, want ...string) {
	t.Helper()
	if missing := backend.IncompleteOf(err); missing == nil || missing.ShortNames != shortNames || verdict(err) != "unavailable" {
		t.Errorf("got error %v, want that groups are missing", err)
	}
	wantGroups(t, got, nil, want...)
}

// A walk that is cut off has not found that a user is in no other group.
func TestLDAP8GroupsDeeperThanTheDepthAreNotKnown(t *testing.T) {
	for name, mode := range map[string]func(*Config){
		"search":   func(*Config) {},
		"memberof": func(c *Config) { c.GroupMode = groupsMemberOf },
	} {
		t.Run(name, func(t *testing.T) {
			entries := company()
			for i, e := range entries {
				for _, g := range company() {
					if slices.Contains(g.Attributes["member"], e.DN) {
						entries[i].Attributes["memberOf"] = append(entries[i].Attributes["memberOf"], g.DN)
					}
				}
			}
			s := start(t, ldaptest.Config{Entries: entries})
			c := configFor(t, s)
			mode(&c)
			for depth, want := range map[int][]string{1: {"core"}, 2: {"core", "backend"}, 3: {"core", "backend", "dev"}} {
				c.GroupDepth = depth
				got, err := groupsFor(t, open(t, c), "carol", "carol-5ecret")
				wantPart(t, got, err, false, want...)
			}
			c.GroupDepth = 4 // which is all that there is
			got, err := groupsFor(t, open(t, c), "carol", "carol-5ecret")
			wantGroups(t, got, err, "core", "backend", "dev", "all")
		})
	}
}

// What memberOf names and nobody may read is a group by its DN, and what it is called
// is not known. What can be read and is no group by the filter is none.
func TestMemberOfWhatCannotBeRead(t *testing.T) {
	names := []string{cnDN("dev"), cnDN("hidden"), cnDN("role"), "cn=admin,ou=other," + base, "<SID=S-1-5-21>", "ou=groups," + base, "cn=x\\,ou=groups," + base}
	role := groupEntry("role", "groups", uidDN("dave"))
	role.Attributes["objectClass"] = []string{"role"}
	s := start(t, ldaptest.Config{Entries: append(company(), role, groupEntry("admin", "other", uidDN("dave")), ldaptest.Entry{
		DN: uidDN("dave"), Password: alicePass, Attributes: map[string][]string{"objectClass": {"person"}, "uid": {"dave"}, "memberOf": names},
	})})
	c := configFor(t, s)
	c.GroupMode, c.GroupBases, c.DirectGroups = groupsMemberOf, []string{"ou=groups," + base}, true
	b := open(t, c)
	for range 2 { // the second time from what is remembered
		groups, err := groupsFor(t, b, "dave", alicePass)
		wantPart(t, groups, err, true, "dev")
		if want := []string{cnDN("dev"), cnDN("hidden"), "dev"}; !slices.Equal(groups, want) {
			t.Errorf("got %q, want %q", groups, want)
		}
	}
}

// A group that nobody may read does not say in which groups it is, and they do: without
// a look, "not group X" would let in who is in X that way.
func TestGroupsAroundOneThatCannotBeRead(t *testing.T) {
	banned := groupEntry("banned", "groups", cnDN("hidden"))
	banned.Attributes["memberOf"] = []string{cnDN("above")}
	s := start(t, ldaptest.Config{Entries: append(company(), banned, groupEntry("above", "groups", cnDN("banned")),
		ldaptest.Entry{DN: uidDN("dave"), Password: alicePass, Attributes: map[string][]string{
			"objectClass": {"person"}, "uid": {"dave"}, "memberOf": {cnDN("hidden")},
		}},
	)})
	c := configFor(t, s)
	c.GroupMode, c.GroupBases = groupsMemberOf, []string{"ou=groups," + base}
	b := open(t, c)
	for range 2 { // the second time from what is remembered
		groups, err := groupsFor(t, b, "dave", alicePass)
		wantPart(t, groups, err, false, "above", "banned") // the group may be in others that nobody may read
		if !slices.Contains(groups, cnDN("hidden")) {
			t.Errorf("the group itself is not in %q", groups)
		}
	}
}

// twoHundred makes a user in 200 groups that are nested five deep.
func twoHundred() []ldaptest.Entry {
	entries := company()
	for level := range 5 {
		for i := range 40 {
			member := uidDN("alice")
			if level > 0 {
				member = cnDN(fmt.Sprintf("g%d-%02d", level-1, i))
			}
			entries = append(entries, groupEntry(fmt.Sprintf("g%d-%02d", level, i), "groups", member))
		}
	}
	return entries
}

func TestNestedGroupsTakeFewQuestionsForEachLevel(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: twoHundred()})
	b := open(t, configFor(t, s))
	id, _ := authenticate(t, b, "alice", alicePass)
	s.Forget()
	groups, err := b.Groups(t.Context(), id)
	if err != nil || len(groups) != 2*202 { // dev and all too, each with its DN
		t.Errorf("got %d names, %v, want 404", len(groups), err)
	}
	if n := searches(s); n > 2+5*2+5 { // one of them whether the base is there, which is remembered
		t.Errorf("200 groups five deep took %d questions, want at most 17", n)
	}
	s.Forget()
	if _, err := b.Groups(t.Context(), id); err != nil || searches(s) != 1 {
		t.Errorf("the second time took %d questions, %v, want one", searches(s), err)
	}
}

func TestMemberOf(t *testing.T) {
	entries := twoHundred()
	for i, e := range entries { // as an overlay would have it
		for _, g := range entries {
			for _, m := range g.Attributes["member"] {
				if m == e.DN {
					entries[i].Attributes["memberOf"] = append(entries[i].Attributes["memberOf"], g.DN)
				}
			}
		}
	}
	alice := slices.IndexFunc(entries, func(e ldaptest.Entry) bool { return e.DN == uidDN("alice") })
	entries[alice].Attributes["memberOf"] = append(entries[alice].Attributes["memberOf"],
		"cn=admin,ou=other,"+base, "<SID=S-1-5-21>", "cn=x\\,ou=groups,"+base)
	entries = append(entries, groupEntry("admin", "other", uidDN("alice")))
	s := start(t, ldaptest.Config{Entries: entries})
	c := configFor(t, s)
	c.GroupMode, c.GroupBases = groupsMemberOf, []string{"ou=groups," + base}
	b := open(t, c)
	id, _ := authenticate(t, b, "alice", alicePass)
	s.Forget()
	groups, err := b.Groups(t.Context(), id)
	if err != nil || len(groups) != 2*202 {
		t.Errorf("got %d names, %v, want 404", len(groups), err)
	}
	if n := searches(s); n > 5+2 {
		t.Errorf("it took %d questions, want at most 7", n)
	}
	if slices.Contains(groups, "admin") {
		t.Errorf("groups elsewhere count: %q", groups)
	}
}

func TestNamesOfUsersAsMembers(t *testing.T) {
	posix := func(cn, gid string, members ...string) ldaptest.Entry {
		return ldaptest.Entry{DN: cnDN(cn), Attributes: map[string][]string{"objectClass": {"posixGroup"}, "cn": {cn}, "gidNumber": {gid}, "memberUid": members}}
	}
	account := func(uid, gid string) ldaptest.Entry {
		e := person(uid, alicePass, "gidNumber", gid)
		e.Attributes["objectClass"] = append(e.Attributes["objectClass"], "posixAccount")
		return e
	}
	s := start(t, ldaptest.Config{Entries: append(company(), account("CaseUser", "100"), account("caseuser2", "200"),
		posix("users", "100"), posix("posix", "5000", "CaseUser"), posix("other", "5001", "caseuser"))})
	c := configFor(t, s)
	c.Preset = "rfc2307"
	b := open(t, c)
	got, err := groupsFor(t, b, "CASEUSER", alicePass)
	wantGroups(t, got, err, "users", "posix")
	got, err = groupsFor(t, b, "caseuser2", alicePass)
	wantGroups(t, got, err)
}

func TestGroupsOfActiveDirectory(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: adCompany(), ActiveDirectory: true, MaxValues: 2})
	for mode, want := range map[string]map[string][]string{
		groupsTokens:   {"alice": {"dev", "all", "domain users"}, "dave": {"backend", "dev", "all", "primary"}},
		groupsMemberOf: {"alice": {"dev", "all", "domain users", "dist"}, "dave": {"backend", "dev", "all", "primary"}},
		groupsInChain:  {"alice": {"dev", "all", "domain users", "dist"}, "dave": {"backend", "dev", "all", "primary"}},
		groupsSearch:   {"alice": {"dev", "all", "domain users", "dist"}, "dave": {"backend", "dev", "all", "primary"}},
		groupsNone:     {"alice": nil},
	} {
		c := adConfig(t, s)
		c.GroupMode = mode
		b := open(t, c)
		for user, want := range want {
			got, err := groupsFor(t, b, user, alicePass)
			t.Log(mode, user, got)
			wantGroups(t, got, err, want...)
		}
	}
}

func TestTokenGroupsAreRememberedAcrossUsers(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: adCompany(), ActiveDirectory: true})
	b := open(t, adConfig(t, s))
	if _, err := groupsFor(t, b, "dave", alicePass); err != nil {
		t.Fatal(err)
	}
	id, _ := authenticate(t, b, "altupn", alicePass)
	if _, err := b.Groups(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	id, _ = authenticate(t, b, "alice", alicePass)
	s.Forget()
	got, err := b.Groups(t.Context(), id)
	wantGroups(t, got, err, "dev", "all", "domain users")
	if n := searches(s); n != 1 {
		t.Errorf("a user in known groups took %d questions, want one: %+v", n, s.Requests())
	}
}

// Who is in a group is never remembered here: that is the cache's business.
func TestUserTakenOutOfAGroupIsOutAtOnce(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: append(company(), person("dave", alicePass))})
	for _, mode := range []string{groupsSearch, groupsMemberOf} {
		if err := errors.Join(s.Set(groupEntry("core", "groups", uidDN("dave"))), s.Set(person("dave", alicePass, "memberOf", cnDN("core")))); err != nil {
			t.Fatal(err)
		}
		c := configFor(t, s)
		c.GroupMode, c.DirectGroups = mode, true
		b := open(t, c)
		got, err := groupsFor(t, b, "dave", alicePass)
		wantGroups(t, got, err, "core")
		if err := errors.Join(s.Set(groupEntry("core", "groups", uidDN("carol"))), s.Set(person("dave", alicePass))); err != nil {
			t.Fatal(err)
		}
		got, err = groupsFor(t, b, "dave", alicePass)
		wantGroups(t, got, err)
	}
}

// Which groups a group is in is remembered for a while, and no longer.
func TestMemoryOfGroupsEnds(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.GroupTTL = 50 * time.Millisecond
	b := open(t, c)
	got, err := groupsFor(t, b, "alice", alicePass)
	wantGroups(t, got, err, "dev", "all")
	if err := s.Set(groupEntry("all", "groups", uidDN("bob"))); err != nil {
		t.Fatal(err)
	}
	time.Sleep(60 * time.Millisecond)
	got, err = groupsFor(t, b, "alice", alicePass)
	wantGroups(t, got, err, "dev")
}

// What is in several pages, or in several ranges, is read whole.
func TestPagesAndRangesAreCompleted(t *testing.T) {
	entries := company()
	var many []string
	for i := range 1203 {
		name := fmt.Sprintf("many%04d", i)
		entries = append(entries, groupEntry(name, "groups", uidDN("carol")))
		many = append(many, cnDN(name))
	}
	carol := slices.IndexFunc(entries, func(e ldaptest.Entry) bool { return e.DN == uidDN("carol") })
	entries[carol].Attributes["memberOf"] = append([]string{cnDN("core")}, many...)
	s := start(t, ldaptest.Config{Entries: entries, MaxValues: 500})
	for _, mode := range []string{groupsSearch, groupsMemberOf} {
		c := configFor(t, s)
		c.GroupMode, c.DirectGroups = mode, true
		groups, err := groupsFor(t, open(t, c), "carol", "carol-5ecret")
		if err != nil || len(groups) != 2*1204 {
			t.Errorf("%s: got %d names, %v, want 2408", mode, len(groups), err)
		}
	}
}

// A limit of the server is a failure and not fewer groups.
func TestIncompleteGroupsAreAFailure(t *testing.T) {
	entries := company()
	for i := range 700 {
		entries = append(entries, groupEntry(fmt.Sprintf("many%03d", i), "groups", uidDN("carol")))
	}
	s := start(t, ldaptest.Config{Entries: entries, SizeLimit: 500})
	groups, err := groupsFor(t, open(t, configFor(t, s)), "carol", "carol-5ecret")
	if verdict(err) != "unavailable" || groups != nil {
		t.Errorf("got %d groups, %v, want none and unavailable", len(groups), err)
	}
}

func TestNameOfTwoGroupsCountsForNeither(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: append(company(), groupEntry("Dev", "other", uidDN("bob")), groupEntry("ops", "groups", uidDN("alice")))})
	c := configFor(t, s)
	c.DirectGroups = true
	b := open(t, c)
	groups, err := groupsFor(t, b, "bob", "bob-5ecret")
	wantGroups(t, groups, err, "backend")
	if want := "cn=dev,ou=other," + base; !slices.Contains(groups, want) {
		t.Errorf("got %q, want %q in it", groups, want)
	}
	if e := backend.IncompleteOf(err); e == nil || !slices.Equal(e.Shared, []string{"dev"}) || verdict(err) != "unavailable" {
		t.Errorf("got %v, want that dev is a name of several groups", err)
	}
	groups, err = groupsFor(t, b, "alice", alicePass)
	wantGroups(t, groups, err, "ops")
	c.GroupBases = []string{"ou=groups," + base}
	groups, err = groupsFor(t, open(t, c), "alice", alicePass)
	wantGroups(t, groups, err, "ops", "dev")
	c.GroupNameAttr = nameIsDN
	groups, err = groupsFor(t, open(t, c), "alice", alicePass)
	wantGroups(t, groups, err)
	if len(groups) != 2 {
		t.Errorf("names as DN: got %q, want two", groups)
	}
}

func TestFiltersMakeGroups(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.GroupMode = groupsNone
	c.FilterGroups = []struct{ Name, Filter string }{{"Developers", "(title=Developer)"}, {"managers", "(&(title=Manager)(cn=*))"}}
	b := open(t, c)
	got, err := groupsFor(t, b, "alice", alicePass)
	wantGroups(t, got, err, "developers")
	got, err = groupsFor(t, b, "bob", "bob-5ecret")
	wantGroups(t, got, err)
}

func TestRuleMayNameADNInAnySpelling(t *testing.T) {
	b := open(t, configFor(t, start(t, ldaptest.Config{})))
	want := "cn=dev,ou=groups,dc=corp,dc=example"
	for _, name := range []string{want, "CN=Dev , OU=groups,DC=corp,dc=EXAMPLE", "2.5.4.3=dev,ou=Groups;dc=corp;dc=example", `cn=\64ev,ou=groups,dc=corp,dc=example`, "commonName=dev, ou=groups , dc=corp, dc=example"} {
		if got := b.CanonicalGroup(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{"Dev": "dev", "Domain  Users": "domain users", "JÖRG": "jörg", `cn=a\,b,dc=x`: `cn=a\,b,dc=x`, "ou=B+cn=A,dc=x": "cn=a+ou=b,dc=x"} {
		if got := b.CanonicalGroup(name); got != want || b.CanonicalGroup(got) != got {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// As text, the first of these names ends in the second.
func TestNameIsBelowAnotherByItsParts(t *testing.T) {
	below := func(name, base string) bool {
		n, err := parseDN(name)
		b, errBase := parseDN(base)
		if err != nil || errBase != nil {
			t.Fatal(err, errBase)
		}
		return n.isBelow(b)
	}
	if below(`cn=a\,ou=groups,dc=x`, "ou=groups,dc=x") || below("ou=mygroups,dc=x", "ou=groups,dc=x") || below("dc=x", "ou=groups,dc=x") {
		t.Error("a name counts as below another one")
	}
	if !below("cn=a,OU=Groups,dc=x", "ou=groups, DC=x") || !below("ou=groups,dc=x", "ou=groups,dc=x") {
		t.Error("a name does not count as below its base")
	}
}

func TestGroupsOfAVanishedUserAreNotKnown(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.GroupMode = groupsMemberOf
	b := open(t, c)
	if groups, err := b.Groups(t.Context(), backend.Identity{User: "x", Handle: uidDN("x")}); err == nil {
		t.Errorf("got %q and no error", groups)
	}
}
