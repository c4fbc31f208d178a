package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"gatehouse/backend/ldap/ldaptest"
	"gatehouse/internal/testkit"
)

const directoryBase = "dc=corp,dc=example"

// newDirectory starts a directory with the users of the recipe, of whom the
// pusher is in the group pusher because of the group team.
func newDirectory(t *testing.T) *ldaptest.Server {
	t.Helper()
	user := func(uid, password string) ldaptest.Entry {
		return ldaptest.Entry{DN: "uid=" + uid + "," + directoryBase, Password: password,
			Attributes: map[string][]string{"objectClass": {"person"}, "uid": {uid}}}
	}
	group := func(cn, member string) ldaptest.Entry {
		return ldaptest.Entry{DN: "cn=" + cn + "," + directoryBase,
			Attributes: map[string][]string{"objectClass": {"groupOfNames"}, "cn": {cn}, "member": {member + "," + directoryBase}}}
	}
	s, err := ldaptest.New(ldaptest.Config{Entries: []ldaptest.Entry{
		{DN: directoryBase, Attributes: map[string][]string{"objectClass": {"organization"}}}, user("svc", "svc-5ecret"), user(puller, pullerPassword), user(pusher, pusherPassword),
		group("team", "uid="+pusher), group("pusher", "cn=team"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// directoryConfig is a gateway with a route for users of the directory and one
// for those of the recipe's files.
const directoryConfig = `
listen = ["127.0.0.1:0"]
[[backend]]
name = "corp"
type = "ldap"
preset = "openldap"
urls = ["@URL@"]
ca_file = "ca.pem"
bind_dn = "uid=svc,dc=corp,dc=example"
bind_password_file = "ldap-password"
user_bases = ["dc=corp,dc=example"]
filter_group = [{ name = "pullers", filter = "(uid=testuser)" }]

[[backend]]
name = "local"
type = "htpasswd"
users_file = "@DIR@/httpd.htpasswd"

[[route]]
path = "/v2/"
backend = "corp"
upstream = "@UPSTREAM@"
  [[route.rule]]
  name = "pullers"
  paths = ["/v2/pullers/**"]
  require = ["group pullers"]
  [[route.rule]]
  name = "no pushers"
  paths = ["/v2/quiet/**"]
  require = [{ all = ["valid-user", "not group pusher"] }]
  [[route.rule]]
  name = "pull"
  methods = ["GET"]
  require = ["valid-user"]
  [[route.rule]]
  name = "push by DN"
  methods = ["PUT"]
  require = ["group \"CN=Pusher , DC=Corp,dc=example\""]
  [[route.rule]]
  name = "push"
  require = ["group pusher"]

[[route]]
path = "/local/"
backend = "local"
upstream = "@UPSTREAM@"
  [[route.rule]]
  name = "all"
  require = ["valid-user"]
`

// serveDirectory starts a gateway in front of a service that takes everything.
func serveDirectory(t *testing.T, s *ldaptest.Server) front {
	t.Helper()
	f, _ := administerDirectory(t, s)
	return f
}

// administerDirectory is serveDirectory, and returns a client of the control socket.
func administerDirectory(t *testing.T, s *ldaptest.Server) (front, client) {
	t.Helper()
	r := newRecipe(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(upstream.Close)
	writeFile(t, filepath.Join(r.dir, "ca.pem"), s.CA().PEM(), 0o644)
	writeFile(t, filepath.Join(r.dir, "ldap-password"), []byte("svc-5ecret\n"), 0o600)
	config := filepath.Join(r.dir, "directory.toml")
	writeFile(t, config, []byte(strings.NewReplacer("@URL@", s.URL("ldaps"), "@DIR@", r.dir, "@UPSTREAM@", upstream.URL).Replace("admin = { socket = \"admin.sock\" }\n"+directoryConfig)), 0o644)
	return r.serve(t, "--config", config), client{t, binary(t), nil, []string{"GATEHOUSE_CONFIG=" + config}}
}

func TestUsersOfADirectory(t *testing.T) {
	t.Parallel()
	s := newDirectory(t)
	f := serveDirectory(t, s)
	for _, act := range []struct {
		method, path, user, password string
		want                         int
	}{
		{"GET", "/v2/x/tags/list", "", "", 401},
		{"GET", "/v2/x/tags/list", puller, pullerPassword, 200}, {"GET", "/v2/x/tags/list", strings.ToUpper(puller), pullerPassword, 200},
		{"POST", "/v2/x/tags/list", puller, pullerPassword, 403}, {"PUT", "/v2/x/tags/list", puller, pullerPassword, 403},
		{"POST", "/v2/x/tags/list", pusher, pusherPassword, 200}, {"PUT", "/v2/x/tags/list", pusher, pusherPassword, 200},
		{"GET", "/v2/pullers/x", puller, pullerPassword, 200}, {"GET", "/v2/pullers/x", pusher, pusherPassword, 403},
		{"GET", "/v2/x/tags/list", puller, "wrong", 401}, {"GET", "/v2/x/tags/list", "nobody", "wrong", 401}, {"GET", "/v2/x/tags/list", puller, "", 401},
		{"GET", "/v2/x/tags/list", "test*", pullerPassword, 401}, {"GET", "/v2/x/tags/list", puller + ")(uid=*", pullerPassword, 401},
		{"GET", "/local/x", puller, pullerPassword, 200},
	} {
		if resp, body := f.request(t, act.method, act.path, act.user, act.password); resp.StatusCode != act.want {
			t.Errorf("%s %s as %q: %s, want %d\n%s", act.method, act.path, act.user, resp.Status, act.want, body)
		}
	}
	id := regexp.MustCompile(`[0-9A-Z]{8}`)
	unknown, unknownBody := f.request(t, "GET", "/v2/x/tags/list", "nobody", "wrong")
	wrong, wrongBody := f.request(t, "GET", "/v2/x/tags/list", puller, "wrong")
	for _, resp := range []*http.Response{unknown, wrong} {
		resp.Header.Del("Date")
		resp.Header.Del("X-Request-Id")
	}
	if a, b := id.ReplaceAllString(unknownBody, ""), id.ReplaceAllString(wrongBody, ""); a != b || fmt.Sprint(unknown.Header) != fmt.Sprint(wrong.Header) {
		t.Errorf("an unknown user sees\n%v %s\na wrong password\n%v %s", unknown.Header, a, wrong.Header, b)
	}
}

func TestEqualColdRequestsAreOneLogin(t *testing.T) {
	t.Parallel()
	s := newDirectory(t)
	f := serveDirectory(t, s)
	client := f.certificate.client(f.addr)
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	for range 50 { // connections, of 10 requests each
		wg.Go(func() {
			for range 10 {
				req, err := http.NewRequest("GET", "https://registry.test/v2/x/tags/list", nil)
				if err != nil {
					t.Error(err)
					return
				}
				req.SetBasicAuth(puller, pullerPassword)
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("got %s", resp.Status)
				}
			}
		})
	}
	wg.Wait()
	searches, binds := 0, 0
	for _, r := range s.Requests() { // others ask about the groups in the rules
		switch {
		case r.Kind == ldaptest.Bind && strings.Contains(r.DN, puller):
			binds++
		case r.Kind == ldaptest.Search && strings.Contains(r.Filter, puller):
			searches++
		}
	}
	if searches != 1 || binds != 1 {
		t.Errorf("500 equal requests took %d searches and %d binds, want one of each", searches, binds)
	}
}

// An outage of the directory is no refusal, and no outage of anything else.
func TestDirectoryThatIsDown(t *testing.T) {
	t.Parallel()
	s := newDirectory(t)
	s.Stop()
	f := serveDirectory(t, s)
	for _, user := range []string{puller, "nobody"} {
		resp, _ := f.request(t, "GET", "/v2/x/tags/list", user, pullerPassword)
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %s with Retry-After %q, want 503 with one", user, resp.Status, resp.Header.Get("Retry-After"))
		}
	}
	if resp, _ := f.request(t, "GET", "/local/x", puller, pullerPassword); resp.StatusCode != http.StatusOK {
		t.Errorf("a user of the password file: %s, want 200", resp.Status)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	took := testkit.Await(t, "the directory is in use", func() bool {
		resp, _ := f.request(t, "GET", "/v2/x/tags/list", puller, pullerPassword)
		return resp.StatusCode == http.StatusOK
	})
	if took > soon {
		t.Errorf("it took %v until the directory was in use", took)
	}
	if output := f.output.String(); strings.Contains(output, pullerPassword) || strings.Contains(output, "svc-5ecret") {
		t.Error("there is a password in the output")
	}
}
