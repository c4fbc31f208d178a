package ldap

import (
	"regexp"
	"strings"
)

// attributePattern is what RFC 4512, section 1.4, calls an oid: a name or a
// number of an attribute.
var attributePattern = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)*)$`)

// presets returns what is particular to a kind of directory.
func presets() map[string]Config {
	return map[string]Config{
		// A user logs in with sAMAccountName, with either kind of user
		// principal name, or with an address. What is in the token is what
		// Windows itself goes by; it has nested groups and the primary one.
		"activedirectory": {
			UserFilter: "(&(objectCategory=person)(objectClass=user)" +
				"(|(sAMAccountName={account})(userPrincipalName={user})(mail={user})))",
			UserNameAttr:     "sAMAccountName",
			GroupMode:        groupsTokens,
			GroupFilter:      "(objectClass=group)",
			GroupMemberAttrs: []string{"member"},
			PrimaryGroup:     primarySID,
		},
		// Of a groupOfURLs the overlays dynlist and autogroup make the members.
		"openldap": {
			UserFilter:       "(&(objectClass=person)(uid={user}))",
			GroupMode:        groupsSearch,
			GroupFilter:      "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=groupOfURLs))",
			GroupMemberAttrs: []string{"member", "uniqueMember"},
		},
		"rfc2307": {
			UserFilter:       "(&(objectClass=posixAccount)(uid={user}))",
			GroupMode:        groupsSearch,
			GroupFilter:      "(objectClass=posixGroup)",
			GroupMemberAttrs: []string{"memberUid"},
			PrimaryGroup:     primaryGID,
		},
		// Both have a memberOf that includes nested groups. In its compat tree FreeIPA
		// shows each user a second time, as no person.
		"freeipa": {
			UserFilter:       "(&(objectClass=posixAccount)(objectClass=person)(uid={user}))",
			GroupMode:        groupsMemberOf,
			GroupFilter:      "(objectClass=groupOfNames)",
			GroupMemberAttrs: []string{"member"},
		},
		"389ds": {
			UserFilter:       "(&(objectClass=person)(uid={user}))",
			GroupMode:        groupsMemberOf,
			GroupFilter:      "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))",
			GroupMemberAttrs: []string{"member", "uniqueMember"},
		},
	}
}

// domainsOf returns the DNS names of the domains that bases are in.
func domainsOf(bases []string) []string {
	var domains []string
	for _, base := range bases {
		dn, err := parseDN(base)
		if err != nil {
			continue
		}
		var labels []string
		for _, rdn := range dn {
			if label, ok := strings.CutPrefix(rdn, "dc="); ok {
				labels = append(labels, label)
			}
		}
		if len(labels) > 0 {
			domains = append(domains, strings.Join(labels, "."))
		}
	}
	return domains
}
