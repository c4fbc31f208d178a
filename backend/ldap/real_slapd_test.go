package ldap

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"text/template"
	"time"

	"gatehouse/internal/testkit"
)

// slapd is an OpenLDAP server with the content of testdata/slapd-*.ldif.
type slapd struct {
	process
	dir               string
	ldap, ldaps       string // addresses
	ldapURL, ldapsURL string
	socket            string
	autogroup         bool // it has that overlay
}

// startSlapd starts a server on ports of its own.
func startSlapd(t testing.TB) *slapd {
	t.Helper()
	return startSlapdWith(t, "")
}

// startSlapdWith does so with more entries.
func startSlapdWith(t testing.TB, more string) *slapd {
	t.Helper()
	const advice = "apt-get install slapd"
	path, add := program(t, "slapd", advice), program(t, "slapadd", advice)
	s := &slapd{dir: t.TempDir(), ldap: freePort(t), ldaps: freePort(t)}
	s.ldapURL, s.ldapsURL, s.socket = "ldap://"+s.ldap, "ldaps://"+s.ldaps, filepath.Join(s.dir, "ldapi")
	certify(t, s.dir, "127.0.0.1", "directory.example")
	s.configure(t)
	conf := filepath.Join(s.dir, "slapd.conf")
	for base, file := range map[string]string{base: "slapd-corp.ldif", "dc=dyn,dc=example": "slapd-dyn.ldif", "dc=auto,dc=example": "slapd-auto.ldif"} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		if file == "slapd-corp.ldif" {
			text = append(append(text, '\n'), people()+more...)
		}
		run(t, add, "-q", "-f", conf, "-b", base, "-l", writeFile(t, file, text))
	}
	s.path = path
	s.args = []string{"-f", conf, "-d", "0", "-h", fmt.Sprintf("%s/ %s/ %s/ ldapi://%s", s.ldapURL, s.ldapsURL,
		strings.Replace(s.ldapsURL, "127.0.0.1", "127.0.0.2", 1), url.QueryEscape(s.socket))}
	s.launch(t, s.ldaps)
	t.Cleanup(s.kill)
	return s
}

// configure writes slapd.conf.
func (s *slapd) configure(t testing.TB) {
	t.Helper()
	values := struct {
		Dir, Modules string
		Schemas      []string
		Autogroup    bool
	}{Dir: s.dir}
	for _, dir := range []string{"/usr/lib/ldap", "/usr/lib64/openldap", "/usr/lib/openldap"} {
		if _, err := os.Stat(dir); err == nil && values.Modules == "" {
			values.Modules = dir
		}
	}
	for _, name := range []string{"core", "cosine", "nis", "inetorgperson", "dyngroup"} {
		for _, dir := range []string{"/etc/ldap/schema", "/etc/openldap/schema"} {
			path := filepath.Join(dir, name+".schema")
			if _, err := os.Stat(path); err == nil {
				values.Schemas = append(values.Schemas, path)
			}
		}
	}
	if len(values.Schemas) != 5 || values.Modules == "" {
		testkit.Missing(t, "the schemas or the modules of slapd are not where they usually are")
	}
	overlays, _ := filepath.Glob(filepath.Join(values.Modules, "autogroup.*"))
	values.Autogroup = len(overlays) > 0
	s.autogroup = values.Autogroup
	conf, err := os.Create(filepath.Join(s.dir, "slapd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	defer conf.Close()
	if err := template.Must(template.ParseFiles("testdata/slapd.conf")).Execute(conf, values); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"corp", "dyn", "auto"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// people are entries that are too much alike to write out.
func people() string {
	var b strings.Builder
	user := func(uid string, more ...string) {
		fmt.Fprintf(&b, "dn: uid=%s,ou=people,%s\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s\nsn: %s\nmail: %s@corp.example\nuserPassword: %s\n%s\n\n",
			uid, base, uid, uid, uid, uid, realPass, strings.Join(more, "\n"))
	}
	for _, uid := range []string{"alice", "bob", "carol", "dave", "erin", "jörg", "weird(*)", "o'brien", "lockme", "manygroups"} {
		user(uid)
	}
	user("dup1", "mail: dup@corp.example")
	user("dup2", "mail: dup@corp.example")
	user("locked", "pwdAccountLockedTime: 000001010000Z")
	user("mustchange", "pwdReset: TRUE")
	user("expired", "pwdChangedTime: 20200101000000Z", "pwdPolicySubentry: cn=short,ou=policies,"+base)
	user("grace", "pwdChangedTime: 20200101000000Z", "pwdPolicySubentry: cn=grace,ou=policies,"+base)
	group := func(cn string, members ...string) {
		fmt.Fprintf(&b, "dn: cn=%s,ou=groups,%s\nobjectClass: groupOfNames\ncn: %s\nmember: %s\n\n", cn, base, cn, strings.Join(members, "\nmember: "))
	}
	group("backend", uidDN("bob"), cnDN("core"))
	group("core", uidDN("carol"))
	group("dev", uidDN("alice"), cnDN("backend"))
	group("all", cnDN("dev"))
	group("loopa", uidDN("dave"), cnDN("loopb"))
	group("loopb", cnDN("loopa"))
	group("comma", `cn=Smith\, John \+ Co,ou=people,`+base)
	for i := range 700 {
		group(fmt.Sprintf("many%03d", i), uidDN("manygroups"))
	}
	return b.String()
}

func (s *slapd) config(t testing.TB) Config {
	return Config{
		Preset: "openldap", URLs: []string{s.ldapsURL}, CAFile: filepath.Join(s.dir, "ca.pem"),
		BindDN: svcDN, BindPassword: func() (string, error) { return realSvcPass, nil },
		UserBases: []string{base}, GroupBases: []string{"ou=groups," + base},
		LoginTimeout: 2 * time.Minute, // half of which is for the look at all groups, on however busy a machine
	}
}

func TestSlapd(t *testing.T) {
	s := startSlapd(t)
	socket := "ldapi://" + s.socket
	logins := []realLogin{
		{"alice", realPass, "alice", "", []string{"dev", "all"}}, {"ALICE", realPass, "alice", "", []string{"dev", "all"}},
		{"bob", realPass, "bob", "", []string{"backend", "dev", "all"}},
		{"carol", realPass, "carol", "", []string{"core", "backend", "dev", "all"}},
		{"dave", realPass, "dave", "", []string{"loopa", "loopb"}},
		{"erin", realPass, "erin", "", []string{"uniq"}},
		{"JÖRG", realPass, "jörg", "", []string{}}, {"jo\u0308rg", realPass, "jörg", "", nil},
		{"weird(*)", realPass, "weird(*)", "", nil}, {"o'brien", realPass, "o'brien", "", nil},
		{"jsmith", realPass, "jsmith", "", []string{"comma"}}, {"caseuser", realPass, "caseuser", "", []string{}},
		{"alice", wrongGuess, "", "wrong", nil}, {"nobody", realPass, "", "unknown", nil}, {"nopw", realPass, "", "wrong", nil}, {"alice", "", "", "wrong", nil},
		{"*", realPass, "", "unknown", nil}, {"alice)(uid=*", realPass, "", "unknown", nil}, {"al*", realPass, "", "unknown", nil},
		{" alice", realPass, "", "unknown", nil}, {"ａlice", realPass, "", "unknown", nil}, {"ali\u200bce", realPass, "", "unknown", nil},
		{"locked", realPass, "", "locked", nil}, {"mustchange", realPass, "", "locked", nil}, {"expired", realPass, "", "locked", nil},
		{"grace", realPass, "grace", "", nil},
	}
	transports := map[string]func(*Config){
		"ldaps":    func(*Config) {},
		"StartTLS": func(c *Config) { c.URLs, c.StartTLS = []string{s.ldapURL}, true },
		"socket":   func(c *Config) { c.URLs = []string{socket} },
		"certificate": func(c *Config) {
			c.BindDN, c.BindPassword, c.SASLExternal = "", nil, true
			c.CertFile, c.KeyFile = filepath.Join(s.dir, "cert.pem"), filepath.Join(s.dir, "key.pem")
		},
		"certificate over StartTLS": func(c *Config) {
			c.URLs, c.StartTLS = []string{s.ldapURL}, true
			c.BindDN, c.BindPassword, c.SASLExternal = "", nil, true
			c.CertFile, c.KeyFile = filepath.Join(s.dir, "cert.pem"), filepath.Join(s.dir, "key.pem")
		},
	}
	if os.Getuid() == 0 {
		transports["root on the socket"] = func(c *Config) {
			c.URLs, c.BindDN, c.BindPassword, c.SASLExternal = []string{socket}, "", nil, true
		}
	}
	for name, change := range transports {
		t.Run(name, func(t *testing.T) {
			c := s.config(t)
			change(&c)
			checkLogins(t, open(t, c), logins)
		})
	}
	t.Run("identities", func(t *testing.T) { s.office(t).checkIdentities(t) })
	t.Run("transport", func(t *testing.T) { s.office(t).checkTransport(t) })
	t.Run("modes", func(t *testing.T) { s.checkModes(t) })
	t.Run("doctor", func(t *testing.T) { s.checkExamination(t) })
	t.Run("failures", func(t *testing.T) { s.checkFailures(t) })
}

// checkModes logs in in the other ways that there are to find users and groups.
func (s *slapd) checkModes(t *testing.T) {
	c := s.config(t)
	c.Preset, c.GroupBases = "rfc2307", []string{base}
	checkLogins(t, open(t, c), []realLogin{{"CASEUSER", realPass, "caseuser", "", []string{"posix", "primary"}}, {"alice", realPass, "", "unknown", nil}})

	c = s.config(t)
	c.BindDN, c.BindPassword, c.BindTemplate, c.GroupMode = "", nil, "uid={user},ou=people,"+base, groupsNone
	checkLogins(t, open(t, c), []realLogin{{"Alice", realPass, "alice", "", []string{}}, {"alice", wrongGuess, "", "wrong", nil}, {"mustchange", realPass, "", "locked", nil}})

	c = s.config(t)
	c.UserFilter = "(|(uid={user})(mail={user}))"
	checkLogins(t, open(t, c), []realLogin{{"Alice@corp.example", realPass, "alice", "", nil}, {"dup@corp.example", realPass, "", "wrong", nil}})

	c = s.config(t)
	c.BindDN, c.BindPassword, c.UserBases, c.GroupBases, c.GroupMode = "", nil, []string{"dc=dyn,dc=example"}, nil, groupsMemberOf
	c.GroupFilter = "(objectClass=*)"
	checkLogins(t, open(t, c), []realLogin{{"dan", realPass, "dan", "", []string{"inner", "outer", "staff"}}})

	c = s.config(t)
	c.GroupBases = []string{base}
	checkLogins(t, open(t, c), []realLogin{{"alice", realPass, "alice", "", []string{"all"}}, {"bob", realPass, "bob", "", []string{"backend", "all"}}})

	c = s.config(t)
	b := open(t, c)
	id, _ := authenticate(t, b, "manygroups", realPass)
	if groups, err := b.Groups(t.Context(), id); err != nil || len(groups) != 1400 {
		t.Errorf("700 groups: got %d names, %v", len(groups), err)
	}
	c.BindDN = "cn=limited,ou=system," + base
	b = open(t, c)
	if groups, err := b.Groups(t.Context(), id); verdict(err) != "unavailable" || groups != nil {
		t.Errorf("700 groups with a limit of 500: got %d names, %v, want unavailable", len(groups), err)
	}
}

func (s *slapd) checkFailures(t *testing.T) {
	b := open(t, s.config(t))
	for i, want := range []string{"wrong", "wrong", "wrong", "locked"} {
		password := wrongGuess
		if i == 3 {
			password = realPass
		}
		if _, got := authenticate(t, b, "lockme", password); got != want {
			t.Errorf("attempt %d: got %s, want %s", i, got, want)
		}
	}
	checkStanding(t, b, map[string]string{"alice": "in", "weird(*)": "in", "lockme": "locked", "locked": "locked", "mustchange": "locked"})
	for name, change := range map[string]func(*Config){
		"no authority":    func(c *Config) { c.CAFile = "" },
		"wrong name":      func(c *Config) { c.ServerName = "dc1.corp.example" },
		"wrong password":  func(c *Config) { c.BindPassword = func() (string, error) { return "wrong", nil } },
		"no such account": func(c *Config) { c.BindDN = "cn=nobody," + base },
	} {
		c := s.config(t)
		change(&c)
		if _, got := authenticate(t, open(t, c), "alice", realPass); got != "unavailable" {
			t.Errorf("%s: got %s, want unavailable", name, got)
		}
	}
	c := s.config(t)
	c.BindDN, c.BindPassword = "", nil
	if _, got := authenticate(t, open(t, c), "alice", realPass); got == "in" || got == "unknown" {
		t.Errorf("anonymous, who may read nothing: got %s, want a failure", got)
	}
	c.UserBases, c.URLs, c.InsecurePlaintext = []string{"dc=dyn,dc=example"}, []string{s.ldapURL}, true
	if _, got := authenticate(t, open(t, c), "dan", realPass); got != "fault" {
		t.Errorf("in the clear, where TLS is demanded: got %s, want fault", got)
	}
}

// While a server is killed, stopped or started again under load, nobody is told
// that a right password is wrong, and it is in use again soon after.
func TestSlapdFailsUnderLoad(t *testing.T) {
	s := startSlapd(t)
	c := s.config(t)
	c.LoginTimeout, c.ConnectTimeout, c.OperationTimeout = 2*time.Second, time.Second, time.Second
	b := open(t, c)
	if got := verdictOf(b, "alice", realPass); got != "in" {
		t.Fatalf("got %s", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var in, out atomic.Int64
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				switch got := verdictOf(b, "alice", realPass); got {
				case "in":
					in.Add(1)
				case "unavailable":
					out.Add(1)
					time.Sleep(5 * time.Millisecond)
				default:
					t.Errorf("got %s", got)
				}
				if took := time.Since(start); took > c.LoginTimeout+slack {
					t.Errorf("a login took %v", took)
				}
			}
		})
	}
	defer wg.Wait()
	defer cancel()
	recovers := func(what string) {
		t.Helper()
		start, before := time.Now(), in.Load()
		until(t, func() bool { return in.Load() > before+20 })
		t.Logf("%s: in use again after %v; %d logins, %d outages so far", what, time.Since(start).Round(time.Millisecond), in.Load(), out.Load())
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: it took %v until the server was in use again", what, took)
		}
	}
	time.Sleep(200 * time.Millisecond)
	s.signal(syscall.SIGSTOP)
	time.Sleep(1500 * time.Millisecond)
	s.signal(syscall.SIGCONT)
	recovers("stopped")
	s.kill()
	time.Sleep(500 * time.Millisecond)
	s.launch(t, s.ldaps)
	recovers("killed")
	s.signal(syscall.SIGTERM)
	s.cmd.Wait()
	s.launch(t, s.ldaps)
	recovers("restarted")
	if out.Load() == 0 {
		t.Error("nobody noticed that the server was away")
	}
}
