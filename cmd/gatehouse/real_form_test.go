package main_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// formLines are lines of Content-Type by which a registry may take a body for a form.
var formLines = map[string][][2]string{
	"urlencoded":       {{"Content-Type", "application/x-www-form-urlencoded"}},
	"upper case":       {{"Content-Type", "APPLICATION/X-WWW-Form-URLENCODED"}},
	"charset":          {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}},
	"broken parameter": {{"Content-Type", "application/x-www-form-urlencoded; ="}},
	"blanks":           {{"Content-Type", "application/x-www-form-urlencoded \t;"}},
	"no-break space":   {{"Content-Type", "\u00a0application/x-www-form-urlencoded\u00a0"}},
	"first of two":     {{"Content-Type", "application/x-www-form-urlencoded"}, {"Content-Type", "text/plain"}},
	"second of two":    {{"Content-Type", "text/plain"}, {"Content-Type", "application/x-www-form-urlencoded"}},
	"twice the same":   {{"Content-Type", "application/x-www-form-urlencoded"}, {"Content-Type", "application/x-www-form-urlencoded"}},
	"underscore":       {{"Content_Type", "application/x-www-form-urlencoded"}},
	"dot beside":       {{"Content-Type", "text/plain"}, {"content.type", "application/x-www-form-urlencoded"}},
	"broken quote":     {{"Content-Type", `application/x-www-form-urlencoded; a="b`}},
	"comma":            {{"Content-Type", "text/plain, application/x-www-form-urlencoded"}},
	"comma first":      {{"Content-Type", "application/x-www-form-urlencoded, text/plain"}},
	"in a parameter":   {{"Content-Type", `application/json; a="application/x-www-form-urlencoded"`}},
	"quoted":           {{"Content-Type", `"application/x-www-form-urlencoded"`}},
	"empty":            {{"Content-Type", ""}},
	"multipart":        {{"Content-Type", "multipart/form-data; boundary=x"}},
	"multipart mixed":  {{"Content-Type", "multipart/mixed; boundary=x"}},
	"multipart upper":  {{"Content-Type", "Multipart/Form-Data;Boundary=x"}},
	"none":             nil,
}

// formBody returns parameters as a form has them whose lines are given.
func formBody(lines [][2]string, parameters [][2]string) string {
	values, parts := url.Values{}, ""
	for _, p := range parameters {
		values.Set(p[0], p[1])
		parts += fmt.Sprintf("--x\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", p[0], p[1])
	}
	if len(lines) > 0 && strings.HasPrefix(strings.ToLower(lines[0][1]), "multipart") {
		return parts + "--x--\r\n"
	}
	return values.Encode()
}

// sender sends requests to a gateway or to a registry itself.
type sender struct {
	client *http.Client
	base   string
}

func (s sender) status(t *testing.T, method, path, user, password string, lines [][2]string, body string) (status int, location string) {
	t.Helper()
	target, err := url.Parse(s.base)
	if err == nil {
		target, err = target.Parse(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, target.String(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(user, password)
	for _, line := range lines {
		req.Header[line[0]] = append(req.Header[line[0]], line[1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("Location")
}

// senders returns clients of a gateway for each version of the protocol.
func senders(f front) map[string]sender {
	one := f.certificate.client(f.addr)
	transport := one.Transport.(*http.Transport)
	transport.ForceAttemptHTTP2, transport.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{}
	return map[string]sender{
		"HTTP/1.1": {one, "https://registry.test"},
		"HTTP/2":   {f.certificate.client(f.addr), "https://registry.test"},
	}
}

// TestSEC1MountsInABodyReadNothing: registries read the parameters of a mount from a
// form in the body, too. Asked directly, each of those that do gives the layer away;
// through the gateway none does, whatever the body is called.
func TestSEC1MountsInABodyReadNothing(t *testing.T) {
	t.Parallel()
	for _, r := range registries {
		t.Run(r.name, func(t *testing.T) {
			needs(t, r.program)
			upstream := r.start(t)
			f := withPrivateRepositories(t, upstream)
			bare := sender{http.DefaultClient, upstream}
			layer := "a layer that is nobody's business"
			parameters := [][2]string{{"mount", digest([]byte(layer))}, {"from", "private/app"}}
			pushLayer(t, bare, "/v2/private/app", layer)
			if status, _ := bare.status(t, "POST", "/v2/public/bare/blobs/uploads/", "", "", formLines["urlencoded"], formBody(formLines["urlencoded"], parameters)); status != http.StatusCreated {
				t.Fatalf("the registry itself answers %d: it reads no forms, and the test shows nothing", status)
			}
			for protocol, s := range senders(f) {
				for _, name := range slices.Sorted(maps.Keys(formLines)) {
					lines := formLines[name]
					repository := "public/" + strings.ToLower(strings.NewReplacer("/", "", ".", "", " ", "-").Replace(protocol+name))
					status, _ := s.status(t, "POST", "/v2/"+repository+"/blobs/uploads/", puller, pullerPassword, lines, formBody(lines, parameters))
					if status != http.StatusAccepted {
						t.Errorf("%s, %s: status %d, want an ordinary upload", protocol, name, status)
					}
					if status, _ := s.status(t, "GET", "/v2/"+repository+"/blobs/"+digest([]byte(layer)), puller, pullerPassword, nil, ""); status != http.StatusNotFound {
						t.Errorf("%s, %s: the layer can be read: status %d", protocol, name, status)
					}
				}
			}
		})
	}
}

// TestSEC1RegistryBelowAPrefix: docker-registry can have its endpoints below a prefix.
// With the root configured, the rules hold for them as below /v2/: a layer of a private
// repository is taken over by nobody who may not read it, whether the registry is asked
// in the query or in a form; and who may push and pull does.
func TestSEC1RegistryBelowAPrefix(t *testing.T) {
	t.Parallel()
	const root = "/prefix/v2/"
	for _, r := range registries {
		t.Run(r.name, func(t *testing.T) {
			needs(t, r.program)
			upstream := r.startBelow(t, "/prefix/")
			for protocol, s := range senders(withPrivateBelow(t, upstream, root)) {
				layer := "a layer that is nobody's business, over " + protocol
				pushLayer(t, s, root+"private/app", layer)
				blob := "/blobs/" + digest([]byte(layer))
				if status, _ := s.status(t, "GET", root+"private/app"+blob, pusher, pusherPassword, nil, ""); status != http.StatusOK {
					t.Errorf("%s: a pull by the owner: status %d", protocol, status)
				}
				if status, _ := s.status(t, "GET", root+"private/app"+blob, puller, pullerPassword, nil, ""); status != http.StatusForbidden {
					t.Errorf("%s: a pull by another: status %d, want 403", protocol, status)
				}
				form := formLines["urlencoded"]
				parameters := formBody(form, [][2]string{{"mount", digest([]byte(layer))}, {"from", "private/app"}})
				uploads := root + "public/app/blobs/uploads/"
				if status, _ := s.status(t, "POST", uploads+"?"+parameters, puller, pullerPassword, nil, ""); status != http.StatusAccepted {
					t.Errorf("%s: a mount in the query: status %d, want an ordinary upload", protocol, status)
				}
				if status, _ := s.status(t, "POST", uploads, puller, pullerPassword, form, parameters); status != http.StatusAccepted {
					t.Errorf("%s: a mount in the body: status %d, want an ordinary upload", protocol, status)
				}
				if status, _ := s.status(t, "GET", root+"public/app"+blob, puller, pullerPassword, nil, ""); status != http.StatusNotFound {
					t.Errorf("%s: the layer can be read: status %d", protocol, status)
				}
				if status, _ := s.status(t, "POST", uploads+"?"+parameters, pusher, pusherPassword, nil, ""); status != http.StatusCreated {
					t.Errorf("%s: a mount by the owner: status %d", protocol, status)
				}
			}
		})
	}
}

// formReader is a registry that also reads the parameters of a mount from a form, by
// the functions that distribution reads them with. It counts those that it finds there.
type formReader struct {
	registry http.Handler
	found    atomic.Int64
}

func (f *formReader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reading := r.Clone(r.Context())
	reading.Body = io.NopCloser(bytes.NewReader(body))
	if !r.URL.Query().Has("mount") && reading.FormValue("mount") != "" {
		f.found.Add(1)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	f.registry.ServeHTTP(w, r)
}

// TestSEC1FormsAreNoneForAReader is TestSEC1MountsInABodyReadNothing with the registry of
// go-containerregistry, which keeps one store for all repositories and so shows what it
// was asked for, not what it gave.
func TestSEC1FormsAreNoneForAReader(t *testing.T) {
	t.Parallel()
	reader := &formReader{registry: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
	upstream := httptest.NewServer(reader)
	defer upstream.Close()
	f := withPrivateRepositories(t, upstream.URL)
	parameters := [][2]string{{"mount", digest([]byte("a layer"))}, {"from", "private/app"}}
	const uploads = "/v2/public/app/blobs/uploads/"
	bare := sender{http.DefaultClient, upstream.URL}
	for i, name := range []string{"urlencoded", "multipart", "charset", "first of two"} {
		bare.status(t, "POST", uploads, "", "", formLines[name], formBody(formLines[name], parameters))
		if got := reader.found.Load(); got != int64(i+1) {
			t.Fatalf("%s: the registry itself does not read it, and the test shows nothing", name)
		}
	}
	reader.found.Store(0)
	for protocol, s := range senders(f) {
		for name, lines := range formLines {
			status, _ := s.status(t, "POST", uploads, puller, pullerPassword, lines, formBody(lines, parameters))
			if n := reader.found.Swap(0); status != http.StatusAccepted || n != 0 {
				t.Errorf("%s, %s: status %d, and the registry found %d mounts in forms", protocol, name, status, n)
			}
		}
	}
}

// pushLayer stores a layer in a repository of which the path is given, with the digest in the query.
func pushLayer(t *testing.T, s sender, repository, layer string) {
	t.Helper()
	_, location := s.status(t, "POST", repository+"/blobs/uploads/", pusher, pusherPassword, nil, "")
	if status, _ := s.status(t, "PUT", withDigest(t, location, digest([]byte(layer))), pusher, pusherPassword, [][2]string{{"Content-Type", "application/octet-stream"}}, layer); status != http.StatusCreated {
		t.Fatalf("push to %s: status %d", repository, status)
	}
}

// TestUploadsByCurlGoOn: curl calls a body a form unless it is told otherwise. What a
// registry makes of such an upload does not change for the worse.
func TestUploadsByCurlGoOn(t *testing.T) {
	t.Parallel()
	starts := map[string]func(t *testing.T) string{"go-containerregistry": func(t *testing.T) string {
		server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
		t.Cleanup(server.Close)
		return server.URL
	}}
	for _, r := range registries {
		starts[r.name] = func(t *testing.T) string { needs(t, r.program); return r.start(t) }
	}
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			upstream := start(t)
			f := withPrivateRepositories(t, upstream)
			bare := sender{http.DefaultClient, upstream}
			form := formLines["urlencoded"]
			for protocol, s := range senders(f) {
				layer := "a layer sent by " + protocol
				once := "/v2/public/once/blobs/uploads/?digest=" + digest([]byte(layer))
				want, _ := bare.status(t, "POST", strings.Replace(once, "once", "bare", 1), "", "", form, layer)
				if status, _ := s.status(t, "POST", once, pusher, pusherPassword, form, layer); status != want {
					t.Errorf("%s: one POST: status %d, the registry itself answers %d", protocol, status, want)
				}
				_, location := s.status(t, "POST", "/v2/public/two/blobs/uploads/", pusher, pusherPassword, form, "")
				if status, _ := s.status(t, "PUT", withDigest(t, location, digest([]byte(layer))), pusher, pusherPassword, form, layer); status != http.StatusCreated {
					t.Errorf("%s: POST and PUT: status %d", protocol, status)
				}
				_, location = s.status(t, "POST", "/v2/public/three/blobs/uploads/", pusher, pusherPassword, nil, "")
				status, location := s.status(t, "PATCH", location, pusher, pusherPassword, form, layer)
				if status != http.StatusAccepted && status != http.StatusNoContent {
					t.Errorf("%s: PATCH: status %d", protocol, status)
					continue
				}
				if status, _ := s.status(t, "PUT", withDigest(t, location, digest([]byte(layer))), pusher, pusherPassword, form, ""); status != http.StatusCreated {
					t.Errorf("%s: PUT behind PATCH: status %d", protocol, status)
				}
			}
		})
	}
}
