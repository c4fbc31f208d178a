package ldap

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
)

// realAdminPass is the password of the account that may change everything.
const realAdminPass = "Adm1n-Pass!"

// An office is a real directory in which a test moves people about.
type office struct {
	config       Config
	admin        *ldap.Conn
	here, there  string // places of users
	groups       string // place of groups
	anchor       string // kind that the directory has
	changed      string // attribute that tells when a password was changed
	rdn          string // attribute that entries of users are named by
	secret       func(password string) (attribute, value string)
	object, team []string // classes of users and groups
}

// connect returns a connection to the directory of c as an account that may change it.
func connect(t testing.TB, c Config, name, password string) *ldap.Conn {
	t.Helper()
	conn, err := ldap.DialURL(c.URLs[0], ldap.DialWithTLSConfig(&tls.Config{InsecureSkipVerify: true}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.Bind(name, password); err != nil {
		t.Fatal(err)
	}
	return conn
}

func plainSecret(password string) (attribute, value string) { return "userPassword", password }

// quotedSecret writes a password as Active Directory wants it; [MS-ADTS], section
// 3.1.1.3.1.5.
func quotedSecret(password string) (attribute, value string) {
	var b []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return "unicodePwd", string(b)
}

func (s *slapd) office(t testing.TB) office {
	c := s.config(t)
	return office{
		config: c, admin: connect(t, c, "cn=admin,"+base, realAdminPass),
		here: "ou=people," + base, there: "ou=other," + base, groups: "ou=groups," + base,
		anchor: anchorOpenLDAP, changed: "pwdChangedTime", rdn: "uid", secret: plainSecret,
		object: []string{"inetOrgPerson"}, team: []string{"groupOfNames"},
	}
}

func (s *samba) office(t testing.TB) office {
	c := s.config(t)
	return office{
		config: c, admin: connect(t, c, "CN=Administrator,CN=Users,"+realBase, realAdminPass),
		here: "OU=People," + realBase, there: "OU=Groups," + realBase, groups: "OU=Groups," + realBase,
		anchor: anchorAD, changed: "pwdLastSet", rdn: "cn", secret: quotedSecret,
		object: []string{"user"}, team: []string{"group"},
	}
}

func (s *ds389) office(t testing.TB) office {
	c := s.config("389ds", "cn=svc,ou=system,"+base, "ou=corp,"+base)
	o := office{
		config: c, admin: connect(t, c, ds389Manager, ds389ManagerPass),
		here: "ou=people,ou=corp," + base, there: "ou=groups,ou=corp," + base, groups: "ou=groups,ou=corp," + base,
		anchor: anchor389, changed: "pwdUpdateTime", rdn: "uid", secret: plainSecret,
		object: []string{"inetOrgPerson"}, team: []string{"groupOfNames"},
	}
	expire := ldap.NewModifyRequest("cn=config", nil)
	expire.Replace("passwordExp", []string{"on"}) // or it does not note the time
	expire.Replace("passwordTrackUpdateTime", []string{"on"})
	o.do(t, o.admin.Modify(expire))
	self := ldap.NewModifyRequest(base, nil)
	self.Add("aci", []string{`(targetattr="userPassword")(version 3.0; acl "own password"; allow (write) userdn="ldap:///self";)`})
	if err := o.admin.Modify(self); !ldap.IsErrorWithCode(err, ldap.LDAPResultAttributeOrValueExists) { // by an earlier office
		o.do(t, err)
	}
	return o
}

func (o office) do(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (o office) dn(user, place string) string { return fmt.Sprintf("%s=%s,%s", o.rdn, user, place) }

// hire adds a user.
func (o office) hire(t testing.TB, user, password string) {
	t.Helper()
	r := ldap.NewAddRequest(o.dn(user, o.here), nil)
	r.Attribute("objectClass", o.object)
	r.Attribute("cn", []string{user})
	r.Attribute("sn", []string{user})
	name, value := o.secret(password)
	r.Attribute(name, []string{value})
	if o.anchor == anchorAD {
		r.Attribute("sAMAccountName", []string{user})
		r.Attribute("userAccountControl", []string{"512"})
	} else {
		r.Attribute("uid", []string{user})
	}
	o.do(t, o.admin.Add(r))
}

// move puts a user into the other place.
func (o office) move(t testing.TB, user string) {
	t.Helper()
	o.do(t, o.admin.ModifyDN(ldap.NewModifyDNRequest(o.dn(user, o.here), fmt.Sprintf("%s=%s", o.rdn, user), true, o.there)))
}

// join makes a group whose one member is an entry.
func (o office) join(t testing.TB, team, member string) {
	t.Helper()
	r := ldap.NewAddRequest(fmt.Sprintf("cn=%s,%s", team, o.groups), nil)
	r.Attribute("objectClass", o.team)
	r.Attribute("cn", []string{team})
	r.Attribute("member", []string{member})
	if o.anchor == anchorAD {
		r.Attribute("sAMAccountName", []string{team})
	}
	o.do(t, o.admin.Add(r))
}

// setPassword has a user set another password. One that is set by an administrator has
// to be changed first in some directories.
func (o office) setPassword(t testing.TB, dn, old, password string) {
	t.Helper()
	name, before := o.secret(old)
	_, after := o.secret(password)
	r := ldap.NewModifyRequest(dn, nil)
	r.Delete(name, []string{before})
	r.Add(name, []string{after})
	if o.anchor != anchorAD {
		r = ldap.NewModifyRequest(dn, nil)
		r.Replace(name, []string{after})
	}
	o.do(t, connect(t, o.config, dn, old).Modify(r))
}

// checkIdentities moves a user, makes one anew, and changes a password, while they are
// logged in.
func (o office) checkIdentities(t *testing.T) {
	b := open(t, o.config)
	t.Run("LDAP-2", func(t *testing.T) { o.checkMoved(t, b) })
	t.Run("LDAP-3", func(t *testing.T) { o.checkRecreated(t, b) })
	t.Run("LDAP-9", func(t *testing.T) { o.checkChanged(t, b) })
	t.Run("revalidation", o.checkRevalidation)
}

// checkRevalidation counts what is asked to know whether a user still may log in.
func (o office) checkRevalidation(t *testing.T) {
	var asked []string
	c := o.config
	c.Observe = func(op backend.Operation) { asked = append(asked, op.Name) }
	b := open(t, c)
	o.hire(t, "rita", "R1ta-Pass!")
	id, got := authenticate(t, b, "rita", "R1ta-Pass!")
	if got != "in" {
		t.Fatalf("got %s", got)
	}
	for range 3 {
		asked = nil
		if _, err := b.Revalidate(t.Context(), id); err != nil || !slices.Equal(asked, []string{opSearch}) {
			t.Errorf("got %v, after %q, want one search", err, asked)
		}
	}
}

func (o office) checkMoved(t *testing.T, b *Backend) {
	o.hire(t, "mover", "M0ver-Pass!")
	id, got := authenticate(t, b, "mover", "M0ver-Pass!")
	if got != "in" || !strings.HasPrefix(id.Anchor, o.anchor+":") {
		t.Fatalf("got %+v, %s, want an anchor of the kind %s", id, got, o.anchor)
	}
	o.move(t, "mover")
	o.join(t, "movers", o.dn("mover", o.there)) // as a server keeps up references by itself
	for range 2 {                               // the second time from what is remembered
		if groups, err := b.Groups(t.Context(), id); err != nil || !slices.Contains(groups, "movers") {
			t.Errorf("groups after the move, by the old place: got %q, %v, want movers among them", groups, err)
		}
	}
	now, err := b.Revalidate(t.Context(), id)
	if err != nil || now.Anchor != id.Anchor || canonicalDN(now.Handle) != canonicalDN(o.dn("mover", o.there)) {
		t.Errorf("revalidated: got %+v, %v, want the same user in the other place", now, err)
	}
	if again, got := authenticate(t, b, "mover", "M0ver-Pass!"); got != "in" || again.SameAs(id) != backend.Same {
		t.Errorf("the next login: got %+v, %s", again, got)
	}
}

func (o office) checkRecreated(t *testing.T, b *Backend) {
	o.hire(t, "kim", "Former-Pass1!")
	former, got := authenticate(t, b, "kim", "Former-Pass1!")
	if got != "in" {
		t.Fatalf("got %s", got)
	}
	o.do(t, o.admin.Del(ldap.NewDelRequest(o.dn("kim", o.here), nil)))
	o.hire(t, "kim", "Later-Pass2!")
	o.join(t, "kims", o.dn("kim", o.here))
	if now, err := b.Revalidate(t.Context(), former); verdict(err) != "unknown" {
		t.Errorf("revalidated the former kim: got %+v, %v, want unknown", now, err)
	}
	if groups, err := b.Groups(t.Context(), former); err == nil {
		t.Errorf("groups of the former kim: got %q, want none to be told", groups)
	}
	later, got := authenticate(t, b, "kim", "Later-Pass2!")
	if got != "in" || later.SameAs(former) != backend.Different {
		t.Errorf("the later kim: got %+v, %s, want another anchor than %+v", later, got, former)
	}
}

func (o office) checkChanged(t *testing.T, b *Backend) {
	o.hire(t, "lee", "Zeroth-Pass0!")
	o.setPassword(t, o.dn("lee", o.here), "Zeroth-Pass0!", "First-Pass1!") // of which they note the time, unlike that of the first
	var before backend.Identity
	until(t, func() bool { // 389 notes the time after it has answered
		before, _ = authenticate(t, b, "lee", "First-Pass1!")
		return strings.HasPrefix(before.Changed, o.changed+":")
	})
	if now, err := b.Revalidate(t.Context(), before); err != nil || now != before {
		t.Errorf("revalidated before the change: got %+v, %v", now, err)
	}
	time.Sleep(2200 * time.Millisecond) // the directories count in seconds, and 389 looks at the clock once in each
	o.setPassword(t, o.dn("lee", o.here), "First-Pass1!", "Second-Pass2!")
	until(t, func() bool {
		_, err := b.Revalidate(t.Context(), before)
		return errors.Is(err, backend.ErrOutdated)
	})
	after, got := authenticate(t, b, "lee", "Second-Pass2!")
	if got != "in" || !backend.PasswordChanged(before, after) || backend.PasswordChanged(after, before) {
		t.Errorf("with the new password: got %+v, %s, want a later change than %q", after, got, before.Changed)
	}
}
