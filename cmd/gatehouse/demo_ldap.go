package main

import (
	"errors"
	"fmt"
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

// startDemoDirectory has the users of the demo in a directory, which runs in this
// process.
func startDemoDirectory(p *demoPlace) (stop func(), err error) {
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
		return nil, err
	}
	ca, password := filepath.Join(p.dir, "ca.pem"), filepath.Join(p.dir, "ldap-password")
	if err := errors.Join(os.WriteFile(ca, server.CA().PEM(), 0o600), os.WriteFile(password, []byte(demoPassword), 0o600)); err != nil {
		server.Close()
		return nil, err
	}
	url := server.URL("ldaps")
	p.backend = fmt.Sprintf(demoDirectory, url, demoBase, demoAccount)
	p.look = fmt.Sprintf(`  GATEHOUSE doctor --config FILE                                       # they are in the directory %[1]s
  LDAPTLS_CACERT=DIR/ca.pem ldapsearch -LLL -x -H %[1]s -D %[2]s -w PASSWORD -b %[3]s`, url, demoAccount, demoBase)
	return server.Close, nil
}

const demoDirectory = `[[backend]]
name = "users"
type = "ldap"
preset = "openldap"
urls = [%q]
ca_file = "ca.pem"
user_bases = [%q]
bind_dn = %q
bind_password_file = "ldap-password"

`
