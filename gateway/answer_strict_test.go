package gateway

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A field that may stand once and stands twice is read in two ways, even where both
// say the same. Which one it was is told to whoever runs the gateway.
func TestFieldsOfAnAnswerThatMayStandOnce(t *testing.T) {
	t.Parallel()
	var answer string
	up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
		io.WriteString(c, answer)
		return false
	})
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	records := 0
	get := func(fields string) (int, string) {
		answer = "HTTP/1.1 200 OK\r\n" + fields + "\r\n"
		resp := tg.do(t, "pull", "GET", "/v2/x", nil)
		records++
		cause, _ := tg.records(t, records)[records-1]["cause"].(string)
		return resp.StatusCode, cause
	}
	for _, name := range []string{
		"Age", "Content-Disposition", "Content-Length", "Content-Location", "Content-Range", "Content-Type", "Date", "Etag", "Expires", "Last-Modified",
		"Location", "Range", "Retry-After", "Server", "Transfer-Encoding", "Docker-Content-Digest", "Docker-Upload-Uuid", "Oci-Chunk-Min-Length", "Oci-Subject",
	} {
		for _, second := range []string{name, strings.ToLower(name)} {
			status, cause := get(name + ": 0\r\n" + second + ": 0\r\n")
			if status != 502 || !strings.Contains(cause, "more than one "+name+" field") {
				t.Errorf("%s and %s: status %d, cause %q", name, second, status, cause)
			}
		}
	}
	for _, name := range []string{"Set-Cookie", "Link", "Warning", "Vary", "Cache-Control", "Www-Authenticate", apiVersion, "X-Content-Type-Options"} {
		if status, cause := get(name + ": a\r\n" + name + ": b\r\nContent-Length: 0\r\n"); status != 200 {
			t.Errorf("%s may stand twice: status %d, cause %q", name, status, cause)
		}
	}
}

// Behind an answer that has no body, and speaks of one that it cannot have, the
// connection is not used again: the upstream may send that body at any time. For HEAD
// and 304 a length is right, and registries say 204 with a length of 0.
func TestConnectionBehindAnAnswerWithoutABody(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method, answer string
		kept           bool
	}{
		{"HEAD", okHead + "Content-Length: 5\r\n\r\n", true},
		{"HEAD", okHead + "Transfer-Encoding: chunked\r\n\r\n", true},
		{"HEAD", okHead + "\r\n", true},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", true},
		{"GET", "HTTP/1.1 304 Not Modified\r\n\r\n", true},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n", true},
		{"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", true},
		{"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false},
		{"GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", false},
		{"HEAD", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false},
		{"PUT", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", true},
		{"PUT", "HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\n", false},
		{"PUT", "HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n", false},
		{"PUT", "HTTP/1.1 205 Reset Content\r\n\r\n", false},
		{"GET", "HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", true},
		{"GET", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", false},
	} {
		for _, change := range []func(*Config){nil, withTLS(t)} {
			up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
				io.WriteString(c, tt.answer)
				return true
			})
			tg := startGateway(t, change, recipeRoute(t, up.url()))
			connections := int64(3)
			if tt.kept {
				connections = 1
			}
			for range 3 {
				resp := tg.do(t, "push", tt.method, "/v2/x", nil)
				if resp.StatusCode != 204 && resp.StatusCode != 205 {
					continue
				}
				if body, length := text(t, resp), resp.Header.Get("Content-Length"); body != "" || length != "" && length != "0" {
					t.Errorf("%s %q: Content-Length %q, body %q", tt.method, tt.answer, length, body)
				}
			}
			if n := up.accepted.Load(); n != connections {
				t.Errorf("%s %q: %d connections for three requests, want %d", tt.method, tt.answer, n, connections)
			}
		}
	}
}
