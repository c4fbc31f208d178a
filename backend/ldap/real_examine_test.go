package ldap

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/backend"
)

// examined is what an examination of a real server has to find.
type examined struct {
	change       func(*Config)
	what         backend.Examination
	step         string
	failed       bool
	want         string // in what is said of the step
	subject      string
	wrongGuesses int // that were made before with the name of the user
}

func checkExaminations(t *testing.T, c Config, rows map[string]examined) {
	t.Helper()
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			own := c
			if row.change != nil {
				row.change(&own)
			}
			for range row.wrongGuesses {
				authenticate(t, open(t, c), row.what.User, wrongGuess)
			}
			if row.what.MaxFailures == 0 {
				row.what.MaxFailures, row.what.FailureWindow = 2, 30*time.Minute
			}
			findings := examine(t, own, row.what)
			f := find(findings, row.step, row.subject)
			if f.Step == "" || f.Failed != row.failed || !strings.Contains(fmt.Sprint(f), row.want) {
				t.Errorf("got %+v, want failed %v with %q", f, row.failed, row.want)
			}
			if !row.failed && hasFailed(findings) {
				t.Errorf("a step failed: %+v", findings)
			}
		})
	}
}

func (s *slapd) checkExamination(t *testing.T) {
	all := backend.Examination{User: "carol", Password: realPass, Groups: []string{"all", strings.ToUpper(cnDN("core"))}}
	locking := backend.Examination{User: "erin", Password: realPass}
	checkExaminations(t, s.config(t), map[string]examined{
		"all is well":      {nil, all, "user bind", false, "", "carol", 0},
		"kind":             {nil, all, "rootDSE", false, "OpenLDAP", "", 0},
		"certificate":      {nil, all, "TLS", false, "issuer: CN=real directory CA", "", 0},
		"why":              {nil, all, "groups", false, cnDN("core") + " -> " + cnDN("backend") + " -> " + cnDN("dev") + " -> " + cnDN("all"), "carol", 0},
		"group":            {nil, all, "group of a rule", false, cnDN("all"), "all", 0},
		"policy":           {nil, all, "lock-out", false, "3 wrong passwords without a right one; 0 are counted", "", 0},
		"StartTLS":         {func(c *Config) { c.URLs, c.StartTLS = []string{s.ldapURL}, true }, all, "TLS", false, "-starttls ldap", "", 0},
		"socket":           {func(c *Config) { c.URLs = []string{"ldapi://" + s.socket} }, all, "service bind", false, "-H ldapi://%2F", "", 0},
		"threshold":        {nil, backend.Examination{MaxFailures: 3, FailureWindow: time.Hour}, "lock-out", true, "set max_failures = 2", "", 0},
		"no TLS there":     {func(c *Config) { c.URLs = []string{"ldaps://" + s.ldap} }, all, "TLS", true, "start_tls = true", "", 0},
		"authority":        {func(c *Config) { c.CAFile = "" }, all, "TLS", true, `authority "CN=real directory CA"`, "", 0},
		"preset":           {func(c *Config) { c.Preset = "activedirectory" }, all, "rootDSE", true, "openldap", "", 0},
		"no such account":  {func(c *Config) { c.BindDN = "cn=nobody," + base }, all, "service bind", true, "check bind_dn", "", 0},
		"no name":          {func(c *Config) { c.BindDN = "nobody" }, all, "service bind", true, "write the DN of the account into bind_dn", "", 0},
		"base":             {func(c *Config) { c.UserBases = []string{"ou=peopel," + base} }, all, "user base", true, `did you mean "ou=people"?`, "", 0},
		"foreign base":     {func(c *Config) { c.UserBases = []string{"dc=elsewhere,dc=invalid"} }, all, "user base", true, "the server has " + base, "", 0},
		"near group":       {nil, backend.Examination{Groups: []string{"backends"}}, "group of a rule", true, `did you mean "backend"?`, "", 0},
		"two groups":       {func(c *Config) { c.GroupBases = []string{base} }, backend.Examination{Groups: []string{"dev"}}, "group of a rule", true, "2 groups share the name", "", 0},
		"address for name": {nil, backend.Examination{User: "alice@corp.example"}, "user", true, "mail of uid=alice,ou=people," + base + " would match", "", 0},
		"two users":        {func(c *Config) { c.UserFilter = "(mail={user})" }, backend.Examination{User: "dup@corp.example"}, "user", true, "uid=dup2", "", 0},
		"locked":           {nil, backend.Examination{User: "locked", Password: realPass}, "user bind", true, "unlock the account", "", 0},
		"wrong password":   {nil, backend.Examination{User: "bob", Password: wrongGuess}, "user bind", true, "one wrong password", "", 0},
		"near the limit":   {nil, locking, "user bind", true, "not tried", "", 2},
		"limited account":  {func(c *Config) { c.BindDN = "cn=limited,ou=system," + base }, backend.Examination{User: "manygroups"}, "groups", true, "limits", "", 0},
	})
	checkLogins(t, open(t, s.config(t)), []realLogin{{"erin", realPass, "erin", "", nil}})
}

func (s *samba) checkExamination(t *testing.T) {
	ou := func(cn string) string { return "cn=" + cn + ",ou=groups," + strings.ToLower(realBase) }
	all := backend.Examination{User: `ADTEST\bob`, Password: realPass, Groups: []string{"all", "CN=Core,OU=Groups," + realBase}}
	asAdministrator := func(c *Config) {
		c.BindDN = "CN=Administrator,CN=Users," + realBase
		c.BindPassword = func() (string, error) { return "Adm1n-Pass!", nil }
	}
	checkExaminations(t, s.config(t), map[string]examined{
		"all is well":        {nil, all, "user bind", false, "", "bob", 0},
		"kind":               {nil, all, "rootDSE", false, "Active Directory", "", 0},
		"filter":             {nil, all, "user", false, "(sAMAccountName=bob)", "", 0},
		"why, tokens":        {nil, all, "groups", false, ou("backend") + " -> " + ou("dev") + " -> " + ou("all"), "bob", 0},
		"why, in chain":      {func(c *Config) { c.GroupMode = groupsInChain }, all, "groups", false, ou("backend") + " -> " + ou("dev") + " -> " + ou("all"), "bob", 0},
		"why, primary group": {nil, backend.Examination{User: "dave"}, "groups", false, ou("primary"), "dave", 0},
		"policy":             {nil, all, "lock-out", false, "3 wrong passwords within 30m0s; 0 are counted", "", 0},
		"policy, no user":    {nil, backend.Examination{}, "lock-out", false, "3 wrong passwords within 30m0s", "", 0},
		"finer policy":       {asAdministrator, backend.Examination{User: "strict"}, "lock-out", true, "2 wrong passwords within 1h0m0s", "", 0},
		"threshold":          {nil, backend.Examination{MaxFailures: 5, FailureWindow: time.Hour}, "lock-out", true, "set max_failures = 2", "", 0},
		"window":             {nil, backend.Examination{MaxFailures: 2, FailureWindow: time.Minute}, "lock-out", true, `set failure_window = "30m0s"`, "", 0},
		"distribution group": {nil, backend.Examination{Groups: []string{"dist"}}, "group of a rule", true, "it is a distribution group", "", 0},
		"near group":         {nil, backend.Examination{Groups: []string{"cores"}}, "group of a rule", true, `did you mean "core"?`, "", 0},
		"preset":             {func(c *Config) { c.Preset = "openldap" }, all, "rootDSE", true, "activedirectory", "", 0},
		"wrong account":      {func(c *Config) { c.BindDN = "CN=nobody," + realBase }, all, "service bind", true, "has counted one wrong password", "", 0},
		"disabled account": {func(c *Config) {
			c.BindDN, c.BindPassword = "CN=disabled,OU=People,"+realBase, func() (string, error) { return realPass, nil }
		}, all, "service bind", true, "repair the account", "", 0},
		"anonymous":      {func(c *Config) { c.BindDN, c.BindPassword = "", nil }, all, "user base", true, "set bind_dn", "", 0},
		"clear text":     {func(c *Config) { c.URLs, c.InsecurePlaintext = []string{"ldap://" + s.address}, true }, all, "service bind", true, "takes no password in the clear", "", 0},
		"foreign base":   {func(c *Config) { c.UserBases = []string{"DC=elsewhere,DC=invalid"} }, all, "user base", true, "DC=ad", "", 0},
		"base":           {func(c *Config) { c.UserBases = []string{"OU=Peeple," + realBase} }, all, "user base", true, `did you mean "ou=people"?`, "", 0},
		"display name":   {nil, backend.Examination{User: "Smith, John"}, "user", true, "cn of CN=Smith", "", 0},
		"disabled":       {nil, backend.Examination{User: "disabled", Password: realPass}, "user bind", true, "the account is disabled", "", 0},
		"must change":    {nil, backend.Examination{User: "mustchange", Password: realPass}, "user bind", true, "the password must be changed first", "", 0},
		"near the limit": {nil, backend.Examination{User: "altupn", Password: realPass}, "user bind", true, "not tried", "", 2},
	})
	checkLogins(t, open(t, s.config(t)), []realLogin{{"altupn", realPass, "altupn", "", nil}})
}
