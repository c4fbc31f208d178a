package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A service behind a gateway is told the groups that an OpenLDAP has, in each form, and
// nobody whose groups do not fit is let through with a part of them.
func TestGroupsOfARealDirectoryReachTheUpstream(t *testing.T) {
	needs(t, "slapd", "slapadd")
	t.Parallel()
	r := newRecipe(t)
	var told atomic.Pointer[http.Header]
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { told.Store(&req.Header) }))
	t.Cleanup(upstream.Close)
	url, _ := runOpenLDAP(t, r.dir)
	writeFile(t, filepath.Join(r.dir, "ldap-password"), []byte(directoryAccountPassword+"\n"), 0o600)
	const pusher, team = "cn=pusher%2Cdc=corp%2Cdc=example", "cn=team%2Cdc=corp%2Cdc=example"
	config := fmt.Sprintf(`
listen = ["127.0.0.1:0"]
[[backend]]
name = "corp"
type = "ldap"
preset = "openldap"
urls = [%q]
ca_file = "corp-ca.pem"
bind_dn = "cn=gatehouse,ou=system,dc=corp,dc=example"
bind_password_file = "ldap-password"
user_bases = ["dc=corp,dc=example"]
`, url)
	type row struct {
		path, keys string
		want       int
		groups     []string // that the upstream is told; nil for no header
	}
	rows := []row{
		{"/short/", "", 200, []string{"pusher,team"}},
		{"/dn/", "groups_header_form = \"dn\"", 200, []string{pusher + "," + team}},
		{"/named/", "groups_header_form = \"named\"", 200, []string{"pusher"}},
		{"/refused/", "groups_header_form = \"dn\"\ngroups_header_bytes = 62", 403, nil},
		{"/omitted/", "groups_header_form = \"dn\"\ngroups_header_bytes = 62\ngroups_header_over = \"omit\"", 200, nil},
	}
	for _, row := range rows {
		config += fmt.Sprintf("[[route]]\npath = %q\nbackend = \"corp\"\nupstream = %q\ngroups_header = \"X-Groups\"\n%s\n"+
			"[[route.rule]]\nname = \"push\"\nmethods = [\"PUT\"]\nrequire = [\"group pusher\"]\n[[route.rule]]\nname = \"pull\"\nrequire = [\"valid-user\"]\n", row.path, upstream.URL, row.keys)
	}
	path := filepath.Join(r.dir, "groups.toml")
	writeFile(t, path, []byte(config), 0o600)
	f := r.serve(t, "--config", path)
	for _, row := range rows {
		told.Store(&http.Header{})
		resp, body := f.request(t, "GET", row.path+"x", "alice", directoryUserPassword)
		if resp.StatusCode != row.want || resp.StatusCode == 403 && !strings.Contains(body, "in more groups") {
			t.Errorf("%s: %s %s, want %d", row.path, resp.Status, body, row.want)
		}
		if got := (*told.Load())["X-Groups"]; fmt.Sprint(got) != fmt.Sprint(row.groups) {
			t.Errorf("%s: the upstream was told %q, want %q", row.path, got, row.groups)
		}
	}
	output, _ := command(t, binary(t), "explain", "--config", path, "--live", "--user", "alice", "GET", "/refused/x").CombinedOutput()
	if text := string(output); !strings.Contains(text, "and groups_header_bytes is 62") || !strings.Contains(text, "403") {
		t.Errorf("explain says\n%s", text)
	}
}

// A user in more groups than anybody needs pushes by a rule that names one of them, and
// not by one that names another group. .ci/long has 10,000 of them.
func TestPushByOneOfManyGroups(t *testing.T) {
	needs(t, "slapd", "slapadd")
	n := manyGroups(t)
	place, content := entriesOfGroups(n)
	r := newRecipe(t)
	url, _ := runOpenLDAPWith(t, r.dir, content)
	writeFile(t, filepath.Join(r.dir, "ldap-password"), []byte(directoryAccountPassword+"\n"), 0o600)
	config := strings.NewReplacer("@URL@", url, "@UPSTREAM@", taking(t),
		"user_bases", "login_timeout = \"1m\" # what it takes is reported, on however busy a machine\nuser_bases").Replace(slapdBackend) + `
[[route]]
path = "/v2/"
backend = "people"
upstream = "` + taking(t) + `"
`
	for path, group := range map[string]string{"first": groupName(0), "last": groupName(n - 1), "dn": `\"CN=` + groupName(n/2) + "," + place + `\"`, "other": groupName(n)} {
		config += fmt.Sprintf("  [[route.rule]]\n  name = %q\n  paths = [\"/v2/%s/**\"]\n  require = [\"group %s\"]\n", path, path, group)
	}
	path := filepath.Join(r.dir, "many.toml")
	writeFile(t, path, []byte("listen = [\"127.0.0.1:0\"]\n"+config), 0o600)
	f := r.serve(t, "--config", path)
	start := time.Now()
	for _, act := range []struct {
		user, repository string
		want             int
	}{
		{"alice", "first", 200}, {"alice", "last", 200}, {"alice", "dn", 200}, {"alice", "other", 403},
		{"bob", "first", 403}, {"bob", "dn", 403}, {"bob", "other", 200},
	} {
		resp, body := f.request(t, "PUT", "/v2/"+act.repository+"/manifests/1", act.user, directoryUserPassword)
		if resp.StatusCode != act.want {
			t.Errorf("%s pushes to %s: %s %s, want %d", act.user, act.repository, resp.Status, body, act.want)
		}
		t.Logf("%s, in %d groups, pushes to %s: answered after %v", act.user, n, act.repository, time.Since(start))
		start = time.Now()
	}
}

// manyGroups returns how many groups the user is in.
func manyGroups(t *testing.T) int {
	t.Helper()
	text := os.Getenv("GATEHOUSE_TEST_GROUPS")
	if text == "" {
		return 300
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func groupName(i int) string { return fmt.Sprintf("team-%s-%05d", strings.Repeat("t", 60), i) }

// entriesOfGroups returns a place with n groups that alice is in, and one more that bob
// is in. Their DNs have 300 bytes.
func entriesOfGroups(n int) (place, content string) {
	var b strings.Builder
	place = "dc=corp,dc=example"
	for _, unit := range []string{"a", "b", "c"} {
		place = "ou=" + strings.Repeat(unit, 64) + "," + place
		fmt.Fprintf(&b, "dn: %s\nobjectClass: organizationalUnit\n\n", place)
	}
	for i := range n + 1 {
		member := "alice"
		if i == n {
			member = "bob"
		}
		fmt.Fprintf(&b, "dn: cn=%s,%s\nobjectClass: groupOfNames\ncn: %s\nmember: uid=%s,dc=corp,dc=example\n\n", groupName(i), place, groupName(i), member)
	}
	return place, b.String()
}
