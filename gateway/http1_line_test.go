package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// One empty line before a request is skipped, at the beginning of a connection and
// behind a complete request. It is no request, and gets no
// answer. Each of these streams goes on with a last request.
func TestHTTP1EmptyLines(t *testing.T) {
	get := head("GET /v2/a HTTP/1.1")
	last := head("GET /v2/a HTTP/1.1", "Connection: close")
	post := head("POST /v2/a HTTP/1.1", "Content-Length: 3") + "abc"
	chunked := head("POST /v2/a HTTP/1.1", "Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n"
	up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	for name, change := range map[string]func(*Config){"plain": nil, "TLS": withTLS(t)} {
		tg := startGateway(t, change, recipeRoute(t, up.URL))
		for _, tt := range []struct{ stream, statuses string }{
			{"\r\n", "200"},
			{"\r\n" + get + "\r\n" + get + "\r\n", "200 200 200"},
			{post + "\r\n", "200 200"},
			{chunked + "\r\n" + post + "\r\n", "200 200 200"},
			{get + "\r\n", "200 200"},
			{"\r\n\r\n", "400"},
			{get + "\r\n\r\n", "200 400"},
			{"\n", "400"},
			{"\r\n\n", "400"},
			{get + "\n", "200 400"},
			{"\r", "400"},
			{" \r\n", "400"},
		} {
			for _, inPieces := range []bool{false, true} {
				if got := statusesOf(t, tg.dial(t), tt.stream+last, inPieces); got != tt.statuses {
					t.Errorf("%s, in pieces %v: %q was answered %q, want %q", name, inPieces, tt.stream, got, tt.statuses)
				}
			}
		}
	}
}

// statusesOf sends a stream of requests, at once or byte by byte, and returns
// the statuses of the answers.
func statusesOf(t *testing.T, w *wire, stream string, inPieces bool) string {
	t.Helper()
	if !inPieces {
		w.send(t, stream)
	} else {
		for i := range len(stream) {
			if _, err := io.WriteString(w, stream[i:i+1]); err != nil {
				break // refused before its end
			}
		}
	}
	var statuses []string
	for {
		resp, err := http.ReadResponse(w.br, nil)
		if err != nil {
			return strings.Join(statuses, " ")
		}
		io.Copy(io.Discard, resp.Body)
		statuses = append(statuses, fmt.Sprint(resp.StatusCode))
	}
}
