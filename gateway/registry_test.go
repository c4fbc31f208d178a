package gateway

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/gateway/record"
	"gatehouse/gateway/rules"
)

// nexusRoute is mountRoute with the registry below a prefix.
func nexusRoute(t *testing.T, upstream, path, registry string) Route {
	t.Helper()
	r := mountRoute(t, upstream)
	r.Path, r.Registry = path, registry
	for i := range r.Rules {
		r.Rules[i].Paths = []string{"/nexus" + r.Rules[i].Paths[0]}
	}
	return r
}

// The guard does not depend on where the configuration has the registry.
func TestMountsAreJudgedWhereverTheRegistryIs(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		for _, registry := range []string{"", "/nexus/v2/", "/nexus/v2", rules.NoRegistry} {
			up := newCapture(t, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
			tg := startGateway(t, change, nexusRoute(t, up.url(), "/nexus", registry))
			const start = "/nexus/v2/public/a/blobs/uploads/"
			for target, want := range map[string]string{
				start + "?mount=" + layer + "&from=public/b":                      start + "?mount=" + layer + "&from=public/b",
				start + "?mount=" + layer + "&from=private/s":                     start,
				start + "0b2c?mount=" + layer + "&from=private/s":                 start + "0b2c",
				start + "?mount=" + layer:                                         start,
				"/nexus/v2/public/v2/b/blobs/uploads/?mount=" + layer + "&from=s": "/nexus/v2/public/v2/b/blobs/uploads/",
			} {
				if resp := tg.do(t, "alice", "POST", target, strings.NewReader(formBody)); resp.StatusCode != 202 || up.last(t).RequestURI != want {
					t.Errorf("registry %q: %s: status %d, the upstream was asked for %q, want %q", registry, target, resp.StatusCode, up.last(t).RequestURI, want)
				}
				up.noForm(t)
			}
		}
	})
}

// Of a path with two readings the stricter one decides: each names another source.
func TestEveryReadingOfAMountMustBeAllowed(t *testing.T) {
	up := newCapture(t, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
	r := mountRoute(t, up.url())
	r.Rules = []rules.Rule{
		{Name: "one", Paths: []string{"/v2/a/v2/b/**", "/v2/s/**"}, Require: mustRequire(t, "user alice")},
		{Name: "other", Paths: []string{"/v2/a/v2/s/**"}, Require: mustRequire(t, "user bob")},
	}
	tg := startGateway(t, nil, r)
	const start = "/v2/a/v2/b/blobs/uploads/"
	tg.do(t, "alice", "POST", start+"?mount="+layer+"&from=s", nil)
	if got := up.last(t).RequestURI; got != start {
		t.Errorf("the upstream was asked for %q, want %q", got, start)
	}
	tg.do(t, "alice", "POST", start+"?mount="+layer+"&from=b", nil)
	if got := up.last(t).RequestURI; got != start {
		t.Errorf("the upstream was asked for %q, want %q", got, start)
	}
}

// What a route knows of its registry follows the root: the repository in records and
// refusals, the version of the API, the built-in rule and the forms.
func TestRegistryBelowAPrefix(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		up := newCapture(t)
		log, path := auditOf(t)
		tg := startGateway(t, func(c *Config) { change(c); c.Audit = log }, nexusRoute(t, up.url(), "/", "/nexus/v2/"))
		for target, want := range map[string]int{"/nexus/v2/": 200, "/nexus/v2": 200, "/v2/": 403} {
			resp := tg.do(t, "alice", "GET", target, nil)
			if version := resp.Header.Get("Docker-Distribution-Api-Version"); resp.StatusCode != want || (version != "") != (want == 200) {
				t.Errorf("%s: status %d, version %q; want %d", target, resp.StatusCode, version, want)
			}
		}
		resp := tg.do(t, "alice", "PUT", "/nexus/v2/private/s/manifests/1", nil)
		var body struct{ Errors []struct{ Message string } }
		if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || !strings.HasPrefix(body.Errors[0].Message, "alice may not push to private/s:") {
			t.Errorf("the refusal says %+v, %v", body, err)
		}
		records := audited(t, path, 4) // over HTTP/2 in any order
		if !slices.ContainsFunc(records, func(r record.Decision) bool {
			return r.Repository == "private/s" && r.Action == "push" && r.Tag == "1"
		}) {
			t.Errorf("the push to private/s:1 has no record: %+v", records)
		}
	})
}

// A route that is no registry keeps its forms, but for what looks like an upload; and
// nobody is let in to log in to one.
func TestRouteWithoutARegistry(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		up := newCapture(t)
		route := mountRoute(t, up.url())
		route.Path, route.Registry = "/", rules.NoRegistry
		route.Rules = []rules.Rule{{Name: "files", Methods: []string{"POST"}, Require: mustRequire(t, "user alice")}}
		tg := startGateway(t, change, route)
		tg.sendsFields(t, "POST", "/v2/form?_method=PUT", formTypes["urlencoded"], formBody)
		if got := up.last(t).Header["Content-Type"]; !slices.Equal(got, []string{urlencoded}) {
			t.Errorf("a form: the upstream got the type %q", got)
		}
		tg.sendsFields(t, "POST", "/v2/a/blobs/uploads/", formTypes["urlencoded"], formBody)
		up.noForm(t)
		resp := tg.do(t, "alice", http.MethodGet, "/v2/", nil)
		if resp.StatusCode != 403 || resp.Header.Get("Docker-Distribution-Api-Version") != "" {
			t.Errorf("GET /v2/: status %d, version %q", resp.StatusCode, resp.Header.Get("Docker-Distribution-Api-Version"))
		}
	})
}
