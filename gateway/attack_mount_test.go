package gateway

import (
	"testing"

	"gatehouse/gateway/rules"
)

// mountRoute lets alice push to and pull from public/, and bob private/.
func mountRoute(t *testing.T, upstream string) Route {
	t.Helper()
	r := recipeRoute(t, upstream)
	r.Backend = people{"alice": {}, "bob": {}}
	r.Rules = []rules.Rule{
		{Name: "public", Paths: []string{"/v2/public/**"}, Require: mustRequire(t, "user alice")},
		{Name: "private", Paths: []string{"/v2/private/**"}, Require: mustRequire(t, "user bob")},
	}
	return r
}

// Mounting a blob is reading it: whoever may not read the source begins an
// ordinary upload instead, whether the blob exists or not.
func TestMountsAreJudgedForBothRepositories(t *testing.T) {
	const blob = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	up := newCapture(t, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
	tg := startGateway(t, nil, mountRoute(t, up.url()))
	const start = "/v2/public/a/blobs/uploads/"
	for _, tt := range []struct {
		target string
		status int
		want   string // what arrives
	}{
		{start + "?mount=" + blob + "&from=public/b", 202, start + "?mount=" + blob + "&from=public/b"},
		{start + "?from=public%2Fb&mount=" + blob, 202, start + "?from=public%2Fb&mount=" + blob},
		{start + "?mount=" + blob + "&from=private/s", 202, start},
		{start + "?mount=" + blob + "&from=private%2Fs", 202, start},
		{start + "?mount=" + blob + "&from=other", 202, start},
		{start + "?a=1&mount=" + blob + "&b=2&from=private/s&c", 202, start + "?a=1&b=2&c"},
		{start + "?mount=" + blob, 202, start},
		{start + "?from=private/s", 202, start},
		{"/v2/public/a/blobs/uploads?mount=" + blob + "&from=private/s", 202, "/v2/public/a/blobs/uploads"},
		{start + "?%6dount=" + blob + "&%66rom=private/s", 202, start},
		{start + "?mount=" + blob + "&from=public/b&from=private/s", 400, ""},
		{start + "?mount=" + blob + "&from=public/b&FROM=private/s", 400, ""},
		{start + "?mount=" + blob + "&From=private/s", 400, ""},
		{start + "?mount=" + blob + "&from=public/../private/s", 400, ""},
		{start + "?mount=" + blob + "&from=public/b;from=private/s", 400, ""},
		{start + "?mount=" + blob + "&from=%zz", 400, ""},
		{start + "?mount=" + blob + "&from=", 400, ""},
		{start + "?mount=x&from=public/b", 400, ""},
		{"/v2/private/s/blobs/uploads/?mount=" + blob + "&from=public/b", 403, ""},
	} {
		before, _, _ := up.counts()
		resp := tg.do(t, "alice", "POST", tt.target, nil)
		after, _, _ := up.counts()
		if resp.StatusCode != tt.status || (after > before) != (tt.want != "") {
			t.Errorf("%s: status %d with %d requests upstream, want %d", tt.target, resp.StatusCode, after-before, tt.status)
			continue
		}
		if tt.want != "" && up.last(t).RequestURI != tt.want {
			t.Errorf("%s: the upstream was asked for %q, want %q", tt.target, up.last(t).RequestURI, tt.want)
		}
	}
}

// An upload that was begun in one repository cannot be ended in another.
func TestEachRequestOfAnUploadIsJudgedByItsOwnPath(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, nil, mountRoute(t, up.url()))
	for _, method := range []string{"GET", "PATCH", "PUT", "DELETE"} {
		if got := tg.do(t, "alice", method, "/v2/private/a/blobs/uploads/0123?_state=x", nil).StatusCode; got != 403 {
			t.Errorf("%s: status %d, want 403", method, got)
		}
	}
	if got := up.text(); got != "" {
		t.Errorf("the upstream got %q", got)
	}
}

// Words of the protocol inside a repository's name do not move its borders.
func TestKeywordsInRepositoryNamesChangeNothing(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, nil, mountRoute(t, up.url()))
	for path, want := range map[string]int{
		"/v2/public/manifests/x/manifests/1":         200,
		"/v2/public/blobs/uploads/manifests/1":       200,
		"/v2/private/manifests/public/x/manifests/1": 403,
		"/v2/manifests/public/x/manifests/1":         403,
		"/v2/publicx/manifests/1":                    403,
		"/v2/Public/a/manifests/1":                   403,
		"/v2/_catalog":                               403,
		"/v2/_catalog/":                              403,
		"/v2/_catalog?n=1":                           403,
	} {
		if got := tg.do(t, "alice", "GET", path, nil).StatusCode; got != want {
			t.Errorf("%s: status %d, want %d", path, got, want)
		}
	}
}
