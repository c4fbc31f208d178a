package ldap

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/backend"
	"gatehouse/internal/testkit"
)

// ds389 is a 389 Directory Server, which is also what FreeIPA keeps its users in.
type ds389 struct {
	process
	dir         string
	ldap, ldaps string // addresses
}

// The account that may do everything, by which the test fills the directory.
const (
	ds389Manager     = "cn=Directory Manager"
	ds389ManagerPass = "Manager-Pass1!"
)

// startDS389 starts a server with the content of testdata/389ds.ldif.
func startDS389(t testing.TB) *ds389 {
	t.Helper()
	s := makeDS389(t)
	s.launch(t, s.ldaps)
	t.Cleanup(s.kill)
	s.fill(t)
	return s
}

// startDS389With starts a server with the content of an LDIF, which it takes as it is:
// memberOf too.
func startDS389With(t testing.TB, content string) *ds389 {
	t.Helper()
	s := makeDS389(t)
	run(t, s.path, "ldif2db", "-D", s.dir, "-n", "corp", "-i", writeFile(t, "content.ldif", []byte(content)))
	s.launch(t, s.ldaps)
	t.Cleanup(s.kill)
	return s
}

// makeDS389 makes the files of a server.
func makeDS389(t testing.TB) *ds389 {
	t.Helper()
	const advice = "apt-get install --no-install-recommends 389-ds-base"
	s := &ds389{dir: t.TempDir(), ldap: freePort(t), ldaps: freePort(t)}
	s.path = program(t, "ns-slapd", advice)
	s.certify(t, program(t, "certutil", advice), program(t, "pk12util", advice), program(t, "openssl", "apt-get install openssl"))
	s.configure(t)
	s.args = []string{"-D", s.dir, "-i", filepath.Join(s.dir, "pid"), "-d", "0"}
	return s
}

// certify makes the database in which the server looks for its certificate.
func (s *ds389) certify(t testing.TB, certutil, pk12util, openssl string) {
	t.Helper()
	certify(t, s.dir, "127.0.0.1")
	file := func(name string) string { return filepath.Join(s.dir, name) }
	run(t, openssl, "pkcs12", "-export", "-in", file("cert.pem"), "-inkey", file("key.pem"), "-name", "Server-Cert", "-passout", "pass:", "-out", file("cert.p12"))
	run(t, certutil, "-N", "-d", s.dir, "--empty-password")
	run(t, pk12util, "-i", file("cert.p12"), "-d", s.dir, "-W", "", "-K", "")
	run(t, certutil, "-A", "-d", s.dir, "-n", "CA", "-t", "CT,,", "-a", "-i", file("ca.pem"))
}

// configure writes the configuration, from the templates that come with the
// server, and what the server wants to find beside it.
func (s *ds389) configure(t testing.TB) {
	t.Helper()
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			testkit.Missing(t, "files of 389 Directory Server are not where they usually are: "+err.Error())
		}
		return string(text)
	}
	text := read("/usr/share/dirsrv/data/template-dse.ldif") + "\n" + read("/usr/share/dirsrv/data/template-suffix-db.ldif")
	for name, content := range map[string]string{
		"dse.ldif":              s.fillIn(t, text),
		"schema/99user.ldif":    read("/etc/dirsrv/schema/99user.ldif"),
		"schema/98freeipa.ldif": read("testdata/389ds-freeipa-schema.ldif"),
		"slapd-collations.conf": read("/etc/dirsrv/config/slapd-collations.conf"),
		"db/empty":              "", "ldif/empty": "", "bak/empty": "",
	} {
		path := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// fillIn returns the configuration that a template makes.
func (s *ds389) fillIn(t testing.TB, template string) string {
	t.Helper()
	self, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.ldap)
	_, securePort, _ := net.SplitHostPort(s.ldaps)
	own := fmt.Sprintf("nsslapd-security: on\nnsslapd-securePort: %s\nnsslapd-listenhost: 127.0.0.1\nnsslapd-securelistenhost: 127.0.0.1\n"+
		"passwordStorageScheme: SSHA512\npasswordLockout: on\npasswordMaxFailure: 3\npasswordResetFailureCount: 600\n", securePort)
	pairs := []string{
		"nsslapd-certdir:", own + "nsslapd-certdir:",
		"memberof_postop_init\nnsslapd-plugintype: betxnpostoperation\nnsslapd-pluginenabled: off",
		"memberof_postop_init\nnsslapd-plugintype: betxnpostoperation\nnsslapd-pluginenabled: on",
		"memberOfGroupAttr: member\n", "memberOfGroupAttr: member\nmemberOfGroupAttr: uniqueMember\n",
		"%fqdn%", "localhost", "%ds_port%", port, "%ds_user%", self.Username, "%ds_suffix%", base, "%ds_bename%", "corp",
		"%rootdn%", ds389Manager, "%ds_passwd%", "{CLEAR}" + ds389ManagerPass,
		"%ldapi_enabled%", "off", "%ldapi_autobind%", "off", "%ldapi%", filepath.Join(s.dir, "ldapi"), "%db_lib%", "bdb",
	}
	for _, name := range []string{"schema", "db", "db_home", "ldif", "bak"} {
		pairs = append(pairs, "%"+name+"_dir%", filepath.Join(s.dir, strings.TrimSuffix(name, "_home")))
	}
	for _, name := range []string{"lock", "tmp", "cert", "run", "inst", "log", "config"} {
		pairs = append(pairs, "%"+name+"_dir%", s.dir)
	}
	// Where comments or two blank lines stand between entries, the server ends
	// without a word.
	return regexp.MustCompile(`\n(\n|#.*\n)+`).ReplaceAllString(strings.NewReplacer(pairs...).Replace(template), "\n\n")
}

// fill adds the entries of testdata/389ds.ldif one by one, since the server keeps
// memberOf of what is added to it while it runs.
func (s *ds389) fill(t testing.TB) {
	t.Helper()
	c, err := ldap.DialURL("ldap://" + s.ldap)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Bind(ds389Manager, ds389ManagerPass); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/389ds.ldif")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		var request *ldap.AddRequest
		for line := range strings.Lines(block) {
			name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
			switch {
			case strings.HasPrefix(line, "#") || !ok:
			case request == nil:
				request = ldap.NewAddRequest(value, nil)
			default:
				request.Attribute(name, []string{value})
			}
		}
		if request == nil {
			continue
		}
		if err := c.Add(request); err != nil {
			t.Fatalf("add %s: %v", request.DN, err)
		}
	}
}

// config is no more than a few lines of a configuration.
func (s *ds389) config(preset, account, base string) Config {
	return Config{
		Preset: preset, URLs: []string{"ldaps://" + s.ldaps}, CAFile: filepath.Join(s.dir, "ca.pem"),
		BindDN: account, BindPassword: func() (string, error) { return realSvcPass, nil },
		UserBases: []string{base},
	}
}

func TestDS389(t *testing.T) {
	s := startDS389(t)
	logins := []realLogin{
		{"alice", realPass, "alice", "", []string{"dev", "all"}}, {"ALICE", realPass, "alice", "", []string{"dev", "all"}},
		{"bob", realPass, "bob", "", []string{"backend", "dev", "all"}}, {"carol", realPass, "carol", "", []string{"core", "backend", "dev", "all"}},
		{"dave", realPass, "dave", "", []string{"loopa", "loopb"}}, {"erin", realPass, "erin", "", []string{"uniq"}},
		{"weird(*)", realPass, "weird(*)", "", []string{}}, {"jsmith", realPass, "jsmith", "", []string{"comma"}},
		{"alice", wrongGuess, "", "wrong", nil}, {"nobody", realPass, "", "unknown", nil}, {"nopw", realPass, "", "wrong", nil},
		{"*", realPass, "", "unknown", nil}, {"alice)(uid=*", realPass, "", "unknown", nil}, {" alice", realPass, "", "unknown", nil}, {"ａlice", realPass, "", "unknown", nil},
		{"locked", realPass, "", "locked", nil},
	}
	account := "cn=svc,ou=system," + base
	t.Run("389ds", func(t *testing.T) {
		c := s.config("389ds", account, "ou=corp,"+base)
		checkLogins(t, open(t, c), logins)
		c.URLs, c.StartTLS = []string{"ldap://" + s.ldap}, true
		checkLogins(t, open(t, c), logins)
		c.GroupMode = groupsSearch
		checkLogins(t, open(t, c), logins)
		c.Dereference = derefAlways // the server has no aliases, and does not mind
		checkLogins(t, open(t, c), logins[:6])
	})
	t.Run("freeipa", func(t *testing.T) {
		b := open(t, s.config("freeipa", account, "cn=accounts,"+base))
		checkLogins(t, b, []realLogin{
			{"frank", realPass, "frank", "", []string{"ipausers", "editors", "staff"}}, {"Frank", realPass, "frank", "", nil},
			{"frank", wrongGuess, "", "wrong", nil}, {"alice", realPass, "", "unknown", nil}, {"gone", realPass, "", "locked", nil},
		})
		checkStanding(t, b, map[string]string{"frank": "in", "gone": "locked"})
	})
	t.Run("lock-out", func(t *testing.T) {
		b := open(t, s.config("389ds", account, "ou=corp,"+base))
		for i, want := range []string{"wrong", "wrong", "wrong", "locked"} {
			password := wrongGuess
			if i == 3 {
				password = realPass
			}
			if _, got := authenticate(t, b, "lockme", password); got != want {
				t.Errorf("attempt %d: got %s, want %s", i, got, want)
			}
		}
		checkStanding(t, b, map[string]string{"alice": "in", "locked": "locked", "lockme": "locked"})
	})
	t.Run("identities", func(t *testing.T) { s.office(t).checkIdentities(t) })
	t.Run("transport", func(t *testing.T) { s.office(t).checkTransport(t) })
	t.Run("doctor", func(t *testing.T) { s.checkExamination(t) })
}

func (s *ds389) checkExamination(t *testing.T) {
	c := s.config("389ds", ds389Manager, "ou=corp,"+base)
	c.BindPassword = func() (string, error) { return ds389ManagerPass, nil }
	findings := examine(t, c, backend.Examination{User: "carol", Password: realPass, Groups: []string{"all"}, MaxFailures: 2, FailureWindow: 0})
	for step, want := range map[string]string{
		"rootDSE": "389 Directory Server", "groups": "-> cn=dev,ou=groups,ou=corp," + base, "user bind": "carol",
		"lock-out": "3 wrong passwords within 10m0s; 0 are counted",
	} {
		if f := find(findings, step, ""); f.Failed != (step == "lock-out") || !strings.Contains(fmt.Sprint(f), want) {
			t.Errorf("%s: got %+v, want %q", step, f, want)
		}
	}
}

// Users search with their own rights, and what one of them found is forgotten for lack of
// memory while the login is remembered: the next request logs in, and has the groups.
func TestDS389ForgottenGroupsAreReadAtTheNextLogin(t *testing.T) {
	o := startDS389(t).office(t)
	m := ldap.NewModifyRequest(base, nil)
	m.Add("aci", []string{`(targetattr != "userPassword")(version 3.0; acl "users read"; allow (read, search, compare) userdn = "ldap:///all";)`})
	o.do(t, o.admin.Modify(m))
	c := o.config
	c.BindDN, c.BindPassword, c.BindTemplate, c.UserFilter = "", nil, "uid={user},"+o.here, "(uid={user})"
	b := open(t, c)
	cache, err := backend.NewCache(b, backend.CacheConfig{})
	if err != nil {
		t.Fatal(err)
	}
	logIn := func(want backend.CacheState) backend.Identity {
		t.Helper()
		call := &backend.Call{}
		id, err := cache.Authenticate(backend.WithCall(t.Context(), call), "alice", realPass)
		if err != nil || call.Cache != want {
			t.Fatalf("got %v, %v, want %v", call.Cache, err, want)
		}
		return id
	}
	id := logIn(backend.CacheMiss)
	b.own.forget(id.Handle)
	logIn(backend.CacheHit)
	if groups, err := cache.Groups(t.Context(), id); !errors.Is(err, backend.ErrForgotten) || groups != nil {
		t.Errorf("got %q, %v, want that they are forgotten", groups, err)
	}
	if groups, err := cache.Groups(t.Context(), logIn(backend.CacheMiss)); err != nil || !slices.Contains(groups, "dev") {
		t.Errorf("after the next login: got %q, %v, want dev", groups, err)
	}
	logIn(backend.CacheHit)
}
