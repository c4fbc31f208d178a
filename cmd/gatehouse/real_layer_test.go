package main_test

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// TestLayerOfOneGiB sends a layer of random bytes through the gateway and
// fetches it again, over HTTP/1.1 as docker does (in chunks, of no announced
// length) and over HTTP/2. What comes back is what was sent, and the gateway
// never held more than a small part of it.
func TestLayerOfOneGiB(t *testing.T) {
	const (
		size      = 1 << 30
		maxMemory = 64 << 20
	)
	for i, registry := range registries {
		protocol := []string{"HTTP/1.1", "HTTP/2.0"}[i]
		t.Run(registry.name+" over "+protocol, func(t *testing.T) {
			needs(t, registry.program)
			f := newRecipe(t).gatehouse(t, registry.start(t))
			u := uploader{t, f.certificate.client(f.addr), protocol}
			u.client.Transport.(*http.Transport).ForceAttemptHTTP2 = protocol == "HTTP/2.0"
			layer := newRandomLayer(size)

			location := u.do("POST", "/v2/team/big/blobs/uploads/", nil, http.StatusAccepted)
			location = u.do("PATCH", location, layer, http.StatusAccepted)
			u.do("PUT", withDigest(t, location, layer.digest()), nil, http.StatusCreated)

			if got := u.fetch("/v2/team/big/blobs/" + layer.digest()); got != layer.digest() {
				t.Errorf("sent %s, got %s", layer.digest(), got)
			}
			peak := f.peakMemory(t)
			t.Logf("peak memory of the gateway: %d MiB", peak>>20)
			if peak > maxMemory {
				t.Errorf("the gateway took %d MiB, more than %d", peak>>20, maxMemory>>20)
			}
		})
	}
}

// An uploader is a registry client that shows what is on the wire.
type uploader struct {
	t        *testing.T
	client   *http.Client
	protocol string
}

// do sends a request as the pusher and returns the Location of its answer.
func (u uploader) do(method, location string, body io.Reader, want int) string {
	u.t.Helper()
	resp := u.send(method, location, body)
	defer resp.Body.Close()
	if resp.StatusCode != want || resp.Proto != u.protocol {
		text, _ := io.ReadAll(resp.Body)
		u.t.Fatalf("%s %s: %s %s\n%s", method, location, resp.Proto, resp.Status, text)
	}
	return resp.Header.Get("Location")
}

// fetch downloads a blob and returns its digest.
func (u uploader) fetch(path string) string {
	u.t.Helper()
	resp := u.send("GET", path, nil)
	defer resp.Body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, resp.Body); err != nil {
		u.t.Fatalf("GET %s: %v", path, err)
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil))
}

func (u uploader) send(method, location string, body io.Reader) *http.Response {
	u.t.Helper()
	base := &url.URL{Scheme: "https", Host: "registry.test"}
	target, err := base.Parse(location)
	if err != nil {
		u.t.Fatal(err)
	}
	req, err := http.NewRequest(method, target.String(), body)
	if err != nil {
		u.t.Fatal(err)
	}
	req.SetBasicAuth(pusher, pusherPassword)
	resp, err := u.client.Do(req)
	if err != nil {
		u.t.Fatal(err)
	}
	return resp
}

// withDigest adds the parameter that ends an upload to its address.
func withDigest(t *testing.T, location, digest string) string {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("digest", digest)
	u.RawQuery = q.Encode()
	return u.String()
}

// randomLayer yields random bytes and knows the digest of what it yielded.
type randomLayer struct {
	io.Reader
	hash hash.Hash
}

func newRandomLayer(size int64) *randomLayer {
	h := sha256.New()
	random := rand.NewChaCha8([32]byte{})
	return &randomLayer{io.TeeReader(io.LimitReader(random, size), h), h}
}

func (l *randomLayer) digest() string {
	return fmt.Sprintf("sha256:%x", l.hash.Sum(nil))
}

// peakMemory returns the most memory that the process ever had, in bytes.
func (p *process) peakMemory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if match == nil {
		t.Fatalf("no VmHWM in %s", status)
	}
	kB, err := strconv.Atoi(string(match[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kB << 10
}
