package main_test

import (
	"bufio"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"gatehouse/internal/testkit"
	"hash"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The tests in this file hold the program to what it takes and bears. They run small;
// the variables below make them as large as the figures that are given for it, which
// they print:
//
//	GATEHOUSE_TEST_IDLE=10000 GATEHOUSE_TEST_SLOW=10000 GATEHOUSE_TEST_UPLOAD_MIB=1024 \
//		go test ./cmd/gatehouse -v -run 'IdleConnections|SlowClients|HundredUploads|UnderAMemoryLimit'
const (
	idleVariable   = "GATEHOUSE_TEST_IDLE"       // idle connections
	slowVariable   = "GATEHOUSE_TEST_SLOW"       // connections of slow clients
	uploadVariable = "GATEHOUSE_TEST_UPLOAD_MIB" // size of each of a hundred uploads, and of a large one
)

// scale returns the number in a variable, else the small one.
func scale(t *testing.T, variable string, small int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return small
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is not a number", variable, text)
	}
	return n
}

// blobs is a registry that takes what it is sent, and says what it was.
func blobs(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		if n, err := io.CopyBuffer(h, struct{ io.Reader }{r.Body}, make([]byte, 64<<10)); err != nil || r.ContentLength >= 0 && n != r.ContentLength {
			return // and nobody takes that for a success: the digest is missing
		}
		w.Header().Set("Docker-Content-Digest", fmt.Sprintf("sha256:%x", h.Sum(nil)))
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// handshake opens a connection over which one request was answered.
func (f front) handshake(config *tls.Config) (net.Conn, error) {
	c, err := tls.Dial("tcp", f.addr, config)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(c, "GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	if err != nil {
		c.Close()
		return nil, err
	}
	io.Copy(io.Discard, resp.Body)
	return c, nil
}

// openMany calls open n times, a few at once, and closes what it returned when the
// test ends.
func openMany(t *testing.T, n int, open func() (net.Conn, error)) {
	t.Helper()
	conns, failed := make(chan net.Conn, n), make(chan error, n)
	var left atomic.Int64
	left.Store(int64(n))
	var opening sync.WaitGroup
	for range 16 {
		opening.Go(func() {
			for left.Add(-1) >= 0 {
				c, err := open()
				if err != nil {
					failed <- err
					return
				}
				conns <- c
			}
		})
	}
	opening.Wait()
	close(conns)
	t.Cleanup(func() {
		for c := range conns {
			c.Close()
		}
	})
	select {
	case err := <-failed:
		t.Fatalf("opening connections: %v", err)
	default:
	}
}

// memory returns the memory that the process has now, in bytes.
func (p *process) memory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	kB, err := strconv.Atoi(string(match[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kB << 10
}

func TestIdleConnectionsTakeLittleMemory(t *testing.T) {
	const maxEach = 30_000 // 300 MB for 10,000
	t.Parallel()
	n := scale(t, idleVariable, 400)
	f := newRecipe(t).gatehouse(t, blobs(t))
	config := &tls.Config{RootCAs: f.certificate.pool, ServerName: "registry.test", ClientSessionCache: nil}
	before := f.memory(t)
	openMany(t, n, func() (net.Conn, error) { return f.handshake(config) })
	after := f.memory(t)
	t.Logf("%d idle TLS connections: %d MB in all, %d bytes each", n, after/1e6, (after-before)/n)
	// A small number of connections leaves garbage that counts for more.
	if limit := max(n*maxEach, 96<<20); after > limit && raceFlag == "-race=false" {
		t.Errorf("%d MB, more than %d", after/1e6, limit/1e6)
	}
}

// TestSlowClientsDoNotDisturbOthers: whoever sends nothing, half a handshake or half a
// head holds up nobody else.
func TestSlowClientsDoNotDisturbOthers(t *testing.T) {
	if os.Getenv(slowVariable) == "" {
		t.Parallel() // no time is measured
	}
	n := scale(t, slowVariable, 400)
	f := newRecipe(t).gatehouse(t, blobs(t))
	baseline := f.slowest(t)
	config := &tls.Config{RootCAs: f.certificate.pool, ServerName: "registry.test"}
	var kind atomic.Int64
	openMany(t, n, func() (net.Conn, error) {
		k := kind.Add(1) % 4
		if k == 0 {
			c, err := tls.Dial("tcp", f.addr, config)
			if err == nil {
				fmt.Fprint(c, "GET /v2/ HTTP/1.1\r\nHost: registry.test\r\nX-Slow: ")
			}
			return c, err
		}
		c, err := net.Dial("tcp", f.addr)
		if err == nil && k == 1 {
			fmt.Fprint(c, "\x16\x03\x01")
		}
		return c, err
	})
	loaded := f.slowest(t)
	t.Logf("p99 of good requests: %v alone, %v beside %d slow clients", baseline, loaded, n)
	// Time is measured where somebody asks for it: on a busy machine it means little.
	limit := patience
	if os.Getenv(slowVariable) != "" {
		limit = max(2*baseline, 20*time.Millisecond)
	}
	if loaded > limit {
		t.Errorf("p99 went from %v to %v", baseline, loaded)
	}
}

// slowest returns the time within which 99 of 100 requests are answered, on new
// connections and on kept ones. None may fail.
func (f front) slowest(t *testing.T) time.Duration {
	t.Helper()
	client := f.certificate.client(f.addr)
	requests := 200
	if os.Getenv(slowVariable) != "" {
		requests = 1000
	}
	var times []time.Duration
	for i := range requests {
		start := time.Now()
		req, err := http.NewRequest("GET", "https://registry.test/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(puller, pullerPassword)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("a good request: %v", err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			t.Fatalf("a good request: %s", resp.Status)
		}
		times = append(times, time.Since(start))
		if i%10 == 9 {
			client.CloseIdleConnections()
		}
	}
	slices.Sort(times)
	return times[len(times)*99/100]
}

// TestSignalLetsAHundredUploadsFinish: every one of them arrives whole.
func TestSignalLetsAHundredUploadsFinish(t *testing.T) {
	t.Parallel()
	const uploads = 100
	size := int64(scale(t, uploadVariable, 1)) << 20
	f := newRecipe(t).gatehouse(t, blobs(t), "--drain", "30m")
	var begun, finished sync.WaitGroup
	proceed := make(chan struct{})
	for i := range uploads {
		client := f.certificate.client(f.addr)
		client.Transport.(*http.Transport).ForceAttemptHTTP2 = i%2 == 0
		begun.Add(1)
		finished.Go(func() {
			body := &heldUpload{left: size, begun: begun.Done, proceed: proceed, hash: sha256.New()}
			req, err := http.NewRequest("PUT", fmt.Sprintf("https://registry.test/v2/app/blobs/uploads/%d", i), body)
			if err != nil {
				t.Error(err)
				return
			}
			req.ContentLength = size
			req.SetBasicAuth(pusher, pusherPassword)
			resp, err := client.Do(req)
			if err != nil {
				t.Errorf("upload %d: %v", i, err)
				return
			}
			resp.Body.Close()
			if got, want := resp.Header.Get("Docker-Content-Digest"), fmt.Sprintf("sha256:%x", body.hash.Sum(nil)); got != want {
				t.Errorf("upload %d: %s: sent %s, the registry has %q", i, resp.Status, want, got)
			}
		})
	}
	begun.Wait()
	start := time.Now()
	f.cmd.Process.Signal(syscall.SIGTERM)
	testkit.Await(t, "new connections are refused", func() bool { return !accepts(f.addr) })
	close(proceed)
	finished.Wait()
	t.Logf("%d uploads of %d MiB finished %v after the signal", uploads, size>>20, time.Since(start).Round(time.Millisecond))
	if code := f.exitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// heldUpload is a body that stops in its middle until it may proceed.
type heldUpload struct {
	left    int64
	sent    int64
	begun   func()
	proceed chan struct{}
	hash    hash.Hash
}

func (u *heldUpload) Read(p []byte) (int, error) {
	if u.left == 0 {
		return 0, io.EOF
	}
	if u.sent > 0 && u.begun != nil {
		u.begun()
		u.begun = nil
		<-u.proceed
	}
	n := int(min(int64(len(p)), u.left))
	for i := range p[:n] {
		p[i] = byte(u.sent>>10) + byte(i)
	}
	u.hash.Write(p[:n])
	u.left, u.sent = u.left-int64(n), u.sent+int64(n)
	return n, nil
}

// TestLayerUnderAMemoryLimit sends a layer through a program that may take a small
// part of it.
func TestLayerUnderAMemoryLimit(t *testing.T) {
	t.Parallel()
	const maxMemory = 96 << 20
	size := int64(scale(t, uploadVariable, 112)) << 20 // more than it may take
	r := newRecipe(t)
	addr, upstream := freeAddr(t), blobs(t)
	cmd := command(t, binary(t), "serve", "--listen", addr, "--cert", r.certificate.certFile, "--key", r.certificate.keyFile,
		"--upstream", upstream, "--users", r.usersFile, "--groups", r.groupsFile)
	cmd.Env = append(cmd.Env, "GOMEMLIMIT=48MiB")
	f := front{start(t, cmd), addr, r.certificate}
	f.listening(t, addr)
	layer := newRandomLayer(size)
	resp := uploader{t, f.certificate.client(addr), "HTTP/2.0"}.send("PUT", "/v2/app/blobs/uploads/1", layer)
	defer resp.Body.Close()
	if got := resp.Header.Get("Docker-Content-Digest"); got != layer.digest() {
		t.Errorf("%s: sent %s, the registry has %q", resp.Status, layer.digest(), got)
	}
	peak := f.peakMemory(t)
	t.Logf("peak memory of the gateway: %d MiB", peak>>20)
	if peak > maxMemory && raceFlag == "-race=false" {
		t.Errorf("the gateway took %d MiB, more than %d", peak>>20, maxMemory>>20)
	}
}

// TestDescriptorsRunOut has more clients than there can be sockets. The program goes
// on saying how it is, does not spin, and serves again when they have gone.
func TestDescriptorsRunOut(t *testing.T) {
	t.Parallel()
	r := newRecipe(t)
	addr, adminAddr := freeAddr(t), freeAddr(t)
	text, err := os.ReadFile("testdata/limits.toml")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(r.dir, "limits.toml")
	values := strings.NewReplacer("@LISTEN@", addr, "@ADMIN@", adminAddr, "@UPSTREAM@", blobs(t)).Replace(string(text))
	writeFile(t, config, []byte(values), 0o644)
	f := front{start(t, command(t, "sh", "-c", `ulimit -n 64 && exec "$0" serve --config "$1"`, binary(t), config)), addr, r.certificate}
	f.listening(t, addr)

	var crowd []net.Conn
	defer func() {
		for _, c := range crowd {
			c.Close()
		}
	}()
	for range 100 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		crowd = append(crowd, c)
	}
	before := cpuTime(t, f.cmd.Process.Pid)
	time.Sleep(time.Second)
	if spent := cpuTime(t, f.cmd.Process.Pid) - before; spent > 500*time.Millisecond {
		t.Errorf("it took %v of processor time in a second of nothing", spent)
	}
	testkit.Await(t, "a connection makes room", func() bool { return f.metric(t, adminAddr, "gatehouse_connections_shed_total") > 0 })
	if resp, _ := f.request(t, "GET", "/v2/", puller, pullerPassword); resp.StatusCode != http.StatusCreated {
		t.Errorf("beside the crowd: %s", resp.Status)
	}
	for _, c := range crowd {
		c.Close()
	}
	testkit.Await(t, "the crowd has gone", func() bool { return f.metric(t, adminAddr, `gatehouse_connections{state="handshake"}`) == 0 })
	if resp, _ := f.request(t, "GET", "/v2/", puller, pullerPassword); resp.StatusCode != http.StatusCreated {
		t.Errorf("after the crowd: %s", resp.Status)
	}
}

// cpuTime returns the processor time that a process has taken.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, behind, _ := strings.Cut(string(stat), ") ") // the name, which may have blanks
	fields := strings.Fields(behind)
	var ticks int // of 10 ms, as Linux shows them to everybody
	for _, text := range fields[11:13] {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// metric returns the value of a sample that the admin listener shows.
func (f front) metric(t *testing.T, addr, name string) float64 {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
