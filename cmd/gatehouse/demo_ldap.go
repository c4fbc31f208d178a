package main

import (
	"errors"
	"os"
	"path/filepath"

	"gatehouse/backend/ldap/ldaptest"
)

// The directory of the demo: both users are in it, and alice is in the group
// pusher because the group of her team is.
const (
	demoBase    = "dc=demo,dc=example"
	demoAccount = "cn=gatehouse," + demoBase
)

// startDemoDirectory runs a directory in this process and returns the table of a
// backend that asks it. Its files are in dir.
func startDemoDirectory(dir string) (table BackendConfig, stop func(), err error) {
	object := func(dn, class string, attributes map[string][]string) ldaptest.Entry {
		attributes["objectClass"] = []string{class}
		return ldaptest.Entry{DN: dn, Attributes: attributes}
	}
	user := func(uid string) ldaptest.Entry {
		e := object("uid="+uid+",ou=people,"+demoBase, "person", map[string][]string{"uid": {uid}, "cn": {uid}})
		e.Password = demoPassword
		return e
	}
	account := object(demoAccount, "organizationalRole", map[string][]string{})
	account.Password = demoPassword
	server, err := ldaptest.New(ldaptest.Config{Readers: []string{demoAccount}, Entries: []ldaptest.Entry{
		object(demoBase, "organization", map[string][]string{}),
		account, user("alice"), user("bob"),
		object("cn=team,ou=groups,"+demoBase, "groupOfNames", map[string][]string{"cn": {"team"}, "member": {"uid=alice,ou=people," + demoBase}}),
		object("cn=pusher,ou=groups,"+demoBase, "groupOfNames", map[string][]string{"cn": {"pusher"}, "member": {"cn=team,ou=groups," + demoBase}}),
	}})
	if err != nil {
		return nil, nil, err
	}
	ca, password := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ldap-password")
	if err := errors.Join(os.WriteFile(ca, server.CA().PEM(), 0o600), os.WriteFile(password, []byte(demoPassword), 0o600)); err != nil {
		server.Close()
		return nil, nil, err
	}
	return BackendConfig{
		"name": "users", "type": "ldap", "preset": "openldap",
		"urls": []any{server.URL("ldaps")}, "ca_file": ca, "user_bases": []any{demoBase},
		"bind_dn": demoAccount, "bind_password_file": password,
	}, server.Close, nil
}
