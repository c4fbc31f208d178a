package ldap

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"gatehouse/backend/fault"
	"gatehouse/backend/ldap/ldaptest"
)

// codeOfLogin returns the code of what keeps alice from logging in.
func codeOfLogin(t *testing.T, c Config, password string) fault.Code {
	t.Helper()
	_, err := open(t, c).Authenticate(t.Context(), "alice", password)
	if err != nil && password != "" && strings.Contains(err.Error(), password) {
		t.Errorf("the error has the password: %v", err)
	}
	return fault.Of(err)
}

func TestCodesOfAnswersToABind(t *testing.T) {
	t.Parallel()
	policy := func(code, failure int64) ldaptest.Answer {
		return ldaptest.Answer{Code: code, Controls: []ldaptest.Control{ldaptest.PasswordPolicy(-1, -1, failure)}}
	}
	for want, answers := range map[fault.Code][]ldaptest.Answer{
		"":                           {{}},
		"ldap.user.wrong_password":   {{Code: 49}, {Code: 16}, {Code: 32}, {Code: 48}, ldaptest.ADRefusal("52e"), ldaptest.ADRefusal("525"), ldaptest.ADRefusal("abc")},
		"ldap.user.hours":            {ldaptest.ADRefusal("530")},
		"ldap.user.computer":         {ldaptest.ADRefusal("531")},
		"ldap.user.password_expired": {ldaptest.ADRefusal("532"), policy(49, ldaptest.PasswordExpired), policy(0, ldaptest.PasswordExpired)},
		"ldap.user.disabled":         {ldaptest.ADRefusal("533")},
		"ldap.user.expired":          {ldaptest.ADRefusal("701")},
		"ldap.user.password_change":  {ldaptest.ADRefusal("773"), policy(0, ldaptest.ChangeAfterReset)},
		"ldap.user.locked":           {ldaptest.ADRefusal("775"), policy(19, ldaptest.AccountLocked)},
		"ldap.user.refused":          {{Code: 19}, {Code: 53}},
		"ldap.bind.encryption":       {{Code: 8}, {Code: 13}},
		"ldap.bind.channel_binding":  {ldaptest.ADRefusal("80090346")},
		"ldap.bind.failed":           {{Code: 1}, {Code: 3}, {Code: 34}, {Code: 80}},
		"ldap.server.busy":           {{Code: 51}, {Code: 52}, {Code: 81}},
	} {
		for _, answer := range answers {
			s := start(t, ldaptest.Config{})
			c := configFor(t, s)
			s.OnRequest(onUserBind(ldaptest.Fault{Answer: &answer}))
			if got := codeOfLogin(t, c, alicePass); got != want {
				t.Errorf("%+v: got %q, want %q", answer, got, want)
			}
		}
	}
}

func TestCodesOfAnswersToASearch(t *testing.T) {
	for code, want := range map[int64]fault.Code{
		1: "ldap.search.forbidden", 3: "ldap.search.incomplete", 4: "ldap.user.ambiguous", 10: "ldap.referral", 11: "ldap.search.incomplete",
		32: "ldap.search.no_base", 50: "ldap.search.forbidden", 51: "ldap.server.busy", 52: "ldap.server.busy", 53: "ldap.search.failed", 80: "ldap.search.failed",
	} {
		s := start(t, ldaptest.Config{})
		c := configFor(t, s)
		s.OnRequest(onSearch(ldaptest.Fault{Answer: &ldaptest.Answer{Code: code}}))
		if got := codeOfLogin(t, c, alicePass); got != want {
			t.Errorf("result %d: got %q, want %q", code, got, want)
		}
	}
}

// What the directory says of the service account is not taken for what it says of
// the user.
func TestCodesOfTheServiceAccount(t *testing.T) {
	for want, answers := range map[fault.Code][]ldaptest.Answer{
		"ldap.account.unknown":        {ldaptest.ADRefusal("525")},
		"ldap.account.wrong_password": {{Code: 49}, ldaptest.ADRefusal("52e")},
		"ldap.account.malformed_name": {{Code: 34}},
		"ldap.account.locked":         {ldaptest.ADRefusal("533"), {Code: 53}},
		"ldap.account.encryption":     {{Code: 8}, {Code: 13}},
		"ldap.account.failed":         {{Code: 80}},
	} {
		for _, answer := range answers {
			s := start(t, ldaptest.Config{})
			c := configFor(t, s)
			s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
				if r.Kind == ldaptest.Bind && r.DN == svcDN {
					return ldaptest.Fault{Answer: &answer}
				}
				return ldaptest.Fault{}
			})
			b := open(t, c)
			for _, attempt := range []string{"first", "withheld"} {
				_, err := b.Authenticate(t.Context(), "alice", alicePass)
				if got := fault.Of(err); got != want {
					t.Errorf("%+v, %s: got %q, want %q", answer, attempt, got, want)
				}
			}
		}
	}
	c := configFor(t, start(t, ldaptest.Config{}))
	c.BindPassword = func() (string, error) { return "", nil }
	if got, want := codeOfLogin(t, c, alicePass), fault.Code("ldap.account.no_password"); got != want {
		t.Errorf("without a password: got %q, want %q", got, want)
	}
}

func TestCodesOfConnections(t *testing.T) {
	t.Parallel()
	authority, err := ldaptest.NewAuthority("CA of codes")
	if err != nil {
		t.Fatal(err)
	}
	expired, err := authority.IssueUntil(time.Now().Add(-time.Hour), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	trusted := writeFile(t, "ca.pem", authority.PEM())
	for want, tt := range map[fault.Code]struct {
		server ldaptest.Config
		change func(*Config, *ldaptest.Server)
		fault  ldaptest.Fault // of StartTLS
	}{
		"ldap.tls.unknown_authority": {change: func(c *Config, _ *ldaptest.Server) { c.CAFile = trusted }},
		"ldap.tls.wrong_name":        {change: func(c *Config, _ *ldaptest.Server) { c.ServerName = "dc9.corp.example" }},
		"ldap.tls.expired":           {server: ldaptest.Config{Certificate: &expired}, change: func(c *Config, _ *ldaptest.Server) { c.CAFile = trusted }},
		"ldap.tls.not_tls": {change: func(c *Config, s *ldaptest.Server) {
			c.URLs = []string{strings.Replace(s.URL("ldap"), "ldap:", "ldaps:", 1)}
		}, fault: ldaptest.Fault{Answer: &ldaptest.Answer{Code: 2}}}, // nor does it start TLS
		"ldap.tls.refused":      {server: ldaptest.Config{MaxTLSVersion: tls.VersionTLS11}, change: func(*Config, *ldaptest.Server) {}},
		"ldap.starttls.refused": {change: func(c *Config, s *ldaptest.Server) { c.URLs, c.StartTLS = []string{s.URL("ldap")}, true }, fault: ldaptest.Fault{Answer: &ldaptest.Answer{Code: 2}}},
		"ldap.protocol":         {change: func(c *Config, s *ldaptest.Server) { c.URLs, c.StartTLS = []string{s.URL("ldap")}, true }, fault: ldaptest.Fault{Tag: 1}},
		"ldap.tcp.lost":         {change: func(c *Config, s *ldaptest.Server) { c.URLs, c.StartTLS = []string{s.URL("ldap")}, true }, fault: ldaptest.Fault{Close: true}},
		"ldap.tcp.refused":      {change: func(c *Config, _ *ldaptest.Server) { c.URLs = []string{"ldaps://127.0.0.1:1"} }},
		"ldap.socket.missing":   {change: func(c *Config, _ *ldaptest.Server) { c.URLs = []string{"ldapi:///absent/ldapi"} }},
		"ldap.timeout": {change: func(c *Config, _ *ldaptest.Server) {
			c.URLs, c.ConnectTimeout = []string{"ldaps://" + silent.Addr().String()}, 200*time.Millisecond
		}},
	} {
		s := start(t, tt.server)
		c := configFor(t, s)
		tt.change(&c, s)
		s.OnRequest(func(r ldaptest.Request) ldaptest.Fault {
			if r.Kind == ldaptest.StartTLS {
				return tt.fault
			}
			return ldaptest.Fault{}
		})
		if got := codeOfLogin(t, c, alicePass); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestCodesOfUsers(t *testing.T) {
	s := start(t, ldaptest.Config{})
	if got, want := codeOfLogin(t, configFor(t, s), "Gu3ss-work"), fault.Code("ldap.user.wrong_password"); got != want {
		t.Errorf("a wrong password: got %q, want %q", got, want)
	}
	for want, filter := range map[fault.Code]string{"ldap.user.unknown": "(cn=x{user})", "ldap.user.ambiguous": "(|(uid={user})(uid=bob))"} {
		c := configFor(t, s)
		c.UserFilter = filter
		if got := codeOfLogin(t, c, alicePass); got != want {
			t.Errorf("%s: got %q, want %q", filter, got, want)
		}
	}
	c := configFor(t, s)
	c.UserNameAttr = "description"
	if got, want := codeOfLogin(t, c, alicePass), fault.Code("ldap.user.unusable"); got != want {
		t.Errorf("no name: got %q, want %q", got, want)
	}
}
