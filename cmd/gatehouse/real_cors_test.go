package main_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// registryPage asks a registry at another origin, as an interface for it does, and
// writes down what its script is let see.
const registryPage = `<!doctype html><pre id=o></pre><script>
const out = document.getElementById('o'), say = t => out.textContent += t + '\n'
async function ask(name, method, path, password, more = {}) {
  const headers = {Accept: 'application/vnd.oci.image.manifest.v1+json', ...more}
  if (password) headers.Authorization = 'Basic ' + btoa('@USER@:' + password)
  try {
    const r = await fetch('@GATE@' + path, {method, headers}), text = await r.text()
    say(name + ': ' + r.status + ' ' + (r.headers.get('X-Request-Id') ? 'id' : 'no id') + ' ' + text.trim().slice(0, 60))
    return r
  } catch (e) { say(name + ': ' + e) }
}
(async () => {
  await ask('no password', 'GET', '/v2/_catalog')
  await ask('wrong password', 'GET', '/v2/_catalog', 'wrong')
  await ask('list', 'GET', '/v2/_catalog', '@PASSWORD@')
  await ask('not allowed', 'DELETE', '/v2/closed/app/manifests/1', '@PASSWORD@')
  const names = []
  for (let page = '/v2/_catalog?n=1', left = 9; page && left > 0; left--) {
    const r = await fetch('@GATE@' + page, {headers: {Authorization: 'Basic ' + btoa('@USER@:@PASSWORD@')}}).catch(() => null)
    if (r) names.push(...(await r.json()).repositories)
    page = r && /<(.*)>/.exec(r.headers.get('Link') || '')?.[1]
  }
  say('page by page: ' + names.join(' '))
  const m = await ask('manifest', 'HEAD', '/v2/team/app/manifests/1', '@PASSWORD@')
  const digest = m && m.headers.get('Docker-Content-Digest')
  say('digest: ' + digest)
  await ask('delete', 'DELETE', '/v2/team/app/manifests/' + digest, '@PASSWORD@', {'X-Own': 'x'})
  await ask('deleted', 'GET', '/v2/team/app/manifests/1', '@PASSWORD@')
  say('end')
})()
</script>`

// TestREG4PageOfAnotherOriginInABrowser: a page on a listed origin logs in, lists and
// deletes, and sees why it is refused; the same page on another one sees nothing.
func TestREG4PageOfAnotherOriginInABrowser(t *testing.T) {
	needs(t, "chromium", registries[0].program)
	r := newRecipe(t)
	upstream, gate := registries[0].start(t), freeAddr(t)
	page := strings.NewReplacer("@GATE@", "http://"+gate, "@USER@", pusher, "@PASSWORD@", pusherPassword).Replace(registryPage)
	serve := func() *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, page)
		}))
		t.Cleanup(s.Close)
		return s
	}
	listed, other := serve(), serve()
	config := filepath.Join(r.dir, "cors.toml")
	writeFile(t, config, fmt.Appendf(nil, `
listen = [%q]
[[backend]]
name = "users"
type = "htpasswd"
users_file = %q
[[route]]
path = "/v2/"
backend = "users"
upstream = %q
cors_origins = [%q]
[[route.rule]]
name = "closed"
paths = ["/v2/closed/**", "/v2/team/closed/**"]
require = ["all denied"]
[[route.rule]]
name = "users"
methods = ["GET", "DELETE"]
require = ["valid-user"]
`, gate, r.usersFile, upstream, listed.URL), 0o644)
	start(t, command(t, binary(t), "serve", "--config", config)).listening(t, gate)
	for _, repository := range []string{"closed/app", "team/app", "team/closed", "team/web"} {
		pushEmptyImage(t, upstream, repository, "1")
	}

	flags := []string{"--virtual-time-budget=20000", "--dump-dom"}
	seen := browse(t, other.URL, flags...)
	if strings.Count(seen, "TypeError: Failed to fetch") != 7 || !strings.Contains(seen, "end\n") {
		t.Errorf("the page of another origin sees\n%s", seen)
	}
	seen = browse(t, listed.URL, flags...)
	for _, want := range []string{
		"no password: 401 id {\"errors\"", "wrong password: 401 id {\"errors\"", "list: 200 id {\"repositories\":[\"team/app\",\"team/web\"]}", "page by page: team/app team/web\n", "not allowed: 403 id {\"errors\"",
		"manifest: 200 id", "digest: sha256:", "delete: 202 id", "deleted: 404 id", "end\n",
	} {
		if !strings.Contains(seen, want) {
			t.Errorf("the page does not see %q:\n%s", want, seen)
		}
	}
}

// pushEmptyImage puts an image without layers into a registry.
func pushEmptyImage(t *testing.T, registry, repository, tag string) {
	t.Helper()
	send := func(method, url, contentType string, body []byte, status int) *http.Response {
		t.Helper()
		r, err := http.NewRequest(method, url, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", contentType)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Fatalf("%s %s: %s", method, url, resp.Status)
		}
		return resp
	}
	config := []byte("{}")
	begun := send("POST", registry+"/v2/"+repository+"/blobs/uploads/", "", nil, http.StatusAccepted)
	send("PUT", withDigest(t, begun.Header.Get("Location"), digest(config)), "application/octet-stream", config, http.StatusCreated)
	const form = "application/vnd.oci.image.manifest.v1+json"
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`, form, digest(config), len(config))
	send("PUT", registry+"/v2/"+repository+"/manifests/"+tag, form, manifest, http.StatusCreated)
}
