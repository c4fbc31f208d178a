package upstream

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

const (
	okHead = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
	hello  = okHead + "Content-Length: 5\r\n\r\nhello"
)

// stream is a connection on which left comes in.
type stream struct {
	net.Conn
	left []byte
}

func (s *stream) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

func (s *stream) SetReadDeadline(time.Time) error { return nil }

// readAnswer reads an answer to a request of that method out of data.
func readAnswer(method string, data []byte) (*Response, error) {
	c := newConn(&stream{left: data}, nil)
	a := &Response{pool: &Pool{}, conn: c, method: method, release: func() bool { return true }}
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
		if a.Status != resp.StatusCode || !bytes.Equal(got, want) && wantErr == nil || gotErr == nil && wantErr != nil && a.Delimited() {
			t.Errorf("%q: read %d %q %v, net/http %d %q %v", data, a.Status, got, gotErr, resp.StatusCode, want, wantErr)
		}
		for name, values := range a.Header {
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

func TestConnectionWithSomethingToSayIsNotQuiet(t *testing.T) {
	for name, act := range map[string]func(net.Conn){
		"bytes": func(c net.Conn) { io.WriteString(c, "x") },
		"end":   func(c net.Conn) { c.Close() },
		"reset": func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
	} {
		ours, theirs := testkit.Pair(t)
		c := newConn(ours, ours)
		if !c.quiet() {
			t.Errorf("%s: not quiet before", name)
		}
		act(theirs)
		testkit.Await(t, name+" shows", func() bool { return !c.quiet() })
	}
}
