package main_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"gatehouse/internal/testkit"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// reloadsVariable names the environment variable that holds how many reloads
// TestReloadsUnderLoad makes, where the few of an ordinary run are not enough. With
// it the layer that is pushed meanwhile has its full size, there are 2,000 requests a
// second, and the figures count:
//
//	GATEHOUSE_TEST_RELOADS=1000 go test -v -run TestReloadsUnderLoad ./cmd/gatehouse
const reloadsVariable = "GATEHOUSE_TEST_RELOADS"

// sideConfig is a configuration in which all that a request meets has a SIDE in it.
const sideConfig = `
listen = ["LISTEN"]
access_log = "off"

[tls]
cert_file = "cert.pem"
key_file = "key.pem"

[[backend]]
name = "users-SIDE"
type = "htpasswd"
users_file = "users-SIDE"
groups_file = "groups-SIDE"

[[route]]
path = "/v2/"
upstream = "UPSTREAM"
backend = "users-SIDE"
realm = "realm-SIDE"
user_header = "X-User-SIDE"
groups_header = "X-Groups-SIDE"

  [[route.rule]]
  name = "rule-SIDE"
  methods = ["GET", "PUT"]
  require = ["group pull-SIDE"]

  [[route.rule]]
  name = "rest-SIDE"
  require = ["group nobody-SIDE"]
`

// newSideUpstream answers with what it was told of the user, and with the digest of
// what it was sent.
func newSideUpstream(t *testing.T, side string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		if _, err := io.Copy(h, r.Body); err != nil {
			return
		}
		fmt.Fprintf(w, "upstream-%s %s %s sha256:%x", side, r.Header.Get("X-User-"+side), r.Header.Get("X-Groups-"+side), h.Sum(nil))
	}))
	t.Cleanup(server.Close)
	return server
}

// TestReloadsUnderLoad lets two configurations that differ in everything follow each
// other under load. Each request gets its answer, and each answer
// is wholly of one side; a push that began before ends after, and is complete; and
// the program needs as much in the end as before.
func TestReloadsUnderLoad(t *testing.T) {
	t.Parallel()
	reloads, rate, size := 20, 500, int64(16<<20)
	if text := os.Getenv(reloadsVariable); text != "" {
		var err error
		if reloads, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", reloadsVariable, err)
		}
		rate, size = 2000, 1<<30
	}
	s := newSides(t)
	s.reload(t, "b")
	s.reload(t, "a")
	descriptors, memory := s.usage(t)
	l := s.startTraffic(t, rate)
	push := s.startPush(t, size)
	var took []time.Duration
	for n := range reloads {
		took = append(took, s.reload(t, []string{"b", "a"}[n%2]))
	}
	push.finish()
	l.stop()
	if err := <-push.outcome; err != nil {
		t.Errorf("the push that ran all the time: %v", err)
	}
	slices.Sort(took)
	t.Logf("%d reloads, half of them within %v, all within %v; %d requests, %.0f a second, of side a %d and of side b %d; failed %d, mixed %d",
		reloads, took[len(took)/2], took[len(took)-1], l.total(), float64(l.total())/l.lasted.Seconds(),
		l.seen["a"].Load(), l.seen["b"].Load(), l.failed.Load(), l.mixed.Load())
	if l.seen["a"].Load() == 0 || l.seen["b"].Load() == 0 {
		t.Error("one side has not been seen at all")
	}
	testkit.Await(t, "no more descriptors are open than before", func() bool {
		now, _ := s.usage(t)
		return now <= descriptors+2
	})
	_, now := s.usage(t)
	t.Logf("descriptors %d before, memory %d MiB before and %d MiB after", descriptors, memory>>20, now>>20)
	if now > memory+96<<20 {
		t.Errorf("the program has grown from %d to %d MiB", memory>>20, now>>20)
	}
}

// sides is a gateway that is changed between two configurations.
type sides struct {
	front
	configs map[string][]byte
	file    string
	done    int // reloads
}

func newSides(t *testing.T) *sides {
	t.Helper()
	dir := publicDir(t)
	s := &sides{configs: map[string][]byte{}, file: filepath.Join(dir, "config.toml")}
	s.certificate, s.addr = newCertificate(t, dir), freeAddr(t)
	for _, side := range []string{"a", "b"} {
		writeFile(t, filepath.Join(dir, "users-"+side), []byte(htpasswdLine(t, puller, pullerPassword)), 0o640)
		writeFile(t, filepath.Join(dir, "groups-"+side), []byte("pull-"+side+": "+puller+"\n"), 0o640)
		s.configs[side] = []byte(strings.NewReplacer("SIDE", side, "LISTEN", s.addr, "UPSTREAM", newSideUpstream(t, side).URL,
			"cert.pem", s.certificate.certFile, "key.pem", s.certificate.keyFile).Replace(sideConfig))
	}
	writeFile(t, s.file, s.configs["a"], 0o640)
	s.process = start(t, command(t, binary(t), "serve", "--config", s.file))
	s.listening(t, s.addr)
	return s
}

// reload changes to a side and returns how long that took.
func (s *sides) reload(t *testing.T, side string) time.Duration {
	t.Helper()
	begin := time.Now()
	writeFile(t, s.file, s.configs[side], 0o640)
	s.cmd.Process.Signal(syscall.SIGHUP)
	s.done++
	for end := begin.Add(patience); strings.Count(s.output.String(), "configuration reloaded") < s.done; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("reload %d has not come about", s.done)
		}
	}
	took := time.Since(begin)
	// A change that was seen in the folder while the signal was on its way is one more.
	s.done = strings.Count(s.output.String(), "configuration reloaded")
	return took
}

// usage returns how many descriptors the program has open and how much memory it has.
func (s *sides) usage(t *testing.T) (descriptors, memory int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/", s.cmd.Process.Pid)
	entries, err := os.ReadDir(dir + "fd")
	if err != nil {
		t.Fatal(err)
	}
	statm, err := os.ReadFile(dir + "statm")
	if err != nil {
		t.Fatal(err)
	}
	var total, resident int
	if _, err := fmt.Sscan(string(statm), &total, &resident); err != nil {
		t.Fatal(err)
	}
	return len(entries), resident * os.Getpagesize()
}

// traffic is requests and what came of them.
type traffic struct {
	seen          map[string]*atomic.Int64 // answers by side
	failed, mixed atomic.Int64
	lasted        time.Duration
	stop          func()
}

func (l *traffic) total() int64 { return l.seen["a"].Load() + l.seen["b"].Load() }

// startTraffic sends some requests a second, as far as the machine can, from clients of
// both protocols that keep their connections.
func (s *sides) startTraffic(t *testing.T, rate int) *traffic {
	t.Helper()
	const clients = 32
	l := &traffic{seen: map[string]*atomic.Int64{"a": new(atomic.Int64), "b": new(atomic.Int64)}}
	ctx, end := context.WithCancel(context.Background())
	var working sync.WaitGroup
	begin := time.Now()
	for n := range clients {
		client := s.certificate.client(s.addr)
		client.Transport.(*http.Transport).ForceAttemptHTTP2 = n%2 == 0
		working.Go(func() {
			defer client.CloseIdleConnections()
			for next := begin; ctx.Err() == nil; next = next.Add(clients * time.Second / time.Duration(rate)) {
				time.Sleep(time.Until(next))
				l.ask(t, client)
			}
		})
	}
	l.stop = func() {
		end()
		working.Wait()
		l.lasted = time.Since(begin)
	}
	return l
}

// ask sends a request that is allowed, one that a rule denies and one that needs
// another password, in turn, and judges the answer.
func (l *traffic) ask(t *testing.T, client *http.Client) {
	kind := l.total() % 3
	method := []string{"GET", "DELETE", "GET"}[kind]
	req, err := http.NewRequest(method, "https://registry.test/v2/app/manifests/1", nil)
	if err != nil {
		t.Error(err)
		return
	}
	req.SetBasicAuth(puller, []string{pullerPassword, pullerPassword, "wrong"}[kind])
	resp, err := client.Do(req)
	if err != nil {
		l.failed.Add(1)
		t.Errorf("request: %v", err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if want := []int{200, 403, 401}[kind]; err != nil || resp.StatusCode != want {
		l.failed.Add(1)
		t.Errorf("%s: status %d, want %d: %s, %v", method, resp.StatusCode, want, body, err)
	}
	l.judge(t, resp.Header.Get("Www-Authenticate")+" "+string(body))
}

// judge counts an answer for the side that all of it is of.
func (l *traffic) judge(t *testing.T, answer string) {
	a := strings.Contains(answer, "-a")
	switch b := strings.Contains(answer, "-b"); {
	case a == b:
		l.mixed.Add(1)
		t.Errorf("an answer is of both sides or of none: %q", answer)
	case a:
		l.seen["a"].Add(1)
	default:
		l.seen["b"].Add(1)
	}
}

// slowPush is a push of which the second half is sent after finish.
type slowPush struct {
	finish  func()
	outcome chan error
}

func (s *sides) startPush(t *testing.T, size int64) slowPush {
	t.Helper()
	layer := newRandomLayer(size)
	body, in := io.Pipe()
	on := make(chan struct{})
	p := slowPush{finish: sync.OnceFunc(func() { close(on) }), outcome: make(chan error, 1)}
	t.Cleanup(p.finish)
	begun := make(chan struct{})
	go func() {
		_, err := io.CopyN(in, layer, size/2)
		close(begun)
		<-on
		if err == nil {
			_, err = io.Copy(in, layer)
		}
		in.CloseWithError(err)
	}()
	req, err := http.NewRequest("PUT", "https://registry.test/v2/app/blobs/uploads/1", body)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(puller, pullerPassword)
	client := s.certificate.client(s.addr)
	go func() {
		defer client.CloseIdleConnections()
		p.outcome <- pushed(client, req, layer)
	}()
	<-begun
	return p
}

// pushed carries out a push and checks that all of it has arrived.
func pushed(client *http.Client, req *http.Request, layer *randomLayer) error {
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !strings.HasSuffix(string(body), layer.digest()) {
		return fmt.Errorf("status %d, %s; sent %s", resp.StatusCode, body, layer.digest())
	}
	return nil
}
