package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// changingAccount is an account of a directory, and whoever may change it.
type changingAccount struct {
	*failing
	admin     string // who may change entries
	entry     string // of alice
	rdn       string // of the entry
	elsewhere string // where it is moved to

	failures string              // the attribute that counts wrong passwords
	disabled map[string][]string // what disables the account, by attribute
	enabled  map[string][]string // what ends that
	unlocked map[string][]string // what ends a lock by wrong passwords
	makeAnew func(t *testing.T, d *changingAccount)
}

// as runs do on a connection of somebody who logs in at the directory.
func (d *changingAccount) as(t *testing.T, name, password string, do func(*ldap.Conn) error) error {
	t.Helper()
	pem, err := os.ReadFile(d.ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	u := strings.TrimPrefix(d.url, "ldaps://")
	server, _, _ := strings.Cut(u, ":")
	conn, err := ldap.DialURL(d.url, ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots, ServerName: server}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind(name, password); err != nil {
		return err
	}
	return do(conn)
}

// change does something as the administrator, which has to succeed.
func (d *changingAccount) change(t *testing.T, do func(*ldap.Conn) error) {
	t.Helper()
	if err := d.as(t, d.admin, "Adm1n-Pass!", do); err != nil {
		t.Fatal(err)
	}
}

// set replaces attributes of the entry.
func (d *changingAccount) set(t *testing.T, attributes map[string][]string) {
	t.Helper()
	d.change(t, func(c *ldap.Conn) error {
		m := ldap.NewModifyRequest(d.entry, nil)
		for name, values := range attributes {
			m.Replace(name, values)
		}
		return c.Modify(m)
	})
}

// wrongPasswords returns how many the directory counts.
func (d *changingAccount) wrongPasswords(t *testing.T) (n int) {
	t.Helper()
	d.change(t, func(c *ldap.Conn) error {
		found, err := c.Search(ldap.NewSearchRequest(d.entry, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{d.failures}, nil))
		if err != nil {
			return err
		}
		values := found.Entries[0].GetAttributeValues(d.failures)
		if n = len(values); n == 1 && len(values[0]) < 3 { // a number, and not a time
			_, err = fmt.Sscan(values[0], &n)
		}
		return err
	})
	return n
}

// changingAccounts are the accounts of failingDirectories.
var changingAccounts = map[string]changingAccount{
	"OpenLDAP": {
		admin: "cn=admin," + directoryBase, entry: "uid=alice," + directoryBase, rdn: "uid=alice", elsewhere: "ou=system," + directoryBase,
		failures: "pwdFailureTime", disabled: map[string][]string{"pwdAccountLockedTime": {"000001010000Z"}},
		enabled:  map[string][]string{"pwdAccountLockedTime": nil},
		unlocked: map[string][]string{"pwdAccountLockedTime": nil},
		makeAnew: func(t *testing.T, d *changingAccount) {
			d.change(t, func(c *ldap.Conn) error {
				a := ldap.NewAddRequest(d.entry, nil)
				for name, value := range map[string]string{"objectClass": "inetOrgPerson", "uid": "alice", "cn": "Alice", "sn": "A", "userPassword": directoryUserPassword} {
					a.Attribute(name, []string{value})
				}
				return c.Add(a)
			})
		},
	},
	"Active Directory": {
		admin: "Administrator@ad.corp.example", entry: "CN=alice,CN=Users," + domainBase, rdn: "CN=alice", elsewhere: "OU=Service," + domainBase,
		failures: "badPwdCount", disabled: map[string][]string{"userAccountControl": {"514"}},
		enabled:  map[string][]string{"userAccountControl": {"512"}},
		unlocked: map[string][]string{"lockoutTime": {"0"}},
		makeAnew: func(t *testing.T, d *changingAccount) { d.samba(t, "user", "create", "alice", directoryUserPassword) },
	},
}

// move moves the entry.
func (d *changingAccount) move(t *testing.T) {
	t.Helper()
	d.change(t, func(c *ldap.Conn) error {
		return c.ModifyDN(ldap.NewModifyDNRequest(d.entry, d.rdn, true, d.elsewhere))
	})
	d.entry = d.rdn + "," + d.elsewhere
}

// guess tries wrong passwords until the account is locked.
func (d *changingAccount) guess(t *testing.T) {
	t.Helper()
	for range 6 {
		if err := d.as(t, d.entry, "wrong", func(*ldap.Conn) error { return nil }); err == nil {
			t.Fatal("a wrong password is right")
		}
	}
}

// A token of an account of a real directory counts exactly as long as the account does: it
// outlives a move and a stranger's guesses, sleeps while the account is disabled, and is
// never that of another account which was made anew under the name. The directory hears
// nothing of it.
func TestOwnTokenLivesAsLongAsItsAccountInARealDirectory(t *testing.T) {
	for _, tt := range failingDirectories {
		t.Run(tt.name, func(t *testing.T) {
			needs(t, tt.needs...)
			r, d := newRecipe(t), changingAccounts[tt.name]
			d.failing = &tt.failing
			d.url, d.process = tt.run(t, r.dir)
			d.ca = filepath.Join(r.dir, "corp-ca.pem")
			writeFile(t, filepath.Join(r.dir, "ldap-password"), []byte(directoryAccountPassword+"\n"), 0o600)
			f := r.serveTokens(t, takesAll(t), append([]string{"@BACKEND@", "[admin]\nsocket = \"admin.sock\"\n" + d.backends(), "@USES@", "everyone"}, storeTexts[:2]...)...)
			made := r.made(t, "create", "ci", "--user", "alice", "--backend", "corp")
			d.checkLives(t, f, r, made.Secret, made.ID)
		})
	}
}

// backends are a chain in which the directory comes last.
func (d *changingAccount) backends() string {
	return fmt.Sprintf("[[backend]]\nname = \"corp\"\ntype = \"ldap\"\npreset = %q\nurls = [%q]\nca_file = \"corp-ca.pem\"\nbind_dn = %q\nbind_password_file = \"ldap-password\"\nuser_bases = [%q]\n"+
		"[[backend]]\nname = \"everyone\"\ntype = \"chain\"\nmember = [{ backend = \"local\" }, { backend = \"corp\" }]\n", d.preset, d.url, d.account, d.base)
}

// checkLives goes through what becomes of an account, and looks each time whether the token
// counts and whether the password does.
func (d *changingAccount) checkLives(t *testing.T, f front, r recipe, secret, id string) {
	t.Helper()
	for _, step := range []struct {
		what            string
		do              func()
		token, password int // 0: not asked, since the shield remembers what the directory said last
	}{
		{"nothing", func() {}, 200, 200},
		{"tokens that are none, ten times", func() {
			for range 10 {
				f.request(t, "GET", "/v2/team/app/manifests/1", "alice", secret[:len(secret)-1]+"x")
			}
			if n := d.wrongPasswords(t); n != 0 {
				t.Errorf("the directory counts %d wrong passwords", n)
			}
		}, 200, 200},
		{"moved", func() { d.move(t) }, 200, 200},
		{"locked by guesses", func() { d.guess(t) }, 200, 401},
		{"unlocked and disabled", func() { d.set(t, d.unlocked); d.set(t, d.disabled) }, 401, 0},
		{"enabled", func() { d.set(t, d.enabled) }, 200, 0},
		{"deleted", func() { d.change(t, func(c *ldap.Conn) error { return c.Del(ldap.NewDelRequest(d.entry, nil)) }) }, 401, 401},
		{"made anew", func() { d.makeAnew(t, d) }, 401, 200},
	} {
		step.do()
		r.purge(t)
		resp, body := f.request(t, "GET", "/v2/team/app/manifests/1", "alice", secret)
		if resp.StatusCode != step.token {
			t.Errorf("%s: the token has %d, want %d: %s", step.what, resp.StatusCode, step.token, body)
		}
		if step.password != 0 {
			if resp, body := f.request(t, "GET", "/v2/team/app/manifests/1", "alice", directoryUserPassword); resp.StatusCode != step.password {
				t.Errorf("%s: the password has %d, want %d: %s", step.what, resp.StatusCode, step.password, body)
			}
		}
		t.Logf("%-35s token %d, password %d", step.what, step.token, step.password)
	}
	if out, _ := r.token(t, "", "show", id); !strings.Contains(out, "revoked") {
		t.Errorf("the token of an account that was made anew is not revoked:\n%s", out)
	}
}

// purge has the gateway forget what it remembers.
func (r recipe) purge(t *testing.T) {
	t.Helper()
	if out, err := command(t, binary(t), "cache", "purge", "--socket", filepath.Join(r.dir, "admin.sock")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
