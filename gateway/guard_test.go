package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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

func (s *stream) SetReadDeadline(time.Time) error { return nil }
func (s *stream) Close() error                    { return nil }

// FuzzGuard checks that what passes a guard has one reading: the one that net/http
// has, too, and the same in whatever pieces it comes.
func FuzzGuard(f *testing.F) {
	for _, seed := range []string{
		"GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"PUT /v2/x?a=b HTTP/1.1\r\nHost: a:80\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.0\r\nHost: b\r\n\r\n",
		"PATCH /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\nHost: A\r\nTransfer-Encoding:\tchunked \r\nTrailer: x\r\n\r\n0\r\n\r\n",
		"GET /%41 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\n\n",
	} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		whole := readGuarded(t, data, len(data)+1)
		if pieces := readGuarded(t, data, max(1, piece&7)); pieces != whole {
			t.Errorf("in pieces it reads %q, in one %q", pieces, whole)
		}
	})
}

// readGuarded reads requests from a guard as net/http does, until there are no
// more, and returns what it read.
func readGuarded(t *testing.T, data []byte, piece int) string {
	t.Helper()
	g := newGuard(&stream{left: bytes.Clone(data), piece: piece}, time.Second)
	br := bufio.NewReader(g)
	var read strings.Builder
	rest := data
	for {
		if _, err := br.Peek(1); err != nil {
			return read.String()
		}
		r, err := http.ReadRequest(br)
		if err != nil {
			t.Fatalf("net/http does not read what a guard let pass: %v: %q", err, rest)
		}
		if r.Method == refusedMethod {
			return read.String() + "refused"
		}
		n, _ := headEnd(rest, 0)
		checkReading(t, rest[:n], r)
		body, err := io.ReadAll(r.Body)
		read.WriteString(r.Method + r.RequestURI + r.Host)
		if err != nil {
			return read.String() + "broken"
		}
		read.Write(body)
		rest = afterBody(t, rest[n:], r)
	}
}

// checkReading compares what net/http has read with the head itself.
func checkReading(t *testing.T, head []byte, r *http.Request) {
	t.Helper()
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	if want := r.Method + " " + r.RequestURI + " " + r.Proto; string(line) != want {
		t.Errorf("net/http reads %q, the head is %q", want, line)
	}
	if hosts := bytes.Count(bytes.ToLower(head), []byte("\r\nhost:")); hosts != 1 || r.Host == "" {
		t.Errorf("host %q of %q", r.Host, head)
	}
}

// afterBody returns what is behind the body of r in data, as r says where it ends.
func afterBody(t *testing.T, data []byte, r *http.Request) []byte {
	t.Helper()
	if r.ContentLength >= 0 {
		return data[r.ContentLength:]
	}
	n, done, err := new(chunkScanner).scan(data)
	if !done || err != nil {
		t.Fatalf("net/http reads a body to its end that is not complete: %q", data)
	}
	return data[n:]
}

// A client that sends its head byte by byte holds a connection for no longer than
// one that sends it at once.
func TestGuardWaitsForAHeadAsAWholeNotForEachByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		g := newGuard(server, 10*time.Second)
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
		_, err := g.Read(make([]byte, 100))
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

// net/http interrupts a read when a handler has returned. What had come by then
// counts, and the rest is waited for.
func TestGuardGoesOnWhereAReadWasInterrupted(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	g := newGuard(server, time.Minute)
	const request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	got := make(chan string)
	go func() {
		p := make([]byte, 100)
		n, err := g.Read(p)
		for err != nil && n == 0 {
			server.SetReadDeadline(time.Time{})
			n, err = g.Read(p)
		}
		got <- string(p[:n])
	}()
	client.Write([]byte(request[:10]))
	server.SetReadDeadline(time.Now().Add(-time.Second))
	client.Write([]byte(request[10:]))
	if got := <-got; got != request {
		t.Errorf("read %q", got)
	}
}

func TestGuardHandsOnNothingOfARefusedHead(t *testing.T) {
	g := newGuard(&stream{left: []byte("GET /secret HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), piece: 1000}, time.Second)
	got, err := io.ReadAll(g)
	if string(got) != refusedHead || !errors.Is(err, errRefused) {
		t.Errorf("read %q, %v", got, err)
	}
	if g.refused == nil || g.refused.status != 400 || g.line != "GET /secret HTTP/1.1" {
		t.Errorf("refused %+v in line %q", g.refused, g.line)
	}
}

func TestFinishedGuardReadsNoMore(t *testing.T) {
	g := newGuard(&stream{left: []byte("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), piece: 1000}, time.Second)
	p := make([]byte, 1000)
	n, _ := g.Read(p)
	if !strings.HasSuffix(string(p[:n]), "\r\n\r\n") {
		t.Errorf("read %q", p[:n])
	}
	g.finish()
	if n, err := g.Read(p); n != 0 || !errors.Is(err, errRefused) {
		t.Errorf("read %q, %v", p[:n], err)
	}
}
