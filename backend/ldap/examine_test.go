package ldap

import (
	"slices"
	"strings"
	"testing"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

func examine(t *testing.T, c Config, user, password string) (steps []string, failed map[string]backend.Finding) {
	t.Helper()
	failed = map[string]backend.Finding{}
	open(t, c).Examine(t.Context(), user, password, func(f backend.Finding) {
		t.Logf("%+v", f)
		steps = append(steps, f.Step)
		if f.Failed {
			failed[f.Step] = f
		}
		if strings.Contains(f.Text+f.Advice, svcPass) || password != "" && strings.Contains(f.Text+f.Advice, password) {
			t.Errorf("there is a password in %+v", f)
		}
	})
	return steps, failed
}

func TestExaminationOfWhatWorks(t *testing.T) {
	s := start(t, ldaptest.Config{})
	steps, failed := examine(t, configFor(t, s), "alice", alicePass)
	want := []string{"connection", "encryption", "kind of server", "service account", "user base", "user", "groups", "why", "load", "password"}
	if !slices.Equal(steps, want) || len(failed) > 0 {
		t.Errorf("got steps %q, failed %v, want %q", steps, failed, want)
	}
	if n := userBinds(s); n != 1 {
		t.Errorf("the password was tried %d times, want once", n)
	}
}

func TestExaminationSaysWhySomebodyIsInAGroup(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: append(company(), groupEntry("loop", "groups", uidDN("bob"), cnDN("all")))})
	b := open(t, configFor(t, s))
	want := strings.Join([]string{
		cnDN("backend"),
		cnDN("backend") + " -> " + cnDN("dev"),
		cnDN("backend") + " -> " + cnDN("dev") + " -> " + cnDN("all"),
		cnDN("loop"),
	}, "; ")
	got := ""
	b.Examine(t.Context(), "bob", "", func(f backend.Finding) {
		if f.Step == "why" {
			got = f.Text
		}
	})
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExaminationFindsWhatIsWrong(t *testing.T) {
	s := start(t, ldaptest.Config{})
	ad := start(t, ldaptest.Config{Entries: adCompany(), ActiveDirectory: true})
	for name, tt := range map[string]struct {
		change func(*Config)
		step   string
		advice string
	}{
		"name":     {func(c *Config) { c.URLs = []string{"ldaps://directory.invalid"} }, "name", "resolver"},
		"port":     {func(c *Config) { c.URLs = []string{"ldaps://127.0.0.1:1"} }, "connection", "port"},
		"CA":       {func(c *Config) { c.CAFile = "" }, "encryption", "error"},
		"preset":   {func(c *Config) { c.Preset = "activedirectory" }, "kind of server", "preset"},
		"preset 2": {func(c *Config) { *c = adConfig(t, ad); c.Preset = "openldap" }, "kind of server", "preset"},
		"account":  {func(c *Config) { c.BindPassword = func() (string, error) { return "wrong", nil } }, "service account", "bind_dn"},
		"base":     {func(c *Config) { c.UserBases = []string{"ou=absent," + base} }, "user base", "spelling"},
		"user":     {func(c *Config) { c.UserFilter = "(cn=x{user})" }, "user", "user_filter"},
		"password": {func(*Config) {}, "password", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := configFor(t, s)
			tt.change(&c)
			_, failed := examine(t, c, "alice", wrongGuess)
			if f, ok := failed[tt.step]; !ok || !strings.Contains(f.Advice, tt.advice) {
				t.Errorf("got failures %v, want one of the step %q with %q", failed, tt.step, tt.advice)
			}
		})
	}
}
