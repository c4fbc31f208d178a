package gateway

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// readAnswer reads an answer to a request of that method out of data.
func readAnswer(method string, data []byte) (*answer, error) {
	c := newUpstreamConn(&stream{left: data, piece: 1000}, nil)
	a := &answer{upstream: &upstream{}, conn: c, method: method, release: func() bool { return true }}
	return a, a.readHead()
}

// FuzzAnswerHead checks that an answer which is taken has one reading: the one that
// net/http has of it.
func FuzzAnswerHead(f *testing.F) {
	for _, seed := range []string{
		hello, "HTTP/1.0 200\r\n\r\nbody", "HTTP/1.1 100 Continue\r\n\r\n" + hello, "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n",
		okHead + "Transfer-Encoding: chunked\r\nTrailer: A\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
		okHead + "Transfer-Encoding: chunked\r\nTrailer: A\r\n\r\n5\r\nhello\r\n0\r\nA:\x0eb\r\n\r\n", okHead + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		okHead + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", okHead + " A: b\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nEtag: x\r\nEtag: y\r\n\r\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, isHEAD bool) {
		method := "GET"
		if isHEAD {
			method = "HEAD"
		}
		a, err := readAnswer(method, data)
		if err != nil {
			return
		}
		got, gotErr := io.ReadAll(a)
		resp, err := readFinalResponse(data, method)
		if err != nil {
			t.Fatalf("%q was taken, and net/http does not read it: %v", data, err)
		}
		want, wantErr := io.ReadAll(resp.Body)
		if a.status != resp.StatusCode || !bytes.Equal(got, want) && wantErr == nil || gotErr == nil && wantErr != nil && a.delimited() {
			t.Errorf("%q: read %d %q %v, net/http %d %q %v", data, a.status, got, gotErr, resp.StatusCode, want, wantErr)
		}
		for name, values := range a.header {
			for _, v := range values {
				if strings.ContainsAny(name+v, "\r\n\x00") {
					t.Errorf("%q: field %q: %q", data, name, v)
				}
			}
		}
	})
}

// readFinalResponse reads an answer past informational ones.
func readFinalResponse(data []byte, method string) (*http.Response, error) {
	br := bufio.NewReader(bytes.NewReader(data))
	for {
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil || resp.StatusCode >= 200 {
			return resp, err
		}
	}
}

// pair returns both ends of a TCP connection.
func pair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestConnectionWithSomethingToSayIsNotQuiet(t *testing.T) {
	for name, act := range map[string]func(net.Conn){
		"bytes": func(c net.Conn) { io.WriteString(c, "x") },
		"end":   func(c net.Conn) { c.Close() },
		"reset": func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
	} {
		ours, theirs := pair(t)
		c := newUpstreamConn(ours, ours)
		if !c.quiet() {
			t.Errorf("%s: not quiet before", name)
		}
		act(theirs)
		await(t, name+" shows", func() bool { return !c.quiet() })
	}
}

func TestPaceSetsADeadlineOnceInAWhile(t *testing.T) {
	set := 0
	p := newPace(time.Hour, func(time.Time) error { set++; return nil })
	for range 100 {
		p.step()
	}
	if set != 1 {
		t.Errorf("the deadline was set %d times", set)
	}
}
