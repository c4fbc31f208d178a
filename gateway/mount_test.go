package gateway

import (
	"errors"
	"net/http"
	"testing"
)

const (
	uploads   = "/v2/public/a/blobs/uploads/"
	layer     = "sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"
	layerPath = "/blobs/" + layer
)

func TestMountNeedsTheRightToReadItsSource(t *testing.T) {
	for raw, want := range map[string]string{
		uploads + "?mount=" + layer + "&from=private/s":                           "/v2/private/s" + layerPath,
		uploads + "?from=private%2fs&mount=sha256%3A" + layer[len("sha256:"):]:    "/v2/private/s" + layerPath,
		"/v2/public/a/blobs/uploads?mount=" + layer + "&from=s":                   "/v2/s" + layerPath,
		uploads + "?x=1&mo%75nt=" + layer + "&y&f%72om=s&digest-algorithm=sha512": "/v2/s" + layerPath,
		uploads + "?mount=sha256%2Bb64:YWJj_-%3D&from=s":                          "/v2/s/blobs/sha256+b64:YWJj_-=",
		"/v2/%70ublic/a/blobs/upload%73/?mount=" + layer + "&from=s":              "/v2/s" + layerPath,
		"/v2/a/manifests/b/blobs/uploads/?mount=" + layer + "&from=s":             "/v2/s" + layerPath,
		"/v2/uploads/blobs/uploads/?mount=" + layer + "&from=a/blobs/uploads":     "/v2/a/blobs/uploads" + layerPath,
		"/v2/NOT/a/Name/blobs/uploads/?mount=" + layer + "&from=s":                "/v2/s" + layerPath,
	} {
		m, ok, err := mountOf(http.MethodPost, parseTarget(t, raw))
		if m.path != want || !ok || err != nil {
			t.Errorf("mountOf(POST %s) = %q, %v, %v; want %q", raw, m.path, ok, err, want)
		}
	}
}

func TestMountWithHalfOfItsParametersHasNoSource(t *testing.T) {
	for _, raw := range []string{uploads + "?mount=" + layer, uploads + "?mount", uploads + "?mount=..&x=1", uploads + "?from=private/s", uploads + "?from=", uploads + "?from=../x"} {
		m, ok, err := mountOf(http.MethodPost, parseTarget(t, raw))
		if m.path != "" || !ok || err != nil {
			t.Errorf("mountOf(POST %s) = %q, %v, %v; want a mount without source", raw, m.path, ok, err)
		}
	}
}

func TestOnlyTheStartOfAnUploadMounts(t *testing.T) {
	const query = "?mount=" + layer + "&from=s"
	for _, tt := range []struct{ method, raw string }{
		{"POST", uploads},
		{"POST", uploads + "?digest=" + layer},
		{"PUT", uploads + query},
		{"GET", uploads + query},
		{"POST", uploads + "0b2c" + query},
		{"POST", "/v2/a/manifests/1" + query},
		{"POST", "/v2/blobs/uploads/" + query},
		{"POST", "/blobs/uploads/" + query},
		{"POST", "/v1/a/blobs/uploads/" + query},
		{"POST", "/v2/ablobs/uploads/" + query},
	} {
		if m, ok, err := mountOf(tt.method, parseTarget(t, tt.raw)); ok || m.path != "" || err != nil {
			t.Errorf("mountOf(%s %s) = %q, %v, %v; want none", tt.method, tt.raw, m.path, ok, err)
		}
	}
}

func refuseMounts(t *testing.T, want error, queries ...string) {
	t.Helper()
	for _, query := range queries {
		target := parseTarget(t, uploads+"?"+query)
		if m, _, err := mountOf(http.MethodPost, target); m.path != "" || !errors.Is(err, want) {
			t.Errorf("mountOf(POST %s) = %q, %v; want error %q", target, m.path, err, want)
		}
	}
}

func TestMountFromWhatIsNoRepositoryNameIsRefused(t *testing.T) {
	for _, from := range []string{
		"", "..", "../private/s", "public/../private/s", "public/./s", "%2e%2e/s", "public//s", "/s", "s/", "S", "s%5c", "s%3Fx", "s%23", "s%26from=x", "s%25", "a+b",
		"s/blobs/x:y", "_catalog", "a___b", "-a", "a.", "%C5%BFecret", "s%20", "%20s",
	} {
		refuseMounts(t, errMountFrom, "mount="+layer+"&from="+from)
	}
}

func TestMountOfWhatIsNoDigestIsRefused(t *testing.T) {
	for _, blob := range []string{"", "latest", "sha256:", ":abc", "sha256", "SHA256:abc", "sha256:a/b", "sha256:../x", "sha256:a:b", "..", "uploads/", "sha256:a%20", "sha256:a%3Fx"} {
		refuseMounts(t, errMountDigest, "from=s&mount="+blob)
	}
}

func TestDescribeReadsPathsFromTheRight(t *testing.T) {
	for _, tt := range []struct{ method, path, action, repository string }{
		{"GET", "/v2/team/app/manifests/1", "pull from", "team/app"},
		{"HEAD", "/v2/app/manifests/" + layer, "pull from", "app"},
		{"GET", "/v2/app" + layerPath, "pull from", "app"},
		{"GET", "/v2/app/tags/list", "pull from", "app"},
		{"GET", "/v2/app/referrers/" + layer, "pull from", "app"},
		{"PUT", "/v2/app/manifests/1", "push to", "app"},
		{"POST", uploads, "push to", "public/a"},
		{"POST", "/v2/app/blobs/uploads", "push to", "app"},
		{"PATCH", "/v2/app/blobs/uploads/0b2c", "push to", "app"},
		{"PUT", "/v2/app/blobs/uploads/0b2c", "push to", "app"},
		{"GET", "/v2/app/blobs/uploads/0b2c", "push to", "app"},
		{"DELETE", "/v2/app/blobs/uploads/0b2c", "push to", "app"},
		{"DELETE", "/v2/app/manifests/1", "delete from", "app"},
		{"DELETE", "/v2/app" + layerPath, "delete from", "app"},
		{"GET", "/v2/_catalog", "list all repositories", ""},
		{"GET", "/v2/_catalog/", "list all repositories", ""},

		{"GET", "/v2/a/manifests/b/manifests/c", "pull from", "a/manifests/b"},
		{"GET", "/v2/a/blobs/uploads/tags/list", "pull from", "a/blobs/uploads"},
		{"POST", "/v2/a/manifests/b/blobs/uploads/", "push to", "a/manifests/b"},
		{"GET", "/v2/public/manifests/x/manifests/1", "pull from", "public/manifests/x"},
		{"GET", "/v2/a/blobs/uploads/manifests/1", "pull from", "a/blobs/uploads"},
		{"POST", "/v2/uploads/blobs/uploads/", "push to", "uploads"},
		{"GET", "/v2/blobs/uploads/tags/list", "pull from", "blobs/uploads"},
		{"GET", "/v2/tags/list/tags/list", "pull from", "tags/list"},

		{"GET", "/v2/", "GET /v2/", ""},
		{"OPTIONS", "/v2/app/manifests/1", "OPTIONS /v2/app/manifests/1", ""},
		{"GET", "/v2/tags/list", "GET /v2/tags/list", ""},
		{"GET", "/v2/APP/tags/list", "GET /v2/APP/tags/list", ""},
		{"GET", "/v2/app/manifests/1\nx/tags", "GET /v2/app/manifests/1\nx/tags", ""},
		{"PUT", "/files/report.pdf", "PUT /files/report.pdf", ""},
	} {
		if action, repository := describe(tt.method, tt.path); action != tt.action || repository != tt.repository {
			t.Errorf("describe(%s, %q) = %q, %q; want %q, %q", tt.method, tt.path, action, repository, tt.action, tt.repository)
		}
	}
}

// A mount that is accepted must lead to the blob endpoint of a repository, and so
// be judged by the rules for pulling from it.
func FuzzMount(f *testing.F) {
	f.Add("a/b", layer)
	f.Add("../x", "sha256:ab")
	f.Add("a%2Fblobs", "sha256:..")
	f.Add("a&from=b", "sha256:a&x")
	f.Fuzz(func(t *testing.T, from, blob string) {
		target, err := ParseTarget(uploads + "?mount=" + blob + "&from=" + from)
		if err != nil {
			return
		}
		m, ok, err := mountOf(http.MethodPost, target)
		if err != nil || !ok || m.path == "" {
			return
		}
		source := parseTarget(t, m.path)
		if source.String() != m.path || source.Path != m.path {
			t.Errorf("source %q of %q is not canonical", m.path, target)
		}
		name, _ := target.query("from")
		if action, repository := describe(http.MethodGet, m.path); action != "pull from" || repository != name {
			t.Errorf("source %q of %q means: %s %s", m.path, target, action, repository)
		}
	})
}

func TestRepositoryGrammar(t *testing.T) {
	for _, name := range []string{"a", "0", "a/b/c", "a.b_c__d---e", "manifests/tags/list"} {
		if !repositoryPattern.MatchString(name) {
			t.Errorf("%q is no repository name; want it to be", name)
		}
	}
	for _, name := range []string{"", "A", "a/", "/a", "a//b", "a b", "a\n", "\na", "a..b", "a_.b", "a___b", "a/-b", "a-", ".", "..", "a/../b", "é"} {
		if repositoryPattern.MatchString(name) {
			t.Errorf("%q is a repository name; want it not to be", name)
		}
	}
}
