package ldap

import (
	"testing"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

// ipaUser is a user of FreeIPA, as it stands below cn=accounts, with more attributes.
func ipaUser(uid string, more ...string) ldaptest.Entry {
	e := ldaptest.Entry{DN: "uid=" + uid + ",cn=users,cn=accounts," + base, Password: alicePass, Attributes: map[string][]string{
		"objectClass": {"top", "person", "inetOrgPerson", "posixAccount", "krbPrincipalAux"}, "uid": {uid}, "ipaUniqueID": {"id-of-" + uid},
	}}
	for i := 0; i+1 < len(more); i += 2 {
		e.Attributes[more[i]] = []string{more[i+1]}
	}
	return e
}

// Everybody is in the compat tree a second time. FreeIPA lets somebody bind whose
// password has expired.
func TestFreeIPAStatesAndCompatTree(t *testing.T) {
	entries := []ldaptest.Entry{
		{DN: base}, {DN: "cn=accounts," + base}, {DN: "cn=users,cn=accounts," + base}, {DN: "cn=compat," + base}, {DN: "cn=users,cn=compat," + base},
		ipaUser("svc"), ipaUser("alice", "krbPasswordExpiration", "20991231235959Z", "krbPrincipalExpiration", "20991231235959Z"),
		ipaUser("oldpass", "krbPasswordExpiration", "20200101000000Z"), ipaUser("gone", "krbPrincipalExpiration", "20200101000000Z"), ipaUser("off", "nsAccountLock", "TRUE"),
		{DN: "uid=alice,cn=users,cn=compat," + base, Attributes: map[string][]string{"objectClass": {"top", "posixAccount"}, "uid": {"alice"}}},
	}
	entries[5].Password = svcPass
	s := start(t, ldaptest.Config{Entries: entries})
	c := configFor(t, s)
	c.Preset, c.BindDN, c.GroupMode, c.UserFilter = "freeipa", entries[5].DN, groupsNone, ""
	b := open(t, c)
	for user, want := range map[string]string{"alice": "in", "oldpass": "locked", "gone": "locked", "off": "locked"} {
		s.Forget()
		if _, got := authenticate(t, b, user, alicePass); got != want {
			t.Errorf("%s: got %s, want %s", user, got, want)
		}
		if n := searches(s); n != 1 { // which has the state too
			t.Errorf("%s: the login took %d searches, want one", user, n)
		}
		if _, err := backend.LookUp(t.Context(), b, user); verdict(err) != want {
			t.Errorf("%s, without a password: got %v, want %s", user, err, want)
		}
		if _, got := authenticate(t, b, user, wrongGuess); got != "wrong" {
			t.Errorf("%s with a wrong password: got %s", user, got)
		}
	}
}

func TestGroupsThatReadAsADNAndAreNone(t *testing.T) {
	b := open(t, configFor(t, start(t, ldaptest.Config{})))
	for name, good := range map[string]bool{"env=prod": false, "ENV=Prod": false, "env=prod,eu": false, "team red=1": true, "dev": true, "cn=dev,ou=groups," + base: true, "cn=dev,dc=elsewhere": true, "a b": true} {
		if err := b.CheckGroup(name); (err == nil) != good {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
