package admin

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"gatehouse/backend"
	"gatehouse/gateway"
)

// full fills everything that a status can show.
func full(c *Config) {
	g := c.Gateway.(*fakeGateway)
	g.stats.Running, g.stats.AccessDropped = 3, 5
	g.stats.Certificates = []gateway.CertificateStats{{Names: []string{"registry.example"}, NotAfter: time.Now().Add(10*24*time.Hour + time.Hour)}}
	g.last = []gateway.Refusal{{
		ID: "7F3K2QAB", Time: time.Now(), Method: "PUT", Target: "/v2/secret-project/manifests/1", Claimed: "alice@corp.example",
		Reason: "wrong_password", Cause: "bind of CN=Alice failed", Answer: gateway.Answer{Status: 401},
	}}
	cache, _ := backend.NewCache(directory{}, backend.CacheConfig{})
	c.Metrics.SetBackends([]gateway.BackendInfo{{Name: "corp", Type: "directory", Backend: directory{down: true}, Cache: cache}})
	c.Metrics.Reloaded("0123abcd", time.Second, errors.New("no"))
	loaded := time.Now().Add(-3 * time.Hour)
	c.Configuration = func() Configuration {
		return Configuration{File: "/etc/gatehouse/config.toml", Hash: "0123abcd", Loaded: loaded, LastReload: Reload{
			Time: time.Now(), Error: "config.toml:3:1: unknown key \"x<y\"",
		}}
	}
}

func TestStatusAsJSON(t *testing.T) {
	ts := start(t, full)
	for _, form := range []struct{ path, field string }{
		{"/status.json", ""}, {"/status?format=json", ""}, {"/status", "Accept: application/json"},
	} {
		a := ask(t, ts.tcp, "GET", form.path, form.field)
		var s Status
		if err := json.Unmarshal([]byte(a.body), &s); err != nil || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%v: %v: %s", form, err, a.body)
		}
	}
	var got Status
	if err := json.Unmarshal([]byte(ask(t, ts.tcp, "GET", "/status.json").body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Uptime < 0 || got.Configuration.Age < 3*3600 || got.Process.Goroutines == 0 || got.Process.Memory == 0 {
		t.Errorf("uptime %v, age %v, %+v", got.Uptime, got.Configuration.Age, got.Process)
	}
	if c := got.Certificates; len(c) != 1 || c[0].DaysLeft != 10 || c[0].Names[0] != "registry.example" {
		t.Errorf("certificates: %+v", c)
	}
	want := []Refusal{{ID: "7F3K2QAB", Time: ts.gateway.last[0].Time.Round(0).Local(), Method: "PUT", Status: 401, Reason: "wrong_password"}}
	if diff := cmp.Diff(want, got.Refusals.Last); diff != "" {
		t.Errorf("last refusals (-want +got):\n%s", diff)
	}
	if got.State != gateway.StateServing || !got.Degraded || got.Version != "v1.2.3" || got.Configuration.Hash != "0123abcd" ||
		got.Configuration.LastReload.OK || got.Requests.Running != 3 || got.Dropped["access"] != 5 || got.Listeners[0] != "127.0.0.1:5043" {
		t.Errorf("got %+v", got)
	}
	if b := got.Backends[0]; b.Name != "corp" || b.Servers[0].Address != "dc1.corp.example:636" || !b.Servers[0].Down || b.Cache == nil {
		t.Errorf("backend %+v", b)
	}
}

// Neither names of users nor of repositories, unless somebody wants the former.
func TestStatusNamesNoUser(t *testing.T) {
	hidden := start(t, full)
	shown := start(t, func(c *Config) { full(c); c.ShowUsers = true })
	for _, path := range []string{"/status", "/status.json", "/metrics"} {
		body := ask(t, hidden.tcp, "GET", path).body + ask(t, hidden.unix, "GET", path).body
		for _, secret := range []string{"alice", "Alice", "secret-project"} {
			if strings.Contains(body, secret) {
				t.Errorf("%s has %q in it", path, secret)
			}
		}
		body = ask(t, shown.tcp, "GET", path).body
		if names := strings.Contains(body, "alice@corp.example"); names != (path != "/metrics") {
			t.Errorf("%s with show_users names the user: %v", path, names)
		}
		if strings.Contains(body, "secret-project") || strings.Contains(body, "CN=Alice") {
			t.Errorf("%s with show_users shows more than users", path)
		}
	}
}

// The page loads nothing, runs nothing and is well formed; what others chose stands
// in it escaped.
func TestPageIsOneDocumentWithoutScripts(t *testing.T) {
	ts := start(t, full)
	a := ask(t, ts.tcp, "GET", "/status", "Accept: text/html,application/xhtml+xml,application/json;q=0.9")
	if got := a.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Fatalf("Content-Type %q", got)
	}
	if bad := regexp.MustCompile(`(?i)<script|<link|<img|<iframe|\son[a-z]+=|src=|javascript:|\sstyle=|@import|url\(`).FindString(a.body); bad != "" {
		t.Errorf("the page has %q in it", bad)
	}
	for _, want := range []string{
		"serving, degraded", "last reload failed", "unknown key &#34;x&lt;y&#34;", "connect: &lt;refused&gt;",
		"dc1.corp.example:636", "10 days left", "left alone", "7F3K2QAB", "wrong password", "v1.2.3", "5 of the access log",
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(a.body, "ZgotmplZ") {
		t.Error("the template has a value where it must not be")
	}
	if _, err := html.Parse(strings.NewReader(a.body)); err != nil {
		t.Error(err)
	}
	_, style, _ := strings.Cut(a.body, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	hash := sha256.Sum256([]byte(style))
	if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"; !strings.Contains(a.header.Get("Content-Security-Policy"), want) {
		t.Errorf("Content-Security-Policy %q does not let the style in: %s", a.header.Get("Content-Security-Policy"), want)
	}
}

func TestPageOfAnIdleGateway(t *testing.T) {
	ts := start(t, nil)
	body := ask(t, ts.tcp, "GET", "/status").body
	for _, want := range []string{`<span class="badge good">serving</span>`, "none: plain HTTP", "</html>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestTimesAndSizesInWords(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "0 ms", 0.25: "250 ms", 1: "1 s", 90: "90 s", 120: "2 minutes", 7199: "120 minutes", 7200: "2 hours", 172800: "2 days", 8640000: "100 days",
	} {
		if got := lasting(seconds); got != want {
			t.Errorf("%v s: %q, want %q", seconds, got, want)
		}
	}
	if got := ago(time.Time{}); got != "never" {
		t.Errorf("no time: %q", got)
	}
	for n, want := range map[uint64]string{512: "0 KiB", 2048: "2 KiB", 5 << 20: "5.0 MiB"} {
		if got := byteCount(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestStatusAsText(t *testing.T) {
	ts := start(t, full)
	s := ts.Status()
	s.Backends[0].Servers[0].LastFault = new(time.Now().Add(-3 * time.Hour))
	s.Backends[0].Servers[0].LastError = "bell \a and \x1b[31mred\x1b[0m"
	var out strings.Builder
	if err := s.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"gatehouse v1.2.3: serving, degraded, up for ", "hash 0123abcd, in use for 3 hours", "last reload failed",
		`config.toml:3:1: unknown key "x<y"`, "certificate for registry.example: 10 days left", "backend corp (directory): degraded",
		"server dc1.corp.example:636: left alone, connections: 0 in use, 0 idle; last error 3 hours ago: bell \\u0007 and \\u001b[31mred\\u001b[0m",
		"7F3K2QAB", "wrong password", "5 records of the access log were lost",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\n\n") || strings.ContainsAny(out.String(), "\a\x1b") {
		t.Errorf("the text has empty lines or control characters: %q", out.String())
	}
}
