package gateway

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"gatehouse/gateway/rules"
)

// tagUpstream is a registry of tags, which answers questions for one as it is told.
type tagUpstream struct {
	*upstreamLog
	mu   sync.Mutex
	tags map[string]string // digests
	says func(w http.ResponseWriter) bool
}

func digestOf(manifest string) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(manifest)))
}

func newTagUpstream(t *testing.T) *tagUpstream {
	u := &tagUpstream{tags: map[string]string{}}
	u.upstreamLog = newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		defer u.mu.Unlock()
		tag := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		switch {
		case r.Method == "HEAD" && u.says != nil && u.says(w):
		case r.Method == "HEAD" && u.tags[tag] == "":
			w.WriteHeader(404)
		case r.Method == "HEAD":
			if !strings.Contains(strings.Join(r.Header["Accept"], ","), "application/vnd.oci.image.index.v1+json") {
				w.WriteHeader(404)
				return
			}
			w.Header().Set("Docker-Content-Digest", u.tags[tag])
		case r.Method == "PUT":
			body, _ := io.ReadAll(r.Body)
			u.tags[tag] = digestOf(string(body))
			w.WriteHeader(201)
		case r.Method == "DELETE":
			delete(u.tags, tag)
			w.WriteHeader(202)
		}
	})
	return u
}

func (u *tagUpstream) digest(tag string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.tags[tag]
}

// put pushes a manifest and returns the status and the text of the answer.
func (tg *testGateway) put(t *testing.T, method, path string, body io.Reader) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, tg.url(path), body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", basic("push"))
	r.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	resp, err := tg.client(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func keeping(t *testing.T, up *tagUpstream, change func(*Config), patterns ...string) *testGateway {
	r := recipeRoute(t, up.URL)
	r.ImmutableTags = patterns
	return startGateway(t, change, r)
}

// What a digest names is no tag, also where all tags are immutable.
func TestAllTagsAreImmutableAndNoDigest(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		up := newTagUpstream(t)
		tg := keeping(t, up, change, "*")
		for _, step := range []struct {
			method, reference, body string
			want                    int
		}{
			{"PUT", "1", "a", 201}, {"PUT", "1", "b", 403}, {"DELETE", "1", "", 403},
			{"PUT", digestOf("b"), "b", 201}, {"DELETE", digestOf("a"), "", 202},
		} {
			got, text := tg.put(t, step.method, "/v2/team/app/manifests/"+step.reference, strings.NewReader(step.body))
			if got != step.want {
				t.Errorf("%s %s: status %d, want %d: %s", step.method, step.reference, got, step.want, text)
			}
		}
	})
}

func TestImmutableTagStaysWhatItIs(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		up := newTagUpstream(t)
		tg := keeping(t, up, change, "v*", "!v0")
		large := strings.Repeat("x", 300<<10)
		for _, step := range []struct {
			method, tag, body string
			want              int
		}{
			{"PUT", "v1", "a", 201}, {"PUT", "v1", "a", 201}, {"PUT", "v1", "b", 403}, {"DELETE", "v1", "", 403},
			{"PUT", "v2", large, 201}, {"PUT", "v2", large, 201}, {"PUT", "v2", large + "y", 403},
			{"PUT", "v0", "a", 201}, {"PUT", "v0", "b", 201}, {"DELETE", "v0", "", 202},
			{"PUT", "latest", "a", 201}, {"PUT", "latest", "b", 201}, {"PUT", "v3", "", 400},
			{"PUT", "sha256-" + strings.Repeat("a", 64), "a", 201}, {"PUT", "sha256-" + strings.Repeat("a", 64), "b", 201},
			{"PUT", "v1?tag=v2", "a", 400}, {"POST", "v1", "a", 403}, {"PATCH", "v1", "a", 403},
			{"PUT", digestOf("b"), "b", 201}, {"DELETE", digestOf("a"), "", 202}, {"PUT", digestOf("b") + "?tag=v1", "b", 400},
		} {
			var body io.Reader
			if step.body != "" {
				body = strings.NewReader(step.body)
			}
			got, text := tg.put(t, step.method, "/v2/team/app/manifests/"+step.tag, body)
			if got != step.want {
				t.Errorf("%s %s: status %d, want %d: %s", step.method, step.tag, got, step.want, text)
			}
			if step.want == 403 && !strings.Contains(text, "immutable") {
				t.Errorf("%s %s: %s", step.method, step.tag, text)
			}
		}
		if left, all := tg.sites.held.free(), newHeldMemory().free(); left != all {
			t.Errorf("%d bytes are left of %d for what is held", left, all)
		}
		if got := up.digest("v1"); got != digestOf("a") {
			t.Errorf("v1 leads to %s", got)
		}
		if got := up.digest("v2"); got != digestOf(large) {
			t.Errorf("v2 leads to %s, other bytes than were sent", got)
		}
	})
}

// A body whose length is not known is held in the same way.
func TestImmutableTagInChunks(t *testing.T) {
	up := newTagUpstream(t)
	tg := keeping(t, up, nil, "*")
	for want, body := range map[int]string{201: "a", 413: strings.Repeat("x", maxManifest+1)} {
		if got, text := tg.put(t, "PUT", fmt.Sprintf("/v2/app/manifests/t%d", want), io.MultiReader(strings.NewReader(body))); got != want {
			t.Errorf("status %d, want %d: %s", got, want, text)
		}
	}
	if got, _ := tg.put(t, "PUT", "/v2/app/manifests/long", strings.NewReader(strings.Repeat("x", maxManifest+1))); got != 413 {
		t.Errorf("status %d, want 413", got)
	}
	if got := up.digest("t201"); got != digestOf("a") {
		t.Errorf("it leads to %q", got)
	}
	if left, all := tg.sites.held.free(), newHeldMemory().free(); left != all {
		t.Errorf("%d bytes are left of %d for what is held", left, all)
	}
}

// Who sends a byte at a time takes no more memory for it than others.
func TestManifestInManyPieces(t *testing.T) {
	up := newTagUpstream(t)
	tg := keeping(t, up, nil, "*")
	tg.sites.held.left = 2 * heldStep
	if got, text := tg.put(t, "PUT", "/v2/app/manifests/1", iotest.OneByteReader(strings.NewReader(strings.Repeat("x", 2000)))); got != 201 {
		t.Errorf("status %d: %s", got, text)
	}
}

// The same bytes are another image by another media type.
func TestImmutableTagKeepsItsType(t *testing.T) {
	up := newTagUpstream(t)
	up.tags["1"] = digestOf("a")
	tg := keeping(t, up, nil, "*")
	for mediaType, want := range map[string]int{
		"application/vnd.oci.image.manifest.v1+json; charset=utf-8": 201, "application/vnd.oci.image.index.v1+json": 403, "": 201,
	} {
		up.mu.Lock()
		up.says = func(w http.ResponseWriter) bool {
			w.Header()["Content-Type"] = []string{mediaType}
			w.Header().Set("Docker-Content-Digest", digestOf("a"))
			return true
		}
		up.mu.Unlock()
		if got, text := tg.put(t, "PUT", "/v2/app/manifests/1", strings.NewReader("a")); got != want {
			t.Errorf("%q: status %d, want %d: %s", mediaType, got, want, text)
		}
	}
}

// What the registry does not say is no "there is none".
func TestTagThatCannotBeLookedUp(t *testing.T) {
	up := newTagUpstream(t)
	tg := keeping(t, up, nil, "*")
	for what, says := range map[string]func(http.ResponseWriter){
		"500":           func(w http.ResponseWriter) { w.WriteHeader(500) },
		"401":           func(w http.ResponseWriter) { w.WriteHeader(401) },
		"403":           func(w http.ResponseWriter) { w.WriteHeader(403) },
		"405":           func(w http.ResponseWriter) { w.WriteHeader(405) },
		"moved":         func(w http.ResponseWriter) { w.Header().Set("Location", "/x"); w.WriteHeader(302) },
		"no digest":     func(w http.ResponseWriter) {},
		"an odd digest": func(w http.ResponseWriter) { w.Header().Set("Docker-Content-Digest", "x") },
		"two of them": func(w http.ResponseWriter) {
			w.Header()["Docker-Content-Digest"] = []string{digestOf("a"), digestOf("b")}
		},
		"partly content": func(w http.ResponseWriter) { w.WriteHeader(206) },
	} {
		up.mu.Lock()
		up.says = func(w http.ResponseWriter) bool { says(w); return true }
		up.mu.Unlock()
		if got, text := tg.put(t, "PUT", "/v2/app/manifests/1", strings.NewReader("a")); got != 503 && got != 502 {
			t.Errorf("%s: status %d: %s", what, got, text)
		}
		if up.digest("1") != "" {
			t.Fatalf("%s: it was pushed", what)
		}
	}
}

// A rule may keep other tags than the route.
func TestImmutableTagsOfARule(t *testing.T) {
	up := newTagUpstream(t)
	r := recipeRoute(t, up.URL)
	prod := rules.Rule{Name: "prod", Methods: []string{"PUT", "DELETE"}, Paths: []string{"/v2/prod/**"}, ImmutableTags: []string{"*"}, Require: mustRequire(t, "valid-user")}
	r.Rules = append([]rules.Rule{prod}, r.Rules...)
	tg := startGateway(t, nil, r)
	for path, want := range map[string]int{"/v2/prod/app/manifests/1": 403, "/v2/dev/app/manifests/1": 201} {
		for i, body := range []string{"a", "b"} {
			up.mu.Lock()
			if i == 0 {
				delete(up.tags, "1")
			}
			up.mu.Unlock()
			if got, text := tg.put(t, "PUT", path, strings.NewReader(body)); got != []int{201, want}[i] {
				t.Errorf("%s: status %d, want %d: %s", path, got, want, text)
			}
		}
	}
}

// The rulebook foresees what needs no look at the registry, and says of the rest what it
// depends on.
func TestRulebookKnowsImmutableTags(t *testing.T) {
	r := recipeRoute(t, "http://127.0.0.1:1")
	r.ImmutableTags, r.Catalog = []string{"v*"}, FilteredCatalog
	book, err := NewRulebook([]Route{r})
	if err != nil {
		t.Fatal(err)
	}
	for ask, want := range map[string]string{
		"DELETE /v2/team/app/manifests/v1": "403 the tag v1 of team/app is immutable and cannot be deleted: use another tag",
		"PUT /v2/team/app/manifests/v1":    "0 the tag v1 is immutable: the push passes if the registry has no such tag, or one that leads to the same image",
		"PUT /v2/team/app/manifests/1":     "0",
		"DELETE /v2/team/app/manifests/1":  "0",
		"GET /v2/_catalog":                 "0 the list is filtered: it has the repositories that the user may pull",
	} {
		method, target, _ := strings.Cut(ask, " ")
		a := book.Explain(Question{Method: method, Target: target, Host: "registry.test", Source: loopback, Who: subjectOf("push")})
		if got := strings.TrimSpace(fmt.Sprint(a.Status, " ", a.Message, strings.Join(a.Trace.Notes, "; "))); got != want {
			t.Errorf("%s: %q, want %q", ask, got, want)
		}
	}
}

// What is kept for gatehouse why says that the rule would let the request pass, and what of
// the tag stands in the way: of a tag that is deleted nobody has asked where it leads.
func TestRefusalOfAnImmutableTagSaysWhatItIs(t *testing.T) {
	up := newTagUpstream(t)
	up.tags["v1"] = digestOf("a")
	tg := keeping(t, up, nil, "v*")
	for i, ask := range []struct{ method, want string }{
		{"DELETE", "the rule lets the request pass, but the tag v1 is immutable and cannot be deleted"},
		{"PUT", "the rule lets the request pass, but the tag v1 is immutable and leads to another image"},
	} {
		if got, text := tg.put(t, ask.method, "/v2/app/manifests/v1", strings.NewReader("b")); got != 403 {
			t.Fatalf("%s: status %d: %s", ask.method, got, text)
		}
		if got := fmt.Sprint(tg.records(t, i+1)[i]); !strings.Contains(got, ask.want) {
			t.Errorf("%s: %s, want %q", ask.method, got, ask.want)
		}
	}
}
