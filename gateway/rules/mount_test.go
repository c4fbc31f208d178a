package rules

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/gateway/oci"
	"gatehouse/gateway/strict"
)

const (
	uploads   = "/v2/public/a/blobs/uploads/"
	layer     = "sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b"
	layerPath = "/blobs/" + layer
)

// sourceOf returns the one thing that whoever mounts must be allowed to read, if
// there is one.
func sourceOf(t *testing.T, m Mount) string {
	t.Helper()
	if len(m.Sources) > 1 {
		t.Errorf("sources %q, want one at most", m.Sources)
	}
	return strings.Join(m.Sources, " ")
}

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
		m, ok, err := MountOf(uploadTarget(t, raw))
		if sourceOf(t, m) != want || !ok || err != nil {
			t.Errorf("mountOf(POST %s) = %q, %v, %v; want %q", raw, m.Sources, ok, err, want)
		}
	}
}

func TestMountWithHalfOfItsParametersHasNoSource(t *testing.T) {
	for _, raw := range []string{uploads + "?mount=" + layer, uploads + "?mount", uploads + "?mount=..&x=1", uploads + "?from=private/s", uploads + "?from=", uploads + "?from=../x"} {
		m, ok, err := MountOf(uploadTarget(t, raw))
		if m.Sources != nil || !ok || err != nil {
			t.Errorf("mountOf(POST %s) = %q, %v, %v; want a mount without source", raw, m.Sources, ok, err)
		}
	}
}

// Which requests an upstream takes for the start of an upload is its own affair: all
// are judged that may be.
func TestWhateverMayBeAnUploadMounts(t *testing.T) {
	const query = "?mount=" + layer + "&from=s"
	for raw, want := range map[string][]string{
		uploads + "0b2c" + query:                              {"/v2/s" + layerPath},
		uploads + "0b2c/" + query:                             {"/v2/s" + layerPath},
		"/nexus/v2/a/blobs/uploads/" + query:                  {"/nexus/v2/s" + layerPath},
		"/v2/a/v2/b/blobs/uploads/" + query:                   {"/v2/s" + layerPath, "/v2/a/v2/s" + layerPath},
		strings.Repeat("/v2", 10) + "/blobs/uploads/" + query: nil, // so many that none is looked at
		strings.Repeat("/v2", 99) + "/blobs/uploads/" + query: nil,
	} {
		m, ok, err := MountOf(uploadTarget(t, raw))
		if !slices.Equal(m.Sources, want) || !ok || err != nil {
			t.Errorf("mountOf(%s) = %q, %v, %v; want %q", raw, m.Sources, ok, err, want)
		}
	}
	for _, raw := range []string{
		uploads,
		uploads + "?digest=" + layer,
		"/v2/a/manifests/1" + query,
		"/v2/blobs/uploads/" + query,
		"/blobs/uploads/" + query,
		"/v1/a/blobs/uploads/" + query,
		"/v2/ablobs/uploads/" + query,
	} {
		if m, ok, err := MountOf(uploadTarget(t, raw)); ok || m.Sources != nil || err != nil {
			t.Errorf("mountOf(%s) = %q, %v, %v; want none", raw, m.Sources, ok, err)
		}
	}
}

// uploadTarget returns the target of a request that starts an upload.
func uploadTarget(t *testing.T, raw string) strict.Target {
	t.Helper()
	target, err := strict.ParseTarget(raw)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func refuseMounts(t *testing.T, want error, queries ...string) {
	t.Helper()
	for _, query := range queries {
		target := uploadTarget(t, uploads+"?"+query)
		if m, _, err := MountOf(target); m.Sources != nil || !errors.Is(err, want) {
			t.Errorf("mountOf(POST %s) = %q, %v; want error %q", target, m.Sources, err, want)
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
	registry := &Policy{registry: oci.DefaultRoot}
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
		if action, repository := registry.Describe(Request{Method: tt.method, Path: tt.path}); action != tt.action || repository != tt.repository {
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
		target, err := strict.ParseTarget(uploads + "?mount=" + blob + "&from=" + from)
		if err != nil {
			return
		}
		m, ok, err := MountOf(target)
		if err != nil || !ok || m.Sources == nil {
			return
		}
		source := uploadTarget(t, sourceOf(t, m))
		if source.String() != sourceOf(t, m) || source.Path != sourceOf(t, m) {
			t.Errorf("source %q of %q is not canonical", m.Sources, target)
		}
		name, _ := target.Query("from")
		e := oci.Parse(oci.DefaultRoot, source.Path)
		if e.Action(http.MethodGet) != oci.Pull || e.Kind != oci.Blob || e.Repository != name || m.From != name {
			t.Errorf("source %q of %q means: %+v", m.Sources, target, e)
		}
	})
}
