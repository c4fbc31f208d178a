package main_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"html"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/gateway/admin"
	"gatehouse/internal/testkit"
)

// adminConfig has what an administrator wants to look at.
const adminConfig = `
access_log = "off"
[admin]
listen = "@ADMIN@"
socket = "admin.sock"

[[backend]]
name = "robots"
type = "htpasswd"
users_file = "httpd.htpasswd"
groups_file = "httpd.groups"
@DIRECTORY@
[[route]]
path = "/v2/"
backend = "robots"
upstream = "@UPSTREAM@"
  [[route.rule]]
  name = "pull"
  methods = ["GET"]
  require = ["valid-user"]
  [[route.rule]]
  name = "push"
  require = ["group pusher"]
`

// administered is a gateway with an administrator.
type administered struct {
	front
	dir, admin string
}

// administer starts a gateway whose configuration is adminConfig with more.
func administer(t *testing.T, r recipe, upstream, more string) administered {
	t.Helper()
	a := administered{dir: r.dir, admin: freeAddr(t)}
	text := strings.NewReplacer("@ADMIN@", a.admin, "@UPSTREAM@", upstream, "@DIRECTORY@", more).Replace(adminConfig)
	writeFile(t, filepath.Join(r.dir, "gatehouse.toml"), []byte(text), 0o600)
	addr := freeAddr(t)
	cmd := command(t, binary(t), "serve", "--config", "gatehouse.toml", "--listen", addr, "--cert", r.certificate.certFile, "--key", r.certificate.keyFile)
	cmd.Dir = r.dir
	a.front = front{start(t, cmd), addr, r.certificate}
	a.listening(t, addr)
	return a
}

// ask returns what the gateway says over TCP to its administrator, 0 for nothing.
func (a administered) ask(t *testing.T, path string) (status int, body string) {
	t.Helper()
	resp, err := http.Get("http://" + a.admin + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// gatehouse types a command in the folder of the gateway's configuration.
func (a administered) gatehouse(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	cmd := command(t, binary(t), append(args, "--config", "gatehouse.toml")...)
	cmd.Dir = a.dir
	out, _ := cmd.CombinedOutput() // the exit code says more
	return string(out), cmd.ProcessState.ExitCode()
}

func taking(t *testing.T) string {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(upstream.Close)
	return upstream.URL
}

func TestCommandsAskTheRunningGateway(t *testing.T) {
	t.Parallel()
	a := administer(t, newRecipe(t), taking(t), "")
	a.request(t, "GET", "/v2/", puller, pullerPassword)
	a.request(t, "PUT", "/v2/team/app/manifests/1", puller, pullerPassword)
	for _, act := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"healthcheck"}, 0, "ok\n"},
		{[]string{"healthcheck", "--ready"}, 0, "ready\n"},
		{[]string{"healthcheck", "--ready", "--address", a.admin}, 0, "ready\n"},
		{[]string{"healthcheck", "--address", freeAddr(t)}, 1, "connection refused"},
		{[]string{"healthcheck", "--socket", "nothing.sock"}, 1, "no such file"},
		{[]string{"status"}, 0, "serving, up for "},
		{[]string{"status"}, 0, "  rule: 1\n"},
		{[]string{"status", "--address", a.admin, "-o", "json"}, 0, `"reason": "rule"`},
		{[]string{"status", "--address", freeAddr(t)}, 4, "connection refused"},
		{[]string{"status", "--address", a.admin, "--socket", "admin.sock"}, 2, "give one of them"},
		{[]string{"reload"}, 0, "gatehouse.toml is in use"},
		{[]string{"cache", "purge", "--user", ""}, 2, "--user is empty"},
	} {
		if out, code := a.gatehouse(t, act.args...); code != act.code || !strings.Contains(out, act.want) {
			t.Errorf("gatehouse %v: exit code %d, want %d, with %q in\n%s", act.args, code, act.code, act.want, out)
		}
	}
	if out, _ := a.gatehouse(t, "status"); strings.Contains(out, puller) {
		t.Errorf("status names a user:\n%s", out)
	}
}

func TestPurgedLoginsAreCheckedAgain(t *testing.T) {
	t.Parallel()
	a := administer(t, newRecipe(t), taking(t), "")
	remembered := func() int {
		_, text := a.ask(t, "/status.json")
		var s admin.Status
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return s.Backends[0].Cache.Entries
	}
	login := func() {
		a.request(t, "GET", "/v2/", puller, pullerPassword)
		a.request(t, "GET", "/v2/", pusher, pusherPassword)
		if n := remembered(); n != 2 {
			t.Fatalf("%d logins are remembered, want 2", n)
		}
	}
	login()
	if out, code := a.gatehouse(t, "cache", "purge", "--user", puller); code != 0 || remembered() != 1 {
		t.Errorf("of one user: exit code %d, %d logins are left, want 1:\n%s", code, remembered(), out)
	}
	login()
	if out, code := a.gatehouse(t, "cache", "purge"); code != 0 || remembered() != 0 {
		t.Errorf("of all: exit code %d, %d logins are left:\n%s", code, remembered(), out)
	}
}

// Whoever sends requests here has to know that it ends before it has ended.
func TestAdminAnswersUntilTheLastRequestHasEnded(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-leave
	}))
	t.Cleanup(upstream.Close)
	a := administer(t, newRecipe(t), upstream.URL, "")
	answered := make(chan int, 1)
	go func() {
		resp, _ := a.request(t, "GET", "/v2/app/manifests/1", puller, pullerPassword)
		answered <- resp.StatusCode
	}()
	<-entered
	if status, body := a.ask(t, "/readyz"); status != http.StatusOK || body != "ready\n" {
		t.Errorf("before the signal: %d %q", status, body)
	}
	a.cmd.Process.Signal(os.Interrupt)
	testkit.Await(t, "it is not ready any more", func() bool {
		status, body := a.ask(t, "/readyz")
		return status == http.StatusServiceUnavailable && body == "draining\n"
	})
	testkit.Await(t, "it accepts no more clients", func() bool { return !accepts(a.addr) })
	if status, _ := a.ask(t, "/livez"); status != http.StatusOK {
		t.Errorf("alive while it drains: %d", status)
	}
	if status, body := a.ask(t, "/status.json"); status != http.StatusOK || !strings.Contains(body, `"running": 1`) {
		t.Errorf("status while it drains: %d %s", status, body)
	}
	close(leave)
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the request that was running: %d", status)
	}
	if code := a.exitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Lstat(filepath.Join(a.dir, "admin.sock")); !os.IsNotExist(err) {
		t.Errorf("the socket afterwards: %v", err)
	}
}

func TestMetricsAreServed(t *testing.T) {
	t.Parallel()
	a := administer(t, newRecipe(t), taking(t), "")
	_, before := a.ask(t, "/metrics")
	for _, want := range []string{
		`gatehouse_requests_total{decision="allowed",method="GET",route="/v2/",status="200"} 0`,
		"gatehouse_config_last_reload_successful 1",
		`gatehouse_tls_certificate_not_after_timestamp_seconds{name="registry.test"}`,
	} {
		if !strings.Contains(before, want) {
			t.Errorf("at the start there is no %s", want)
		}
	}
	a.request(t, "GET", "/v2/", puller, pullerPassword)
	a.request(t, "PUT", "/v2/team/app/manifests/1", puller, pullerPassword)
	writeFile(t, filepath.Join(a.dir, "gatehouse.toml"), []byte("nonsense = 1\n"), 0o600)
	testkit.Await(t, "the reload has failed", func() bool {
		_, text := a.ask(t, "/metrics")
		return strings.Contains(text, "gatehouse_config_last_reload_successful 0")
	})
	_, after := a.ask(t, "/metrics")
	for _, want := range []string{
		`gatehouse_requests_total{decision="allowed",method="GET",route="/v2/",status="200"} 1`,
		`gatehouse_requests_total{decision="denied",method="PUT",route="/v2/",status="403"} 1`,
		`gatehouse_cache_requests_total{backend="robots",kind="login",result="hit"} 1`,
	} {
		if !strings.Contains(after, want) {
			t.Errorf("afterwards there is no %s", want)
		}
	}
	if _, text := a.ask(t, "/status.json"); !strings.Contains(text, "unknown key") {
		t.Errorf("the status does not say what is wrong with the configuration: %s", text)
	}
}

// slapdBackend is a directory of users.
const slapdBackend = `
[[backend]]
name = "people"
type = "ldap"
preset = "openldap"
urls = ["@URL@"]
ca_file = "corp-ca.pem"
bind_dn = "cn=gatehouse,ou=system,dc=corp,dc=example"
bind_password_file = "ldap-password"
user_bases = ["dc=corp,dc=example"]

[[route]]
path = "/v2/people/"
backend = "people"
upstream = "@UPSTREAM@"
  [[route.rule]]
  name = "all"
  require = ["valid-user"]
`

// The size of the picture.
const pictureWidth, pictureHeight = 1280, 1060

// TestStatusPageInABrowser looks at the page of a gateway whose directory has been
// stopped. With -update it writes the picture for the documentation.
func TestStatusPageInABrowser(t *testing.T) {
	needs(t, "chromium", "slapd", "slapadd")
	r := newRecipe(t)
	url, slapd := runOpenLDAP(t, r.dir)
	writeFile(t, filepath.Join(r.dir, "ldap-password"), []byte(directoryAccountPassword+"\n"), 0o600)
	upstream := taking(t)
	a := administer(t, r, upstream, strings.NewReplacer("@URL@", url, "@UPSTREAM@", upstream).Replace(slapdBackend))
	for range 20 {
		a.request(t, "GET", "/v2/team/app/manifests/1", puller, pullerPassword)
		a.request(t, "GET", "/v2/people/app/manifests/1", "alice", directoryUserPassword)
	}
	a.request(t, "GET", "/v2/people/app/manifests/1", "alice", "wr0ng")
	a.request(t, "PUT", "/v2/team/app/manifests/1", puller, pullerPassword)
	a.request(t, "GET", "/v2/", "", "")
	slapd.stop()
	testkit.Await(t, "the directory is missed", func() bool {
		a.request(t, "GET", "/v2/people/app/manifests/1", "bob", directoryUserPassword)
		_, text := a.ask(t, "/readyz")
		return text == "degraded: backend people\n"
	})
	dom := a.browse(t, "--dump-dom")
	for _, want := range []string{"serving, degraded", "robots", "people", url, "left alone", "backend unavailable", "no credentials", "registry.test", "gatehouse.toml"} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page in the browser lacks %q:\n%s", want, dom)
		}
	}
	a.checkWidths(t)
	picture := filepath.Join(t.TempDir(), "status.png")
	a.browse(t, "--screenshot="+picture)
	content, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	checkPicture(t, content)
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile("../../docs/status.png", content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// checkWidths has a browser lay the page out in frames of several widths. In none of
// them may anything be wider than the room that it has, so that nothing scrolls sideways.
func (a administered) checkWidths(t *testing.T) {
	t.Helper()
	_, page := a.ask(t, "/status")
	widths := []int{320, 768, 1280}
	var frames strings.Builder
	for _, width := range widths {
		const script = `<script>onload = () => {
			const wide = [...document.querySelectorAll("html, section, table")].filter(e => e.scrollWidth > e.clientWidth).map(e => e.tagName)
			parent.document.body.setAttribute("data-w%d", innerWidth + " " + wide.join(" "))
		}</script>`
		fmt.Fprintf(&frames, `<iframe width="%d" height="4000" frameborder="0" srcdoc="%s"></iframe>`, width, html.EscapeString(page+fmt.Sprintf(script, width)))
	}
	path := filepath.Join(t.TempDir(), "frames.html")
	writeFile(t, path, []byte("<!DOCTYPE html><html><body>"+frames.String()+"</body></html>"), 0o600)
	dom := browse(t, "file://"+path, "--dump-dom")
	for _, width := range widths {
		if want := fmt.Sprintf(`data-w%d="%[1]d "`, width); !strings.Contains(dom, want) {
			t.Errorf("in a window of %d something is wider: no %q in %.300s", width, want, dom)
		}
	}
}

// browse has a browser without a screen open the status page.
func (a administered) browse(t *testing.T, what string) string {
	t.Helper()
	return browse(t, "http://"+a.admin+"/status", what)
}

// browse has a browser without a screen open a page.
func browse(t *testing.T, url string, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	base := command(t, "chromium", append([]string{
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--force-device-scale-factor=1",
		fmt.Sprintf("--window-size=%d,%d", pictureWidth, pictureHeight), "--user-data-dir=" + t.TempDir()},
		append(flags, url)...)...)
	stop := context.AfterFunc(ctx, func() { base.Process.Kill() })
	defer stop()
	out, err := base.Output()
	if err != nil {
		t.Fatalf("chromium %s: %v\n%s", flags, err, out)
	}
	return string(out)
}

// checkPicture checks that a picture shows something: the page's own style, which
// a policy that is too strict would take from it, and text on it.
func checkPicture(t *testing.T, content []byte) {
	t.Helper()
	if len(content) > 400<<10 {
		t.Errorf("the picture has %d bytes", len(content))
	}
	img, err := png.Decode(strings.NewReader(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := img.Bounds().Size(), image.Pt(pictureWidth, pictureHeight); got != want {
		t.Errorf("the picture is %v, want %v", got, want)
	}
	colours := map[string]int{}
	for y := range pictureHeight {
		for x := range pictureWidth {
			r, g, b, _ := img.At(x, y).RGBA()
			colours[fmt.Sprintf("%02x%02x%02x", r>>8, g>>8, b>>8)]++
		}
	}
	for colour, least := range map[string]int{"f6f7f9": 50_000, "ffffff": 200_000, "1c2430": 2_000} { // page, cards, text
		if colours[colour] < least {
			t.Errorf("%d dots have the colour %s, want %d at least", colours[colour], colour, least)
		}
	}
}
