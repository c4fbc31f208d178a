package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"gatehouse/internal/testkit"
)

// signingConfig is a gateway whose registry takes signed tokens alone.
const signingConfig = `
[[backend]]
name = "local"
type = "htpasswd"
users_file = %[1]q
groups_file = %[2]q

[[route]]
path = "/v2/"
upstream = %[3]q
upstream_token_key_file = "registry-token.pem"
backend = "local"
catalog = "filtered"
immutable_tags = ["v*"]

  [[route.rule]]
  name = "public"
  repositories = ["public/**"]
  actions = ["pull"]
  require = ["all granted"]

  [[route.rule]]
  name = "puller"
  repositories = ["team/**", "conformance/**"]
  actions = ["pull"]
  require = ["valid-user"]

  [[route.rule]]
  name = "catalog"
  actions = ["catalog"]
  require = ["valid-user"]

  [[route.rule]]
  name = "pusher"
  repositories = ["**"]
  actions = ["pull", "push", "delete"]
  require = ["group pusher"]
`

// tap is what stands between a gateway and its registry, and sees what is sent.
type tap struct {
	mu   sync.Mutex
	seen []*http.Request
}

// tokenOf returns the token of the last request of that method to a repository.
func (p *tap) tokenOf(method, repository string) (token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.seen {
		if r.Method == method && strings.Contains(r.URL.Path, "/v2/"+repository) {
			token = r.Header.Get("Authorization")
		}
	}
	return token
}

// signed is a registry with token authentication behind a gateway that signs for it.
type signed struct {
	front
	tap
	registry string
}

// startSigned starts a registry as gatehouse token upstream-config says, and a gateway.
func startSigned(t *testing.T, program registryProgram) *signed {
	t.Helper()
	r, s := newRecipe(t), &signed{}
	key, err := command(t, binary(t), "token", "key", "--upstream").Output()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(r.dir, "registry-token.pem"), key, 0o600)
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, req.Clone(req.Context()))
		to, _ := url.Parse(s.registry)
		s.mu.Unlock()
		proxy := httputil.NewSingleHostReverseProxy(to)
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(between.Close)
	config, bundle := filepath.Join(r.dir, "signing.toml"), filepath.Join(r.dir, "bundle.pem")
	writeFile(t, config, fmt.Appendf(nil, signingConfig, r.usersFile, r.groupsFile, between.URL), 0o644)
	printed := func(args ...string) string {
		out, err := command(t, binary(t), append([]string{"token", "upstream-config", "--config", config}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	writeFile(t, bundle, []byte(printed("--certificate")), 0o644)
	auth, _, _ := strings.Cut(printed("--bundle", bundle), "\n# The file")
	registry := program.startWith(t, "/", auth)
	s.mu.Lock()
	s.registry = registry
	s.mu.Unlock()
	s.front = r.serve(t, "--config", config)
	return s
}

// direct asks the registry itself, around the gateway.
func (s *signed) direct(t *testing.T, method, path, authorization string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, s.registry+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func TestSignedTokensWithRegistries(t *testing.T) {
	t.Parallel()
	for _, registry := range registries {
		t.Run(registry.name, func(t *testing.T) {
			needs(t, "skopeo", registry.program)
			s := startSigned(t, registry)
			env := tunnel(t, s.certificate, map[string]string{"registry.test": s.addr})
			image := t.TempDir()
			digest := writeImage(t, image, "signed for "+registry.name)
			asPusher, asPuller, nobody := newSkopeo(t, env), newSkopeo(t, env), newSkopeo(t, env)
			asPusher.works("login", "-u", pusher, "-p", pusherPassword, "registry.test")
			asPuller.works("login", "-u", puller, "-p", pullerPassword, "registry.test")

			asPusher.works("copy", "oci:"+image+":latest", "docker://registry.test/team/app:v1")
			asPusher.works("copy", "docker://registry.test/team/app:v1", "docker://registry.test/public/app:1") // which mounts
			asPusher.works("copy", "docker://registry.test/team/app:v1", "docker://registry.test/secret/app:1")
			asPusher.works("copy", "docker://registry.test/team/app:v1", "docker://registry.test/team/app:gone")
			asPusher.works("copy", "oci:"+image+":latest", "docker://registry.test/team/app:v1") // the same again
			other := t.TempDir()
			writeImage(t, other, "another image")
			asPusher.refused("is immutable", "copy", "oci:"+other+":latest", "docker://registry.test/team/app:v1")
			pulled := t.TempDir()
			nobody.works("copy", "--src-no-creds", "docker://registry.test/public/app:1", "oci:"+pulled+":latest")
			checkImage(t, pulled, digest)
			asPuller.works("inspect", "docker://registry.test/team/app:v1")
			asPusher.works("copy", "oci:"+other+":latest", "docker://registry.test/public/other:1")
			asPusher.works("delete", "docker://registry.test/public/other:1")
			asPuller.refused("", "delete", "docker://registry.test/team/app:gone")
			for user, want := range map[string]string{puller: `{"repositories":["public/app","public/other","team/app"]}`, pusher: `{"repositories":["public/app","public/other","secret/app","team/app"]}`} {
				password := map[string]string{puller: pullerPassword, pusher: pusherPassword}[user]
				if resp, body := s.request(t, "GET", "/v2/_catalog", user, password); resp.StatusCode != 200 || strings.TrimSpace(body) != want {
					t.Errorf("the list of %s: %s, %s, want %s", user, resp.Status, body, want)
				}
			}
			begun, _ := s.request(t, "POST", "/v2/team/app/blobs/uploads/", pusher, pusherPassword)
			place, err := url.Parse(begun.Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			if resp, body := s.request(t, "DELETE", place.RequestURI(), pusher, pusherPassword); resp.StatusCode != 204 {
				t.Errorf("an upload is given up: %s, %s", resp.Status, body)
			}
			s.checkAround(t)
		})
	}
}

// checkAround goes around the gateway: with nothing, with a client's credentials, and with
// tokens that were seen on the way to the registry.
func (s *signed) checkAround(t *testing.T) {
	t.Helper()
	read, write := s.tokenOf("GET", "team/app/manifests/"), s.tokenOf("PUT", "team/app/manifests/")
	if read == "" || write == "" {
		t.Fatal("no token was seen")
	}
	basic := &http.Request{Header: http.Header{}}
	basic.SetBasicAuth(pusher, pusherPassword)
	for _, tt := range []struct {
		method, path, authorization string
		want                        int
	}{
		{"GET", "/v2/", "", 401},
		{"GET", "/v2/team/app/manifests/v1", "", 401},
		{"GET", "/v2/team/app/manifests/v1", basic.Header.Get("Authorization"), 401},
		{"GET", "/v2/team/app/manifests/v1", read[:len(read)-4] + "AAAA", 401},
		{"GET", "/v2/team/app/tags/list", read, 200},
		{"GET", "/v2/secret/app/tags/list", read, 401},
		{"GET", "/v2/_catalog", read, 401},
		{"POST", "/v2/team/app/blobs/uploads/", read, 401},
		{"POST", "/v2/team/app/blobs/uploads/", write, 202},
		{"POST", "/v2/secret/app/blobs/uploads/", write, 401},
		{"DELETE", "/v2/team/app/manifests/sha256:" + strings.Repeat("a", 64), write, 401},
	} {
		if resp := s.direct(t, tt.method, tt.path, tt.authorization); resp.StatusCode != tt.want {
			t.Errorf("around the gateway, %s %s: %s, want %d", tt.method, tt.path, resp.Status, tt.want)
		}
	}
}

// A registry that refuses the tokens is an error of the gateway, and its challenge is for
// nobody.
func TestRegistryThatRefusesSignedTokens(t *testing.T) {
	t.Parallel()
	for _, registry := range registries {
		t.Run(registry.name, func(t *testing.T) {
			needs(t, registry.program)
			s, other := startSigned(t, registry), startSigned(t, registry)
			s.mu.Lock()
			s.registry = other.registry // which trusts another certificate
			s.mu.Unlock()
			resp, body := s.request(t, "GET", "/v2/", pusher, pusherPassword)
			if resp.StatusCode != 502 || resp.Header.Get("WWW-Authenticate") != "" || !strings.Contains(body, "does not trust the gateway") {
				t.Errorf("%s, %v, %s", resp.Status, resp.Header, body)
			}
			testkit.Await(t, "the log says what to do", func() bool {
				return strings.Contains(s.output.String(), "compare its configuration with gatehouse token upstream-config")
			})
		})
	}
}

// TestConformanceWithSignedTokens compares a registry that takes signed tokens, behind the
// gateway, with a bare one that asks nobody.
func TestConformanceWithSignedTokens(t *testing.T) {
	for _, registry := range registries {
		t.Run(registry.name, func(t *testing.T) {
			needs(t, "conformance", registry.program)
			bare := conformance(t, "OCI_TLS=disabled", "OCI_REGISTRY="+strings.TrimPrefix(registry.start(t), "http://"))
			s := startSigned(t, registry)
			behind := conformance(t, "OCI_TLS=enabled", "OCI_REGISTRY="+s.addr, "SSL_CERT_FILE="+s.certificate.certFile,
				"OCI_USERNAME="+pusher, "OCI_PASSWORD="+pusherPassword)
			if diff := gocmp.Diff(bare, behind); diff != "" || len(bare) < 600 {
				t.Errorf("%d results; the suite sees a difference (-bare +behind gatehouse):\n%s", len(bare), diff)
			}
		})
	}
}
