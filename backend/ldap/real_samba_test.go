package ldap

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"text/template"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/internal/testkit"
)

// samba is a domain controller with the content of testdata/samba_seed.py.
type samba struct {
	process
	dir, address string
}

// The domain of the controller.
const (
	realDomain = "ad.corp.example"
	realBase   = "DC=ad,DC=corp,DC=example"
	realSvc    = "CN=svc,OU=System," + realBase
)

// startSamba makes a domain and starts its controller. The ports of Samba cannot
// be chosen, so it has an address of its own.
func startSamba(t testing.TB) *samba {
	t.Helper()
	return startSambaWith(t, "")
}

// startSambaWith does so with a user "crowd" and what else there is in an LDIF, unless
// that is empty.
func startSambaWith(t testing.TB, crowd string) *samba {
	t.Helper()
	const advice = "apt-get install --no-install-recommends samba samba-dsdb-modules samba-vfs-modules samba-ad-provision python3-samba winbind"
	path, tool := program(t, "samba", advice), program(t, "samba-tool", advice)
	if os.Getuid() != 0 {
		testkit.Missing(t, "a domain controller listens on ports below 1024: run the tests as root")
	}
	s := &samba{dir: t.TempDir(), address: "127.0.0.53"}
	certify(t, s.dir, "dc1."+realDomain, s.address)
	run(t, tool, "domain", "provision", "--quiet", "--targetdir="+s.dir, "--realm="+realDomain, "--domain=ADTEST", "--server-role=dc",
		"--dns-backend=NONE", "--adminpass="+realAdminPass, "--host-name=dc1", "--host-ip="+s.address,
		"--option=interfaces="+s.address+"/8", "--option=bind interfaces only=yes")
	for _, dir := range []string{"run", "run/ncalrpc", "run/winbindd", "cache", "state"} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(s.dir, "etc/smb.conf")
	f, err := os.Create(conf)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := template.Must(template.ParseFiles("testdata/smb.conf")).Execute(f, struct{ Dir, Address string }{s.dir, s.address}); err != nil {
		t.Fatal(err)
	}
	// Not the python3 of the PATH, which need not have the modules of Samba.
	run(t, "/usr/bin/python3", "testdata/samba_seed.py", conf, filepath.Join(s.dir, "private/sam.ldb"), realBase, realDomain, realPass, realSvcPass)
	if crowd != "" {
		run(t, "/usr/bin/python3", "testdata/samba_crowd.py", conf, filepath.Join(s.dir, "private/sam.ldb"), writeFile(t, "crowd.ldif", []byte(crowd)), realPass)
	}
	s.path, s.args = path, []string{"-s", conf, "-F", "-M", "single", "--no-process-group", "--debug-stdout", "-d", "0"}
	s.launch(t, s.address+":636")
	t.Cleanup(s.kill)
	return s
}

func (s *samba) config(t testing.TB) Config {
	return Config{
		Preset: "activedirectory", URLs: []string{"ldaps://" + s.address}, CAFile: filepath.Join(s.dir, "ca.pem"),
		BindDN: realSvc, BindPassword: func() (string, error) { return realSvcPass, nil },
		UserBases: []string{realBase}, GroupBases: []string{"OU=Groups," + realBase}, Domains: []string{realDomain, "ADTEST"},
	}
}

func TestSamba(t *testing.T) {
	s := startSamba(t)
	logins := []realLogin{
		{"alice", realPass, "alice", "", []string{"dev", "all"}}, {"ALICE", realPass, "alice", "", nil},
		{"alice@" + realDomain, realPass, "alice", "", nil}, {"Alice@AD.CORP.EXAMPLE", realPass, "alice", "", nil},
		{`ADTEST\alice`, realPass, "alice", "", nil}, {`adtest\Alice`, realPass, "alice", "", nil}, {`ad.corp.example\alice`, realPass, "alice", "", nil},
		{"alice@ADTEST", realPass, "alice", "", nil}, {"alice@mail.example", realPass, "alice", "", nil},
		{"altupn", realPass, "altupn", "", nil}, {"alt.name@corp.example", realPass, "altupn", "", nil}, {"altupn@" + realDomain, realPass, "altupn", "", nil},
		{`OTHER\alice`, realPass, "", "unknown", nil}, {"alice@other.example", realPass, "", "unknown", nil}, {"alice ", realPass, "", "unknown", nil},
		{"bob", realPass, "bob", "", []string{"backend", "dev", "all"}}, {"carol", realPass, "carol", "", []string{"core", "backend", "dev", "all"}},
		{"dave", realPass, "dave", "", []string{"loopa", "loopb", "primary"}},
		{"jsmith", realPass, "jsmith", "", []string{"comma"}}, {"JÖRG", realPass, "jörg", "", nil}, {"jorg", realPass, "", "unknown", nil},
		{"caseuser", realPass, "caseuser", "", nil}, {"Paren (Ext)", realPass, "paren (ext)", "", nil},
		{"alice", wrongGuess, "", "wrong", nil}, {"alice", realPass, "alice", "", nil}, {"nobody", realPass, "", "unknown", nil},
		{"*", realPass, "", "unknown", nil}, {"al*", realPass, "", "unknown", nil}, {"alice)(cn=*", realPass, "", "unknown", nil},
		{"disabled", realPass, "", "locked", nil}, {"mustchange", realPass, "", "locked", nil}, {"acctexpired", realPass, "", "locked", nil},
		{"pwexpired", realPass, "", "locked", nil}, {"nohours", realPass, "", "locked", nil}, {"workstation", realPass, "", "locked", nil},
	}
	for name, change := range map[string]func(*Config){
		"ldaps":                func(*Config) {},
		"StartTLS":             func(c *Config) { c.URLs, c.StartTLS = []string{"ldap://" + s.address}, true },
		"server_name":          func(c *Config) { c.ServerName = "dc1." + realDomain },
		"groups from memberOf": func(c *Config) { c.GroupMode, c.GroupFilter = groupsMemberOf, "(&(objectClass=group)(!(cn=dist)))" },
		"groups from searches": func(c *Config) { c.GroupMode, c.GroupFilter = groupsSearch, "(&(objectClass=group)(!(cn=dist)))" },
		"groups in chain":      func(c *Config) { c.GroupMode, c.GroupFilter = groupsInChain, "(&(objectClass=group)(!(cn=dist)))" },
	} {
		t.Run(name, func(t *testing.T) {
			c := s.config(t)
			change(&c)
			checkLogins(t, open(t, c), logins)
		})
	}
	t.Run("modes", func(t *testing.T) { s.checkModes(t) })
	t.Run("doctor", func(t *testing.T) { s.checkExamination(t) })
	t.Run("guesses", func(t *testing.T) { s.checkGuesses(t) })
	t.Run("shield", func(t *testing.T) { s.checkShield(t) })
	t.Run("identities", func(t *testing.T) { s.office(t).checkIdentities(t) })
	t.Run("transport", func(t *testing.T) { s.office(t).checkTransport(t) })
}

func (s *samba) checkModes(t *testing.T) {
	c := s.config(t)
	c.BindDN, c.BindPassword, c.BindTemplate, c.UserFilter = "", nil, "{user}@"+realDomain, "(sAMAccountName={account})"
	checkLogins(t, open(t, c), []realLogin{
		{"alice", realPass, "alice", "", []string{"dev", "all"}}, {"alice", wrongGuess, "", "wrong", nil}, {"disabled", realPass, "", "locked", nil},
	})
	c = s.config(t)
	c.URLs = []string{"ldaps://" + s.address + ":3269"}
	checkLogins(t, open(t, c), []realLogin{{"alice", realPass, "alice", "", nil}})
	c = s.config(t)
	c.BindDN, c.BindPassword = "", nil
	checkLogins(t, open(t, c), []realLogin{{"alice", realPass, "", "fault", nil}})
	c = s.config(t)
	c.URLs, c.InsecurePlaintext = []string{"ldap://" + s.address}, true
	checkLogins(t, open(t, c), []realLogin{{"alice", realPass, "", "unavailable", nil}}) // the controller wants the account to sign
	c = s.config(t)
	c.GroupBases = []string{realBase}
	checkLogins(t, open(t, c), []realLogin{{"bob", realPass, "bob", "", []string{"backend", "all", "domain users", "users"}}})
	checkStanding(t, open(t, c), map[string]string{
		"alice@" + realDomain: "in", "dave": "in", "Paren (Ext)": "in",
		"disabled": "locked", "mustchange": "locked", "acctexpired": "locked", "pwexpired": "locked",
	})
}

// attribute returns the value of an attribute of a user.
func (s *samba) attribute(t *testing.T, b *Backend, user, attribute string) string {
	t.Helper()
	entries, err := b.asService(t.Context(), query{base: realBase, scope: ldap.ScopeWholeSubtree, filter: equals("sAMAccountName", user), attributes: []string{attribute}})
	if err != nil || len(entries) != 1 {
		t.Fatalf("got %v, %v", entries, err)
	}
	return entries[0].GetEqualFoldAttributeValue(attribute)
}

// Fifty requests with one wrong password are one guess to the domain.
func (s *samba) checkGuesses(t *testing.T) {
	b := open(t, s.config(t))
	cache, err := backend.NewCache(b, backend.CacheConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := cache.Authenticate(t.Context(), "guess", wrongGuess); verdict(err) != "wrong" {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if n := s.attribute(t, b, "guess", "badPwdCount"); n != "1" {
		t.Errorf("badPwdCount is %s, want 1", n)
	}
	if _, got := authenticate(t, b, "disabled", wrongGuess); got != "wrong" {
		t.Errorf("a disabled account and a wrong password: got %s, want wrong", got)
	}
	for range 3 {
		authenticate(t, b, "lockme", wrongGuess)
	}
	if _, got := authenticate(t, b, "lockme", realPass); got != "locked" {
		t.Errorf("after three wrong passwords: got %s, want locked", got)
	}
	checkStanding(t, b, map[string]string{"lockme": "locked", "guess": "in"})
	wrong := s.config(t)
	wrong.BindPassword = func() (string, error) { return wrongGuess, nil }
	bad := open(t, wrong)
	for range 100 {
		if got := verdictOf(bad, "alice", realPass); got != "unavailable" {
			t.Fatalf("got %s", got)
		}
	}
	if n := s.attribute(t, b, "svc", "badPwdCount"); n != "1" {
		t.Errorf("after 100 logins with a wrong service password badPwdCount is %s, want 1", n)
	}
}

// TestLDAP6NamesAsWindowsPeopleTypeThem has a domain controller of Samba tell what its
// domain is called, to the seven lines that most configurations have.
func TestLDAP6NamesAsWindowsPeopleTypeThem(t *testing.T) {
	s := startSamba(t)
	c := s.config(t)
	c.Domains = nil
	checkLogins(t, open(t, c), []realLogin{
		{`ADTEST\alice`, realPass, "alice", "", []string{"dev", "all"}}, {`adtest\Alice`, realPass, "alice", "", nil}, {"alice@ADTEST", realPass, "alice", "", nil},
		{"alice@" + realDomain, realPass, "alice", "", nil}, {"alt.name@corp.example", realPass, "altupn", "", nil},
		{`OTHER\alice`, realPass, "", "unknown", nil}, {`ADTEST\alice`, wrongGuess, "", "wrong", nil},
	})
}
