package main_test

import (
	"encoding/base64"
	"fmt"
	"gatehouse/internal/testkit"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// The test in this file attacks the program from connections of one user who may pull and
// push. At its full size it is run with
//
//	GATEHOUSE_TEST_STRANGERS=1000 GATEHOUSE_TEST_SECONDS=60 go test ./cmd/gatehouse -v -run Greedy

// greedyPath is where the upstream has more than anybody takes.
const greedyPath = "/v2/app/blobs/large"

// greedySieges are the kinds of this attack, and after how long a connection is made again
// that was ended.
var greedySieges = map[string]time.Duration{
	"downloads by streams":           5 * time.Second,
	"downloads by connections":       5 * time.Second,
	"uploads by connections":         5 * time.Second,
	"downloads by streams again":     20 * time.Millisecond,
	"downloads by connections again": 20 * time.Millisecond,
}

func greedyLogin() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pusher+":"+pusherPassword))
}

// takeNothing2 asks for a large answer on each of many streams, for which it opens the
// window a little, and takes no byte of them.
func (a attacker) takeNothing2() {
	c, err := a.dial("h2")
	if err != nil {
		return
	}
	defer c.Close()
	io.WriteString(c, http2.ClientPreface)
	framer := http2.NewFramer(c, c)
	framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 10})
	for i := range uint32(strangerStreams) {
		a.requests.Add(1)
		if err := sendFields(framer, 2*i+1, true, ":method", "GET", ":scheme", "https", ":authority", "registry.test",
			":path", greedyPath, "authorization", greedyLogin()); err != nil {
			return
		}
	}
	a.readFrames(framer)
}

// readFrames reads what comes, without opening any window for it, until the end.
func (a attacker) readFrames(framer *http2.Framer) {
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return
		}
		if f.Header().Type == http2.FrameHeaders {
			a.answers.Add(1)
		}
	}
}

// takeNothing1 asks for a large answer and takes no byte of it.
func (a attacker) takeNothing1() {
	if c := a.say1("GET "+greedyPath, ""); c != nil {
		defer c.Close()
		time.Sleep(time.Until(a.End)) // it does not look whether it was cut off
	}
}

// sendNothing1 announces a body that never comes.
func (a attacker) sendNothing1() {
	if c := a.say1("PUT /v2/app/blobs/uploads/1", "Content-Length: 1000000\r\n"); c != nil {
		defer c.Close()
		io.Copy(io.Discard, c)
	}
}

// say1 sends the head of a request over HTTP/1.1. It returns nil if it cannot connect.
func (a attacker) say1(line, fields string) net.Conn {
	c, err := a.dial("http/1.1")
	if err != nil {
		return nil
	}
	a.head1(c, line, fields)
	return c
}

func (a attacker) head1(c net.Conn, line, fields string) {
	a.requests.Add(1)
	fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: registry.test\r\nAuthorization: %s\r\n%s\r\n", line, greedyLogin(), fields)
}

// plentiful is a registry whose blob is larger than any buffer on the way.
func plentiful(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != greedyPath {
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
			return
		}
		piece := make([]byte, 64<<10)
		for range 1 << 10 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// pulls sends requests of another user until the end, at least one on each kind of
// connection, and returns how long they took, the shortest first.
func (f front) pulls(t *testing.T, end time.Time) []time.Duration {
	t.Helper()
	kept := f.certificate.client(f.addr)
	defer kept.CloseIdleConnections()
	var times []time.Duration
	for {
		times = append(times, f.pull(t, nil), f.pull(t, kept))
		if time.Now().After(end) {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	slices.Sort(times)
	return times
}

func percentile99(sorted []time.Duration) time.Duration { return sorted[len(sorted)*99/100] }

// TestSEC3GreedyUserDisturbsNobody: one user who may do everything takes as many
// connections and streams as there are, and uses none. Requests of others are all
// answered, and the configuration can be loaded again.
func TestSEC3GreedyUserDisturbsNobody(t *testing.T) {
	const few = 40
	connections, seconds := scale(t, strangersVariable, few), time.Duration(scale(t, secondsVariable, 1))*time.Second
	for _, files := range []int{1024, 16384} {
		for kind, pause := range greedySieges {
			t.Run(fmt.Sprintf("%d descriptors, %s", files, kind), func(t *testing.T) {
				if connections == few {
					t.Parallel() // nothing is measured
				}
				r := newRecipe(t)
				addr := freeAddr(t)
				f := front{start(t, command(t, "sh", "-c", `ulimit -n "$0" && exec "$@"`, fmt.Sprint(files), binary(t), "serve", "--listen", addr,
					"--cert", r.certificate.certFile, "--key", r.certificate.keyFile, "--upstream", plentiful(t),
					"--users", r.usersFile, "--groups", r.groupsFile)), addr, r.certificate}
				f.listening(t, addr)
				before := f.pulls(t, time.Now().Add(seconds))

				g := siege{Kind: kind, Addr: addr, CertFile: r.certificate.certFile, Connections: connections, End: time.Now().Add(2 * seconds), Pause: pause}
				result := g.start(t)
				time.Sleep(seconds) // until all have connected
				f.cmd.Process.Signal(syscall.SIGHUP)
				beside := f.pulls(t, g.End)
				testkit.Await(t, "the configuration is loaded again", func() bool { return strings.Contains(f.output.String(), "cause=SIGHUP") })
				attack := result()
				f.cmd.Process.Kill() // it would wait for the attacker's requests
				t.Logf("%d connections for %v: %s; %d pulls of another user before, %d beside it: p99 %v and %v",
					connections, seconds, attack, len(before), len(beside), percentile99(before), percentile99(beside))
			})
		}
	}
}
