package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/gateway/upstream"
)

// stream is a connection that delivers bytes in pieces, and then its end.
type stream struct {
	net.Conn
	left  []byte
	piece int
}

func (s *stream) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.piece)], s.left)
	s.left = s.left[n:]
	return n, nil
}

func (s *stream) Write(p []byte) (int, error)     { return len(p), nil }
func (s *stream) SetReadDeadline(time.Time) error { return nil }
func (s *stream) Close() error                    { return nil }
func (s *stream) RemoteAddr() net.Addr            { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func newTestHTTP1Conn(c net.Conn) *http1Conn {
	all, err := newRouter([]Route{{Path: "/"}})
	if err != nil {
		panic(err)
	}
	s := &site{
		slots: upstream.NewSlots(), door: door{router: all, maxFields: testLimits().HeadFields}, limits: testLimits(),
		timeouts: Timeouts{Header: 10 * time.Second, Idle: time.Minute, BodyIdle: time.Minute},
	}
	return newHTTP1Conn(newHTTP1Server(newSites(s), nil), c)
}

// FuzzHTTP1 checks that a request which is let pass has one reading: the one that
// net/http has, too, and the same in whatever pieces it comes.
func FuzzHTTP1(f *testing.F) {
	for _, seed := range []string{
		"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"PUT /v2/x?a=b HTTP/1.1\r\nHost: a:80\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.0\r\nHost: b\r\n\r\n",
		"PATCH /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: A\r\nTransfer-Encoding:\tchunked \r\nTrailer: x\r\n\r\n0\r\n\r\n",
		"GET /%41 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\n\n",
		"GET /secret HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		whole := readRequests(t, data, len(data)+1)
		if pieces := readRequests(t, data, max(1, piece&7)); pieces != whole {
			t.Errorf("in pieces it reads %q, in one %q", pieces, whole)
		}
	})
}

// readRequests reads requests until there are no more, compares each with what
// net/http reads in its place, and returns what it read.
func readRequests(t *testing.T, data []byte, piece int) string {
	t.Helper()
	c := newTestHTTP1Conn(&stream{left: bytes.Clone(data), piece: piece})
	defer c.cancel()
	other := bufio.NewReader(bytes.NewReader(data))
	var read strings.Builder
	for {
		head, err := c.receiveHead()
		var refusal *problem
		if err != nil && !errors.As(err, &refusal) {
			return read.String()
		}
		r, p := c.begin(head, refusal)
		if p == nil {
			d, e := c.server.sites.current().door, &entry{}
			if p = d.read(r, e); p == nil {
				p = d.locate(r, c.info, e)
			}
		}
		if p != nil {
			return read.String() + "refused"
		}
		want, err := http.ReadRequest(other)
		if err != nil {
			t.Fatalf("net/http does not read %q: %v", head, err)
		}
		read.WriteString(r.Method + r.RequestURI + r.Host)
		if r.Method != want.Method || r.RequestURI != want.RequestURI || !strings.EqualFold(r.Host, want.Host) || r.ContentLength != want.ContentLength {
			t.Errorf("read as %s %s at %s with %d bytes, by net/http as %s %s at %s with %d bytes",
				r.Method, r.RequestURI, r.Host, r.ContentLength, want.Method, want.RequestURI, want.Host, want.ContentLength)
		}
		if r.Body == nil {
			continue
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return read.String() + "broken"
		}
		read.Write(body)
		wantBody, err := io.ReadAll(want.Body)
		if err != nil && len(data) < 16<<10 || err == nil && !bytes.Equal(body, wantBody) {
			t.Errorf("body %q, by net/http %q, %v", body, wantBody, err)
		}
		if err != nil {
			return read.String()
		}
	}
}

// A client that sends its head byte by byte holds a connection for no longer than
// one that sends it at once.
func TestHeadIsAwaitedAsAWholeNotForEachByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		c := newTestHTTP1Conn(server)
		defer c.cancel()
		start, done := time.Now(), make(chan struct{})
		go func() {
			defer close(done)
			for {
				if _, err := client.Write([]byte("G")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		_, err := c.receiveHead()
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("error %v, want a timeout", err)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("gave up after %v", took)
		}
		server.Close()
		<-done
	})
}

// startRequest receives a request without a body on a new connection.
func startRequest(t *testing.T) (client net.Conn, c *http1Conn) {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close() })
	c = newTestHTTP1Conn(server)
	t.Cleanup(c.cancel)
	go client.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	head, err := c.receiveHead()
	if err != nil {
		t.Fatal(err)
	}
	if _, p := c.begin(head, nil); p != nil {
		t.Fatal(p)
	}
	return client, c
}

func TestContextIsDoneWhenTheClientHangsUp(t *testing.T) {
	client, c := startRequest(t)
	done := make(chan struct{})
	context.AfterFunc(c.ctx, func() { close(done) })
	client.Close()
	<-done
	c.ctx.unwatch()
}

// What comes while the connection is watched is the next request.
func TestWatchedConnectionLosesNoByte(t *testing.T) {
	client, c := startRequest(t)
	stop := context.AfterFunc(c.ctx, func() { t.Error("the context is done") })
	const next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
	client.Write([]byte(next[:10]))
	c.ctx.unwatch()
	if !stop() {
		t.Error("the context was done")
	}
	go client.Write([]byte(next[10:]))
	if head, err := c.receiveHead(); string(head) != next || err != nil {
		t.Errorf("received %q, %v", head, err)
	}
}

// An interrupted watcher must not take an old deadline for the next request.
func TestUnwatchedConnectionWaitsForTheNextRequest(t *testing.T) {
	client, c := startRequest(t)
	<-func() chan struct{} { // watched, and nothing comes
		ready := make(chan struct{})
		go func() { c.ctx.Done(); close(ready) }()
		return ready
	}()
	c.ctx.unwatch()
	const next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
	go client.Write([]byte(next))
	if head, err := c.receiveHead(); string(head) != next || err != nil {
		t.Errorf("received %q, %v", head, err)
	}
}

// A body that the end of the connection alone ends must not end in order when it is
// cut: for HTTP/1.0 there is no other way to tell.
func TestCutBodyDoesNotEndInOrder(t *testing.T) {
	up := newUpstreamScript(t, func(c net.Conn, _ *http.Request) bool {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
		return false
	})
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	w := tg.dial(t)
	w.send(t, "GET /v2/x HTTP/1.0\r\nHost: localhost\r\nAuthorization: "+basic("pull")+"\r\n\r\n")
	if got, err := io.ReadAll(w); err == nil {
		t.Errorf("%q ended in order", got)
	}
}
