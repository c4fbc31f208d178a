package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"gatehouse/internal/testkit"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// A failing is a directory of others that can be stopped, started, and changed
// while it runs.
type failing struct {
	*process
	preset, base, account string
	url, ca               string
	disable               func(t *testing.T, d *failing, user string)
}

// failingDirectories are those of realDirectories.
var failingDirectories = []struct {
	name  string
	needs []string
	run   func(t *testing.T, public string) (string, *process)
	failing
}{
	{"OpenLDAP", []string{"slapd", "slapadd"}, runOpenLDAP, failing{preset: "openldap",
		base: directoryBase, account: "cn=gatehouse,ou=system," + directoryBase, disable: lockInOpenLDAP}},
	{"Active Directory", []string{"samba", "samba-tool"}, runDomain, failing{preset: "activedirectory",
		base: domainBase, account: "CN=svc-registry,OU=Service," + domainBase, disable: disableInDomain}},
}

// again starts the directory with what it had when it was stopped.
func (d *failing) again(t *testing.T) {
	t.Helper()
	u, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	addr := u.Host
	if u.Port() == "" {
		addr += ":636"
	}
	d.process = start(t, command(t, d.cmd.Args[0], d.cmd.Args[1:]...))
	d.listening(t, addr)
}

// lockInOpenLDAP locks an account as an administrator does, for good.
func lockInOpenLDAP(t *testing.T, d *failing, user string) {
	t.Helper()
	pem, err := os.ReadFile(d.ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	conn, err := ldap.DialURL(d.url, ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots, ServerName: host}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind("cn=admin,"+d.base, "Adm1n-Pass!"); err != nil {
		t.Fatal(err)
	}
	m := ldap.NewModifyRequest("uid="+user+","+d.base, nil)
	m.Replace("pwdAccountLockedTime", []string{"000001010000Z"})
	if err := conn.Modify(m); err != nil {
		t.Fatal(err)
	}
}

func disableInDomain(t *testing.T, d *failing, user string) {
	t.Helper()
	d.samba(t, "user", "disable", user)
}

// samba runs samba-tool on the domain.
func (d *failing) samba(t *testing.T, args ...string) {
	t.Helper()
	conf := d.cmd.Args[slices.Index(d.cmd.Args, "-s")+1]
	database := filepath.Join(filepath.Dir(filepath.Dir(conf)), "private/sam.ldb")
	runToEnd(t, "samba-tool", append(args, "-H", database, "-s", conf)...)
}

// outageConfig is the configuration of docs/operations.md with times that a test can
// wait for.
const outageConfig = `
audit_log = "audit.log"
[admin]
listen = "@ADMIN@"
[cache]
ttl = "@TTL@"
stale = "@STALE@"
revalidate = "1s"
negative_ttl = "1s"
[[backend]]
name = "everyone"
type = "chain"
member = [ { backend = "local" }, { backend = "corp" } ]
[[backend]]
name = "local"
type = "htpasswd"
users_file = "robots.htpasswd"
[[backend]]
name = "corp"
type = "ldap"
preset = "@PRESET@"
urls = ["@URL@"]
ca_file = "corp-ca.pem"
bind_dn = "@ACCOUNT@"
bind_password_file = "ldap-password"
user_bases = ["@BASE@"]
[[route]]
path = "/v2/"
upstream = "@UPSTREAM@"
backend = "everyone"
  [[route.rule]]
  name = "pull"
  methods = ["GET"]
  require = ["valid-user"]
  [[route.rule]]
  name = "push"
  require = ["user local:ci-bot"]
`

// mixed is a gateway with people in a directory and robots in a file.
type mixed struct {
	front
	admin, robots, audit string
}

// lifetimes are how long a login counts, and how much longer in an outage.
type lifetimes struct{ ttl, stale string }

// serveMixed starts a gateway in front of a registry.
func (r recipe) serveMixed(t *testing.T, d *failing, upstream string, l lifetimes) mixed {
	t.Helper()
	dir := publicDir(t)
	m := mixed{admin: freeAddr(t), robots: filepath.Join(dir, "robots.htpasswd"), audit: filepath.Join(dir, "audit.log")}
	ca, err := os.ReadFile(d.ca)
	if err != nil {
		t.Fatal(err)
	}
	m.admin = strings.Replace(m.admin, host, "127.0.0.1", 1)
	config := strings.NewReplacer("@ADMIN@", m.admin, "@TTL@", l.ttl, "@STALE@", l.stale, "@PRESET@", d.preset, "@URL@", d.url,
		"@ACCOUNT@", d.account, "@BASE@", d.base, "@UPSTREAM@", upstream).Replace(outageConfig)
	for name, text := range map[string]string{
		m.robots: htpasswdLine(t, robot, robotPassword), filepath.Join(dir, "corp-ca.pem"): string(ca),
		filepath.Join(dir, "ldap-password"): directoryAccountPassword + "\n", filepath.Join(dir, "config.toml"): config,
	} {
		writeFile(t, name, []byte(text), 0o600)
	}
	m.front = r.serve(t, "--config", filepath.Join(dir, "config.toml"))
	return m
}

// status returns the status of a pull. A client that is to come back is told when.
func (m mixed) status(t *testing.T, user, password string) int {
	t.Helper()
	resp, _ := m.request(t, "GET", "/v2/team/app/manifests/1", user, password)
	if retry := resp.Header.Get("Retry-After"); (retry != "") != (resp.StatusCode == http.StatusServiceUnavailable) {
		t.Errorf("%s: %d with Retry-After %q", user, resp.StatusCode, retry)
	}
	return resp.StatusCode
}

func (m mixed) want(t *testing.T, when, user, password string, want int) {
	t.Helper()
	if got := m.status(t, user, password); got != want {
		t.Errorf("%s: %s gets %d, want %d", when, user, got, want)
	}
}

// staleAnswers returns how many logins the metrics say were let in although the
// directory could not be asked.
func (m mixed) staleAnswers(t *testing.T) string {
	t.Helper()
	code, text := get(t, "http://"+m.admin+"/metrics")
	found := regexp.MustCompile(`(?m)^gatehouse_cache_requests_total\{backend="everyone",kind="login",result="stale"\} (\d+)$`).FindStringSubmatch(text)
	if code != http.StatusOK || found == nil {
		t.Fatalf("the metrics do not count stale logins: %d\n%s", code, text)
	}
	return found[1]
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestOutageOfARealDirectory stops a directory under people and robots who pull
// with the clients that they have, starts it again, and changes who may come in.
func TestOutageOfARealDirectory(t *testing.T) {
	needs(t, "docker", "dockerd", "skopeo", registries[0].program)
	r := newRecipe(t)
	for _, tt := range failingDirectories {
		t.Run(tt.name, func(t *testing.T) {
			needs(t, tt.needs...)
			d, public := &tt.failing, publicDir(t)
			d.url, d.process = tt.run(t, public)
			d.ca = filepath.Join(public, "corp-ca.pem")
			upstream := registries[0].start(t)
			long, short := r.serveMixed(t, d, upstream, lifetimes{"1s", "1h"}), r.serveMixed(t, d, upstream, lifetimes{"1s", "1s"})
			remembering := r.serveMixed(t, d, upstream, lifetimes{"1h", "0s"})
			p := newPeople(t, long)
			p.pullAll(t, "before the outage")
			short.want(t, "before the outage", "alice", directoryUserPassword, 200)
			remembering.want(t, "before the outage", "alice", directoryUserPassword, 200)

			d.stop()
			p.duringOutage(t, short)
			remembering.want(t, "within its ttl", "alice", directoryUserPassword, 200)

			d.again(t)
			took := testkit.Await(t, "the directory is in use", func() bool { return long.status(t, "bob", directoryUserPassword) == 200 })
			if t.Logf("in use again after %v", took); took > soon {
				t.Errorf("it took %v until the directory was in use", took)
			}
			p.docker["bob"].works("pull", p.image)
			p.pullAll(t, "after the outage")

			remembering.want(t, "before alice is disabled", "alice", directoryUserPassword, 200)
			d.disable(t, d, "alice")
			took = testkit.Await(t, "the disabled user is out", func() bool { return remembering.status(t, "alice", directoryUserPassword) == 401 })
			t.Logf("a disabled user is out after %v, where revalidate is 1s and ttl 1h", took)
			testkit.Await(t, "she is out everywhere", func() bool { return long.status(t, "alice", directoryUserPassword) == 401 })
			p.skopeo["alice"].refused("unauthorized", "inspect", "docker://registry.test/team/app:1")
			long.want(t, "after alice was disabled", "bob", directoryUserPassword, 200)
			p.changeRobot(t)
		})
	}
}

// people are who pulls through a gateway, each with clients that have a password
// stored: a robot and alice, who have pulled before the outage, and bob, who has not.
type people struct {
	mixed
	image          string
	docker, skopeo map[string]client
	stored         map[string]string // the files with bob's passwords
}

// newPeople pushes an image, and has all of them store their passwords.
func newPeople(t *testing.T, m mixed) people {
	t.Helper()
	env := tunnel(t, m.certificate, map[string]string{"registry.test": m.addr})
	socket := startDocker(t, env)
	p := people{m, "registry.test/team/app:1", map[string]client{}, map[string]client{}, map[string]string{}}
	for user, password := range map[string]string{robot: robotPassword, "alice": directoryUserPassword, "bob": directoryUserPassword} {
		p.docker[user], p.skopeo[user] = newDocker(t, socket), newSkopeo(t, env)
		if user != "bob" {
			p.docker[user].works("login", "-u", user, "-p", password, "registry.test")
			p.skopeo[user].works("login", "-u", user, "-p", password, "registry.test")
		}
	}
	remember(p.docker["bob"], "registry.test", "bob", directoryUserPassword)
	p.stored["docker"] = filepath.Join(p.docker["bob"].args[1], "config.json")
	p.stored["skopeo"] = strings.TrimPrefix(p.skopeo["bob"].env[0], "REGISTRY_AUTH_FILE=")
	auth := base64.StdEncoding.EncodeToString([]byte("bob:" + directoryUserPassword))
	writeFile(t, p.stored["skopeo"], toJSON(t, map[string]any{"auths": map[string]any{"registry.test": map[string]string{"auth": auth}}}), 0o600)

	load(p.docker[robot], rootfs(t, "for all"), p.image)
	p.docker[robot].works("push", p.image)
	return p
}

// pullAll has those pull who have logged in, with both clients.
func (p people) pullAll(t *testing.T, when string) {
	t.Helper()
	for _, user := range []string{robot, "alice"} {
		if _, err := p.docker[user].run("pull", p.image); err != nil {
			t.Errorf("%s: docker pull as %s: %v", when, user, err)
		}
		p.skopeo[user].works("copy", "docker://"+p.image, "oci:"+t.TempDir()+":latest")
	}
}

// duringOutage checks who goes on while the directory is down: robots do, and who
// was known before it, for as long as is configured. Others are not refused, and so
// their clients keep the passwords that they have.
func (p people) duringOutage(t *testing.T, short mixed) {
	t.Helper()
	stale := func() bool {
		p.want(t, "during the outage", "alice", directoryUserPassword, 200)
		return strings.Contains(p.output.String(), `"cache":"stale"`)
	}
	testkit.Await(t, "the access log says that the directory is not asked", stale)
	p.pullAll(t, "during the outage")
	if text, err := os.ReadFile(p.audit); err != nil || !strings.Contains(string(text), `"cache":"stale"`) {
		t.Errorf("the audit log does not say stale: %v", err)
	}
	if p.staleAnswers(t) == "0" {
		t.Error("no stale login was counted")
	}
	p.want(t, "during the outage", robot, "wrong", 401)
	p.want(t, "during the outage", robot, robotPassword, 200)
	p.want(t, "during the outage", "alice", "wrong", 503)
	p.want(t, "during the outage", "bob", directoryUserPassword, 503)
	p.want(t, "during the outage", "nobody", "wrong", 503)

	kept := map[string]string{}
	for name, file := range p.stored {
		kept[name] = readFile(t, file)
	}
	for _, failed := range [][]string{{"docker", "pull", p.image}, {"docker", "login", "registry.test"}, {"skopeo", "inspect", "docker://" + p.image}} {
		bob := map[string]client{"docker": p.docker["bob"], "skopeo": p.skopeo["bob"]}[failed[0]]
		if output, err := bob.run(failed[1:]...); err == nil || strings.Contains(strings.ToLower(output), "unauthorized") {
			t.Errorf("%s %s of a user who is not known, during the outage: %v, want a failure that is no refusal\n%s", failed[0], failed[1], err, output)
		}
	}
	for name, file := range p.stored {
		if readFile(t, file) != kept[name] {
			t.Errorf("%s has thrown its password away", name)
		}
	}
	short.want(t, "during the outage", robot, robotPassword, 200)
	testkit.Await(t, "the time of stale logins is over", func() bool { return short.status(t, "alice", directoryUserPassword) == 503 })
	if output := p.output.String() + short.output.String(); strings.Contains(output, robotPassword) || strings.Contains(output, directoryUserPassword) {
		t.Error("there is a password in the output")
	}
}

// changeRobot gives the robot another password.
func (p people) changeRobot(t *testing.T) {
	t.Helper()
	p.want(t, "before its password was changed", robot, robotPassword, 200)
	writeFile(t, p.robots, []byte(htpasswdLine(t, robot, "changed-5ecret")), 0o600)
	took := testkit.Await(t, "the old password is dead", func() bool { return p.status(t, robot, robotPassword) == 401 })
	if t.Logf("the old password is dead after %v", took); took > soon {
		t.Errorf("it took %v until the old password was dead", took)
	}
	p.want(t, "after its password was changed", robot, "changed-5ecret", 200)
	p.skopeo[robot].refused("unauthorized", "inspect", "docker://registry.test/team/app:1")
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
