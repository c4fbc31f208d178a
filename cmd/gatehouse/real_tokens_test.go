package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/gateway/token"
	"gatehouse/internal/testkit"
)

// tokensConfig is the configuration of docs/tokens.md, with what a test needs besides.
const tokensConfig = `
[tokens]
key_file = "token-keys"
[cache]
revalidate = "1s"
[[backend]]
name = "local"
type = "htpasswd"
users_file = "httpd.htpasswd"
groups_file = "httpd.groups"
@BACKEND@
[[route]]
path = "/v2/"
upstream = "@UPSTREAM@"
backend = "@USES@"
challenge = "bearer"
  [[route.rule]]
  name = "public"
  repositories = ["public/**"]
  actions = ["pull"]
  require = ["all granted"]
  [[route.rule]]
  name = "pull"
  actions = ["pull", "catalog"]
  require = ["valid-user"]
  [[route.rule]]
  name = "push"
  actions = ["push", "delete"]
  require = ["group pusher"]
`

// serveTokens starts a gateway with the recipe's users and that configuration, in which the
// given texts stand for others. It keeps its keys in the folder of the recipe.
func (r recipe) serveTokens(t *testing.T, upstream string, texts ...string) front {
	t.Helper()
	keys := filepath.Join(r.dir, "token-keys")
	if _, err := os.Stat(keys); err != nil {
		writeFile(t, keys, []byte(token.NewKey(time.Now()).Line()+"\n"), 0o600)
	}
	config := filepath.Join(r.dir, "tokens.toml")
	text := strings.NewReplacer(append(texts, "@UPSTREAM@", upstream, "@USES@", "local", "@BACKEND@", "")...).Replace(tokensConfig)
	writeFile(t, config, []byte(text), 0o600)
	return r.serve(t, "--config", config)
}

// TestTokensWithSkopeo and the next test pull without a login from the host that they push to
// with one, before each registry.
func TestTokensWithSkopeo(t *testing.T) {
	t.Parallel()
	for _, registry := range registries {
		t.Run(registry.name, func(t *testing.T) {
			needs(t, "skopeo", registry.program)
			f := newRecipe(t).serveTokens(t, registry.start(t))
			env := tunnel(t, f.certificate, map[string]string{"registry.test": f.addr})
			image := t.TempDir()
			digest := writeImage(t, image, "from "+registry.name)

			asPusher := newSkopeo(t, env)
			asPusher.works("login", "-u", pusher, "-p", pusherPassword, "registry.test")
			for _, repository := range []string{"public/app", "team/app"} {
				asPusher.works("copy", "oci:"+image+":latest", "docker://registry.test/"+repository+":1")
			}
			asPusher.works("copy", "docker://registry.test/team/app:1", "docker://registry.test/team/copy:1")
			asPusher.works("delete", "docker://registry.test/team/copy:1")

			nobody, pulled := newSkopeo(t, env), t.TempDir()
			nobody.works("copy", "docker://registry.test/public/app:1", "oci:"+pulled+":latest")
			checkImage(t, pulled, digest)
			nobody.refused("unauthorized", "inspect", "docker://registry.test/team/app:1")
			nobody.refused("unauthorized", "copy", "oci:"+image+":latest", "docker://registry.test/public/app:2")

			asPuller := newSkopeo(t, env)
			asPuller.works("login", "-u", puller, "-p", pullerPassword, "registry.test")
			asPuller.works("inspect", "docker://registry.test/team/app:1")
			denied := f.sentence(t, "POST", "/v2/team/other/blobs/uploads/", puller, pullerPassword)
			asPuller.refused(denied, "copy", "oci:"+image+":latest", "docker://registry.test/team/other:1")
			asPuller.refused("invalid username/password", "login", "-u", puller, "-p", "wrong", "registry.test")
		})
	}
}

func TestTokensWithDocker(t *testing.T) {
	needs(t, "docker", "dockerd", registries[0].program, registries[1].program)
	one, two := newRecipe(t).serveTokens(t, registries[0].start(t)), front{}
	r := newRecipe(t)
	r.certificate = one.certificate
	two = r.serveTokens(t, registries[1].start(t))
	socket := startDocker(t, tunnel(t, one.certificate, map[string]string{"one.registry.test": one.addr, "two.registry.test": two.addr}))
	for i, f := range []front{one, two} {
		t.Run(registries[i].name, func(t *testing.T) {
			name := []string{"one", "two"}[i] + ".registry.test"
			image := name + "/public/app:1"
			asPusher, nobody := newDocker(t, socket), newDocker(t, socket)
			asPusher.works("login", "-u", pusher, "-p", pusherPassword, name)
			id := load(asPusher, rootfs(t, "tokens of "+registries[i].name), image)
			asPusher.works("push", image)
			asPusher.works("tag", image, name+"/team/app:1")
			asPusher.works("push", name+"/team/app:1")
			asPusher.works("rmi", image, name+"/team/app:1")

			nobody.works("pull", image)
			if got := strings.TrimSpace(nobody.works("inspect", "--format", "{{.Id}}", image)); got != id {
				t.Errorf("pushed image %s, pulled %s", id, got)
			}
			nobody.refused("please log in", "pull", name+"/team/app:1")
			other := name + "/public/other:1"
			load(nobody, rootfs(t, "refused by "+registries[i].name), other)
			nobody.refused("please log in", "push", other)

			asPuller := newDocker(t, socket)
			asPuller.works("login", "-u", puller, "-p", pullerPassword, name)
			asPuller.works("pull", name+"/team/app:1")
			asPuller.refused(f.sentence(t, "POST", "/v2/public/other/blobs/uploads/", puller, pullerPassword), "push", other)

			begin := time.Now()
			newDocker(t, socket).refused("unauthorized", "login", "-u", puller, "-p", "wrong", name)
			t.Logf("a wrong password was refused after %v", time.Since(begin))
		})
	}
}

// fetchToken returns a token for pulls and pushes of team/app.
func (f front) fetchToken(t *testing.T, user, password string) string {
	t.Helper()
	resp, body := f.request(t, "GET", "/v2/token?service=registry.test&scope=repository:team/app:pull,push", user, password)
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Token == "" {
		t.Fatalf("token of %s: %s with %q", user, resp.Status, body)
	}
	return answer.Token
}

// statusOf returns the status of a pull with a token.
func (f front) statusOf(client *http.Client, token string) (int, error) {
	req, err := http.NewRequest("GET", "https://registry.test/v2/team/app/manifests/1", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// takesAll starts a service that answers every request.
func takesAll(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(s.Close)
	return s.URL
}

// await waits until a pull with a token has a status, and returns how long that took.
func (f front) await(t *testing.T, what, token string, want int) time.Duration {
	t.Helper()
	client := f.certificate.client(f.addr)
	defer client.CloseIdleConnections()
	return testkit.Await(t, what, func() bool {
		got, err := f.statusOf(client, token)
		return err == nil && got == want
	})
}

// T1: a user who is disabled in a directory, or whose password is changed in a file, has no
// use of a token any more within revalidate.
func TestT1TokensEndWithTheUserOfARealDirectory(t *testing.T) {
	for _, tt := range failingDirectories {
		t.Run(tt.name, func(t *testing.T) {
			needs(t, tt.needs...)
			d, r := &tt.failing, newRecipe(t)
			d.url, d.process = tt.run(t, r.dir)
			d.ca = filepath.Join(r.dir, "corp-ca.pem")
			writeFile(t, filepath.Join(r.dir, "ldap-password"), []byte(directoryAccountPassword+"\n"), 0o600)
			corp := fmt.Sprintf("[[backend]]\nname = \"corp\"\ntype = \"ldap\"\npreset = %q\nurls = [%q]\nca_file = \"corp-ca.pem\"\nbind_dn = %q\nbind_password_file = \"ldap-password\"\nuser_bases = [%q]\n"+
				"[[backend]]\nname = \"everyone\"\ntype = \"chain\"\nmember = [{ backend = \"local\" }, { backend = \"corp\" }]\n", d.preset, d.url, d.account, d.base)
			f := r.serveTokens(t, takesAll(t), "@BACKEND@", corp, "@USES@", "everyone")
			alice, bob := f.fetchToken(t, "alice", directoryUserPassword), f.fetchToken(t, "bob", directoryUserPassword)
			f.await(t, "alice has a token", alice, 200)
			d.disable(t, d, "alice")
			took := f.await(t, "alice has none", alice, 401)
			f.await(t, "bob has one", bob, 200)
			if t.Logf("disabled: refused after %v", took); took > soon {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestT1TokensEndWithAChangedPasswordFile(t *testing.T) {
	t.Parallel()
	r := newRecipe(t)
	f := r.serveTokens(t, takesAll(t))
	one, other := f.fetchToken(t, puller, pullerPassword), f.fetchToken(t, pusher, pusherPassword)
	f.await(t, "both have tokens", one, 200)
	writeFile(t, r.usersFile, []byte(htpasswdLine(t, puller, "another")+htpasswdLine(t, pusher, pusherPassword)), 0o644)
	took := f.await(t, "the token of the changed user is none", one, 401)
	t.Logf("changed password: refused after %v", took)
	writeFile(t, r.usersFile, []byte(htpasswdLine(t, puller, "another")), 0o644)
	f.await(t, "the token of the deleted user is none", other, 401)
}

// Three gateways have one key file, which is changed under load as docs/tokens.md says.
func TestTokenKeysAreRotatedUnderLoad(t *testing.T) {
	t.Parallel()
	r, upstream := newRecipe(t), takesAll(t)
	fronts := []front{r.serveTokens(t, upstream), r.serveTokens(t, upstream), r.serveTokens(t, upstream)}
	keys := filepath.Join(r.dir, "token-keys")
	old, new := strings.TrimSpace(readFile(t, keys)), token.NewKey(time.Now()).Line()
	var current atomic.Value
	current.Store(fronts[0].fetchToken(t, pusher, pusherPassword))
	var asked, failed atomic.Int64
	over := make(chan struct{})
	var load sync.WaitGroup
	for _, f := range fronts {
		load.Go(func() {
			client := f.certificate.client(f.addr)
			defer client.CloseIdleConnections()
			for {
				select {
				case <-over:
					return
				default:
				}
				asked.Add(1)
				if status, err := f.statusOf(client, current.Load().(string)); err != nil || status != 200 {
					failed.Add(1)
				}
			}
		})
	}
	first := current.Load().(string)
	for i, lines := range []string{old + "\n" + new, new + "\n" + old, new} {
		writeFile(t, keys, []byte(lines+"\n"), 0o600)
		for _, f := range fronts {
			testkit.Await(t, "the keys are read again", func() bool { return strings.Count(f.output.String(), "configuration reloaded") == i+1 })
		}
		if i == 1 { // whatever is in use from now on was sealed with the new key
			current.Store(fronts[1].fetchToken(t, pusher, pusherPassword))
		}
		if i < 2 {
			fronts[2].await(t, "the first token is taken", first, 200)
		}
	}
	testkit.Await(t, "there were ten thousand requests", func() bool { return asked.Load() >= 10_000 })
	close(over)
	load.Wait()
	if t.Logf("%d requests", asked.Load()); failed.Load() > 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), asked.Load())
	}
	fronts[0].await(t, "the key of the first token is gone", first, 401)
}
