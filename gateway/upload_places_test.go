package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/gateway/rules"
	"gatehouse/gateway/upstream"
)

// elsewhere is a registry whose uploads go on at a path of its own.
func elsewhere(t *testing.T) *upstreamLog {
	return newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Method == "POST" || r.Method == "PATCH" {
			// One more for each step, as the state of the upload has changed.
			w.Header().Set("Location", "http://"+r.Host+"/v2/team/app/blobs/upload/"+strings.TrimPrefix(r.Method, "P")+"?state=1")
			w.WriteHeader(202)
			return
		}
		w.WriteHeader(201)
	})
}

// An upload that goes on at a path which no rule could know of is judged as one to the
// repository that it was begun for.
func TestUploadElsewhereIsAPush(t *testing.T) {
	overBoth(t, func(t *testing.T, change func(*Config)) {
		up := elsewhere(t)
		r := recipeRoute(t, up.URL)
		r.Rules = []rules.Rule{{Name: "push", Paths: []string{"/v2/*/*/blobs/uploads/**"}, Require: mustRequire(t, "group pusher")}}
		tg := startGateway(t, change, r)
		step := func(user, method, path string) *http.Response { return tg.ask(t, user, method, path, nil) }

		for _, place := range []string{"/v2/team/app/blobs/upload/OST", "/v2/team/app/blobs/upload/ATCH"} {
			if resp := step("push", "PATCH", place); resp.StatusCode != 403 {
				t.Errorf("%s was never given, and is answered with %d", place, resp.StatusCode)
			}
		}
		begun := step("push", "POST", "/v2/team/app/blobs/uploads/")
		if begun.StatusCode != 202 || begun.Header.Get("Location") != "/v2/team/app/blobs/upload/OST?state=1" {
			t.Fatalf("%s, Location %q", begun.Status, begun.Header.Get("Location"))
		}
		sent := step("push", "PATCH", begun.Header.Get("Location"))
		if sent.StatusCode != 202 {
			t.Fatalf("PATCH: %s", sent.Status)
		}
		if own := tg.sites.uploads.clients[clientOf(subjectOf("push"), loopback)]; len(tg.sites.uploads.clients) != 1 || own == nil {
			t.Errorf("the places are those of %v, want those of the user", tg.sites.uploads.clients)
		}
		if resp := step("push", "PUT", sent.Header.Get("Location")+"&digest=sha256:ab"); resp.StatusCode != 201 {
			t.Errorf("PUT: %s", resp.Status)
		}
		for user, want := range map[string]int{"": 401, "pull": 403} {
			if resp := step(user, "PUT", sent.Header.Get("Location")); resp.StatusCode != want {
				t.Errorf("PUT by %q: %s, want %d", user, resp.Status, want)
			}
		}
		if resp := step("push", "POST", "/v2/team/app/blobs/upload/OST"); resp.StatusCode != 403 {
			t.Errorf("POST to it, which is no step of an upload: %s", resp.Status)
		}
		seen := up.requests()
		if got := seen[len(seen)-1].URL.RequestURI(); got != "/v2/team/app/blobs/upload/ATCH?state=1&digest=sha256:ab" {
			t.Errorf("the upstream was asked for %s", got)
		}
	})
}

// An upstream cannot hand out what belongs to another repository or route.
func TestUploadElsewhereTakesNothingOver(t *testing.T) {
	for _, location := range []string{
		"/v2/other/app/manifests/1", "/v2/other/app/blobs/uploads/1", "/v2/_catalog", "/v2/", "/elsewhere/1", "/v2/x/../upload", "//evil.test/x",
		"https://evil.test/v2/team/app/blobs/upload/1", "/v2/" + strings.Repeat("x", 600),
	} {
		up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(202)
		})
		r, other := recipeRoute(t, up.URL), recipeRoute(t, up.URL)
		r.Rules = []rules.Rule{{Name: "push", Paths: []string{"/v2/team/app/**"}, Require: mustRequire(t, "group pusher")}}
		other.Path, other.Rules = "/elsewhere/", r.Rules
		tg := startGateway(t, nil, r, other)
		tg.ask(t, "push", "POST", "/v2/team/app/blobs/uploads/", nil)
		if n := tg.sites.uploads.len(); n != 0 {
			t.Errorf("%s is remembered", location)
		}
	}
}

// A place whose parameters name the repository is one with these parameters alone, and a
// place that was given for two repositories is nobody's.
func TestUploadElsewhereKeepsItsParameters(t *testing.T) {
	up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
		repository := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v2/"), "/blobs/uploads/")
		switch {
		case r.Method == "POST" && strings.HasSuffix(repository, "/same"):
			w.Header().Set("Location", "/v2/_up/same")
			w.WriteHeader(202)
		case r.Method == "POST":
			w.Header().Set("Location", "/v2/_up/upload?repo="+repository+"&id=1")
			w.WriteHeader(202)
		default:
			w.WriteHeader(201)
		}
	})
	r := recipeRoute(t, up.URL)
	r.Rules = []rules.Rule{
		{Name: "mine", Paths: []string{"/v2/mine/**"}, Require: mustRequire(t, "user alice")},
		{Name: "prod", Paths: []string{"/v2/prod/**"}, Require: mustRequire(t, "group pusher")},
	}
	tg := startGateway(t, nil, r)
	for _, step := range []struct {
		user, method, path string
		want               int
	}{
		{"push", "POST", "/v2/prod/app/blobs/uploads/", 202}, {"alice", "POST", "/v2/mine/app/blobs/uploads/", 202},
		{"alice", "PUT", "/v2/_up/upload?repo=prod/app&id=1", 403}, {"alice", "PUT", "/v2/_up/upload?id=2&repo=mine/app", 403},
		{"alice", "PUT", "/v2/_up/upload", 403}, {"push", "PUT", "/v2/_up/upload?id=1&digest=sha256:ab&repo=prod%2Fapp", 201},
		{"alice", "PUT", "/v2/_up/upload?repo=mine/app&id=1", 201}, {"alice", "PUT", "/v2/_up/upload?repo=mine/app&id=1", 403},
		{"push", "POST", "/v2/prod/same/blobs/uploads/", 202}, {"alice", "POST", "/v2/mine/same/blobs/uploads/", 202},
		{"push", "PUT", "/v2/_up/same", 403}, {"alice", "PUT", "/v2/_up/same", 403},
	} {
		if resp := tg.ask(t, step.user, step.method, step.path, nil); resp.StatusCode != step.want {
			t.Errorf("%s %s by %s: %s, want %d", step.method, step.path, step.user, resp.Status, step.want)
		}
	}
}

// What an upstream says to a request that is no push is not remembered.
func TestOnlyPushesGoOnElsewhere(t *testing.T) {
	up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/v2/team/app/blobs/upload/1")
		w.WriteHeader(202)
	})
	tg := startGateway(t, nil, recipeRoute(t, up.URL))
	for _, ask := range [][2]string{{"GET", "/v2/team/app/manifests/1"}, {"DELETE", "/v2/team/app/manifests/1"}, {"GET", "/v2/_catalog"}, {"POST", "/v2/x"}} {
		tg.ask(t, "push", ask[0], ask[1], nil)
	}
	if n := tg.sites.uploads.len(); n != 0 {
		t.Errorf("%d places are remembered", n)
	}
}

// len returns how many places are remembered.
func (p *uploadPlaces) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known.Len()
}

// Whoever begins more uploads than others have room for takes the place of its own alone.
func TestClientHasItsShareOfUploadPlaces(t *testing.T) {
	p := newUploadPlaces()
	greedy, other := upstream.Client{User: "greedy"}, upstream.Client{User: "other"}
	place := func(i int) uploadPlace { return uploadPlace{path: fmt.Sprint("/v2/up/", i)} }
	begin := func(i int, client upstream.Client) { p.add(place(i), begunUpload{"app", time.Now(), client}) }
	begin(-1, other)
	for i := range maxUploadPlaces + 10 {
		begin(i, greedy)
		begin(0, greedy) // which stays in use
	}
	for i, want := range map[int]bool{-1: true, 0: true, 1: false, 20: false, maxUploadPlaces + 9: true} {
		if _, got := p.get(place(i)); got != want {
			t.Errorf("place %d is remembered: %v, want %v", i, got, want)
		}
	}
	if got := p.len(); got != maxClientPlaces+1 {
		t.Errorf("%d places are remembered, want %d", got, maxClientPlaces+1)
	}
	begin(-1, greedy) // now it is the greedy one's
	for i := range maxUploadPlaces + 10 {
		p.remove(place(i))
	}
	p.remove(place(-1))
	if p.len() != 0 || len(p.clients) != 0 {
		t.Errorf("%d places and %d clients are left", p.len(), len(p.clients))
	}
}

// All clients together have what is remembered in all.
func TestUploadPlacesAreBounded(t *testing.T) {
	p := newUploadPlaces()
	for i := range 3 * maxUploadPlaces {
		p.add(uploadPlace{path: fmt.Sprint("/v2/up/", i)}, begunUpload{"app", time.Now(), upstream.Client{User: fmt.Sprint(i % 7)}})
	}
	own := 0
	for _, list := range p.clients {
		own += list.Len()
	}
	if p.len() != maxUploadPlaces || own != maxUploadPlaces {
		t.Errorf("%d places are remembered, %d of them of clients, want %d", p.len(), own, maxUploadPlaces)
	}
}
