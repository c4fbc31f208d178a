package ldap

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

func TestOddNamesReachNobodyElse(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: append(company(),
		person("weird(*)", alicePass), person("jörg", alicePass), person("o'brien", alicePass), person(`back\slash`, alicePass), person("a b", alicePass),
		ldaptest.Entry{DN: `cn=Smith\, John \+ Co,ou=people,` + base, Password: alicePass, Attributes: map[string][]string{
			"objectClass": {"person"}, "uid": {"jsmith"}, "cn": {"Smith, John + Co"}}},
	)})
	b := open(t, configFor(t, s))
	tests := []struct{ typed, want string }{ // the user's name, or the verdict
		{"alice", "alice"}, {"ALICE", "alice"}, {"Alice", "alice"},
		{"weird(*)", "weird(*)"}, {"o'brien", "o'brien"}, {`back\slash`, `back\slash`}, {"a b", "a b"}, {"jsmith", "jsmith"},
		{"jörg", "jörg"}, {"JÖRG", "jörg"}, {"jo\u0308rg", "jörg"},
		{"*", "unknown"}, {"al*", "unknown"}, {"alice)(uid=*", "unknown"}, {"*)(|(uid=*", "unknown"}, {"alice)(|(uid=*", "unknown"},
		{`\61lice`, "unknown"}, {`al\69ce`, "unknown"}, {`alice\2a`, "unknown"}, {"x,ou=admin", "unknown"}, {"uid=alice", "unknown"},
		{" alice", "unknown"}, {"alice ", "unknown"}, {"a  b", "unknown"}, {"alice\t", "unknown"}, {"ali\u00a0ce", "unknown"},
		{"alice\x00", "unknown"}, {"alice\x00bob", "unknown"}, {"ali\u200bce", "unknown"}, {"ali\u00adce", "unknown"}, {"\u202ealice", "unknown"},
		{"ａlice", "unknown"}, {"al\u0456ce", "unknown"}, {"\ufb01nn", "unknown"}, {"\u212aate", "unknown"}, {"ſam", "unknown"}, {"jo\xccrg", "unknown"},
		{"", "unknown"}, {strings.Repeat("a", 257), "unknown"}, {strings.Repeat("x", 10_000), "unknown"},
	}
	for _, tt := range tests {
		s.Forget()
		id, got := authenticate(t, b, tt.typed, alicePass)
		if got == "in" {
			got = id.User
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.typed, got, tt.want)
		}
		if tt.want == "unknown" && userBinds(s) > 0 {
			t.Errorf("%q: somebody was bound: %+v", tt.typed, s.Requests())
		}
	}
}

// Servers take many of these for alice, each in its own way.
func TestNamesThatCannotBe(t *testing.T) {
	for _, name := range []string{
		"", "-", "*", "...", " alice", "alice ", "a  b", "ali\tce", "ali\u00a0ce", "ali\u3000ce", "alice\x00", "alice\x7f", "ali\u200bce", "ali\u00adce", "\u202ealice", "\ufeffalice",
		"\uff41lice", "\ufb01nn", "\u212aate", "\u017fam", "a\u2160", "jo\xccrg", strings.Repeat("a", 257),
	} {
		if validName(name) {
			t.Errorf("%q counts as a name", name)
		}
	}
	for _, name := range []string{"alice", "jörg", "jo\u0308rg", "a b", "a.b-c_d", "josé@corp.example", `CORP\alice`, "\u4f60\u597d", "o'brien", "weird(*)"} {
		if !validName(name) {
			t.Errorf("%q counts as none", name)
		}
	}
}

// A server must not be asked about a name or a password that it could take for
// something else; RFC 4513, section 5.1.2.
func TestImpossibleCredentialsReachNoServer(t *testing.T) {
	s := start(t, ldaptest.Config{})
	b := open(t, configFor(t, s))
	for _, c := range []struct{ user, password, want string }{
		{"alice", "", "wrong"}, {"alice", "secret\x00", "wrong"}, {"alice", strings.Repeat("x", 1025), "wrong"},
		{"", alicePass, "unknown"}, {"alice\x00", alicePass, "unknown"}, {"al\xffice", alicePass, "unknown"}, {"alice\n", alicePass, "unknown"},
	} {
		if _, got := authenticate(t, b, c.user, c.password); got != c.want {
			t.Errorf("user %.20q password %.20q: got %s, want %s", c.user, c.password, got, c.want)
		}
	}
	if n := s.Count(ldaptest.Connect); n != 0 {
		t.Errorf("the server saw %d connections, want none", n)
	}
}

func TestNameOfTwoEntriesIsRefused(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: append(company(),
		person("dup1", alicePass, "mail", "dup@corp.example"), person("dup2", alicePass, "mail", "dup@corp.example"),
		person("dup3", alicePass, "mail", "dup@corp.example"),
		person("pair1", alicePass, "mail", "pair@corp.example"), person("pair2", alicePass, "mail", "pair@corp.example"))})
	c := configFor(t, s)
	c.UserFilter = "(mail={user})"
	b := open(t, c)
	if _, got := authenticate(t, b, "dup@corp.example", alicePass); got != "wrong" {
		t.Errorf("got %s, want wrong", got)
	}
	if id, got := authenticate(t, b, "pair@corp.example", alicePass); got != "wrong" {
		t.Errorf("just two: got %+v, %s, want wrong", id, got)
	}
	if n := s.Count(ldaptest.Bind); n != 1 {
		t.Errorf("the server saw %d binds, want that of the service account", n)
	}
	if id, got := authenticate(t, b, "dup1@corp.example", alicePass); id.User != "dup1" {
		t.Errorf("login by mail: got %+v, %s", id, got)
	}
}

func TestSeveralBasesAreOneSpace(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: append(company(), ldaptest.Entry{DN: "uid=bob,ou=other," + base, Password: alicePass,
		Attributes: map[string][]string{"objectClass": {"person"}, "uid": {"bob"}}})})
	c := configFor(t, s)
	c.UserBases = []string{"ou=people," + base, "OU=Other, " + base}
	b := open(t, c)
	if _, got := authenticate(t, b, "bob", alicePass); got != "wrong" {
		t.Errorf("bob, who is in both: got %s, want wrong", got)
	}
	if _, got := authenticate(t, b, "alice", alicePass); got != "in" {
		t.Errorf("alice, who is in one: got %s", got)
	}
	c.UserBases = []string{base, "ou=people," + base}
	if _, got := authenticate(t, open(t, c), "alice", alicePass); got != "in" {
		t.Errorf("bases that overlap: got %s, want in", got)
	}
	c.UserBases, c.UserScope = []string{base}, "one"
	if _, got := authenticate(t, open(t, c), "alice", alicePass); got != "unknown" {
		t.Errorf("scope one above her: got %s, want unknown", got)
	}
	c.UserBases = []string{"ou=absent," + base}
	if _, got := authenticate(t, open(t, c), "alice", alicePass); got != "fault" {
		t.Errorf("base that is not there: got %s, want fault", got)
	}
}

// A directory that matches more than this package calls equal must not decide
// who is meant.
func TestEntryOfAnotherNameIsRefused(t *testing.T) {
	f, err := parseUserFilter("(&(objectClass=person)(|(uid={user})(proxyAddresses=smtp:{user})))")
	if err != nil {
		t.Fatal(err)
	}
	entry := ldap.NewEntry("uid=jörg", map[string][]string{"UID": {"JÖRG"}, "proxyAddresses": {"SMTP:j@corp.example"}})
	for typed, want := range map[string]bool{"jörg": true, "jo\u0308rg": true, "JÖRG": true, "j@corp.example": true, "jorg": false, "smtp:j@corp.example": false, "j": false} {
		l, ok := parseLogin(typed, nil)
		if !ok || f.admits(entry, l) != want {
			t.Errorf("%q: got %v, want %v", typed, !want, want)
		}
	}
}

func TestServerThatFindsAnotherNameLetsNobodyIn(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: append(company(), person("jörg", alicePass))})
	c := configFor(t, s)
	c.UserFilter = "(&(objectClass=person)(|(uid={user})(!(uid=*))(cn=jörg)))" // finds jörg whoever is asked for
	b := open(t, c)
	if id, got := authenticate(t, b, "jorg", alicePass); got != "unknown" {
		t.Errorf("jorg: got %+v, %s, want unknown", id, got)
	}
	if _, got := authenticate(t, b, "jörg", alicePass); got != "in" {
		t.Errorf("jörg: got %s, want in", got)
	}
}

func TestNameOfAnEntryMustBeOne(t *testing.T) {
	tests := []struct {
		dn    string
		names []string
		want  string
	}{
		{"uid=alice,dc=x", []string{"alice"}, "alice"},
		{"uid=alice,dc=x", []string{"bob", "alice"}, "alice"},
		{"uid=ALICE,dc=x", []string{"bob", "alice"}, "alice"},
		{"cn=alice,dc=x", []string{"bob", "alice"}, ""},
		{"uid=alice,dc=x", nil, ""},
		{"uid=alice,dc=x", []string{"ali\u200bce"}, ""},
		{"uid=alice,dc=x", []string{""}, ""},
		{"uid=alice,dc=x", []string{"al\nice"}, ""},
	}
	for _, tt := range tests {
		got, err := singleName(ldap.NewEntry(tt.dn, map[string][]string{"uid": tt.names}), "uid")
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s with %q: got %q, %v, want %q", tt.dn, tt.names, got, err, tt.want)
		}
	}
}

// adCompany is a domain of Active Directory.
func adCompany() []ldaptest.Entry {
	user := func(cn, upn, password string, rid uint32, more ...string) ldaptest.Entry {
		e := ldaptest.Entry{DN: "CN=" + cn + ",CN=Users," + base, Password: password, Attributes: map[string][]string{
			"objectClass": {"top", "person", "user"}, "objectCategory": {"person"}, "sAMAccountName": {cn}, "userPrincipalName": {upn},
			"mail": {cn + "@mail.example"}, "objectSid": {ldaptest.SID(rid)}, "primaryGroupID": {"513"},
		}}
		for i := 0; i+1 < len(more); i += 2 {
			e.Attributes[more[i]] = []string{more[i+1]}
		}
		return e
	}
	group := func(cn string, rid uint32, members ...string) ldaptest.Entry {
		return ldaptest.Entry{DN: "CN=" + cn + ",OU=Groups," + base, Attributes: map[string][]string{
			"objectClass": {"top", "group"}, "cn": {cn}, "sAMAccountName": {cn}, "objectSid": {ldaptest.SID(rid)}, "member": members,
		}}
	}
	dn := func(cn string) string { return "CN=" + cn + ",CN=Users," + base }
	groupDN := func(cn string) string { return "CN=" + cn + ",OU=Groups," + base }
	dist := group("dist", 1205, dn("alice"))
	dist.Attributes["groupType"] = []string{"2"}
	return []ldaptest.Entry{
		{DN: base}, {DN: "CN=Users," + base}, {DN: "OU=Groups," + base},
		user("svc", "svc@corp.example", svcPass, 1100),
		user("alice", "alice@corp.example", alicePass, 1101),
		user("altupn", "alt.name@other.example", alicePass, 1102),
		user("dave", "dave@corp.example", alicePass, 1103, "primaryGroupID", "1204"),
		group("Domain Users", 513), group("dev", 1201, dn("alice"), groupDN("backend")), group("backend", 1202, dn("dave")), group("all", 1203, groupDN("dev")),
		group("primary", 1204), dist,
	}
}

func adConfig(t testing.TB, s *ldaptest.Server) Config {
	c := configFor(t, s)
	c.Preset, c.BindDN, c.Domains = "activedirectory", "CN=svc,CN=Users,"+base, []string{"corp.example", "CORP"}
	return c
}

func TestActiveDirectoryFormsOfANameAreOneIdentity(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: adCompany(), ActiveDirectory: true})
	b := open(t, adConfig(t, s))
	for typed, want := range map[string]string{
		"alice": "alice", "ALICE": "alice", "alice@corp.example": "alice", "Alice@CORP.EXAMPLE": "alice", `CORP\alice`: "alice", `corp\ALICE`: "alice",
		"alice@CORP": "alice", "alice@mail.example": "alice", "altupn": "altupn", "altupn@corp.example": "altupn", "alt.name@other.example": "altupn",
		`OTHER\alice`: "unknown", `corp.example\alice`: "alice", "alice@other.example": "unknown", `CORP\CORP\alice`: "unknown",
		`CORP\`: "unknown", `\alice`: "unknown", "@corp.example": "unknown", `CORP\alice@corp.example`: "unknown",
	} {
		id, got := authenticate(t, b, typed, alicePass)
		if got == "in" {
			got = id.User
			if c := b.CanonicalUser(typed); !strings.Contains(typed, "mail.") && !strings.Contains(typed, "other.") && c != id.User {
				t.Errorf("CanonicalUser(%q): got %q, want %q", typed, c, id.User)
			}
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}

func TestUserBoundByTemplateIsTheEntryFound(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.BindDN, c.BindPassword, c.BindTemplate = "", nil, "uid={user},ou=people,"+base
	b := open(t, c)
	id, got := authenticate(t, b, "Alice", alicePass)
	if want := (backend.Identity{User: "alice", Handle: uidDN("alice"), Anchor: anchorIn(t, s, "alice")}); id != want {
		t.Errorf("got %+v, %s, want %+v", id, got, want)
	}
	if n := s.Count(ldaptest.Bind); n != 1 {
		t.Errorf("the server saw %d binds, want 1", n)
	}
	groups, err := b.Groups(t.Context(), id)
	wantGroups(t, groups, err, "all", "dev")
	if _, err := b.Groups(t.Context(), backend.Identity{User: "bob", Handle: uidDN("bob")}); verdict(err) != "unavailable" {
		t.Errorf("groups of somebody who did not log in: got %v", err)
	}
	for typed, want := range map[string]string{"alice,ou=people": "wrong", "alice+cn=x": "wrong", "bob": "wrong"} {
		if _, got := authenticate(t, b, typed, alicePass); got != want {
			t.Errorf("%q: got %s, want %s", typed, got, want)
		}
	}
	c.UserFilter = "(title=Developer-{user})"
	if err := s.Set(person("bob", "bob-5ecret", "title", "Developer-alice")); err != nil {
		t.Fatal(err)
	}
	if id, got := authenticate(t, open(t, c), "alice", alicePass); got != "fault" {
		t.Errorf("bound as alice, found bob: got %+v, %s, want a fault", id, got)
	}
}

// With an account that searches, too, a template binds nobody but the entry found.
func TestTemplateForAnotherPlaceIsRefused(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: append(company(), ldaptest.Entry{DN: "uid=zoe,ou=other," + base, Password: "zoe-5ecret",
		Attributes: map[string][]string{"objectClass": {"person"}, "uid": {"zoe"}}},
		ldaptest.Entry{DN: uidDN("zoe"), Password: alicePass, Attributes: map[string][]string{"objectClass": {"device"}}})})
	c := configFor(t, s)
	c.BindTemplate = "uid={user},ou=people," + base
	b := open(t, c)
	if id, got := authenticate(t, b, "zoe", alicePass); got != "unknown" {
		t.Errorf("bound as one zoe, found as another: got %+v, %s, want unknown", id, got)
	}
	if n := userBinds(s); n != 0 {
		t.Errorf("she was bound %d times", n)
	}
	if id, got := authenticate(t, b, "Alice", alicePass); id.Handle != uidDN("alice") {
		t.Errorf("alice: got %+v, %s", id, got)
	}
}

func TestTemplateEscapesNames(t *testing.T) {
	for _, tt := range []struct{ template, typed, want string }{
		{"uid={user},dc=x", "alice", "uid=alice,dc=x"},
		{"uid={user},dc=x", "x,ou=admin", `uid=x\,ou=admin,dc=x`},
		{"uid={user},dc=x", "x+cn=y", `uid=x\+cn=y,dc=x`},
		{"uid={user},dc=x", `#"<>;\`, `uid=\#\"\<\>\;\\,dc=x`},
		{"uid={user},dc=x", "*()", "uid=*(),dc=x"},
		{"{user}@corp.example", "o'brien", "o'brien@corp.example"},
		{`CORP\{user}`, "alice", `CORP\alice`},
		{"{user}@corp.example", "alice@evil.example", ""},
		{`CORP\{user}`, `EVIL\alice`, ""},
	} {
		b := &Backend{config: Config{BindTemplate: tt.template}}
		got, err := b.bindName(login{user: tt.typed, account: tt.typed})
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s with %s: got %q, %v, want %q", tt.template, tt.typed, got, err, tt.want)
		}
	}
}

// Who has alice@corp.example as the principal name must not become the alice
// whose account name that is.
func TestPrincipalNameOfSomebodyElseIsRefused(t *testing.T) {
	entries := adCompany()
	mallory := entries[4]
	mallory.DN, mallory.Password = "CN=mallory,CN=Users,"+base, "mallory-5ecret"
	mallory.Attributes = map[string][]string{"objectClass": {"user"}, "objectCategory": {"person"}, "sAMAccountName": {"mallory"}, "userPrincipalName": {"alice@corp.example"}}
	entries[4].Attributes["userPrincipalName"] = []string{"alice@elsewhere.example"}
	s := start(t, ldaptest.Config{Entries: append(entries, mallory), ActiveDirectory: true})
	c := adConfig(t, s)
	c.BindDN, c.BindPassword, c.BindTemplate = "", nil, "{user}@corp.example"
	c.UserFilter = "(sAMAccountName={account})"
	b := open(t, c)
	if id, got := authenticate(t, b, "alice", "mallory-5ecret"); got == "in" {
		t.Errorf("mallory logged in as %+v", id)
	}
	if id, got := authenticate(t, b, "dave", alicePass); id.User != "dave" {
		t.Errorf("dave: got %+v, %s", id, got)
	}
	if _, got := authenticate(t, b, "dave@elsewhere.example", alicePass); got != "unknown" {
		t.Errorf("a second domain in the template: got %s, want unknown", got)
	}
}

// Who is found by an address must not pass for another entry of the same name.
func TestAddressDoesNotGiveTheNameOfAnother(t *testing.T) {
	mallory := ldaptest.Entry{DN: "uid=alice,ou=other," + base, Password: "mallory-5ecret", Attributes: map[string][]string{
		"objectClass": {"person"}, "uid": {"alice"}, "mail": {"mallory@corp.example"}}}
	s := start(t, ldaptest.Config{Entries: append(company(), mallory)})
	for _, filter := range []string{"(mail={user})", "(&(objectClass=person)(|(uid={user})(mail={user})))", "(mail=*{user})"} {
		c := configFor(t, s)
		c.UserFilter = filter
		b := open(t, c)
		if id, got := authenticate(t, b, "mallory@corp.example", "mallory-5ecret"); got != "wrong" {
			t.Errorf("%s: mallory: got %+v, %s, want wrong", filter, id, got)
		}
		if id, got := authenticate(t, b, "bob@corp.example", "bob-5ecret"); id.User != "bob" {
			t.Errorf("%s: bob: got %+v, %s, want bob", filter, id, got)
		}
	}
	if n := userBindsOf(s, "alice"); n != 0 {
		t.Errorf("somebody was bound as alice %d times", n)
	}
}
