package ldap

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// doubt is what is known of the groups of a user of whom not all can be.
type doubt struct {
	code       fault.Code // empty if all are known
	shortNames bool
	ruledOut   []string
}

// checkDoubt asks for the groups of alice where rules name some.
func checkDoubt(t *testing.T, c Config, rules []string, want doubt, groups ...string) {
	t.Helper()
	b := open(t, c)
	b.Expect(rules)
	id, v := authenticate(t, b, "alice", realPass)
	if v != "in" {
		t.Fatalf("alice: got %s", v)
	}
	for range 2 { // the second time from what is remembered
		got, err := b.Groups(t.Context(), id)
		e := backend.IncompleteOf(err)
		if e == nil {
			e = &backend.Incomplete{}
		}
		if fault.Of(err) != want.code || e.ShortNames != want.shortNames || !slices.Equal(e.RuledOut, want.ruledOut) {
			t.Errorf("%s: got %v (%s), short names alone: %v, ruled out: %q, want %+v", c.BindDN, err, fault.Of(err), e.ShortNames, e.RuledOut, want)
		}
		wantGroups(t, got, nil, groups...)
	}
}

// TestLDAP8NameOfAGroupThatCannotBeRead has an account that may not read what the group
// of a user is called: "not group banned" must not let its members in, also where another
// group that can be read has that name. A group without a name is no secret.
func TestLDAP8NameOfAGroupThatCannotBeRead(t *testing.T) {
	describe := func(t *testing.T, o office, group, name string) {
		t.Helper()
		m := ldap.NewModifyRequest("cn="+group+","+o.groups, nil)
		m.Replace("description", []string{name})
		o.do(t, o.admin.Modify(m))
	}
	rules := []string{"banned", "present", "absent"}
	t.Run("slapd", func(t *testing.T) {
		s := startSlapd(t)
		o := s.office(t)
		describe(t, o, "dev", "Banned")
		describe(t, o, "core", "Present")
		c := o.config
		c.GroupNameAttr = "description"
		checkDoubt(t, c, rules, doubt{}, "banned")
		c.BindDN = "cn=limited,ou=system," + base // which may not read the description of dev
		checkDoubt(t, c, rules, doubt{code: "ldap.groups.unreadable", shortNames: true})
		describe(t, o, "core", "Banned") // which can be seen, and has no part in it
		checkDoubt(t, c, rules, doubt{code: "ldap.groups.unreadable", shortNames: true})
		f := find(examine(t, c, backend.Examination{User: "alice"}), "groups", "")
		if !f.Failed || f.Code != "ldap.groups.unreadable" {
			t.Errorf("doctor: got %+v", f)
		}
	})
	t.Run("389", func(t *testing.T) {
		o := startDS389(t).office(t)
		describe(t, o, "dev", "Banned")
		describe(t, o, "core", "Present")
		o.blind(t, "nameless", "description")
		c := o.config
		c.GroupNameAttr = "description"
		checkDoubt(t, c, rules, doubt{}, "banned")
		c.BindDN = "cn=nameless,ou=system," + base
		checkDoubt(t, c, rules, doubt{code: "ldap.groups.unreadable", shortNames: true})
	})
	t.Run("samba", func(t *testing.T) {
		s := startSamba(t)
		o := s.office(t)
		describe(t, o, "dev", "Banned")
		describe(t, o, "core", "Present")
		c := o.config
		c.GroupNameAttr = "description"
		describe(t, o, "all", "Everybody")
		checkDoubt(t, c, rules, doubt{}, "banned", "everybody")
		s.deny(t, "CN=dev,"+o.groups, "OD;;RP;"+descriptionOfAD+";")
		checkDoubt(t, c, rules, doubt{code: "ldap.groups.unreadable", shortNames: true}, "everybody")
	})
}

// descriptionOfAD is the schemaIDGUID of the attribute description.
const descriptionOfAD = "bf967950-0de6-11d0-a285-00aa003049e2"

// deny forbids the service account something about an entry; [MS-DTYP], section 2.5.1.
func (s *samba) deny(t *testing.T, name, rights string) {
	t.Helper()
	c := s.config(t)
	entries, err := open(t, c).asService(t.Context(), query{base: realSvc, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"objectSid"}})
	if err != nil || len(entries) != 1 {
		t.Fatalf("got %v, %v", entries, err)
	}
	ace := fmt.Sprintf("(%s;%s)", rights, sidText(first(entries[0], "objectSid")))
	run(t, program(t, "samba-tool", "apt-get install samba"), "dsacl", "set", "-s", filepath.Join(s.dir, "etc/smb.conf"),
		"-H", filepath.Join(s.dir, "private/sam.ldb"), "--objectdn="+name, "--sddl="+ace)
}

// TestLDAP8GroupsThatNoSearchFinds hides the place of a group from the service account of
// a domain controller. The token of a user has it, and nobody can say which group it is.
func TestLDAP8GroupsThatNoSearchFinds(t *testing.T) {
	s := startSamba(t)
	o := s.office(t)
	place := ldap.NewAddRequest("OU=Secret,"+o.groups, nil)
	place.Attribute("objectClass", []string{"organizationalUnit"})
	o.do(t, o.admin.Add(place))
	hidden := o
	hidden.groups = place.DN
	hidden.join(t, "banned", "CN=alice,"+o.here)
	c := o.config
	rules := []string{"banned", "core", "CN=Core," + o.groups, "dev", "CN=banned," + place.DN}
	checkDoubt(t, c, rules, doubt{}, "dev", "all", "banned")
	s.deny(t, place.DN, "D;CI;RPLCLORC;;")
	want := doubt{code: "ldap.groups.hidden", ruledOut: []string{"cn=core," + canonicalDN(o.groups)}} // it may share the name of one that can be seen
	checkDoubt(t, c, rules, want, "dev", "all")
	generic := c // without the preset
	generic.Preset, generic.Domains, generic.UserFilter, generic.UserNameAttr = "", nil, "(sAMAccountName={user})", "sAMAccountName"
	generic.GroupMode, generic.GroupFilter = groupsSearch, "(&(objectClass=group)(!(cn=dist)))"
	checkDoubt(t, generic, rules, doubt{code: want.code}, "dev", "all")
	generic.GroupBases, generic.GroupFilter = []string{"CN=all," + o.groups, "CN=dev," + o.groups}, "(&(objectClass=group)(cn=all))"
	checkDoubt(t, generic, rules, doubt{}) // and dev, which can be seen, is none
	searching := c
	searching.GroupMode = groupsSearch
	checkDoubt(t, searching, rules, doubt{code: want.code}, "dev", "dist", "all")
	if f := find(examine(t, searching, backend.Examination{User: "alice"}), "groups", ""); f.Code != want.code || !strings.Contains(fmt.Sprint(f), "banned") {
		t.Errorf("doctor, where groups are searched for: got %+v", f)
	}
	checkChain(t, c, groupsInChain)
	full := c
	c.GroupBases = []string{realBase}                             // where there are those that every system has, too
	checkDoubt(t, c, rules, want, "all", "domain users", "users") // and dev is the name of several
	s.deny(t, "CN=Domain Users,CN=Users,"+realBase, "D;;RPLCLORC;;")
	c.GroupMode = groupsSearch
	c.GroupFilter = "(&(objectClass=group)(!(cn=dist)))"
	checkDoubt(t, c, rules, doubt{code: want.code}, "all") // and it may be in any that can be seen
	m := ldap.NewModifyRequest("CN=banned,"+place.DN, nil)
	m.Replace("member", []string{"CN=dev," + o.groups})
	o.do(t, o.admin.Modify(m))
	checkChain(t, full, groupsMemberOf, groupsSearch, groupsInChain)
}

// checkChain asks in each mode for the groups of alice, who is in a group by way of one that
// the account may not read, or is in that. Where Samba follows members of members, it passes
// over other groups too, and not always the same.
func checkChain(t *testing.T, c Config, modes ...string) {
	t.Helper()
	for _, mode := range modes {
		c.GroupMode = mode
		b := open(t, c)
		b.Expect([]string{"dist", "core", "dev"})
		id, _ := authenticate(t, b, "alice", realPass)
		groups, err := b.Groups(t.Context(), id)
		e := backend.IncompleteOf(err)
		if e == nil || fault.Of(err) != "ldap.groups.hidden" || e.ShortNames || slices.ContainsFunc([]string{"dist", "dev"}, func(name string) bool { return slices.Contains(e.RuledOut, name) }) {
			t.Errorf("%s: got %q, %v (%s), want that nobody can say whether there are others", mode, groups, err, fault.Of(err))
		}
	}
}

// TestLDAP8OneGroupWhoseMembersCannotBeRead has an account that may not ask for the
// members of one group, loopb, which is in loopa. Rules about other groups are decided.
func TestLDAP8OneGroupWhoseMembersCannotBeRead(t *testing.T) {
	s := startSlapd(t)
	c := s.config(t)
	c.GroupMode, c.BindDN = groupsSearch, "cn=limited,ou=system,"+base
	checkDoubt(t, c, []string{"dev", "core", "CN=core,ou=groups," + base}, doubt{}, "dev", "all")
	rules := []string{"loopa", "loopb", "dev", "core", "CN=core,ou=groups," + base, "cn=loopa,ou=groups," + base}
	checkDoubt(t, c, rules, doubt{code: "ldap.groups.unreadable", ruledOut: []string{"cn=core,ou=groups," + base, "core", "dev"}}, "dev", "all")
}

// TestLDAP8GroupInAGroupWhoseMembersCannotBeRead has rules about loopa alone, and not
// about loopb in it, whose members an account may not ask for: who is in loopb is in loopa.
func TestLDAP8GroupInAGroupWhoseMembersCannotBeRead(t *testing.T) {
	check := func(t *testing.T, c Config, groups string) {
		t.Helper()
		full := "CN=core," + groups
		c.GroupMode = groupsSearch
		rules := []string{"loopa", "dev", "core", full}
		want := doubt{code: "ldap.groups.unreadable", ruledOut: []string{canonicalDN(full), "core", "dev"}}
		checkDoubt(t, c, []string{"dev", "core"}, doubt{}, "dev", "all")
		checkDoubt(t, c, rules, want, "dev", "all")
		remarks, err := open(t, c).Survey(t.Context(), rules)
		if r := remarkOn(remarks, "groups in loopa"); err != nil || r.Code != want.code || !strings.Contains(r.Text, "loopb") {
			t.Errorf("got %+v, %v, want a remark on loopa", remarks, err)
		}
		if r := remarkOn(remarks, "groups in dev"); r.Text != "" {
			t.Errorf("got %+v, want nothing on dev", r)
		}
		c.DirectGroups = true // then loopb in loopa does not count
		checkDoubt(t, c, rules, doubt{}, "dev")
	}
	t.Run("slapd", func(t *testing.T) {
		c := startSlapd(t).config(t)
		c.BindDN = "cn=limited,ou=system," + base
		c.GroupFilter = "(&(objectClass=groupOfNames)(!(cn=many*)))" // of which it may see fewer than there are
		check(t, c, "ou=groups,"+base)
		c.GroupFilter = "" // all of these come in parts
		check(t, c, "ou=groups,"+base)
		c.GroupMode = groupsSearch
		c.BindDN, c.GroupFilter = "cn=blind,ou=system,"+base, "(&(objectClass=groupOfNames)(|(cn=dev)(cn=many1*)(cn=many2*)))"
		checkTooManyBlind(t, c, "dev", "members of cn=dev,ou=groups,"+base)
	})
	t.Run("389", func(t *testing.T) {
		o := startDS389(t).office(t)
		m := ldap.NewModifyRequest("cn=loopb,"+o.groups, nil)
		m.Add("aci", []string{`(targetattr = "member")(version 3.0; acl "secret"; deny (read, search, compare) userdn = "ldap:///` + o.config.BindDN + `";)`})
		o.do(t, o.admin.Modify(m))
		check(t, o.config, o.groups)
	})
}

// checkTooManyBlind: where there are so many groups whose members cannot be asked for that
// these are not followed to the groups of rules, the survey says so.
func checkTooManyBlind(t *testing.T, c Config, rule, subject string) {
	t.Helper()
	remarks, err := open(t, c).Survey(t.Context(), []string{rule})
	if r := remarkOn(remarks, "groups in groups"); err != nil || !strings.Contains(r.Text, "could not be found out") || r.Advice == "" {
		t.Errorf("got %+v, %v", remarks, err)
	}
	if r := remarkOn(remarks, subject); subject != "" && r.Code != "ldap.groups.unreadable" {
		t.Errorf("got %+v, want a remark on %s", remarks, subject)
	}
}

// Where groups are searched for and the entry of a user names none, doctor says that there
// may be groups which nobody sees.
func TestLDAP8DoctorSaysWhatNoSearchCanTell(t *testing.T) {
	c := startSlapd(t).config(t)
	c.GroupMode = groupsSearch
	if f := find(examine(t, c, backend.Examination{User: "alice"}), "groups", ""); f.Failed || !strings.Contains(f.Text, "nobody can tell whether there are groups that it cannot see") {
		t.Errorf("got %+v", f)
	}
}

// TestLDAP8GroupThatNoSearchForMembersFinds hides a group of a user, or one that a group of
// the user is in, from an account that searches for groups by their members. The entries of
// the user and of the group name it: it may be what a rule means.
func TestLDAP8GroupThatNoSearchForMembersFinds(t *testing.T) {
	check := func(t *testing.T, o office, c Config) {
		t.Helper()
		full := "CN=core," + o.groups
		c.GroupMode, c.GroupBases = groupsSearch, []string{o.groups}
		rules := []string{"secret", "core", full, "dev", "cn=secret," + o.groups}
		want := doubt{code: "ldap.groups.hidden"} // and it may be in any that can be seen
		if c.Preset == "389ds" {                  // where memberOf would have that one, too
			want.ruledOut = []string{canonicalDN(full), "core", "dev"}
		}
		checkDoubt(t, c, rules, want, "dev", "all")
		if f := find(examine(t, c, backend.Examination{User: "alice"}), "groups", ""); !f.Failed || f.Code != want.code || !strings.Contains(fmt.Sprint(f), "cn=secret,") {
			t.Errorf("doctor: got %+v", f)
		}
		c.DirectGroups = true
		want.ruledOut = []string{canonicalDN(full), "core", "dev"}
		checkDoubt(t, c, rules, want, "dev")
		c.GroupFilter = "(&(objectClass=" + o.team[0] + ")(!(cn=dev)))" // dev is none then, and can be seen
		want.ruledOut = []string{canonicalDN(full), "core"}
		checkDoubt(t, c, rules, want)
	}
	closed := func(t *testing.T, o office, c Config) { // seen, and not what it is called or who is in it
		t.Helper()
		o.do(t, o.admin.Del(ldap.NewDelRequest("cn=secret,"+o.groups, nil)))
		o.join(t, "closed", uidDN("alice"))
		c.GroupMode, c.GroupBases = groupsSearch, []string{o.groups}
		rules := []string{"closed", "core"} // by the DN it would be found beforehand that nobody can say who is in it
		checkDoubt(t, c, rules, doubt{code: "ldap.groups.hidden"}, "dev", "all")
		c.DirectGroups = true
		checkDoubt(t, c, rules, doubt{code: "ldap.groups.hidden", ruledOut: []string{"core"}}, "dev")
	}
	nested := func(t *testing.T, o office, c Config) { // alice is in dev, and dev in secret
		t.Helper()
		o.do(t, o.admin.Del(ldap.NewDelRequest("cn=secret,"+o.groups, nil)))
		o.join(t, "secret", "cn=dev,"+o.groups)
		c.GroupMode, c.GroupBases = groupsSearch, []string{o.groups}
		checkDoubt(t, c, []string{"secret", "core"}, doubt{code: "ldap.groups.hidden"}, "dev", "all")
		c.DirectGroups = true // then it does not count
		checkDoubt(t, c, []string{"secret", "core"}, doubt{}, "dev")
	}
	t.Run("slapd", func(t *testing.T) {
		s := startSlapd(t)
		o := s.office(t)
		o.join(t, "secret", uidDN("alice"))
		c := o.config
		checkDoubt(t, c, []string{"secret", "core"}, doubt{}, "dev", "all", "secret")
		c.BindDN = "cn=limited,ou=system," + base
		check(t, o, c)
		nested(t, o, c)
		closed(t, o, c)
	})
	t.Run("389", func(t *testing.T) {
		o := startDS389(t).office(t)
		o.join(t, "secret", o.dn("alice", o.here))
		c := o.config
		c.GroupMode = groupsSearch
		checkDoubt(t, c, []string{"secret", "core"}, doubt{}, "dev", "all", "secret")
		m := ldap.NewModifyRequest("cn=secret,"+o.groups, nil)
		m.Add("aci", []string{`(targetattr = "*")(version 3.0; acl "secret"; deny (read, search, compare) userdn = "ldap:///` + o.config.BindDN + `";)`})
		o.do(t, o.admin.Modify(m))
		check(t, o, c)
	})
}
