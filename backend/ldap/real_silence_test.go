package ldap

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/fault"
)

// TestLDAP8NoSilentNo asks real directories in ways that have no answer, which each of
// them says in its own way: by an empty result, by a code, by a part of the whole.
func TestLDAP8NoSilentNo(t *testing.T) {
	t.Run("slapd", func(t *testing.T) {
		s := startSlapd(t)
		o := s.office(t)
		o.checkSilence(t, true)
		o.checkBlind(t, "cn=blind,ou=system,"+base)
		o.checkSurvey(t, "cn=blind,ou=system,"+base)
	})
	t.Run("389", func(t *testing.T) {
		s := startDS389(t)
		o := s.office(t)
		o.checkSilence(t, false)
		o.blind(t, "blind", "title || memberOf")
		o.blind(t, "blinder", "member || nsUniqueId || entryUUID || pwdUpdateTime || passwordExpirationTime")
		o.checkSurvey(t, "cn=blinder,ou=system,"+base)
		o.checkBlind(t, "cn=blind,ou=system,"+base)
		o.checkBlindMemberOf(t, "cn=blind,ou=system,"+base)
		o.blind(t, "blindest", "member || memberOf")
		o.checkBlindest(t, "cn=blindest,ou=system,"+base)
		o.checkLimits(t, "cn=blind,ou=system,"+base)
	})
	t.Run("samba", func(t *testing.T) {
		s := startSamba(t)
		o := s.office(t)
		o.checkSilence(t, false)
		o.checkSurvey(t, "")
	})
}

// silence is a question, and what has to come of it.
type silence struct {
	change       func(*Config)
	user, groups fault.Code // of the failure of a login and of the groups; empty for none
	shortNames   bool       // the groups lack short names alone
}

// checkSilence asks for what the schema does not have and below what is not there.
func (o office) checkSilence(t *testing.T, strict bool) {
	const unknown fault.Code = "ldap.schema.unknown"
	negated := unknown // of a filter with "not" and an attribute that the server does not know
	if !strict {
		negated = ""
	}
	and := func(filter, more string) string { return "(&" + filter + more + ")" }
	rows := map[string]silence{
		"user_filter, required":    {change: func(c *Config) { c.UserFilter = and(c.UserFilter, "(noSuchAttribute=x)") }, user: unknown},
		"user_filter, negated":     {change: func(c *Config) { c.UserFilter = and(c.UserFilter, "(!(noSuchAttribute=x))") }, user: negated},
		"user_filter, alternative": {change: func(c *Config) { c.UserFilter = "(|(noSuchAttribute={user})" + c.UserFilter + ")" }},
		"user_filter, class":       {change: func(c *Config) { c.UserFilter = and(c.UserFilter, "(objectClass=noSuchClass)") }, user: unknown},
		"group_filter":             {change: func(c *Config) { c.GroupFilter = and(c.GroupFilter, "(!(noSuchAttribute=x))") }, groups: unknown},
		"group_filter, class":      {change: func(c *Config) { c.GroupFilter = "(objectClass=noSuchClass)" }, groups: unknown},
		"group_filter, classes":    {change: func(c *Config) { c.GroupFilter = "(|(objectClass=noSuchClass)" + c.GroupFilter + ")" }},
		"group_member_attrs": {change: func(c *Config) {
			c.GroupMode, c.GroupMemberAttrs = groupsSearch, []string{"member", "uniqueMembr"}
		}, groups: unknown},
		"group_name_attr": {change: func(c *Config) { c.GroupNameAttr = "noSuchAttribute" }, groups: unknown, shortNames: true},
		"filter_group": {change: func(c *Config) {
			c.FilterGroups = []struct{ Name, Filter string }{{"odd", "(noSuchAttribute=x)"}}
		}, groups: unknown, shortNames: true},
		"user base":  {change: func(c *Config) { c.UserBases = []string{"ou=gone," + c.UserBases[0]} }, user: "ldap.search.no_base"},
		"group base": {change: func(c *Config) { c.GroupMode, c.GroupBases = groupsSearch, []string{"ou=gone," + o.groups} }, groups: "ldap.search.no_base"},
		"all is well": {change: func(c *Config) {
			c.FilterGroups = []struct{ Name, Filter string }{{"managers", "(title=Manager)"}}
		}},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			c := o.config
			c.UserFilter, c.GroupFilter = c.complete().UserFilter, c.complete().GroupFilter
			row.change(&c)
			row.check(t, open(t, c))
		})
	}
}

func (s silence) check(t *testing.T, b *Backend) {
	t.Helper()
	id, err := b.Authenticate(t.Context(), "alice", realPass)
	if fault.Of(err) != s.user || err != nil && backend.Refused(err) {
		t.Fatalf("login: got %v (%s), want the code %q, and no refusal", err, fault.Of(err), s.user)
	}
	if err != nil {
		return
	}
	if _, err := b.Authenticate(t.Context(), "nobody", realPass); verdict(err) != "unknown" {
		t.Errorf("login of nobody: got %v, want unknown", err)
	}
	_, err = b.Groups(t.Context(), id)
	if fault.Of(err) != s.groups {
		t.Errorf("groups: got %v (%s), want the code %q", err, fault.Of(err), s.groups)
	}
	if e := backend.IncompleteOf(err); e != nil && e.ShortNames != s.shortNames {
		t.Errorf("groups: got %+v, want short names alone: %v", e, s.shortNames)
	}
}

// blind makes an account that may read all but some attributes.
func (o office) blind(t *testing.T, cn, attributes string) {
	t.Helper()
	name := "cn=" + cn + ",ou=system," + base
	r := ldap.NewAddRequest(name, nil)
	r.Attribute("objectClass", []string{"organizationalRole", "simpleSecurityObject"})
	r.Attribute("cn", []string{cn})
	r.Attribute("userPassword", []string{realSvcPass})
	o.do(t, o.admin.Add(r))
	m := ldap.NewModifyRequest(base, nil)
	m.Add("aci", []string{`(targetattr != "userPassword || ` + attributes + `")(version 3.0; acl "` + cn + `"; allow (read, search, compare) userdn = "ldap:///` + name + `";)`})
	o.do(t, o.admin.Modify(m))
}

// checkBlind asks, as an account that may not read the titles of users, what depends on
// them.
func (o office) checkBlind(t *testing.T, account string) {
	c := o.config
	c.BindDN = account
	c.FilterGroups = []struct{ Name, Filter string }{{"managers", "(title=Manager)"}}
	c.GroupMode = groupsSearch
	t.Run("filter_group on what cannot be read", func(t *testing.T) {
		silence{groups: "ldap.groups.undecided", shortNames: true}.check(t, open(t, c))
	})
	t.Run("user_filter on what cannot be read any more", func(t *testing.T) {
		whole := o.config
		whole.UserFilter = "(&(uid={user})(!(title=Manager)))"
		id, err := open(t, whole).Authenticate(t.Context(), "alice", realPass)
		if err != nil {
			t.Fatal(err)
		}
		whole.BindDN = account
		if now, err := open(t, whole).Revalidate(t.Context(), id); fault.Of(err) != "ldap.user.unreadable" || backend.Refused(err) {
			t.Errorf("got %+v, %v (%s), want that nobody can say", now, err, fault.Of(err))
		}
	})
}

// checkBlindMemberOf asks for groups as an account that may not read memberOf.
func (o office) checkBlindMemberOf(t *testing.T, account string) {
	c := o.config
	c.BindDN = account
	b := open(t, c)
	id, _ := authenticate(t, b, "alice", realPass)
	groups, err := b.Groups(t.Context(), id)
	if fault.Of(err) != "ldap.groups.no_memberof" || backend.IncompleteOf(err) == nil || !strings.Contains(strings.Join(groups, " "), "cn=dev,") {
		t.Errorf("got %q, %v (%s), want the group dev, and that others may be missing", groups, err, fault.Of(err))
	}
	findings := examine(t, c, backend.Examination{User: "alice"})
	if f := find(findings, "groups", ""); f.Code != "ldap.groups.no_memberof" {
		t.Errorf("doctor: got %+v", f)
	}
}

// checkBlindest asks for groups as an account that may read neither memberOf nor who is in
// a group, and as users who may not read their own memberOf. A user in no group is in none.
func (o office) checkBlindest(t *testing.T, account string) {
	m := ldap.NewModifyRequest(base, nil)
	m.Add("aci", []string{`(targetattr != "userPassword || memberOf")(version 3.0; acl "own entry"; allow (read, search, compare) userdn = "ldap:///self";)`})
	o.do(t, o.admin.Modify(m))
	own := func(c *Config) { c.BindDN, c.BindPassword, c.BindTemplate = "", nil, "uid={user},"+o.here }
	for name, change := range map[string]func(*Config){"account": func(c *Config) { c.BindDN = account }, "own rights": own} {
		c := o.config
		c.UserFilter = "(uid={user})"
		change(&c)
		got, err := groupsFor(t, open(t, c), "alice", realPass)
		if wantPart(t, got, err, false); fault.Of(err) != "ldap.groups.unreadable" {
			t.Errorf("%s: got %q, %v (%s), want that nobody can say", name, got, err, fault.Of(err))
		}
	}
	got, err := groupsFor(t, open(t, o.config), "weird(*)", realPass)
	wantGroups(t, got, err)
}

// checkLimits asks for more than the limits of an account allow: of the answer there is
// a part, which is not taken for the whole.
func (o office) checkLimits(t *testing.T, account string) {
	c := o.config
	c.BindDN, c.GroupMode = account, groupsSearch
	for _, limit := range []struct{ attribute, value string }{{"nsSizeLimit", "1"}, {"nsLookThroughLimit", "1"}} {
		t.Run(limit.attribute, func(t *testing.T) {
			m := ldap.NewModifyRequest(account, nil)
			m.Replace(limit.attribute, []string{limit.value})
			o.do(t, o.admin.Modify(m))
			id, err := open(t, o.config).Authenticate(t.Context(), "carol", realPass)
			if err != nil {
				t.Fatal(err)
			}
			groups, err := open(t, c).Groups(t.Context(), id)
			if fault.Of(err) != "ldap.search.incomplete" || groups != nil {
				t.Errorf("got %q, %v (%s), want none, and that the answer is a part", groups, err, fault.Of(err))
			}
			m = ldap.NewModifyRequest(account, nil)
			m.Delete(limit.attribute, nil)
			o.do(t, o.admin.Modify(m))
		})
	}
}

// checkSurvey has a directory say by what its users are told apart, and when passwords
// were changed, to the service account and to one that may not read either.
func (o office) checkSurvey(t *testing.T, blind string) {
	o.hire(t, "max", "Zeroth-Pass0!")
	o.setPassword(t, o.dn("max", o.here), "Zeroth-Pass0!", "First-Pass1!")
	c := o.config
	c.GroupMode = groupsSearch
	until(t, func() bool { // 389 notes the time after it has answered
		remarks, err := open(t, c).Survey(t.Context(), []string{"dev", "CN=All," + o.groups})
		if err != nil {
			t.Fatal(err)
		}
		return !strings.Contains(remarkOn(remarks, "password change").Text, "none of")
	})
	remarks, _ := open(t, c).Survey(t.Context(), []string{"dev", "CN=All," + o.groups})
	if r := remarkOn(remarks, "password change"); !strings.Contains(r.Text, o.changed) || r.Code != "" {
		t.Errorf("got %+v, want %s", r, o.changed)
	}
	if r := remarkOn(remarks, "anchor"); r.Text != "users are told apart by "+o.anchor+", wherever their entries are moved to" || r.Code != "" {
		t.Errorf("got %+v, want %s", r, o.anchor)
	}
	if r := remarkOn(remarks, "schema"); r.Code != "" || len(remarks) != 3 {
		t.Errorf("got %+v, want nothing else", remarks)
	}
	if blind == "" {
		return
	}
	c.BindDN = blind
	b := open(t, c)
	remarks, err := b.Survey(t.Context(), []string{"dev"})
	if err != nil {
		t.Fatal(err)
	}
	if r := remarkOn(remarks, "anchor"); r.Code != "ldap.user.known_by_dn" {
		t.Errorf("an account that may not read identifiers: got %+v", r)
	}
	if r := remarkOn(remarks, "password change"); !strings.Contains(r.Text, "none of") || r.Advice == "" {
		t.Errorf("an account that may not read when passwords were changed: got %+v", r)
	}
	if r := remarkOn(remarks, "members of cn=dev,"+canonicalDN(o.groups)); r.Code != "ldap.groups.unreadable" {
		t.Errorf("an account that may not read members: got %+v", remarks)
	}
	id, _ := authenticate(t, b, "alice", realPass)
	groups, err := b.Groups(t.Context(), id)
	told := []fault.Code{"ldap.groups.unreadable", "ldap.groups.hidden"} // the latter where the user's memberOf tells of it
	if backend.IncompleteOf(err) == nil || !slices.Contains(told, fault.Of(err)) {
		t.Errorf("got %q, %v, want that nobody can say who is in the group dev", groups, err)
	}
}

// remarkOn returns the remark on a subject.
func remarkOn(remarks []backend.Remark, subject string) backend.Remark {
	for _, r := range remarks {
		if r.Subject == subject {
			return r
		}
	}
	return backend.Remark{}
}

// TestCLI2LockedUntil locks an account of a real directory by wrong passwords. Until when
// that is comes from the entry or from the policy.
func TestCLI2LockedUntil(t *testing.T) {
	for name, start := range map[string]func(*testing.T) Config{
		"slapd": func(t *testing.T) Config {
			s := startSlapd(t)
			o := s.office(t)
			for _, policy := range []string{"default", "short", "grace"} { // which one it is, the entry does not show
				m := ldap.NewModifyRequest("cn="+policy+",ou=policies,"+base, nil)
				m.Replace("pwdLockoutDuration", []string{"1800"})
				o.do(t, o.admin.Modify(m))
			}
			return o.config
		},
		"389":   func(t *testing.T) Config { return startDS389(t).office(t).config },
		"samba": func(t *testing.T) Config { return startSamba(t).office(t).config },
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, start(t))
			for range 3 {
				authenticate(t, b, "lockme", wrongGuess)
			}
			id, err := b.Resolve(t.Context(), "lockme")
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.Revalidate(t.Context(), id)
			_, text, ok := strings.Cut(fmt.Sprint(err), "the account is locked until ")
			moment, _, _ := strings.Cut(text, ": ")
			end, parseErr := time.Parse(time.RFC3339, moment)
			if verdict(err) != "locked" || !ok || parseErr != nil || time.Until(end) < 20*time.Minute || time.Until(end) > 2*time.Hour {
				t.Errorf("got %v, want that it is locked, and until when", err)
			}
		})
	}
}
