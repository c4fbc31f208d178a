package main

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// A scene is something that checks passwords, with reasons for it to refuse some.
type scene struct {
	name     string
	what     string
	backend  string // that the route uses
	needsDir bool
	reasons  []reason
}

// A reason is a kind of login that is refused. Its logins are numbered; whatever
// has a budget of failures is used for two of them at most.
type reason struct {
	name  string
	login func(i int) (user, password string)
}

// fresh returns a password that is nobody's and was never asked about.
func fresh(i int) string { return fmt.Sprint("guess-", i) }

func nobody(i int) (string, string) { return fmt.Sprint("nobody-", i), fresh(i) }

// of returns logins with wrong passwords of one user.
func of(user string) func(int) (string, string) {
	return func(i int) (string, string) { return user, fresh(i) }
}

// ofMany returns logins with wrong passwords of many users, two of each.
func ofMany(prefix string) func(int) (string, string) {
	return func(i int) (string, string) { return fmt.Sprint(prefix, i/2), fresh(i) }
}

// again returns the same login all the time.
func again(user string) func(int) (string, string) {
	return func(int) (string, string) { return user, "the same wrong password" }
}

func scenes(samples int) []scene {
	return []scene{
		{name: "file", what: "htpasswd, bcrypt of cost 5", backend: "file", reasons: []reason{
			{"unknown", nobody}, {"wrong", of("five")}, {"locked", of("barred")}, {"remembered", again("five")},
		}},
		{name: "mixed", what: "htpasswd, bcrypt of costs 4, 5 and 6 and SHA-1", backend: "mixed", reasons: []reason{
			{"unknown", nobody}, {"wrong, cost 4", of("four")}, {"wrong, cost 6", of("six")}, {"wrong, SHA-1", of("sha")}, {"locked", of("barred")},
		}},
		{name: "directory", what: "OpenLDAP", backend: "corp", needsDir: true, reasons: []reason{
			{"unknown", nobody}, {"wrong", ofMany("person-")}, {"locked", ofMany("locked-")}, {"shielded", of("victim")}, {"remembered", again("victim")},
		}},
		{name: "chain", what: "htpasswd, then OpenLDAP", backend: "chain", needsDir: true, reasons: []reason{
			{"unknown", nobody}, {"wrong in the first", of("five")}, {"wrong in the second", ofMany("person-")}, {"locked in the second", ofMany("locked-")},
		}},
	}
}

// files are the password files of the scenes.
func files() (map[string]string, error) {
	texts := map[string]string{"file": "barred:!\n", "mixed": "barred:!\nsha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"}
	for _, u := range []struct {
		file, name string
		cost       int
	}{{"file", "five", 5}, {"mixed", "four", 4}, {"mixed", "five", 5}, {"mixed", "six", 6}} {
		hash, err := bcrypt.GenerateFromPassword([]byte("5ecret"), u.cost)
		if err != nil {
			return nil, err
		}
		texts[u.file] += u.name + ":" + strings.Replace(string(hash), "$2a$", "$2y$", 1) + "\n"
	}
	return texts, nil
}

// directory is the content of the directory: as many people as have two wrong
// passwords each, as many whose accounts are locked, and one whom all guess at.
func directory(samples int) string {
	var b strings.Builder
	b.WriteString(directoryHead)
	person := func(uid, more string) {
		fmt.Fprintf(&b, "\ndn: uid=%s,dc=corp,dc=example\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s\nsn: %s\nuserPassword: 5ecret\n%s", uid, uid, uid, uid, more)
	}
	person("victim", "")
	for i := range samples/2 + 1 {
		person(fmt.Sprint("person-", i), "")
		person(fmt.Sprint("locked-", i), "pwdAccountLockedTime: 000001010000Z\n")
	}
	return b.String()
}

const directoryHead = `dn: dc=corp,dc=example
objectClass: dcObject
objectClass: organization
o: corp
dc: corp

dn: cn=policy,dc=corp,dc=example
objectClass: device
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 0

dn: cn=gatehouse,dc=corp,dc=example
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: gatehouse
userPassword: 5ecret
`

// slapdConfig lets nobody but the account of the gateway look anybody up. What is
// written need not survive the machine.
const slapdConfig = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
sizelimit unlimited
database mdb
maxsize 1073741824
dbnosync
suffix "dc=corp,dc=example"
directory @DIR@/db
index objectClass,uid eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=gatehouse,dc=corp,dc=example" read by * none
overlay ppolicy
ppolicy_default "cn=policy,dc=corp,dc=example"
`

// gatehouseConfig has every setting as it comes, but for how many logins may fail.
const gatehouseConfig = `listen = ["@LISTEN@"]
access_log = "off"
@TOKENS@
[refusals]
floor = "@FLOOR@"
[flood]
source_per_minute = 1000000
source_burst = 1000000
total_per_second = 1000000
total_burst = 1000000
@BACKENDS@
[[route]]
path = "/v2/"
upstream = "http://127.0.0.1:9"
backend = "@BACKEND@"
challenge = "@CHALLENGE@"
  [[route.rule]]
  name = "all"
  require = ["valid-user"]
`

const fileBackend = `
[[backend]]
name = "@NAME@"
type = "htpasswd"
users_file = "@NAME@.htpasswd"
`

const directoryBackend = `
[[backend]]
name = "corp"
type = "ldap"
preset = "openldap"
urls = ["@URL@"]
insecure_plaintext = true
bind_dn = "cn=gatehouse,dc=corp,dc=example"
bind_password_file = "password"
user_bases = ["dc=corp,dc=example"]
`

const chainBackend = fileBackend + directoryBackend + `
[[backend]]
name = "chain"
type = "chain"
member = [{ backend = "file" }, { backend = "corp" }]
`

// config returns the configuration of a gatehouse for s.
func (s scene) config(listen, url string, o options) string {
	tokens, challenge := "", "basic"
	if o.tokens {
		tokens, challenge = "[tokens]", "bearer"
	}
	backends := map[string]string{"corp": directoryBackend, "chain": chainBackend}[s.backend]
	name := "file"
	if backends == "" {
		backends, name = fileBackend, s.backend
	}
	return strings.NewReplacer("@LISTEN@", listen, "@FLOOR@", o.floor.String(), "@TOKENS@", tokens, "@CHALLENGE@", challenge, "@BACKEND@", s.backend,
		"@BACKENDS@", strings.NewReplacer("@NAME@", name, "@URL@", url).Replace(backends)).Replace(gatehouseConfig)
}
