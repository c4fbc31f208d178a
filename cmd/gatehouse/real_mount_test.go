package main_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestMountNeedsBothRepositories: docker asks the registry to take a layer over
// from any repository that it remembers, also from one that its present user
// may not read. Where the user may, the layer is taken over. Where not, the
// push must work as if nothing had been asked, since docker gives up when it is
// refused, and must not be a way to read the layer either.
func TestMountNeedsBothRepositories(t *testing.T) {
	for _, registry := range registries {
		t.Run(registry.name, func(t *testing.T) {
			needs(t, "docker", "dockerd", registry.program)
			f := withPrivateRepositories(t, registry.start(t))
			socket := startDocker(t, tunnel(t, f.certificate, map[string]string{"registry.test": f.addr}))
			const private, own, public = "registry.test/private/app:1", "registry.test/private/copy:1", "registry.test/public/app:1"

			owner := newDocker(t, socket)
			owner.works("login", "-u", pusher, "-p", pusherPassword, "registry.test")
			load(owner, rootfs(t, "a layer that is nobody's business"), private)
			owner.works("push", private)
			owner.works("tag", private, own)
			if said := owner.works("push", own); !strings.Contains(said, "Mounted from private/") {
				t.Errorf("the layer was not taken over from a repository that may be read:\n%s", said)
			}

			other := newDocker(t, socket)
			other.works("login", "-u", puller, "-p", pullerPassword, "registry.test")
			other.works("tag", private, public)
			if said := other.works("push", public); strings.Contains(said, "Mounted from") {
				t.Errorf("the layer was taken over from a repository that may not be read:\n%s", said)
			}
			asked := regexp.MustCompile(`"user":"` + puller + `".*"method":"POST".*from=private%2F.*"status":202`)
			if !asked.MatchString(f.output.String()) {
				t.Error("docker did not ask for it")
			}
		})
	}
}

// TestMountReadsNothing asks for a layer by its digest, without having it.
func TestMountReadsNothing(t *testing.T) {
	t.Parallel()
	for _, registry := range registries {
		t.Run(registry.name, func(t *testing.T) {
			needs(t, registry.program)
			f := withPrivateRepositories(t, registry.start(t))
			layer := []byte("a layer that is nobody's business")
			u := uploader{t, f.certificate.client(f.addr), "HTTP/2.0"}
			location := u.do("POST", "/v2/private/app/blobs/uploads/", nil, http.StatusAccepted)
			u.do("PUT", withDigest(t, location, digest(layer)), strings.NewReader(string(layer)), http.StatusCreated)

			mount := "/v2/public/app/blobs/uploads/?from=private/app&mount=" + digest(layer)
			if resp, body := f.request(t, "POST", mount, puller, pullerPassword); resp.StatusCode != http.StatusAccepted {
				t.Errorf("%s %s, want an ordinary upload", resp.Status, body)
			}
			if resp, body := f.request(t, "GET", "/v2/public/app/blobs/"+digest(layer), puller, pullerPassword); resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s %q, want no such blob", resp.Status, body)
			}
			if resp, body := f.request(t, "POST", mount, pusher, pusherPassword); resp.StatusCode != http.StatusCreated {
				t.Errorf("%s %s to the owner, want the blob", resp.Status, body)
			}
		})
	}
}

// withPrivateRepositories starts the program with a configuration by which the
// pusher alone may use what is below private/, and everybody the rest.
func withPrivateRepositories(t *testing.T, upstream string) front {
	t.Helper()
	return withPrivateBelow(t, upstream, "/v2/")
}

// withPrivateBelow is withPrivateRepositories for a registry with another root.
func withPrivateBelow(t *testing.T, upstream, root string) front {
	t.Helper()
	r := newRecipe(t)
	config := filepath.Join(r.dir, "config.toml")
	writeFile(t, config, fmt.Appendf(nil, `
[[backend]]
name = "local"
type = "htpasswd"
users_file = %[1]q

[[route]]
path = %[2]q
registry = %[2]q
upstream = %[3]q
backend = "local"

  [[route.rule]]
  name = "private"
  paths = ["%[2]sprivate/**"]
  require = ["user %[4]s"]

  [[route.rule]]
  name = "the rest"
  require = ["valid-user"]
`, r.usersFile, root, upstream, pusher), 0o644)
	return r.serve(t, "--config", config)
}
