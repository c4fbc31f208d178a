package gateway

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// Requests that say in two ways, or in an unknown one, where they end. What one
// server takes for the end of a body, the next reads on behind, up to the request
// that an attacker has put there.
func TestAmbiguousFramingIsRefused(t *testing.T) {
	t.Parallel()
	smuggled := "0\r\n\r\n" + head("GET /v2/smuggled HTTP/1.1")
	put := func(fields ...string) string {
		return head("PUT /v2/app/blobs/uploads/1 HTTP/1.1", fields...) + smuggled
	}
	attacks := []attack{
		{"Content-Length before Transfer-Encoding", put("Content-Length: 4", "Transfer-Encoding: chunked"), 400},
		{"Transfer-Encoding before Content-Length", put("Transfer-Encoding: chunked", "Content-Length: 4"), 400},
		{"both, with a length of 0", put("Content-Length: 0", "Transfer-Encoding: chunked"), 400},
		{"both, on GET", head("GET /v2/ HTTP/1.1", "Content-Length: 4", "Transfer-Encoding: chunked") + smuggled, 400},
		{"Transfer-Encoding twice", put("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400},
		{"Transfer-Encoding, second identity", put("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), 400},
		{"lengths that differ", put("Content-Length: 5", "Content-Length: 6"), 400},
		{"equal lengths", put("Content-Length: 5", "Content-Length: 5"), 400},
		{"length twice in a line", put("Content-Length: 5, 5"), 400},
		{"Transfer-Encoding on HTTP/1.0", head("PUT /v2/a HTTP/1.0", "Transfer-Encoding: chunked") + smuggled, 400},
		{"the same, kept alive", head("PUT /v2/a HTTP/1.0", "Connection: keep-alive", "Transfer-Encoding: chunked") + smuggled, 400},
		{"framing announced as a trailer", put("Transfer-Encoding: chunked", "Trailer: Content-Length"), 400},
		{"framing among other trailers", put("Transfer-Encoding: chunked", "Trailer: X, transfer-encoding"), 400},
	}
	for _, coding := range []string{
		"xchunked", "identity", "identity, chunked", "chunked, identity", "chunked, chunked", "gzip, chunked", "chunked,", ",chunked", `"chunked"`,
		"chunked;x=y", "chunked x", "\x0bchunked", "chunked\x00", "chunked\x0c", "", "c\xffhunked", "ch\xc5\xbfunked",
	} {
		attacks = append(attacks, attack{fmt.Sprintf("Transfer-Encoding %q", coding), put("Transfer-Encoding: " + coding), 400})
	}
	for _, length := range []string{"+3", "-1", "0x3", "3.0", "1e1", "3 3", "3;", "", "\u0663", "9223372036854775808", "99999999999999999999", "3\x0b", "1_0"} {
		attacks = append(attacks, attack{fmt.Sprintf("Content-Length %q", length), put("Content-Length: " + length), 400})
	}
	expectRefused(t, attacks)
}

// Lines that not all servers end, begin or name in the same way.
func TestMalformedHeadsAreRefused(t *testing.T) {
	t.Parallel()
	expectRefused(t, []attack{
		{"bare LF throughout", strings.ReplaceAll(head("GET /v2/ HTTP/1.1"), "\r\n", "\n"), 400},
		{"bare LF behind the request line", "GET /v2/ HTTP/1.1\nHost: localhost\r\n\r\n", 400},
		{"bare LF behind a field", head("GET /v2/ HTTP/1.1", "A: b\nC: d"), 400},
		{"bare LF at the end", "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\n", 400},
		{"bare CR in the request line", "GET /v2/\rHTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
		{"bare CR in a value", head("GET /v2/ HTTP/1.1", "A: b\rC: d"), 400},
		{"bare CR in a name", head("GET /v2/ HTTP/1.1", "A\rB: c"), 400},
		{"CR CR LF", head("GET /v2/ HTTP/1.1", "A: b\r"), 400},
		{"folded field", head("GET /v2/ HTTP/1.1", "A: b\r\n c"), 400},
		{"folded with a tab", head("GET /v2/ HTTP/1.1", "A: b\r\n\tC: d"), 400},
		{"folded first line", "GET /v2/ HTTP/1.1\r\n Host: localhost\r\n\r\n", 400},
		{"blank before the colon", head("GET /v2/ HTTP/1.1", "Content-Length : 0"), 400},
		{"tab before the colon", head("GET /v2/ HTTP/1.1", "Transfer-Encoding\t: chunked"), 400},
		{"no colon", head("GET /v2/ HTTP/1.1", "nonsense"), 400},
		{"no name", head("GET /v2/ HTTP/1.1", ": x"), 400},
		{"name that is no token", head("GET /v2/ HTTP/1.1", "X(A): b"), 400},
		{"name beyond ASCII", head("GET /v2/ HTTP/1.1", "X\xc3\xa4: b"), 400},
		{"NUL in a value", head("GET /v2/ HTTP/1.1", "A: b\x00c"), 400},
		{"NUL in a name", head("GET /v2/ HTTP/1.1", "A\x00: b"), 400},
		{"ESC in a value", head("GET /v2/ HTTP/1.1", "A: \x1b[2J"), 400},
		{"DEL in a value", head("GET /v2/ HTTP/1.1", "A: b\x7f"), 400},
		{"two empty lines first", "\r\n\r\n" + head("GET /v2/ HTTP/1.1"), 400},
		{"empty LF line first", "\n" + head("GET /v2/ HTTP/1.1"), 400},
		{"two blanks in the request line", head("GET  /v2/ HTTP/1.1"), 400},
		{"tabs in the request line", head("GET\t/v2/\tHTTP/1.1"), 400},
		{"blank behind the version", head("GET /v2/ HTTP/1.1 "), 400},
		{"blank before the method", head(" GET /v2/ HTTP/1.1"), 400},
		{"HTTP/0.9", "GET /v2/\r\n\r\n", 400},
		{"version 0.9", head("GET /v2/ HTTP/0.9"), 400},
		{"version 1.2", head("GET /v2/ HTTP/1.2"), 400},
		{"version 1.10", head("GET /v2/ HTTP/1.10"), 400},
		{"version 2.0", head("GET /v2/ HTTP/2.0"), 400},
		{"version in lower case", head("GET /v2/ http/1.1"), 400},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		{"TLS handshake", "\x16\x03\x01\x00\x05\n\x01\x00\x00\x01\x00\r\n\r\n", 400},
		{"upgrade to a WebSocket", head("GET /v2/ HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket"), 501},
		{"WebSocket among upgrades", head("GET /v2/ HTTP/1.1", "Connection: Upgrade", "Upgrade: h2c, WebSocket/13"), 501},
		{"WebSocket in a second line", head("GET /v2/ HTTP/1.1", "Upgrade: foo", "Upgrade: websocket"), 501},
		{"unknown expectation", head("GET /v2/ HTTP/1.1", "Expect: 200-maybe"), 417},
		{"two expectations", head("PUT /v2/ HTTP/1.1", "Expect: 100-continue, x", "Content-Length: 3"), 417},
	})
}

// A refusal comes in its turn, and nothing behind it is read.
func TestPipelinedRequestsAreAnsweredUpToTheBadOne(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	w := tg.dial(t)
	w.send(t, head("GET /v2/one HTTP/1.1")+
		head("PUT /v2/two HTTP/1.1", "Content-Length: 3")+"abc"+
		head("PUT /v2/three HTTP/1.1", "Transfer-Encoding: chunked")+"3\r\nabc\r\n0\r\n\r\n"+
		head("GET /v2/bad HTTP/1.1", "Content-Length: 3", "Transfer-Encoding: chunked")+
		head("GET /v2/never HTTP/1.1"))
	for _, want := range []int{200, 200, 200, 400} {
		if resp := w.answer(t, "GET"); resp.StatusCode != want {
			t.Errorf("status %d, want %d", resp.StatusCode, want)
		}
	}
	if !w.ended() {
		t.Error("the connection goes on behind a refusal")
	}
	if got := up.text(); strings.Contains(got, "bad") || strings.Contains(got, "never") {
		t.Errorf("the upstream got %q", got)
	}
	for i, r := range tg.records(t, 4) {
		if want := []string{"/v2/one", "/v2/two", "/v2/three", "/v2/bad"}[i]; r["target"] != want {
			t.Errorf("record %d is of %v, want %s", i, r["target"], want)
		}
	}
}

// The bytes of a head may come in any pieces, and other heads in the same ones.
func TestHeadsArriveInPieces(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	w := tg.dial(t)
	stream := head("GET /v2/one HTTP/1.1") + head("PUT /v2/two HTTP/1.1", "Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n" + head("GET /v2/three HTTP/1.1")
	go func() {
		for i := range len(stream) {
			io.WriteString(w, stream[i:i+1])
		}
	}()
	for range 3 {
		if resp := w.answer(t, "GET"); resp.StatusCode != 200 {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	if begun, complete, _ := up.counts(); begun != 3 || complete != 3 {
		t.Errorf("%d requests arrived, %d of them complete", begun, complete)
	}
}

// Each is a body that some server reads in another way. It may have begun at the
// upstream, but must not come to an end there.
func TestMalformedChunksNeverComplete(t *testing.T) {
	t.Parallel()
	smuggled := head("GET /v2/smuggled HTTP/1.1")
	for name, body := range map[string]string{
		"bare LF behind a size":        "3\nabc\r\n0\r\n\r\n",
		"bare LF behind data":          "3\r\nabc\n0\r\n\r\n",
		"bare LF behind the last size": "3\r\nabc\r\n0\n\r\n",
		"bare LF at the end":           "3\r\nabc\r\n0\r\n\n" + smuggled,
		"bare LF in an extension":      "3;a\nb\r\nabc\r\n0\r\n\r\n",
		"bare CR in an extension":      "3;a\rb\r\nabc\r\n0\r\n\r\n",
		"CR only":                      "3\rabc\r0\r\r",
		"signed size":                  "+3\r\nabc\r\n0\r\n\r\n",
		"size with 0x":                 "0x3\r\nabc\r\n0\r\n\r\n",
		"no size":                      "\r\nabc\r\n0\r\n\r\n",
		"size that is no number":       "g\r\nabc\r\n0\r\n\r\n",
		"negative size":                "-1\r\nabc\r\n0\r\n\r\n",
		"underscore in a size":         "1_0\r\nabc\r\n0\r\n\r\n",
		"blank before a size":          " 3\r\nabc\r\n0\r\n\r\n",
		"blank behind a size":          "3 \r\nabc\r\n0\r\n\r\n",
		"blank before an extension":    "3 ;a=b\r\nabc\r\n0\r\n\r\n",
		"size beyond 64 bits":          "10000000000000003\r\nabc\r\n0\r\n\r\n",
		"size of 2^64-1":               "ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
		"size with many zeros":         "00000000000000000003\r\nabc\r\n0\r\n\r\n",
		"extension of 64 KiB":          "3;" + strings.Repeat("x", 64<<10) + "\r\nabc\r\n0\r\n\r\n",
		"extensions of many chunks":    strings.Repeat("1;"+strings.Repeat("x", 60)+"\r\na\r\n", 5000) + "0\r\n\r\n",
		"data longer than its size":    "3\r\nabcd\r\n0\r\n\r\n",
		"no CRLF behind data":          "3\r\nabc0\r\n\r\n" + smuggled,
		"control in an extension":      "3;\x00\r\nabc\r\n0\r\n\r\n",
		"control in a trailer":         "3\r\nabc\r\n0\r\nA: \x00\r\n\r\n",
		"trailer with a bare LF":       "3\r\nabc\r\n0\r\nA: b\n\r\n",
		"trailers of 64 KiB":           "3\r\nabc\r\n0\r\n" + strings.Repeat("A: b\r\n", 11<<10) + "\r\n",
		"trailer without a colon":      "3\r\nabc\r\n0\r\nnonsense\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			up := newCapture(t)
			tg := startGateway(t, nil, recipeRoute(t, up.url()))
			w := tg.dial(t)
			go io.WriteString(w, head("PATCH /v2/app/blobs/uploads/1 HTTP/1.1", "Transfer-Encoding: chunked")+body+smuggled)
			answers, _ := io.ReadAll(w)
			if !strings.HasPrefix(string(answers), "HTTP/1.1 400 Bad Request\r\n") || strings.Contains(string(answers), "200 OK") {
				t.Errorf("answered with %q", answers)
			}
			tg.records(t, 1)
			testkit.Await(t, "the upstream has lost the request", func() bool {
				begun, _, broken := up.counts()
				return begun == broken
			})
			if _, complete, _ := up.counts(); complete != 0 || strings.Contains(up.text(), "smuggled") {
				t.Errorf("%d requests were completed at the upstream: %q", complete, up.text())
			}
		})
	}
}

// The rest of a body that was refused must not be read as requests.
func TestRestOfARefusedBodyIsNoRequest(t *testing.T) {
	t.Parallel()
	up := newCapture(t)
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	smuggled := head("GET /v2/smuggled HTTP/1.1", "Content-Length: 3", "Transfer-Encoding: chunked")
	for _, framing := range []string{
		"Content-Length: " + fmt.Sprint(len(smuggled)),
		"Transfer-Encoding: chunked",
	} {
		w := tg.dial(t)
		w.send(t, "PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: localhost\r\n"+framing+"\r\n\r\n")
		if resp := w.answer(t, "PUT"); resp.StatusCode != 401 {
			t.Errorf("%s: status %d, want 401", framing, resp.StatusCode)
		}
		if !w.ended() { // after a time in which nothing came
			t.Errorf("%s: the connection goes on in the middle of a body", framing)
		}
		io.WriteString(w, smuggled)
		w.Close()
	}
	if got := up.text(); got != "" {
		t.Errorf("the upstream got %q", got)
	}
	tg.records(t, 2)
}
