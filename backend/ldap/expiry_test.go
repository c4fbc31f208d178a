package ldap

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

func TestEndOfAPassword(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	day := int(now.Unix() / 86400)
	units := func(t time.Time) string { return strconv.FormatInt(t.UnixNano()/100+116_444_736_000_000_000, 10) }
	at := func(t time.Time) string { return t.UTC().Format("20060102150405Z") }
	week := now.Add(7 * 24 * time.Hour)
	const soon = "2026-03-08T12:00:00Z"
	for name, tt := range map[string]struct {
		attributes map[string]string
		before     string // what was known
		want       string
	}{
		"nothing is told":             {nil, "", ""},
		"nothing, and the bind did":   {nil, soon, soon},
		"Active Directory":            {map[string]string{"msDS-UserPasswordExpiryTimeComputed": units(week)}, "", soon},
		"Active Directory, never":     {map[string]string{"msDS-UserPasswordExpiryTimeComputed": "9223372036854775807"}, "", ""},
		"Active Directory, to change": {map[string]string{"msDS-UserPasswordExpiryTimeComputed": "0"}, "", ""},
		"Active Directory, nonsense":  {map[string]string{"msDS-UserPasswordExpiryTimeComputed": "x"}, "", ""},
		"FreeIPA":                     {map[string]string{"krbPasswordExpiration": at(week)}, "", soon},
		"389 Directory Server":        {map[string]string{"passwordExpirationTime": at(week)}, "", soon},
		"389 Directory Server, over":  {map[string]string{"passwordExpirationTime": at(now.Add(-time.Hour))}, soon, ""},
		"at the bound":                {map[string]string{"passwordExpirationTime": at(now.Add(14 * 24 * time.Hour))}, "", "2026-03-15T12:00:00Z"},
		"beyond the bound":            {map[string]string{"passwordExpirationTime": at(now.Add(14*24*time.Hour + time.Second))}, soon, ""},
		"shadow":                      {map[string]string{"shadowLastChange": strconv.Itoa(day - 83), "shadowMax": "90"}, "", "2026-03-08T00:00:00Z"},
		"shadow, never":               {map[string]string{"shadowLastChange": strconv.Itoa(day - 83), "shadowMax": "-1"}, "", ""},
		"shadow, for long":            {map[string]string{"shadowLastChange": strconv.Itoa(day - 83), "shadowMax": "99999"}, "", ""},
	} {
		attributes := map[string][]string{}
		for name, value := range tt.attributes {
			attributes[name] = []string{value}
		}
		b := &Backend{config: Config{WarnPasswordExpiry: 14 * 24 * time.Hour}}
		if got := b.expiresOf(ldap.NewEntry("uid=alice,"+base, attributes), tt.before, now); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
		if got := (&Backend{}).expiresOf(ldap.NewEntry("uid=alice,"+base, attributes), "", now); got != "" {
			t.Errorf("%s, without the key: got %q", name, got)
		}
	}
}

// expiring authenticates alice, checks that the end of her password is told and counted
// at the login, and that it outlives another look.
func expiring(t *testing.T, c Config, password string, within time.Duration) {
	t.Helper()
	counted := 0
	c.Observe = func(o backend.Operation) {
		if o.Name == opExpiring {
			counted++
		}
	}
	c.WarnPasswordExpiry = within
	b := open(t, c)
	id, got := authenticate(t, b, "alice", password)
	end, err := time.Parse(time.RFC3339, id.Expires)
	if left := time.Until(end); got != "in" || err != nil || left <= 0 || left > within || counted != 1 {
		t.Fatalf("got %+v, %s, %v, counted %d times", id, got, err, counted)
	}
	if now, err := b.Revalidate(t.Context(), id); err != nil || now.Expires != id.Expires {
		t.Errorf("another look: got %+v, %v, want %+v", now, err, id)
	}
	c.WarnPasswordExpiry = 0
	if id, got := authenticate(t, open(t, c), "alice", password); got != "in" || id.Expires != "" || counted != 1 {
		t.Errorf("without the key: got %+v, %s, counted %d times", id, got, counted)
	}
}

func TestPasswordThatExpiresSoon(t *testing.T) {
	s := start(t, ldaptest.Config{})
	e := person("alice", alicePass)
	e.State = &ldaptest.Answer{Controls: []ldaptest.Control{ldaptest.PasswordPolicy(600, -1, -1)}}
	s.Set(e)
	expiring(t, configFor(t, s), alicePass, time.Hour)
}

func TestSlapdPasswordThatExpiresSoon(t *testing.T) {
	s := startSlapd(t)
	admin := s.admin(t, base)
	policy := ldap.NewModifyRequest("cn=short,ou=policies,"+base, nil)
	policy.Replace("pwdMaxAge", []string{"86400"})
	policy.Replace("pwdExpireWarning", []string{"100000"})
	user := ldap.NewModifyRequest(uidDN("alice"), nil)
	user.Add("pwdPolicySubentry", []string{"cn=short,ou=policies," + base})
	password := ldap.NewModifyRequest(uidDN("alice"), nil)
	password.Replace("userPassword", []string{"another-pass"})
	for _, change := range []*ldap.ModifyRequest{policy, user, password} {
		if err := admin.Modify(change); err != nil {
			t.Fatal(err)
		}
	}
	expiring(t, s.config(t), "another-pass", 24*time.Hour)
}

func TestDS389PasswordThatExpiresSoon(t *testing.T) {
	s := startDS389(t)
	c, err := ldap.DialURL("ldap://" + s.ldap)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Bind(ds389Manager, ds389ManagerPass); err != nil {
		t.Fatal(err)
	}
	const alice = "uid=alice,ou=people,ou=corp," + base
	settings := ldap.NewModifyRequest("cn=config", nil)
	settings.Replace("passwordExp", []string{"on"})
	user := ldap.NewModifyRequest(alice, nil)
	user.Replace("passwordExpirationTime", []string{time.Now().Add(5 * time.Hour).UTC().Format("20060102150405Z")})
	for _, change := range []*ldap.ModifyRequest{settings, user} {
		if err := c.Modify(change); err != nil {
			t.Fatal(err)
		}
	}
	config := s.config("389ds", ds389Manager, "ou=corp,"+base)
	config.BindPassword = func() (string, error) { return ds389ManagerPass, nil }
	// With its first warning the server puts the end off, to be passwordWarning away.
	// That is no change of the password, and one that comes after it is.
	b := open(t, config)
	id, got := authenticate(t, b, "alice", realPass)
	if got != "in" || !strings.HasPrefix(id.Changed, endOf389+":") {
		t.Fatalf("got %+v, %s", id, got)
	}
	if _, err := b.Revalidate(t.Context(), id); err != nil {
		t.Errorf("after the first warning: got %v, want that nothing was changed", err)
	}
	stale := b.afterWarning(t.Context(), backend.Identity{User: id.User, Handle: id.Handle, Anchor: id.Anchor, Changed: endOf389 + ":2026-01-01T00:00:00.000000000Z"}, time.Now().Add(time.Hour))
	if _, err := b.Revalidate(t.Context(), stale); !errors.Is(err, backend.ErrOutdated) {
		t.Errorf("an end that is not the one of the warning: got %v, want that the password was changed", err)
	}
	expiring(t, config, realPass, 48*time.Hour)
}

// The domain has passwords last ten years.
func TestSambaPasswordThatExpiresSoon(t *testing.T) {
	s := startSamba(t)
	expiring(t, s.config(t), realPass, 11*365*24*time.Hour)
}

func TestDoctorSaysWhenAPasswordExpires(t *testing.T) {
	e := person("alice", alicePass)
	e.Attributes["passwordExpirationTime"] = []string{"20991231235959Z"}
	c := configFor(t, start(t, ldaptest.Config{Entries: append(company(), e)}))
	c.WarnPasswordExpiry = 100 * 365 * 24 * time.Hour
	if f := find(examine(t, c, backend.Examination{User: "alice"}), "account", ""); f.Failed || !strings.Contains(f.Text, "its password expires on 2099-12-31T23:59:00Z") {
		t.Errorf("got %+v", f)
	}
}
