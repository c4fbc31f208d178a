package gateway

import (
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/gateway/upstream"
)

func TestNewRefusesWhatCannotBeServedSafely(t *testing.T) {
	files := testCertificate(t, t.TempDir(), "registry.test")
	for name, tt := range map[string]struct {
		change func(*Config, *Route)
		want   string
	}{
		"no address":           {func(c *Config, _ *Route) { c.Listen = nil }, "no address to listen on"},
		"address without port": {func(c *Config, _ *Route) { c.Listen = []string{"localhost"} }, "give it as host:port"},
		"plain HTTP":           {func(c *Config, _ *Route) { c.Listen = []string{":0"} }, "passwords would cross the network readable"},
		"no backend":           {func(_ *Config, r *Route) { r.Backend = nil }, "no backend"},
		"no rules":             {func(_ *Config, r *Route) { r.Rules = nil }, "no rules"},
		"unknown access log":   {func(c *Config, _ *Route) { c.AccessLog = "apache" }, "json, common, combined or off"},
		"no scheme":            {func(_ *Config, r *Route) { r.Upstream.URL = "registry:5000" }, "has no scheme that is known"},
		"query of upstream":    {func(_ *Config, r *Route) { r.Upstream.URL = "http://registry/base?x" }, "more than scheme, host, port and path"},
		"fragment of upstream": {func(_ *Config, r *Route) { r.Upstream.URL = "http://registry/base#x" }, "more than scheme, host, port and path"},
		"empty query":          {func(_ *Config, r *Route) { r.Upstream.URL = "http://registry/base?" }, "more than scheme, host, port and path"},
		"registry in the path": {func(_ *Config, r *Route) { r.Upstream.URL = "http://registry/base/v2/" }, "segment v2"},
		"dots of upstream":     {func(_ *Config, r *Route) { r.Upstream.URL = "http://registry/base/../x" }, "no request could have"},
		"no origins":           {func(_ *Config, r *Route) { r.CORSOrigins = []string{} }, "cors_origins is an empty list"},
		"any origin":           {func(_ *Config, r *Route) { r.CORSOrigins = []string{"*"} }, "name each origin"},
		"managed header":       {func(_ *Config, r *Route) { r.ResponseHeaders = []string{"Location: /"} }, "sets for each answer"},
		"relative socket":      {func(_ *Config, r *Route) { r.Upstream.URL = "unix:run.sock" }, "begins with a slash"},
		"password in URL":      {func(_ *Config, r *Route) { r.Upstream.URL = "http://a:hunter2@registry" }, "has a user or password in it"},
		"colon in user":        {func(_ *Config, r *Route) { r.Upstream.User = "a:b" }, "has a colon"},
		"two credentials":      {func(_ *Config, r *Route) { r.Upstream.User, r.ForwardAuthorization = "a", true }, "not both"},
		"authorities for http": {func(_ *Config, r *Route) { r.Upstream.CAFile = files.CertFile }, "for https upstreams only"},
		"key without its cert": {func(_ *Config, r *Route) {
			r.Upstream = upstream.Config{URL: "https://registry", KeyFile: files.KeyFile}
		}, "given together"},
		"authorities not PEM": {func(_ *Config, r *Route) {
			r.Upstream = upstream.Config{URL: "https://registry", CAFile: files.KeyFile}
		}, "no certificate in PEM"},
		"authorities not there": {func(_ *Config, r *Route) {
			r.Upstream = upstream.Config{URL: "https://registry", CAFile: files.CertFile + "x"}
		}, "no such file"},
	} {
		route := recipeRoute(t, "http://127.0.0.1:5000")
		cfg := Config{Listen: []string{"127.0.0.1:0"}}
		tt.change(&cfg, &route)
		cfg.Routes = []Route{route}
		switch g, err := New(cfg); {
		case err == nil:
			g.release()
			t.Errorf("%s: New took it", name)
		case !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: got %v, want an error with %q", name, err, tt.want)
		}
	}
}

// A pair is one for clients to see or one to show to an upstream.
func TestNewRefusesKeyPairsThatOthersWouldRefuse(t *testing.T) {
	now := time.Now()
	for name, tt := range map[string]struct {
		make func(dir string) TLS
		want string
	}{
		"expired": {func(dir string) TLS {
			return testCertificateFor(t, dir, now.Add(-2*time.Hour), now.Add(-time.Hour), "registry.test")
		}, "expired on"},
		"of tomorrow": {func(dir string) TLS {
			return testCertificateFor(t, dir, now.Add(24*time.Hour), now.Add(48*time.Hour), "registry.test")
		}, "not valid before"},
		"key of another": {func(dir string) TLS {
			files := testCertificate(t, dir, "registry.test")
			files.KeyFile = testCertificate(t, t.TempDir(), "registry.test").KeyFile
			return files
		}, "not a certificate and its private key"},
		"key for everybody": {func(dir string) TLS {
			files := testCertificate(t, dir, "registry.test")
			if err := os.Chmod(files.KeyFile, 0o644); err != nil {
				t.Fatal(err)
			}
			return files
		}, "everybody may read it"},
	} {
		files := tt.make(t.TempDir())
		shown := Config{Listen: []string{"127.0.0.1:0"}, TLS: &files, Routes: []Route{recipeRoute(t, "http://127.0.0.1:5000")}}
		sent := Config{Listen: []string{"127.0.0.1:0"}, Routes: []Route{recipeRoute(t, "https://127.0.0.1:5000")}}
		sent.Routes[0].Upstream.CertFile, sent.Routes[0].Upstream.KeyFile = files.CertFile, files.KeyFile
		for to, cfg := range map[string]Config{"clients": shown, "upstream": sent} {
			if g, err := New(cfg); err == nil {
				g.release()
				t.Errorf("%s, for %s: New took it", name, to)
			} else if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, for %s: got %v, want an error with %q", name, to, err, tt.want)
			}
		}
	}
}
