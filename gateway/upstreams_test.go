package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// The upstreams that tests put behind a gateway.

// listen opens an upstream that does with each connection what serve says.
func listen(t *testing.T, serve func(net.Conn)) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l
}

// capture is an upstream that keeps every byte it gets. It answers each request
// with the next of its answers, and the last of them again and again.
type capture struct {
	net.Listener
	answers []string

	mu       sync.Mutex
	bytes    bytes.Buffer
	requests []*http.Request
	bodies   []string // complete ones
	broken   int      // requests whose body broke off
	conns    int
}

const hello = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"

func newCapture(t *testing.T, answers ...string) *capture {
	t.Helper()
	if len(answers) == 0 {
		answers = []string{hello}
	}
	u := &capture{answers: answers}
	u.Listener = listen(t, u.serve)
	return u
}

func (u *capture) url() string { return "http://" + u.Addr().String() }

func (u *capture) serve(c net.Conn) {
	u.mu.Lock()
	u.conns++
	u.mu.Unlock()
	br := bufio.NewReader(io.TeeReader(c, (*captured)(u)))
	for {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		answer := u.began(r)
		body, err := io.ReadAll(r.Body)
		u.finished(string(body), err)
		if err != nil {
			return
		}
		io.WriteString(c, answer)
		if strings.Contains(answer, "Connection: close\r\n") || strings.HasPrefix(answer, "HTTP/1.0") {
			return
		}
	}
}

func (u *capture) began(r *http.Request) (answer string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	answer = u.answers[min(len(u.requests), len(u.answers)-1)]
	u.requests = append(u.requests, r)
	return answer
}

func (u *capture) finished(body string, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil {
		u.broken++
		return
	}
	u.bodies = append(u.bodies, body)
}

// captured is the writer behind capture.bytes.
type captured capture

func (u *captured) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.bytes.Write(p)
}

// text returns all that has arrived.
func (u *capture) text() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.bytes.String()
}

// counts returns how many requests have begun, have come completely and have
// broken off.
func (u *capture) counts() (begun, complete, broken int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.requests), len(u.bodies), u.broken
}

func (u *capture) last(t *testing.T) *http.Request {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.requests) == 0 {
		t.Fatal("nothing reached the upstream")
	}
	return u.requests[len(u.requests)-1]
}

// upstreamLog is an upstream which remembers what it was asked.
type upstreamLog struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
}

// newUpstreamLog answers with handler, or with 200 and "hello" if there is none.
func newUpstreamLog(t *testing.T, handler http.HandlerFunc) *upstreamLog {
	t.Helper()
	u := &upstreamLog{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.seen = append(u.seen, r.Clone(context.Background()))
		u.mu.Unlock()
		if handler != nil {
			handler(w, r)
			return
		}
		io.WriteString(w, "hello")
	}))
	t.Cleanup(u.Close)
	return u
}

func (u *upstreamLog) requests() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.seen)
}

// script is an upstream that is a function.
type script struct {
	net.Listener
	accepted atomic.Int64
	open     atomic.Int64
}

// newUpstreamScript calls serve for each request, whose body it has not read, until
// it returns false. With a TLS configuration it speaks that.
func newUpstreamScript(t *testing.T, serve func(c net.Conn, r *http.Request) bool, secure ...*tls.Config) *script {
	t.Helper()
	s := &script{}
	s.Listener = listen(t, func(c net.Conn) {
		s.accepted.Add(1)
		s.open.Add(1)
		defer s.open.Add(-1)
		for _, cfg := range secure {
			c = tls.Server(c, cfg)
			defer c.Close()
		}
		br := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(br)
			if err != nil || !serve(c, r) {
				return
			}
		}
	})
	return s
}

func (s *script) url() string { return "http://" + s.Addr().String() }

// stale is an upstream that answers one request, waits for the next on the same
// connection, and then breaks the connection instead of answering. It does answer
// on further connections.
type stale struct {
	net.Listener
	mu   sync.Mutex
	used bool // a connection has come
	seen int  // requests but the first
}

func newStale(t *testing.T) *stale {
	t.Helper()
	s := &stale{}
	s.Listener = listen(t, s.serve)
	return s
}

func (s *stale) url() string { return "http://" + s.Addr().String() }

func (s *stale) attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func (s *stale) serve(c net.Conn) {
	s.mu.Lock()
	first := !s.used
	s.used = true
	s.mu.Unlock()
	br := bufio.NewReader(c)
	if first {
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		io.WriteString(c, hello)
	}
	r, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.seen++
	s.mu.Unlock()
	if first {
		return
	}
	if r.Method == "HEAD" {
		io.WriteString(c, strings.TrimSuffix(hello, "hello"))
		return
	}
	io.WriteString(c, hello)
}
