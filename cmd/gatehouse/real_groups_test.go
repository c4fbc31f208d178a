package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// A service behind a gateway is told the groups that an OpenLDAP has, in each form, and
// nobody whose groups do not fit is let through with a part of them.
func TestGroupsOfARealDirectoryReachTheUpstream(t *testing.T) {
	needs(t, "slapd", "slapadd")
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
