package ldap

import (
	"testing"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/ldap/ldaptest"
)

// synonymsOf are changes of a configuration to other names of the same attributes. Each
// has alice log in as before.
func synonymsOf(uid, sn, mail, cn, member string) map[string]func(*Config) {
	return map[string]func(*Config){
		"user_name_attr by an alias":    func(c *Config) { c.UserNameAttr = "userid" },
		"user_name_attr by its number":  func(c *Config) { c.UserNameAttr = uid },
		"user_name_attr by the schema":  func(c *Config) { c.UserNameAttr = "surname" },
		"the number of that":            func(c *Config) { c.UserNameAttr = sn },
		"user_filter by aliases":        func(c *Config) { c.UserFilter = "(&(objectClass=person)(|(userid={user})(rfc822Mailbox={user})))" },
		"user_filter by numbers":        func(c *Config) { c.UserFilter = "(&(objectClass=person)(|(" + uid + "={user})(" + mail + "={user})))" },
		"filter and name by two names":  func(c *Config) { c.UserFilter, c.UserNameAttr = "("+uid+"={user})", "userid" },
		"group_name_attr by an alias":   func(c *Config) { c.GroupNameAttr = "commonName" },
		"group_name_attr by its number": func(c *Config) { c.GroupNameAttr = cn },
		"group_member_attrs by numbers": func(c *Config) { c.GroupMemberAttrs = []string{member} },
	}
}

var synonymsOfRFC4519 = synonymsOf("0.9.2342.19200300.100.1.1", "2.5.4.4", "0.9.2342.19200300.100.1.3", "2.5.4.3", "2.5.4.31")

func checkSynonyms(t *testing.T, good Config) {
	t.Helper()
	for name, change := range synonymsOfRFC4519 {
		c := good
		change(&c)
		b := open(t, c)
		t.Log(name)
		checkLogins(t, b, []realLogin{{"alice", realPass, "alice", "", []string{"dev", "all"}}, {"ALICE", realPass, "alice", "", nil}})
		checkStanding(t, b, map[string]string{"alice": "in"})
	}
}

func TestSlapdNamesOfAttributes(t *testing.T) {
	s := startSlapd(t)
	checkSynonyms(t, s.config(t))
	c := s.config(t)
	c.UserFilter, c.UserNameAttr = "(rfc822Mailbox={user})", "0.9.2342.19200300.100.1.3"
	checkLogins(t, open(t, c), []realLogin{{"Alice@corp.example", realPass, "alice@corp.example", "", []string{"dev", "all"}}, {"dup@corp.example", realPass, "", "wrong", nil}})
	c = s.config(t)
	c.Preset, c.GroupBases, c.GroupMemberAttrs, c.UserNameAttr = "rfc2307", []string{base}, []string{"1.3.6.1.1.1.1.12"}, "userid"
	checkLogins(t, open(t, c), []realLogin{{"CASEUSER", realPass, "caseuser", "", []string{"posix", "primary"}}})
	c = s.config(t)
	c.BindDN, c.BindPassword, c.UserBases, c.GroupBases = "", nil, []string{"dc=auto,dc=example"}, nil
	c.GroupMode, c.MemberOfAttr = groupsMemberOf, "1.3.6.1.4.1.42.2.27.9.1.792"
	checkLogins(t, open(t, c), []realLogin{{"dan", realPass, "dan", "", []string{"inner", "outer"}}})
}

func TestDS389NamesOfAttributes(t *testing.T) {
	s := startDS389(t)
	c := s.config("389ds", "cn=svc,ou=system,"+base, "ou=corp,"+base)
	checkSynonyms(t, c)
	c.GroupMode = groupsSearch
	checkSynonyms(t, c)
}

// Samba finds nobody by a number in a filter, and answers by name if asked by one.
func TestSambaNamesOfAttributes(t *testing.T) {
	s := startSamba(t)
	for attribute, user := range map[string]string{"1.2.840.113556.1.4.221": "alice", "1.2.840.113556.1.4.656": "alice@" + realDomain} {
		c := s.config(t)
		c.UserNameAttr, c.UserFilter = attribute, "(|(sAMAccountName={account})(userPrincipalName={user}))"
		checkLogins(t, open(t, c), []realLogin{{"alice@" + realDomain, realPass, user, "", []string{"dev", "all"}}})
	}
	c := s.config(t)
	c.GroupNameAttr = "2.5.4.3"
	checkLogins(t, open(t, c), []realLogin{{"alice", realPass, "alice", "", nil}})
}

// What a number means says the schema alone. Where that cannot be read, nothing follows
// from there being no such attribute.
func TestNumberOfAnAttributeWithoutASchema(t *testing.T) {
	c := configFor(t, start(t, ldaptest.Config{}))
	c.UserNameAttr = "1.2.3.4"
	_, err := open(t, c).Authenticate(t.Context(), "alice", alicePass)
	if backend.Refused(err) || fault.Of(err) != "ldap.schema.unreadable" {
		t.Errorf("user_name_attr: got %v (%s)", err, fault.Of(err))
	}
	c.UserNameAttr, c.GroupNameAttr = "", "1.2.3.4"
	b := open(t, c)
	id, _ := authenticate(t, b, "alice", alicePass)
	if groups, err := b.Groups(t.Context(), id); groups != nil || fault.Of(err) != "ldap.schema.unreadable" {
		t.Errorf("group_name_attr: got %q, %v (%s)", groups, err, fault.Of(err))
	}
}
