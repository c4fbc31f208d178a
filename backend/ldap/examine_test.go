package ldap

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend"
	"gatehouse/backend/ldap/ldaptest"
)

// examine returns the findings of an examination. It checks what holds for all of
// them: no password is shown, every step takes a command that does the same, and
// every failure comes with advice.
func examine(t *testing.T, c Config, what backend.Examination) (findings []backend.Finding) {
	t.Helper()
	open(t, c).Examine(t.Context(), what, func(f backend.Finding) {
		t.Logf("%+v", f)
		findings = append(findings, f)
		shown := fmt.Sprint(f)
		for _, secret := range []string{svcPass, realSvcPass, what.Password} {
			if secret != "" && strings.Contains(shown, secret) {
				t.Errorf("there is a password in %s", shown)
			}
		}
		if f.Failed && f.Advice == "" {
			t.Errorf("a failure without advice: %s", shown)
		}
		if f.Command == "" || f.Took <= 0 {
			t.Errorf("a step without a command or without a time: %s", shown)
		}
	})
	return findings
}

// find returns the finding of a step, the one that failed if several are.
func find(findings []backend.Finding, step, subject string) (found backend.Finding) {
	for _, f := range findings {
		if f.Step == step && (subject == "" || f.Subject == subject) && (found.Step == "" || f.Failed) {
			found = f
		}
	}
	return found
}

func stepsOf(findings []backend.Finding) (steps []string) {
	for _, f := range findings {
		steps = append(steps, f.Step)
	}
	return steps
}

func hasFailed(findings []backend.Finding) bool {
	return slices.ContainsFunc(findings, func(f backend.Finding) bool { return f.Failed })
}

func TestExaminationOfWhatWorks(t *testing.T) {
	s := start(t, ldaptest.Config{})
	findings := examine(t, configFor(t, s), backend.Examination{User: "alice", Password: alicePass, Groups: []string{"dev", cnDN("ALL")}, OptionalGroups: []string{"elsewhere"}})
	want := []string{"TCP", "TLS", "rootDSE", "service bind", "user base", "schema", "anchor", "password change", "group of a rule", "group of a rule", "group of a rule", "user", "account", "groups", "lock-out", "user bind", "load", "load"}
	if got := stepsOf(findings); !slices.Equal(got, want) || hasFailed(findings) {
		t.Errorf("got steps %q, want %q without a failure", got, want)
	}
	if n := userBinds(s); n != 1 {
		t.Errorf("the password was tried %d times, want once", n)
	}
	for step, want := range map[string]string{
		"TLS": "days left", "user": "(&(objectClass=person)(uid=alice))", "groups": cnDN("dev") + " -> " + cnDN("all"), "load": "20, 4 at once: p50 ",
		"group of a rule": cnDN("dev"), "user base": "ldapsearch",
	} {
		if f := fmt.Sprint(find(findings, step, "")); !strings.Contains(f, want) {
			t.Errorf("step %q: got %s, want %q in it", step, f, want)
		}
	}
}

func TestExplanationSaysWhySomebodyIsInAGroup(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: append(company(), groupEntry("loop", "groups", uidDN("bob"), cnDN("all")), groupEntry("loop", "other", uidDN("carol")))})
	c := configFor(t, s)
	c.FilterGroups = []struct{ Name, Filter string }{{"bobs", "(uid=b*)"}}
	got, err := open(t, c).Explain(t.Context(), backend.Identity{User: "bob", Handle: uidDN("bob")})
	want := []backend.Membership{
		{Group: "bobs", Path: []string{"bobs"}},
		{Group: cnDN("all"), Names: []string{"all"}, Path: []string{cnDN("backend"), cnDN("dev"), cnDN("all")}},
		{Group: cnDN("backend"), Names: []string{"backend"}, Path: []string{cnDN("backend")}},
		{Group: cnDN("dev"), Names: []string{"dev"}, Path: []string{cnDN("backend"), cnDN("dev")}},
		{Group: cnDN("loop"), Shared: []string{"loop"}, Path: []string{cnDN("loop")}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v; want -, got +\n%s", err, diff)
	}
}

// Where the server walks the groups and does not tell how, the way is read from
// the groups themselves.
func TestExplanationInActiveDirectory(t *testing.T) {
	s := start(t, ldaptest.Config{Entries: adCompany(), ActiveDirectory: true})
	for _, mode := range []string{groupsTokens, groupsInChain, groupsMemberOf} {
		c := adConfig(t, s)
		c.GroupMode = mode
		b := open(t, c)
		id, err := b.Resolve(t.Context(), "dave")
		if err != nil {
			t.Fatal(err)
		}
		groups, err := b.Groups(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		all, err := b.Explain(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		nested := 0
		for _, m := range all {
			if len(m.Path) == 0 || m.Path[len(m.Path)-1] != m.Group || !slices.Contains(groups, m.Group) {
				t.Errorf("%s: got %+v", mode, m)
			}
			if len(m.Path) > 1 {
				nested++
			}
		}
		if nested == 0 || len(all) < 3 {
			t.Errorf("%s: got %+v, want groups through others", mode, all)
		}
	}
}

func TestExaminationFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := start(t, ldaptest.Config{})
	ad := start(t, ldaptest.Config{Entries: adCompany(), ActiveDirectory: true})
	for name, tt := range map[string]struct {
		change func(*Config)
		step   string
		want   string // in the text or the advice
	}{
		"name":      {func(c *Config) { c.URLs = []string{"ldaps://directory.invalid"} }, "DNS", "resolver"},
		"SRV":       {func(c *Config) { c.URLs = []string{"srv:_ldap._tcp.directory.invalid"} }, "SRV", "check the name"},
		"port":      {func(c *Config) { c.URLs = []string{"ldaps://127.0.0.1:1"} }, "TCP", "port"},
		"CA":        {func(c *Config) { c.CAFile = "" }, "TLS", `authority "CN=directory test CA" into a file and name that in ca_file`},
		"TLS name":  {func(c *Config) { c.ServerName = "dc1.corp.example" }, "TLS", "it is for localhost, directory.example, 127.0.0.1"},
		"StartTLS":  {func(c *Config) { c.URLs = []string{strings.Replace(s.URL("ldap"), "ldap:", "ldaps:", 1)} }, "TLS", "start_tls = true"},
		"preset":    {func(c *Config) { c.Preset = "activedirectory" }, "rootDSE", "preset"},
		"preset 2":  {func(c *Config) { *c = adConfig(t, ad); c.Preset = "openldap" }, "rootDSE", "activedirectory"},
		"account":   {func(c *Config) { c.BindPassword = func() (string, error) { return "wrong", nil } }, "service bind", "bind_dn"},
		"account 2": {func(c *Config) { *c = adConfig(t, ad); c.BindPassword = func() (string, error) { return "wrong", nil } }, "service bind", "check bind_dn and the file with its password"},
		"base":      {func(c *Config) { c.UserBases = []string{"ou=peopel," + base} }, "user base", `ou=peopel does not exist below ` + base},
		"base 2":    {func(c *Config) { c.UserBases = []string{"ou=peopel," + base} }, "user base", `did you mean "ou=people"?`},
		"user":      {func(c *Config) { c.UserFilter = "(cn=x{user})" }, "user", "(cn=xalice): no entry"},
		"user 2":    {func(c *Config) { c.UserFilter = "(&(objectClass=x)(uid={user}))" }, "user", "objectClass"},
		"user 4":    {func(c *Config) { c.UserFilter = "(employeeNumber={user})" }, "user", `"(uid={user})"`},
		"user 3":    {func(c *Config) { c.UserBases, c.GroupBases = []string{"ou=system," + base}, []string{base} }, "user", "user_bases"},
		"two":       {func(c *Config) { c.UserFilter = "(|(uid={user})(uid=bob))" }, "user", uidDN("bob")},
		"password":  {func(*Config) {}, "user bind", "one wrong password"},
	} {
		t.Run(name, func(t *testing.T) {
			c := configFor(t, s)
			tt.change(&c)
			f := find(examine(t, c, backend.Examination{User: "alice", Password: wrongGuess}), tt.step, "")
			if !f.Failed || !strings.Contains(fmt.Sprint(f), tt.want) {
				t.Errorf("got %+v, want a failure with %q", f, tt.want)
			}
		})
	}
}

func TestExaminationOfGroupsInRules(t *testing.T) {
	t.Parallel()
	s := start(t, ldaptest.Config{Entries: append(company(), groupEntry("dev", "other", uidDN("bob")), groupEntry("pushers", "groups", uidDN("bob")))})
	c := configFor(t, s)
	outside := c
	outside.GroupBases = []string{"ou=other," + base}
	none := c
	none.GroupMode = groupsNone
	for name, tt := range map[string]struct {
		config Config
		group  string
		failed bool
		want   string
	}{
		"there":              {c, "Backend", false, cnDN("backend")},
		"there by DN":        {c, "CN=backend, ou=groups," + base, false, cnDN("backend")},
		"nearly":             {c, "pusher", true, `did you mean "pushers"?`},
		"nearly by DN":       {c, cnDN("pusher"), true, `did you mean "cn=pushers"?`},
		"nothing like it":    {c, "x*)(cn=y", true, "correct the rule"},
		"two":                {c, "dev", true, cnDN("dev")},
		"one of two":         {outside, "dev", false, "cn=dev,ou=other," + base},
		"elsewhere by DN":    {outside, cnDN("dev"), true, "group_bases"},
		"a user":             {c, uidDN("bob"), true, "group_filter"},
		"without group mode": {none, "dev", true, "group_mode"},
	} {
		t.Run(name, func(t *testing.T) {
			f := find(examine(t, tt.config, backend.Examination{Groups: []string{tt.group}}), "group of a rule", tt.group)
			if f.Failed != tt.failed || !strings.Contains(fmt.Sprint(f), tt.want) {
				t.Errorf("got %+v, want failed %v with %q", f, tt.failed, tt.want)
			}
			f = find(examine(t, tt.config, backend.Examination{OptionalGroups: []string{tt.group}}), "group of a rule", tt.group)
			if f.Failed && !strings.Contains(f.Text, "share the name") {
				t.Errorf("a group that another backend may have: got %+v", f)
			}
		})
	}
}

func TestExaminationWithoutMemberOf(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.GroupMode = groupsMemberOf
	f := find(examine(t, c, backend.Examination{User: "alice"}), "groups", "")
	if !f.Failed || !strings.Contains(f.Advice, `group_mode = "search"`) {
		t.Errorf("got %+v", f)
	}
}

// policyEntry is a password policy of OpenLDAP.
func policyEntry(more ...string) ldaptest.Entry {
	e := ldaptest.Entry{DN: "cn=policy," + base, Attributes: map[string][]string{"objectClass": {"pwdPolicy"}, "pwdLockout": {"TRUE"}}}
	for i := 0; i+1 < len(more); i += 2 {
		e.Attributes[more[i]] = []string{more[i+1]}
	}
	return e
}

func TestExaminationOfLockOut(t *testing.T) {
	t.Parallel()
	domain := func(threshold, window string) ldaptest.Entry {
		return ldaptest.Entry{DN: base, Attributes: map[string][]string{
			"objectClass": {"domainDNS"}, "lockoutThreshold": {threshold}, "lockOutObservationWindow": {window},
		}}
	}
	fine := ldaptest.Entry{DN: "cn=strict," + base, Attributes: map[string][]string{
		"objectClass": {"msDS-PasswordSettings"}, "msDS-LockoutThreshold": {"2"}, "msDS-LockoutObservationWindow": {"-36000000000"},
	}}
	hour, halfHour := "-36000000000", "-18000000000"
	for name, tt := range map[string]struct {
		entries  []ldaptest.Entry
		failures int
		failed   bool
		want     string
	}{
		"no policy":            {nil, 2, false, "ask after how many"},
		"never":                {[]ldaptest.Entry{domain("0", halfHour)}, 2, false, "locks no account"},
		"above":                {[]ldaptest.Entry{domain("3", halfHour)}, 2, false, "3 wrong passwords within 30m0s"},
		"not below":            {[]ldaptest.Entry{domain("3", halfHour)}, 3, true, "set max_failures = 2"},
		"one":                  {[]ldaptest.Entry{domain("1", halfHour)}, 2, true, "raise the threshold"},
		"longer":               {[]ldaptest.Entry{domain("5", hour)}, 2, true, `set failure_window = "1h0m0s"`},
		"finer policy":         {[]ldaptest.Entry{domain("5", halfHour), fine}, 2, true, "set max_failures = 1"},
		"OpenLDAP":             {[]ldaptest.Entry{policyEntry("pwdMaxFailure", "5", "pwdFailureCountInterval", "600")}, 2, false, "5 wrong passwords within 10m0s"},
		"OpenLDAP, not below":  {[]ldaptest.Entry{policyEntry("pwdMaxFailure", "2", "pwdFailureCountInterval", "600")}, 2, true, "set max_failures = 1"},
		"OpenLDAP, for ever":   {[]ldaptest.Entry{policyEntry("pwdMaxFailure", "5")}, 2, false, "forget wrong passwords"},
		"OpenLDAP, locks none": {[]ldaptest.Entry{policyEntry("pwdMaxFailure", "2", "pwdLockout", "FALSE")}, 2, false, "locks no account"},
		"389":                  {[]ldaptest.Entry{{DN: "cn=config", Attributes: map[string][]string{"objectClass": {"top"}, "passwordLockout": {"on"}, "passwordMaxFailure": {"2"}, "passwordResetFailureCount": {"600"}}}}, 2, true, "set max_failures = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, ldaptest.Config{Entries: append(company(), tt.entries...)})
			what := backend.Examination{MaxFailures: tt.failures, FailureWindow: 30 * time.Minute}
			for _, user := range []string{"", "alice"} {
				what.User = user
				f := find(examine(t, configFor(t, s), what), "lock-out", "")
				if f.Failed != tt.failed || !strings.Contains(fmt.Sprint(f), tt.want) {
					t.Errorf("user %q: got %+v, want failed %v with %q", user, f, tt.failed, tt.want)
				}
			}
		})
	}
}

// A password is not tried when a wrong one would be the last that the directory
// takes.
func TestExaminationLocksNobody(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	fileTime := func(at time.Time) string { return strconv.FormatInt(at.Unix()*1e7+116_444_736_000_000_000, 10) }
	generalized := now.Add(-time.Minute).Format("20060102150405Z")
	for name, tt := range map[string]struct {
		user ldaptest.Entry
		safe bool
	}{
		"none":             {person("alice", alicePass), true},
		"one of AD":        {person("alice", alicePass, "badPwdCount", "1", "badPasswordTime", fileTime(now)), true},
		"two of AD":        {person("alice", alicePass, "badPwdCount", "2", "badPasswordTime", fileTime(now)), false},
		"two long ago":     {person("alice", alicePass, "badPwdCount", "2", "badPasswordTime", fileTime(now.Add(-time.Hour))), true},
		"one of OpenLDAP":  {person("alice", alicePass, "pwdFailureTime", generalized), true},
		"two of OpenLDAP":  {person("alice", alicePass, "pwdFailureTime", generalized, "pwdFailureTime", now.Format("20060102150405.000000Z")), false},
		"two of 389":       {person("alice", alicePass, "passwordRetryCount", "2", "retryCountResetTime", now.Add(time.Hour).Format("20060102150405Z")), false},
		"forgotten by 389": {person("alice", alicePass, "passwordRetryCount", "2", "retryCountResetTime", generalized), true},
		"own policy":       {person("alice", alicePass, "pwdFailureTime", generalized, "pwdPolicySubentry", "cn=own,"+base), false},
	} {
		t.Run(name, func(t *testing.T) {
			own := policyEntry("pwdMaxFailure", "2", "pwdFailureCountInterval", "600")
			own.DN, own.Attributes["objectClass"] = "cn=own,"+base, []string{"top"}
			s := start(t, ldaptest.Config{Entries: append(company(), tt.user, own, policyEntry("pwdMaxFailure", "3", "pwdFailureCountInterval", "600"))})
			findings := examine(t, configFor(t, s), backend.Examination{User: "alice", Password: alicePass, MaxFailures: 1, FailureWindow: time.Hour})
			want := 0
			if tt.safe {
				want = 1
			}
			if f := find(findings, "user bind", ""); f.Failed == tt.safe || userBinds(s) != want {
				t.Errorf("got %+v and %d binds, want tried %v", f, userBinds(s), tt.safe)
			}
		})
	}
}

// Users who search with their own rights can be examined only with a password.
func TestExaminationWithoutAnAccount(t *testing.T) {
	s := start(t, ldaptest.Config{})
	c := configFor(t, s)
	c.BindDN, c.BindPassword, c.BindTemplate = "", nil, "uid={user},ou=people,"+base
	findings := examine(t, c, backend.Examination{User: "alice", Password: alicePass})
	want := []string{"TCP", "TLS", "rootDSE", "service bind", "user bind", "groups"}
	if got := stepsOf(findings); !slices.Equal(got, want) || hasFailed(findings) {
		t.Errorf("got %q, want %q", got, want)
	}
	if f := find(examine(t, c, backend.Examination{User: "alice", Password: wrongGuess}), "user bind", ""); !f.Failed {
		t.Errorf("got %+v", f)
	}
}

// The commands can be pasted into a shell, whatever the names in them.
func TestCommandsAreQuoted(t *testing.T) {
	got, err := exec.Command("sh", "-c", "printf '%s|' "+shell("ldapsearch", "it's", "$(x)", "a b", "", "(uid=*)", "uid=alice,dc=x")).Output()
	if want := "ldapsearch|it's|$(x)|a b||(uid=*)|uid=alice,dc=x|"; string(got) != want || err != nil {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// Servers that DNS names are tried like others, by their names.
func TestExaminationOfServersFromDNS(t *testing.T) {
	s := start(t, ldaptest.Config{})
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL("ldap"), "ldap://"), ":")
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	c := configFor(t, s)
	c.URLs = []string{"srv:_ldap._tcp.localhost"}
	c.names.srv = func(context.Context, string, string, string) (string, []*net.SRV, error) {
		return "", []*net.SRV{{Target: "localhost.", Port: uint16(number)}, {Target: "evil.example.", Port: 389}}, nil
	}
	b := open(t, c)
	var findings []backend.Finding
	b.Examine(t.Context(), backend.Examination{}, func(f backend.Finding) { findings = append(findings, f) })
	if f := find(findings, "SRV", "_ldap._tcp.localhost"); f.Failed || !slices.Equal(f.Details, []string{"ldap://localhost:" + port}) || f.Command != "dig +short SRV _ldap._tcp.localhost" {
		t.Errorf("got %+v", f)
	}
	if f := find(findings, "DNS", "localhost"); f.Failed || !slices.Contains(f.Details, "127.0.0.1") {
		t.Errorf("got %+v", f)
	}
	for _, step := range []string{"TLS", "service bind"} {
		if f := find(findings, step, ""); f.Step == "" || f.Failed || step == "TLS" && !strings.Contains(f.Command, "-servername localhost") {
			t.Errorf("%s: got %+v", step, f)
		}
	}
}

// A server that takes connections and says nothing costs a step its time, and is
// told from one that refuses.
func TestExaminationOfASilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := configFor(t, start(t, ldaptest.Config{}))
	c.URLs, c.ConnectTimeout = []string{"ldaps://" + l.Addr().String()}, 200*time.Millisecond
	f := find(examine(t, c, backend.Examination{}), "TLS", "")
	if !f.Failed || !strings.Contains(f.Advice, "nothing answers") || f.Took > c.ConnectTimeout+slack {
		t.Errorf("got %+v", f)
	}
}
