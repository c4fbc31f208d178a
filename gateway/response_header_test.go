package gateway

import (
	"net/http"
	"strings"
	"testing"
)

// Every answer on the route has the fields, whoever gave it, and what the gateway or
// the upstream says of the one answer stays.
func TestResponseHeadersOfARoute(t *testing.T) {
	const policy = "max-age=31536000; includeSubDomains"
	for proto, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Strict-Transport-Security", "max-age=0")
			w.Header().Set("Cache-Control", "public")
			w.Header().Set("X-Other", "its own")
			if r.URL.Path == "/v2/none" {
				w.WriteHeader(404)
			}
		})
		route, gone := recipeRoute(t, up.URL), recipeRoute(t, "http://127.0.0.1:1")
		route.ResponseHeaders = []string{"strict-transport-security:" + policy, "Cache-Control: max-age=5"}
		gone.Path, gone.ResponseHeaders = "/v2/gone/", route.ResponseHeaders
		tg := startGateway(t, change, route, gone)
		for _, tt := range []struct {
			user, method, path string
			status             int
			cache              string
		}{
			{"pull", "GET", "/v2/", 200, "max-age=5"},
			{"pull", "HEAD", "/v2/", 200, "max-age=5"},
			{"pull", "GET", "/v2/none", 404, "max-age=5"},
			{"", "GET", "/v2/", 401, "no-store"},
			{"pull", "PUT", "/v2/x", 403, "no-store"},
			{"pull", "GET", "/v2/gone/x", 503, "no-store"},
			{"pull", "GET", "/else", 404, "no-store"},
		} {
			resp := tg.do(t, tt.user, tt.method, tt.path, nil)
			want := []string{policy}
			if tt.path == "/else" { // which is on no route
				want = nil
			}
			if got := resp.Header.Values("Strict-Transport-Security"); strings.Join(got, "|") != strings.Join(want, "|") || resp.StatusCode != tt.status {
				t.Errorf("%s: %s %s: status %d with %q, want %d with %q", proto, tt.method, tt.path, resp.StatusCode, got, tt.status, want)
			}
			if got := resp.Header.Values("Cache-Control"); len(got) != 1 || got[0] != tt.cache {
				t.Errorf("%s: %s %s: Cache-Control %q, want %q", proto, tt.method, tt.path, got, tt.cache)
			}
			if got := resp.Header.Get("X-Other"); tt.status == 200 && got != "its own" {
				t.Errorf("%s: %s %s: the upstream's own field is %q", proto, tt.method, tt.path, got)
			}
		}
	}
}

func TestResponseHeadersThatAreManagedAreRefused(t *testing.T) {
	check := func(lines ...string) error {
		_, err := Route{UserHeader: "X-Remote-User", GroupsHeader: "X-Remote-Groups", ResponseHeaders: lines}.responseHeader()
		return err
	}
	for _, name := range []string{
		"Connection", "Transfer-Encoding", "trailer", "Upgrade", "Content-Length", "content-type", "Content-Encoding", "Location", "Link",
		"WWW-Authenticate", "Proxy-Authenticate", "X-Request-ID", apiVersion, "Docker-Content-Digest", "OCI-Subject", "Access-Control-Allow-Origin",
		"access-control-allow-credentials", "Vary", "Set-Cookie", "Date", "Allow", "Retry-After", "Alt-Svc", "x-remote-user", "X-Remote-Groups",
	} {
		if err := check(name + ": x"); err == nil || !strings.Contains(err.Error(), "sets for each answer") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, line := range []string{
		"", "X-A", "X-A:", "X-A: ", ": x", "X A: x", "X_A: x", "X-A : x", " X-A: x", "X-Ä: x", "X-A: x\r\nSet-Cookie: y", "X-A: x\ny", "X-A: \x00", "X-A: ä", "X-A: \x7f", "X-A: a\tb",
	} {
		if err := check(line); err == nil {
			t.Errorf("%q is taken", line)
		}
	}
	for _, line := range []string{"Strict-Transport-Security: max-age=1", "X-Frame-Options:DENY", "Content-Security-Policy: default-src 'self'; img-src *", "X-A: b: c"} {
		if err := check(line); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
	if err := check("X-A: b", "x-a: c"); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("the same header twice: %v", err)
	}
}
