package main_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gatehouse/backend/ldap/ldaptest"
	"gatehouse/internal/testkit"
)

// The users of the file beside a directory.
const (
	robot         = "ci-bot"
	robotPassword = "ci-bot-5ecret"
)

// installation is a gateway as a page has it, with a directory and files in
// place of those that it names.
type installation struct {
	front
	directory *ldaptest.Server
	users     string // the file, in which robot is
}

// install starts a gateway with a configuration in front of a service that takes
// everything.
func install(t *testing.T, config string) installation {
	t.Helper()
	r, s := newRecipe(t), newDirectory(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(upstream.Close)
	users := filepath.Join(r.dir, "robots.htpasswd")
	for name, text := range map[string]string{
		users:                                 htpasswdLine(t, robot, robotPassword) + htpasswdLine(t, "Testuser", "other-5ecret"),
		filepath.Join(r.dir, "robots.groups"): "pusher: " + robot + "\nLent: " + puller + "\n",
		filepath.Join(r.dir, "ldap-password"): "svc-5ecret\n",
		filepath.Join(r.dir, "corp-ca.pem"):   string(s.CA().PEM()),
		filepath.Join(r.dir, "config.toml"): strings.NewReplacer(
			`"ldaps://ldap1.corp.example", "ldaps://ldap2.corp.example"`, `"`+s.URL("ldaps")+`"`,
			"cn=gatehouse,ou=system,dc=corp,dc=example", "uid=svc,"+directoryBase,
			"http://registry:5000", upstream.URL,
			"httpd.htpasswd", "robots.htpasswd", "httpd.groups", "robots.groups",
		).Replace(config),
	} {
		writeFile(t, name, []byte(text), 0o600)
	}
	return installation{r.serve(t, "--config", filepath.Join(r.dir, "config.toml")), s, users}
}

// status returns the status of a pull.
func (i installation) status(t *testing.T, user, password string) int {
	t.Helper()
	resp, _ := i.request(t, "GET", "/v2/team/app/manifests/1", user, password)
	if retry := resp.Header.Get("Retry-After"); (retry != "") != (resp.StatusCode == http.StatusServiceUnavailable) {
		t.Errorf("%s: %d with Retry-After %q", user, resp.StatusCode, retry)
	}
	return resp.StatusCode
}

// outageTable returns the rows of the table of docs/operations.md by their first column, with
// the status of each cell and nothing for an empty one.
func outageTable(t *testing.T) map[string][]string {
	t.Helper()
	_, section, _ := strings.Cut(document(t, "docs/operations.md"), "\n| while the directory is down |")
	section, _, _ = strings.Cut(section, "\n\n")
	rows := map[string][]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		if len(cells) != 4 || strings.Contains(line, "---") {
			continue
		}
		for _, cell := range cells[1:] {
			rows[strings.TrimSpace(cells[0])] = append(rows[strings.TrimSpace(cells[0])], regexp.MustCompile(`^\d*`).FindString(strings.TrimSpace(cell)))
		}
	}
	if len(rows) == 0 {
		t.Fatal("the page has no table of what happens in an outage")
	}
	return rows
}

// outagePages are the pages whose first configuration each column is about.
var outagePages = []struct{ column, page string }{
	{"file", "README.md"}, {"directory", "docs/ldap/openldap.md"}, {"both", "docs/operations.md"},
}

// TestOperationsSaysWhatAnOutageDoes holds the configurations of three pages to the
// table of one of them.
func TestOperationsSaysWhatAnOutageDoes(t *testing.T) {
	t.Parallel()
	for column, p := range outagePages {
		name := p.column
		t.Run(name, func(t *testing.T) {
			i := install(t, fenced(document(t, p.page), "toml")[0])
			before := i.status(t, puller, pullerPassword)
			if want := map[string]int{"file": 401, "directory": 200, "both": 200}[name]; before != want {
				t.Errorf("a user of the directory before the outage: %d, want %d", before, want)
			}
			i.directory.Stop()
			for row, cells := range outageTable(t) {
				i.checkOutage(t, row, cells[column])
			}
			if name == "file" {
				return
			}
			if err := i.directory.Start(); err != nil {
				t.Fatal(err)
			}
			took := testkit.Await(t, "the directory is in use", func() bool { return i.status(t, pusher, pusherPassword) == 200 })
			if took > soon {
				t.Errorf("it took %v until the directory was in use", took)
			}
			if strings.Contains(i.output.String(), robotPassword) {
				t.Error("there is a password in the output")
			}
		})
	}
}

// checkOutage compares a cell of the table with what clients get. Asked twice, the
// answer is the same.
func (i installation) checkOutage(t *testing.T, row, want string) {
	t.Helper()
	type login struct{ user, password string }
	logins := map[string][]login{
		"users of the file":                           {{robot, robotPassword}},
		"users of the file with a wrong password":     {{robot, "wrong"}},
		"users of the directory who logged in before": {{puller, pullerPassword}},
		"anybody else":                                {{pusher, pusherPassword}, {"nobody", "wrong"}, {puller, "wrong"}},
	}[row]
	if len(logins) == 0 {
		t.Fatalf("nothing proves the row %q", row)
	}
	for _, l := range append(logins, logins...) {
		if got := strconv.Itoa(i.status(t, l.user, l.password)); want != "" && got != want {
			t.Errorf("%s: %s: got %s, want %s", row, l.user, got, want)
		}
	}
}

// chainRules are rules about names that both members know in their own ways: the
// directory has testuser, whatever is typed, and the file Testuser and no other.
const chainRules = `
[[backend]]
name = "everyone"
type = "chain"
member = [ { backend = "local" }, { backend = "corp" } ]
extra_groups = ["local"]

[[backend]]
name = "local"
type = "htpasswd"
users_file = "robots.htpasswd"
groups_file = "robots.groups"

[[backend]]
name = "corp"
type = "ldap"
preset = "openldap"
ca_file = "corp-ca.pem"
urls = ["ldaps://ldap1.corp.example", "ldaps://ldap2.corp.example"]
bind_dn = "uid=svc,dc=corp,dc=example"
bind_password_file = "ldap-password"
user_bases = ["dc=corp,dc=example"]

[[route]]
path = "/v2/"
upstream = "http://registry:5000"
backend = "everyone"

  [[route.rule]]
  name = "of the directory"
  paths = ["/v2/corp/**"]
  require = ["user corp:TestUser"]

  [[route.rule]]
  name = "of the file"
  paths = ["/v2/local/**"]
  require = ["user local:Testuser"]

  [[route.rule]]
  name = "of the file, misspelt"
  paths = ["/v2/misspelt/**"]
  require = ["user local:testuser"]

  [[route.rule]]
  name = "of either"
  paths = ["/v2/either/**"]
  require = ["user Testuser"]

  [[route.rule]]
  name = "not of either"
  paths = ["/v2/neither/**"]
  require = [{ all = ["valid-user", "not user Testuser"] }]

  [[route.rule]]
  name = "by DN"
  paths = ["/v2/dn/**"]
  require = ["group \"corp:CN=Pusher , DC=Corp,dc=example\""]

  [[route.rule]]
  name = "lent by the file"
  paths = ["/v2/lent/**"]
  require = ["group LENT"]

  [[route.rule]]
  name = "push"
  require = ["group pusher"]
`

func TestUsersOfAChain(t *testing.T) {
	t.Parallel()
	i := install(t, chainRules)
	for _, act := range []struct {
		path, user, password string
		want                 int
	}{
		{"corp", puller, pullerPassword, 200}, {"corp", "TESTUSER", pullerPassword, 200}, {"corp", "Testuser", "other-5ecret", 403},
		{"local", "Testuser", "other-5ecret", 200}, {"local", puller, pullerPassword, 403}, {"local", "Testuser", pullerPassword, 401},
		{"misspelt", puller, pullerPassword, 403}, {"misspelt", "Testuser", "other-5ecret", 403}, {"misspelt", puller, "other-5ecret", 401},
		{"either", puller, pullerPassword, 200}, {"either", "Testuser", "other-5ecret", 200}, {"either", robot, robotPassword, 403},
		{"neither", puller, pullerPassword, 403}, {"neither", "Testuser", "other-5ecret", 403}, {"neither", robot, robotPassword, 200},
		{"dn", pusher, pusherPassword, 200}, {"dn", puller, pullerPassword, 403}, {"dn", robot, robotPassword, 403},
		{"lent", puller, pullerPassword, 200}, {"lent", pusher, pusherPassword, 403}, {"lent", "Testuser", "other-5ecret", 403},
		{"push", pusher, pusherPassword, 200}, {"push", robot, robotPassword, 200}, {"push", puller, pullerPassword, 403},
		{"push", "nobody", "wrong", 401}, {"push", "", "", 401},
	} {
		if resp, body := i.request(t, "PUT", "/v2/"+act.path+"/x/manifests/1", act.user, act.password); resp.StatusCode != act.want {
			t.Errorf("%s as %q: %s, want %d\n%s", act.path, act.user, resp.Status, act.want, body)
		}
	}
}

// A changed line of the file counts at once, and for nobody else: the directory is
// not asked again about its users, who go on even if it is down.
func TestChangedFileOfAChainConcernsItsUserAlone(t *testing.T) {
	t.Parallel()
	i := install(t, chainRules)
	pull := func(user, password string) int {
		resp, _ := i.request(t, "PUT", "/v2/either/x/manifests/1", user, password)
		return resp.StatusCode
	}
	if a, b := pull(puller, pullerPassword), pull("Testuser", "other-5ecret"); a != 200 || b != 200 {
		t.Fatalf("before the change: %d and %d", a, b)
	}
	i.directory.Stop()
	i.directory.Forget()
	writeFile(t, i.users, []byte(htpasswdLine(t, robot, robotPassword)+htpasswdLine(t, "Testuser", "changed-5ecret")), 0o600)
	testkit.Await(t, "the old password is dead", func() bool { return pull("Testuser", "other-5ecret") == 401 })
	if got := pull("Testuser", "changed-5ecret"); got != 200 {
		t.Errorf("the new password: %d, want 200", got)
	}
	if got := pull(puller, pullerPassword); got != 200 {
		t.Errorf("a user of the directory after a change in the file: %d, want 200", got)
	}
}
