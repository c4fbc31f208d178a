package main_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/template"

	"gatehouse/backend/ldap/ldaptest"
	"gatehouse/internal/testkit"
)

// The users of the directories that the tests in this file start, of whom alice
// is in the group pusher because her team is.
const (
	directoryUserPassword    = "Us3r-Pass!"
	directoryAccountPassword = "Svc-Pass1!"
)

// realDirectories are the servers of others with which the pages of docs/ldap are
// followed. Each starts one in dir, with the certificate of an authority in ca.pem, and
// returns what its URL is, and what else of the page is to be read in another way.
var realDirectories = []struct {
	page, vendor string
	needs        []string
	start        func(t *testing.T, dir string) (url string, otherwise *strings.Replacer)
	nested       bool // alice is in the group pusher because team is
}{
	{"openldap", "OpenLDAP", []string{"slapd", "slapadd"}, startOpenLDAP, true},
	{"rfc2307", "OpenLDAP", []string{"slapd", "slapadd"}, startPOSIX, false},
	{"samba", "Active Directory", []string{"samba", "samba-tool"}, startDomain, true},
}

// TestPagesOfDomainsAreAlike: what is tried with Samba is what the page on Active
// Directory says.
func TestPagesOfDomainsAreAlike(t *testing.T) {
	samba, windows := fenced(directoryPage(t, "samba"), "toml")[0], fenced(directoryPage(t, "active-directory"), "toml")[0]
	if samba != windows {
		t.Errorf("the page on Samba has the configuration\n%s\nand that on Active Directory\n%s", samba, windows)
	}
}

// TestDirectoryPageWithARealDirectory follows a page from its configuration, word for
// word but for addresses, to a push that a group allows and one that it does not.
func TestDirectoryPageWithARealDirectory(t *testing.T) {
	for _, directory := range realDirectories {
		t.Run(directory.page, func(t *testing.T) {
			needs(t, append([]string{"skopeo", registries[0].program}, directory.needs...)...)
			dir := publicDir(t)
			url, otherwise := directory.start(t, dir)
			certificate, addr := newCertificate(t, dir), freeAddr(t)
			here := strings.NewReplacer(":5043", addr, "http://registry:5000", registries[0].start(t))
			writeFile(t, filepath.Join(dir, "config.toml"), []byte(here.Replace(otherwise.Replace(directoryRecipe(t, directory.page, url)))), 0o644)
			writeFile(t, filepath.Join(dir, "ldap-password"), []byte(directoryAccountPassword+"\n"), 0o600)
			writeFile(t, filepath.Join(dir, "alice-password"), []byte(directoryUserPassword), 0o600)
			image := t.TempDir()
			writeImage(t, image, "from "+directory.page)

			r := &directoryReader{t: t, dir: dir, said: directoryLines(t, directory.page)}
			r.types("gatehouse check", "", "ok (")
			r.types("gatehouse doctor", " --password-file alice-password",
				"rootDSE", directory.vendor, "group of a rule pusher", "lock-out", "user bind alice", "p95")
			r.complains("max_failures = 5", "set max_failures = 4")
			r.complains("failure_window = \"1m\"", "set failure_window = \"30m0s\"")
			r.types("gatehouse whoami", "", "alice", "cn=pusher")
			if directory.nested {
				r.types("gatehouse whoami", "", "cn=team", " -> cn=pusher")
			}
			f := front{start(t, r.command(r.line("gatehouse serve"))), addr, certificate}
			f.listening(t, addr)

			env := tunnel(t, certificate, map[string]string{"registry.test": addr})
			onSite := strings.NewReplacer("registry.corp.example:5043", "registry.test", "PASSWORD", directoryUserPassword, "oci:image:latest", "oci:"+image+":latest")
			push := func(user string) []string {
				return strings.Fields(onSite.Replace(r.line("skopeo copy --dest-creds " + user)))[1:]
			}
			newSkopeo(t, env).works(push("alice")...)
			newSkopeo(t, env).refused("denied: bob may not push to team/other: rule \"push to team\" needs group pusher or user ci-bot", push("bob")...)
			newSkopeo(t, env).works("inspect", "--creds", "bob:"+directoryUserPassword, "docker://registry.test/team/app:1")
			newSkopeo(t, env).refused("unauthorized", "inspect", "--creds", "bob:wrong", "docker://registry.test/team/app:1")
		})
	}
}

// directoryPage returns a page of docs/ldap.
func directoryPage(t *testing.T, name string) string {
	t.Helper()
	return document(t, "docs/ldap/"+name+".md")
}

// directoryRecipe returns the configuration of a page with the address of a server.
func directoryRecipe(t *testing.T, page, url string) string {
	t.Helper()
	return regexp.MustCompile(`urls = \[.*\]`).ReplaceAllString(fenced(directoryPage(t, page), "toml")[0], fmt.Sprintf("urls = [%q]", url))
}

// directoryLines returns the commands of a page without their comments.
func directoryLines(t *testing.T, page string) (lines []string) {
	t.Helper()
	for _, block := range fenced(directoryPage(t, page), "sh") {
		for line := range strings.Lines(block) {
			command, _, _ := strings.Cut(strings.TrimSpace(line), " #")
			lines = append(lines, strings.TrimSpace(command))
		}
	}
	return lines
}

// directoryReader types commands of a page in a folder.
type directoryReader struct {
	t    *testing.T
	dir  string
	said []string
}

// line returns the command that begins so.
func (r *directoryReader) line(begin string) string {
	r.t.Helper()
	for _, line := range r.said {
		if strings.HasPrefix(line, begin) {
			return line
		}
	}
	r.t.Fatalf("the page has no command %q", begin)
	return ""
}

func (r *directoryReader) command(line string) *exec.Cmd {
	cmd := command(r.t, binary(r.t), strings.Fields(line)[1:]...)
	cmd.Dir = r.dir
	return cmd
}

// types runs a command that has to succeed and to show some words.
func (r *directoryReader) types(begin, more string, want ...string) {
	r.t.Helper()
	output, err := r.command(r.line(begin) + more).CombinedOutput()
	for _, word := range want {
		if err != nil || !strings.Contains(string(output), word) {
			r.t.Errorf("%s: %v, want %q in\n%s", begin, err, word, output)
		}
	}
}

// complains has the doctor look at the configuration with one more key, which is
// dangerous in a directory that locks accounts after five wrong passwords.
func (r *directoryReader) complains(key, want string) {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "config.toml"))
	if err != nil {
		r.t.Fatal(err)
	}
	writeFile(r.t, filepath.Join(r.dir, "dangerous.toml"), []byte(strings.Replace(string(text), "user_bases", key+"\nuser_bases", 1)), 0o644)
	output, err := r.command("gatehouse doctor --config dangerous.toml").CombinedOutput()
	if err == nil || !strings.Contains(string(output), want) {
		r.t.Errorf("%s: %v, want %q in\n%s", key, err, want, output)
	}
}

// certifyDirectory writes the certificates of a server.
func certifyDirectory(t *testing.T, dir, address string) {
	t.Helper()
	authority, err := ldaptest.NewAuthority("corp CA")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue(address)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ldaptest.KeyPair(pair)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"ca.pem": authority.PEM(), "cert.pem": cert, "key.pem": key} {
		writeFile(t, filepath.Join(dir, name), text, 0o600)
	}
}

// publishAuthority puts the certificate of a server's authority where the pages
// have it.
func publishAuthority(t *testing.T, dir, public string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(public, "corp-ca.pem"), text, 0o644)
}

// startOpenLDAP starts a slapd with the names that the page has.
func startOpenLDAP(t *testing.T, public string) (string, *strings.Replacer) {
	t.Helper()
	url, _ := runOpenLDAP(t, public)
	return url, strings.NewReplacer()
}

// startPOSIX starts a slapd in which the users are those of Unix machines.
func startPOSIX(t *testing.T, public string) (string, *strings.Replacer) {
	t.Helper()
	url, _ := runOpenLDAPWith(t, public, readTestdata(t, "posix.ldif"))
	return url, strings.NewReplacer()
}

// runOpenLDAP does the same for those who want to stop it.
func runOpenLDAP(t *testing.T, public string) (string, *process) {
	t.Helper()
	return runOpenLDAPWith(t, public, "")
}

// runOpenLDAPWith does so with more entries.
func runOpenLDAPWith(t *testing.T, public, more string) (string, *process) {
	t.Helper()
	dir, addr := t.TempDir(), freeAddr(t)
	certifyDirectory(t, dir, host)
	publishAuthority(t, dir, public)
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "slapd.conf")
	writeFile(t, conf, []byte(strings.ReplaceAll(readTestdata(t, "openldap.conf"), "@DIR@", dir)), 0o600)
	writeFile(t, filepath.Join(dir, "corp.ldif"), []byte(strings.NewReplacer("@USER@", directoryUserPassword, "@ACCOUNT@", directoryAccountPassword).Replace(readTestdata(t, "openldap.ldif")+"\n"+more)), 0o600)
	runToEnd(t, "slapadd", "-q", "-f", conf, "-l", filepath.Join(dir, "corp.ldif"))
	url := "ldaps://" + addr
	p := start(t, command(t, "slapd", "-f", conf, "-d", "0", "-h", url))
	p.listening(t, addr)
	return url, p
}

// startDomain makes a domain of Samba and starts its controller. Its ports cannot
// be chosen, so it has an address of its own.
func startDomain(t *testing.T, public string) (string, *strings.Replacer) {
	t.Helper()
	url, _ := runDomain(t, public)
	return url, strings.NewReplacer("DC=corp,DC=example", domainBase)
}

const domainBase = "DC=ad,DC=corp,DC=example"

// runDomain does the same for those who want to stop it.
func runDomain(t *testing.T, public string) (string, *process) {
	t.Helper()
	const address, realm, base = "127.0.0.54", "ad.corp.example", domainBase
	if os.Getuid() != 0 {
		testkit.Missing(t, "a domain controller listens on ports below 1024: run the tests as root")
	}
	dir := t.TempDir()
	certifyDirectory(t, dir, address)
	publishAuthority(t, dir, public)
	runToEnd(t, "samba-tool", "domain", "provision", "--quiet", "--targetdir="+dir, "--realm="+realm, "--domain=ADTEST", "--server-role=dc",
		"--dns-backend=NONE", "--adminpass=Adm1n-Pass!", "--host-name=dc1", "--host-ip="+address,
		"--option=interfaces="+address+"/8", "--option=bind interfaces only=yes")
	for _, name := range []string{"run", "run/ncalrpc", "run/winbindd", "cache", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(dir, "etc/smb.conf")
	file, err := os.Create(conf)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	settings := template.Must(template.ParseFiles("../../backend/ldap/testdata/smb.conf"))
	if err := settings.Execute(file, struct{ Dir, Address string }{dir, address}); err != nil {
		t.Fatal(err)
	}
	// Not the python3 of the PATH, which need not have the modules of Samba.
	seed := filepath.Join(dir, "domain.py")
	writeFile(t, seed, []byte(readTestdata(t, "domain.py")), 0o600)
	runToEnd(t, "/usr/bin/python3", seed, conf, filepath.Join(dir, "private/sam.ldb"), base, directoryUserPassword, directoryAccountPassword)
	p := start(t, command(t, "samba", "-s", conf, "-F", "-M", "single", "--no-process-group", "--debug-stdout", "-d", "0"))
	p.listening(t, net.JoinHostPort(address, "636"))
	return "ldaps://" + address, p
}

func readTestdata(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// runToEnd runs a program that has to succeed.
func runToEnd(t *testing.T, name string, args ...string) {
	t.Helper()
	if output, err := command(t, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, output)
	}
}
