package ldap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/ldap/ldaptest"
)

// The two trees of a forest.
const (
	corpTree  = "DC=corp,DC=example"
	salesTree = "DC=sales,DC=test"
)

// tree returns a domain of a forest: users, a group that counts everywhere, and one that
// counts in the domain alone. The last one of each domain is called local, and the user
// of each has the domain in the name.
func tree(top string, users ...string) []ldaptest.Entry {
	entries := []ldaptest.Entry{{DN: top}, {DN: "CN=Users," + top}}
	first := uint32(len(top)) * 1000
	var members []string
	for i, name := range users {
		dn := "CN=" + name + ",CN=Users," + top
		members = append(members, dn)
		entries = append(entries, ldaptest.Entry{DN: dn, Password: alicePass, Attributes: map[string][]string{
			"objectClass": {"top", "person", "user"}, "objectCategory": {"person"}, "sAMAccountName": {name},
			"objectSid": {ldaptest.SID(first + uint32(i))}, "primaryGroupID": {fmt.Sprint(first + 500)},
		}})
	}
	group := func(cn, kind string, rid uint32, members ...string) ldaptest.Entry {
		return ldaptest.Entry{DN: "CN=" + cn + ",CN=Users," + top, Attributes: map[string][]string{
			"objectClass": {"top", "group"}, "cn": {cn}, "objectSid": {ldaptest.SID(rid)}, "groupType": {kind}, "member": members,
		}}
	}
	name := strings.ToLower(strings.TrimPrefix(strings.Split(top, ",")[0], "DC="))
	return append(entries, group(name+" users", "-2147483646", first+500), group(name+" staff", "-2147483640", first+501, members...),
		group(name+" local", "-2147483644", first+502, members...))
}

// aForest starts a global catalog of two trees, and a controller of the first. The ports
// of a catalog are fixed, so that it has an address which no other process uses.
func aForest(t *testing.T) (catalog, controller *ldaptest.Server, c Config) {
	t.Helper()
	corp := tree(corpTree, "alice", "svc")
	everything := append(slices.Clone(corp), tree(salesTree, "bob")...)
	pid := os.Getpid()
	catalog = start(t, ldaptest.Config{
		Entries: everything, ActiveDirectory: true, Catalog: true, Domain: corpTree,
		LDAPS: fmt.Sprintf("127.%d.%d.9:3269", 1+pid>>8%254, pid%256),
	})
	controller = start(t, ldaptest.Config{Entries: corp, ActiveDirectory: true, Domain: corpTree})
	c = adConfig(t, catalog)
	c.URLs = []string{catalog.URL("ldaps"), controller.URL("ldaps")}
	c.CAFile, c.ServerName = filepath.Join(t.TempDir(), "cas.pem"), "directory.example"
	c.BindDN, c.BindPassword = "CN=svc,CN=Users,"+corpTree, func() (string, error) { return alicePass, nil }
	c.UserBases, c.Domains = []string{""}, []string{"corp.example"}
	if err := os.WriteFile(c.CAFile, append(catalog.CA().PEM(), controller.CA().PEM()...), 0o600); err != nil {
		t.Fatal(err)
	}
	return catalog, controller, c
}

// Users of all trees log in by a global catalog. The groups of one whose domain has a
// controller in urls are those that this one knows; of the others the catalog knows
// those that count everywhere, and nobody those of the domain alone.
func TestLDAP6ForestOfSeveralTrees(t *testing.T) {
	catalog, controller, c := aForest(t)
	var log countingLog
	c.Log = log.logger()
	b := open(t, c)
	groups, err := groupsFor(t, b, "alice", alicePass)
	wantGroups(t, groups, err, "corp users", "corp staff", "corp local")
	isAlice := func(r ldaptest.Request) bool { return r.Kind == ldaptest.Bind && strings.Contains(r.DN, "alice") }
	if !slices.ContainsFunc(catalog.Requests(), isAlice) || slices.ContainsFunc(controller.Requests(), isAlice) {
		t.Error("the user was not bound at the catalog alone")
	}
	for range 2 {
		groups, err = groupsFor(t, b, "bob", alicePass)
		wantPart(t, groups, err, false, "sales users", "sales staff")
		if fault.Of(err) != "ldap.groups.other_domain" {
			t.Errorf("got %v, want that the domain has no controller", err)
		}
	}
	if n := log.count("dc=sales,dc=test"); n != 1 {
		t.Errorf("the log says %d times that the domain has no controller, want once", n)
	}
	if slices.ContainsFunc(controller.Requests(), func(r ldaptest.Request) bool {
		return strings.Contains(strings.ToLower(r.DN), "sales") || r.Kind == ldaptest.Search && r.DN == "" && r.Scope != 0
	}) {
		t.Errorf("the controller was asked about what it does not have: %+v", controller.Requests())
	}
	id, _ := authenticate(t, b, "alice", alicePass)
	if now, err := b.Revalidate(t.Context(), id); err != nil || now.SameAs(id) != backend.Same {
		t.Errorf("revalidated: got %+v, %v", now, err)
	}
	controller.Stop() // of a controller that is down nobody knows what it would say
	if groups, err := open(t, c).Groups(t.Context(), id); err == nil || slices.Contains(groups, "corp local") {
		t.Errorf("without the controller: got %q, %v, want that groups are not known", groups, err)
	}
	if got := verdictOf(b, "bob", alicePass); got != "in" {
		t.Errorf("bob, without the controller of alice: got %s", got)
	}
}

// TestLDAP6ForestKnowsWhenAPasswordWasChanged: the catalog does not have that, and the
// controllers do. A login stands until the password is changed.
func TestLDAP6ForestKnowsWhenAPasswordWasChanged(t *testing.T) {
	catalog, controller, c := aForest(t)
	for _, s := range []*ldaptest.Server{catalog, controller} {
		setChanged(t, s, "134000000000000000")
	}
	b := open(t, c)
	id, v := authenticate(t, b, "alice", alicePass)
	if v != "in" || !strings.HasPrefix(id.Changed, "pwdLastSet:") {
		t.Fatalf("got %+v, %s, want when the password was changed", id, v)
	}
	if _, err := b.Revalidate(t.Context(), id); err != nil {
		t.Errorf("nothing was changed: got %v", err)
	}
	setChanged(t, controller, "134000000100000000")
	if _, err := b.Revalidate(t.Context(), id); !errors.Is(err, backend.ErrOutdated) {
		t.Errorf("the password was changed: got %v, want that", err)
	}
	controller.Remove("CN=alice,CN=Users," + corpTree)
	if _, err := open(t, c).Authenticate(t.Context(), "alice", alicePass); fault.Of(err) != "ldap.user.unreadable" || backend.Refused(err) {
		t.Errorf("the controller does not have the entry: got %v (%s), want no answer", err, fault.Of(err))
	}
}

// setChanged sets when the password of alice was changed.
func setChanged(t *testing.T, s *ldaptest.Server, moment string) {
	t.Helper()
	for _, e := range tree(corpTree, "alice", "svc") {
		if strings.HasPrefix(e.DN, "CN=alice,") {
			e.Attributes["pwdLastSet"] = []string{moment}
			if err := s.Set(e); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The log does not advise against a catalog where it is what a forest takes.
func TestLDAP6WarningOfACatalog(t *testing.T) {
	_, _, c := aForest(t)
	for base, want := range map[string]int{"": 0, corpTree: 1} {
		var log countingLog
		c.Log, c.UserBases = log.logger(), []string{base}
		open(t, c)
		if n := log.count("a global catalog has the members"); n != want {
			t.Errorf("base %q: the log warns %d times, want %d", base, n, want)
		}
	}
}

func TestForestTakesACatalog(t *testing.T) {
	_, controller, c := aForest(t)
	for key, change := range map[string]func(*Config){
		"a global catalog alone has": func(c *Config) { c.URLs = []string{controller.URL("ldaps")} },
		`preset = "activedirectory"`: func(c *Config) { c.Preset = "openldap" },
	} {
		own := c
		change(&own)
		if _, err := New(own); err == nil || !strings.Contains(err.Error(), key) || !strings.HasPrefix(err.Error(), "user_bases: ") {
			t.Errorf("got %v, want %q", err, key)
		}
	}
	for mode, ok := range map[string]bool{groupsNone: true, groupsTokens: true, groupsMemberOf: false, groupsSearch: false, groupsInChain: false} {
		own := c
		own.GroupMode = mode
		if err := own.complete().validate(); (err == nil) != ok || err != nil && !strings.HasPrefix(err.Error(), "group_mode: ") {
			t.Errorf("group_mode %s: got %v", mode, err)
		}
	}
}
