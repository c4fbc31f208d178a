package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gatehouse/backend/ldap/ldaptest"
	"gatehouse/internal/testkit"
)

// shieldedConfig has a directory that is used twice, in a chain and by itself.
const shieldedConfig = `
listen = ["@LISTEN@"]
insecure_plaintext = true
access_log = "off"
[admin]
socket = "@DIR@/admin.sock"
[cache]
negative_ttl = "1s"
[flood]
enabled = false
[[backend]]
name = "corp"
type = "ldap"
preset = "openldap"
urls = ["@URL@"]
ca_file = "ca.pem"
bind_dn = "uid=svc,dc=corp,dc=example"
bind_password_file = "ldap-password"
user_bases = ["dc=corp,dc=example"]
[[backend]]
name = "local"
type = "htpasswd"
users_file = "httpd.htpasswd"
[[backend]]
name = "everyone"
type = "chain"
member = [{ backend = "corp" }, { backend = "local" }]
[[route]]
path = "/v2/"
backend = "everyone"
upstream = "@UPSTREAM@"
  [[route.rule]]
  name = "all"
  require = ["valid-user"]
[[route]]
path = "/corp/"
backend = "corp"
upstream = "@UPSTREAM@"
  [[route.rule]]
  name = "all"
  require = ["valid-user"]
`

// shielded is a gateway before a directory.
type shielded struct {
	front
	directory *ldaptest.Server
	config    string
}

func serveShielded(t *testing.T) shielded {
	t.Helper()
	s := shielded{directory: newDirectory(t)}
	r := newRecipe(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(upstream.Close)
	writeFile(t, filepath.Join(r.dir, "ca.pem"), s.directory.CA().PEM(), 0o644)
	writeFile(t, filepath.Join(r.dir, "ldap-password"), []byte("svc-5ecret\n"), 0o600)
	s.config = filepath.Join(r.dir, "shielded.toml")
	addr := freeAddr(t)
	writeFile(t, s.config, []byte(strings.NewReplacer("@URL@", s.directory.URL("ldaps"), "@DIR@", r.dir, "@UPSTREAM@", upstream.URL,
		"@LISTEN@", addr).Replace(shieldedConfig)), 0o644)
	p := start(t, command(t, binary(t), "serve", "--config", s.config))
	p.listening(t, addr)
	s.front = front{process: p, addr: addr}
	return s
}

// status returns the status of a request with credentials.
func (s shielded) status(t *testing.T, path, user, password string) int {
	t.Helper()
	req, err := http.NewRequest("GET", "http://"+s.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(user, password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// binds returns how many passwords of a user the directory was asked about.
func (s shielded) binds(user string) int {
	n := 0
	for _, r := range s.directory.Requests() {
		if r.Kind == ldaptest.Bind && strings.Contains(r.DN, "uid="+user+",") {
			n++
		}
	}
	return n
}

// guess tries many wrong passwords of a user at once, on both routes.
func (s shielded) guess(t *testing.T, user string) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			name, path := user, "/v2/x/tags/list"
			if i%2 == 1 {
				name, path = strings.ToUpper(user), "/corp/x"
			}
			if got := s.status(t, path, name, fmt.Sprint("guess-", i)); got != http.StatusUnauthorized {
				t.Errorf("guess %d: %d, want 401", i, got)
			}
		})
	}
	wg.Wait()
}

// The directory hears of two wrong passwords of a user, whatever is tried, also
// after a reload; who has logged in before is let in, and who has not once the
// operator says so.
func TestStrangersLockOutNobody(t *testing.T) {
	t.Parallel()
	s := serveShielded(t)
	if got := s.status(t, "/v2/x/tags/list", pusher, pusherPassword); got != http.StatusOK {
		t.Fatalf("the first login: %d", got)
	}
	for range 2 {
		for _, user := range []string{puller, pusher} {
			s.guess(t, user)
		}
		s.purge(t)
		if got := s.status(t, "/corp/x", pusher, pusherPassword); got != http.StatusOK {
			t.Errorf("who has logged in before: %d, want 200", got)
		}
		if got := s.status(t, "/v2/x/tags/list", puller, pullerPassword); got != http.StatusUnauthorized {
			t.Errorf("who has not: %d, want 401", got)
		}
		s.reload(t)
	}
	if n := s.binds(puller); n != 2 {
		t.Errorf("the directory was asked about %d passwords of %s, want 2", n, puller)
	}
	if n := s.binds(pusher); n != 2+3 {
		t.Errorf("the directory was asked about %d passwords of %s, want 2 wrong ones and 3 logins", n, pusher)
	}
	s.purge(t, "--user", strings.ToUpper(puller))
	if got := s.status(t, "/v2/x/tags/list", puller, pullerPassword); got != http.StatusOK {
		t.Errorf("after the operator's word: %d, want 200", got)
	}
	if output := s.output.String(); strings.Contains(output, "guess-") || strings.Contains(output, pullerPassword) {
		t.Error("there is a password in the output")
	}
}

// purge runs "gatehouse cache purge".
func (s shielded) purge(t *testing.T, flags ...string) {
	t.Helper()
	args := append([]string{"cache", "purge", "--config", s.config}, flags...)
	if out, err := command(t, binary(t), args...).CombinedOutput(); err != nil {
		t.Fatalf("cache purge: %v\n%s", err, out)
	}
}

// reload has the configuration read again and waits until it is in use.
func (s shielded) reload(t *testing.T) {
	t.Helper()
	const done = "configuration reloaded"
	before := strings.Count(s.output.String(), done)
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	testkit.Await(t, "the configuration is reloaded", func() bool { return strings.Count(s.output.String(), done) > before })
}
