package ldap

import (
	"strings"
	"testing"
	"time"
)

func TestConfigurationsThatCannotWork(t *testing.T) {
	password := func() (string, error) { return svcPass, nil }
	good := Config{Preset: "openldap", URLs: []string{"ldaps://dc1.corp.example"}, UserBases: []string{base}}
	if b, err := New(good); err != nil {
		t.Fatal(err)
	} else {
		b.Close()
	}
	tests := []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Preset = "ad" }, "preset: "},
		{func(c *Config) { c.URLs = nil }, "urls: no server"},
		{func(c *Config) { c.URLs = []string{"dc1.corp.example"} }, "urls: "},
		{func(c *Config) { c.URLs = []string{"https://dc1.corp.example"} }, "urls: "},
		{func(c *Config) { c.URLs = []string{"ldaps://"} }, "urls: "},
		{func(c *Config) { c.URLs = []string{"ldaps://svc:secret@dc1"} }, "urls: "},
		{func(c *Config) { c.URLs = []string{"ldaps://dc1/dc=corp?uid?sub"} }, "urls: "},
		{func(c *Config) { c.URLs = []string{"ldapi://run/ldapi"} }, "urls: "},
		{func(c *Config) { c.URLs = []string{"srv:corp.example"} }, "urls: "},
		{func(c *Config) { c.URLs = []string{"srv:_ldap._tcp"} }, "urls: "},
		{func(c *Config) { c.URLs = []string{"ldap://dc1"} }, "in the clear: use ldaps://"},
		{func(c *Config) { c.StartTLS = true }, "start_tls: "},
		{func(c *Config) { c.URLs, c.StartTLS, c.InsecurePlaintext = []string{"ldap://dc1"}, true, true }, "insecure_plaintext: "},
		{func(c *Config) { c.CertFile = "x" }, "cert_file: "},
		{func(c *Config) { c.CAFile = "absent.pem" }, "ca_file: "},
		{func(c *Config) { c.BindDN = svcDN }, "bind_dn: "},
		{func(c *Config) { c.BindPassword = password }, "bind_dn: "},
		{func(c *Config) { c.SASLExternal = true }, "sasl_external: "},
		{func(c *Config) { c.SASLExternal, c.BindDN, c.BindPassword = true, svcDN, password }, "sasl_external: "},
		{func(c *Config) { c.BindTemplate = "uid=alice," + base }, "bind_template: "},
		{func(c *Config) { c.BindTemplate = "{user}{user}" }, "bind_template: "},
		{func(c *Config) { c.UserBases = nil }, "user_bases: "},
		{func(c *Config) { c.UserBases = []string{""} }, "user_bases: "},
		{func(c *Config) { c.UserBases = []string{"corp.example"} }, "user_bases: "},
		{func(c *Config) { c.UserScope = "base" }, "user_scope: "},
		{func(c *Config) { c.Dereference = "finding" }, "dereference: "},
		{func(c *Config) { c.Preset, c.Dereference = "activedirectory", "always" }, "dereference: "},
		{func(c *Config) { c.UserFilter = "uid={user}" }, "user_filter: "},
		{func(c *Config) { c.UserFilter = "(uid=alice)" }, "user_filter: "},
		{func(c *Config) { c.UserFilter = "(&(uid={user})({user}={user}))" }, "user_filter: "},
		{func(c *Config) { c.UserNameAttr = "u id" }, "user_name_attr: "},
		{func(c *Config) { c.GroupMode = "nested" }, "group_mode: "},
		{func(c *Config) { c.GroupBases = []string{"groups"} }, "group_bases: "},
		{func(c *Config) { c.GroupFilter = "(objectClass=group" }, "group_filter: "},
		{func(c *Config) { c.GroupNameAttr = "cn)(x" }, "group_name_attr: "},
		{func(c *Config) { c.GroupMemberAttrs = []string{"member)("} }, "group_member_attrs: "},
		{func(c *Config) { c.GroupMode, c.MemberOfAttr = groupsTokens, "isMemberOf" }, "member_of_attr: it is not read"},
		{func(c *Config) { c.GroupMode, c.MemberOfAttr = groupsMemberOf, "is member" }, "member_of_attr: "},
		{func(c *Config) { c.PrimaryGroup = "yes" }, "primary_group: "},
		{func(c *Config) { c.GroupDepth = 101 }, "group_depth: "},
		{func(c *Config) { c.GroupDepth, c.DirectGroups = 3, true }, "group_depth: "},
		{func(c *Config) { c.GroupMode, c.DirectGroups = groupsTokens, true }, "group_nesting: "},
		{func(c *Config) { c.MaxConnections = -1 }, "max_connections: "},
		{func(c *Config) { c.WarnPasswordExpiry = -time.Second }, "warn_password_expiry: "},
		{func(c *Config) { c.LoginTimeout = -time.Second }, "login_timeout: "},
		{func(c *Config) { c.FilterGroups = []struct{ Name, Filter string }{{"", "(a=b)"}} }, "filter_group: "},
		{func(c *Config) { c.FilterGroups = []struct{ Name, Filter string }{{"cn=admin,dc=x", "(a=b)"}} }, "filter_group: "},
		{func(c *Config) { c.FilterGroups = []struct{ Name, Filter string }{{"dev", "title=x"}} }, "filter_group: "},
		{func(c *Config) { c.FilterGroups = make([]struct{ Name, Filter string }, 33) }, "filter_group: "},
	}
	for _, tt := range tests {
		c := good
		tt.change(&c)
		b, err := New(c)
		if err == nil {
			b.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

func TestAllMistakesAreListed(t *testing.T) {
	_, err := New(Config{URLs: []string{"ldap://dc1"}, UserScope: "base", GroupMode: "all"})
	for _, key := range []string{"urls: ", "user_bases: ", "user_scope: ", "group_mode: "} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("got %v, want %q in it", err, key)
		}
	}
}

func TestPresetsFillInWhatIsNotSet(t *testing.T) {
	for name := range presets() {
		c := Config{Preset: name, URLs: []string{"ldaps://dc1"}, UserBases: []string{"dc=corp,dc=example"}, UserNameAttr: "mail"}.complete()
		if err := c.validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.UserNameAttr != "mail" {
			t.Errorf("%s: user_name_attr is %q, want what was set", name, c.UserNameAttr)
		}
	}
	c := Config{Preset: "activedirectory", UserBases: []string{"OU=People,DC=Corp,DC=Example"}}.complete()
	if len(c.Domains) != 1 || c.Domains[0] != "corp.example" || c.GroupMode != groupsTokens {
		t.Errorf("got domains %q, group_mode %q", c.Domains, c.GroupMode)
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"ldaps://dc1": "ldaps://dc1:636", "ldap://dc1": "ldap://dc1:389", "ldaps://dc1:3269/": "ldaps://dc1:3269", "ldaps://[::1]": "ldaps://[::1]:636",
		"ldapi:///run/ldapi": "ldapi:///run/ldapi", "ldapi://%2Frun%2Fldapi": "ldapi:///run/ldapi", "srv:_ldap._tcp.corp.example.": "srv:_ldap._tcp.corp.example",
	} {
		if a, err := parseAddress(text); err != nil || a.String() != want {
			t.Errorf("%s: got %v, %v, want %s", text, a, err, want)
		}
	}
}

// What works and is dangerous is said each time that the gateway starts.
func TestDangerousConfigurationsAreWarnedOf(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"":                                func(*Config) {},
		"passwords cross the network":     func(c *Config) { c.URLs, c.InsecurePlaintext = []string{"ldap://dc1.corp.example"}, true },
		"takes minutes in a large domain": func(c *Config) { c.GroupMode = groupsInChain },
		"members of universal groups":     func(c *Config) { c.URLs = []string{"ldaps://dc1.corp.example:3269"} },
	} {
		var log countingLog
		c := Config{Preset: "openldap", URLs: []string{"ldaps://dc1.corp.example"}, UserBases: []string{base}, Log: log.logger()}
		change(&c)
		open(t, c)
		if warnings := log.count("level=WARN"); want == "" && warnings != 0 || want != "" && (warnings != 1 || log.count(want) != 1) {
			t.Errorf("got %q, want %q alone", log.String(), want)
		}
	}
}
