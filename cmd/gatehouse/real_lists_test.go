package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shelved is a gateway before a registry in which only some repositories and tags are for
// everybody who logs in, and tags that begin with v are immutable.
func shelved(t *testing.T, upstream string) front {
	t.Helper()
	r := newRecipe(t)
	config := filepath.Join(r.dir, "config.toml")
	writeFile(t, config, fmt.Appendf(nil, `
[[backend]]
name = "local"
type = "htpasswd"
users_file = %[1]q

[[route]]
path = "/v2/"
upstream = %[2]q
backend = "local"
immutable_tags = ["v*"]

  [[route.rule]]
  name = "all"
  methods = ["POST", "PUT", "PATCH", "DELETE"]
  require = ["user %[3]s"]

  [[route.rule]]
  name = "catalog"
  paths = ["/v2/_catalog"]
  require = ["valid-user"]

  [[route.rule]]
  name = "draft"
  paths = ["/v2/team/app/manifests/draft", "/v2/secret/**", "/v2/z-secret/**"]
  require = ["user %[3]s"]

  [[route.rule]]
  name = "rest"
  paths = ["/v2/**"]
  require = ["valid-user"]
`, r.usersFile, upstream, pusher), 0o644)
	return r.serve(t, "--config", config)
}

// pushImage pushes an image without layers, whose config says what, and returns the
// status of the last step.
func (f front) pushImage(t *testing.T, repository, tag, what string) int {
	t.Helper()
	u := uploader{t, f.certificate.client(f.addr), "HTTP/2.0"}
	defer u.client.CloseIdleConnections()
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","author":%q,"rootfs":{"type":"layers","diff_ids":[]}}`, what)
	location := u.do("POST", "/v2/"+repository+"/blobs/uploads/", nil, http.StatusAccepted)
	u.do("PUT", withDigest(t, location, digest([]byte(config))), strings.NewReader(config), http.StatusCreated)
	const manifestType = "application/vnd.oci.image.manifest.v1+json"
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`,
		manifestType, digest([]byte(config)), len(config))
	req, err := http.NewRequest("PUT", "https://registry.test/v2/"+repository+"/manifests/"+tag, strings.NewReader(manifest))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", manifestType)
	req.SetBasicAuth(pusher, pusherPassword)
	resp, err := u.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// list follows the pages of a list to its end.
func (f front) list(t *testing.T, path, user, password string) []string {
	t.Helper()
	var names []string
	for pages := 0; path != ""; pages++ {
		resp, body := f.request(t, "GET", path, user, password)
		var list struct{ Repositories, Tags []string }
		if err := json.Unmarshal([]byte(body), &list); err != nil || resp.StatusCode != http.StatusOK || pages > 100 {
			t.Fatalf("%s: %s %s", path, resp.Status, body)
		}
		names = append(append(names, list.Repositories...), list.Tags...)
		path, _, _ = strings.Cut(strings.TrimPrefix(resp.Header.Get("Link"), "<"), ">")
	}
	return names
}

// TestListsShowWhatMayBePulled: with real registries, which order names each in their own
// way, the pages of a list are together what its reader may pull, whatever their size.
func TestListsShowWhatMayBePulled(t *testing.T) {
	t.Parallel()
	for _, registry := range registries {
		t.Run(registry.name, func(t *testing.T) {
			needs(t, registry.program, "skopeo")
			f := shelved(t, registry.start(t))
			public := []string{"a", "a-b", "a/b", "a/b/c", "a0", "team/app", "team/app-2", "z"}
			for _, name := range append([]string{"secret/x", "secret/y", "z-secret/z"}, public...) {
				if status := f.pushImage(t, name, "1", name); status != http.StatusCreated {
					t.Fatalf("push of %s: status %d", name, status)
				}
			}
			tags := []string{"1", "10", "2", "B", "b", "latest"}
			for _, tag := range append([]string{"draft"}, tags...) {
				f.pushImage(t, "team/app", tag, tag)
			}
			slices.Sort(public)
			for _, query := range []string{"", "?n=1", "?n=3", "?n=8", "?n=1000"} {
				got := f.list(t, "/v2/_catalog"+query, puller, pullerPassword)
				if slices.Sort(got); !slices.Equal(got, public) {
					t.Errorf("with %q the catalog is %q, want %q", query, got, public)
				}
				if all := f.list(t, "/v2/_catalog"+query, pusher, pusherPassword); len(all) != len(public)+3 {
					t.Errorf("with %q the catalog of who may pull all is %q", query, all)
				}
				got = f.list(t, "/v2/team/app/tags/list"+query, puller, pullerPassword)
				if slices.Sort(got); !slices.Equal(got, tags) {
					t.Errorf("with %q the tags are %q, want %q", query, got, tags)
				}
			}
			skopeo := newSkopeo(t, tunnel(t, f.certificate, map[string]string{"registry.test": f.addr}))
			skopeo.works("login", "-u", puller, "-p", pullerPassword, "registry.test")
			if said := skopeo.works("list-tags", "docker://registry.test/team/app"); strings.Contains(said, "draft") || !strings.Contains(said, "latest") {
				t.Errorf("skopeo lists %s", said)
			}
		})
	}
}

// TestImmutableTagsOfARegistry pushes to tags of real registries.
func TestImmutableTagsOfARegistry(t *testing.T) {
	t.Parallel()
	for _, registry := range registries {
		t.Run(registry.name, func(t *testing.T) {
			needs(t, registry.program)
			f := shelved(t, registry.start(t))
			for _, push := range []struct {
				tag, what string
				want      int
			}{
				{"v1", "a", http.StatusCreated}, {"v1", "a", http.StatusCreated}, {"v1", "b", http.StatusForbidden},
				{"latest", "a", http.StatusCreated}, {"latest", "b", http.StatusCreated}, {"v2", "b", http.StatusCreated},
			} {
				if got := f.pushImage(t, "team/app", push.tag, push.what); got != push.want {
					t.Errorf("push of %s to %s: status %d, want %d", push.what, push.tag, got, push.want)
				}
			}
			if resp, body := f.request(t, "DELETE", "/v2/team/app/manifests/v1", pusher, pusherPassword); resp.StatusCode != http.StatusForbidden || !strings.Contains(body, "immutable") {
				t.Errorf("delete: %s %s", resp.Status, body)
			}
		})
	}
}
