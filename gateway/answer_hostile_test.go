package gateway

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// hostileVariable is the number of answers that TestHostileAnswers generates, where
// the few of an ordinary run are not enough. Three victims come after each:
//
//	GATEHOUSE_TEST_HOSTILE=20000 go test -v -run TestHostileAnswers ./gateway
const hostileVariable = "GATEHOUSE_TEST_HOSTILE"

// evil is the answer that nobody must ever get: an upstream puts it behind, into or
// before the one that it was asked for.
const evil = "HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 4\r\n\r\nevil"

// TestHostileAnswers has an upstream give generated answers, good ones and spoilt
// ones. Each is judged a second time by a reading of its own: what that one refuses
// must not be passed on, and what it takes must come as it was sent. Then victims
// ask over the same connections, as far as these were kept.
func TestHostileAnswers(t *testing.T) {
	count := 1000
	if n, err := strconv.Atoi(os.Getenv(hostileVariable)); err == nil {
		count = n
	}
	up := newUpstreamScript(t, answerAttacker)
	for i, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			var change func(*Config)
			if proto == "HTTP/2.0" {
				change = withTLS(t)
			}
			trial := hostileTrial{t: t, tg: startGateway(t, change, recipeRoute(t, up.url())), proto: proto, outcomes: map[string]int{}}
			trial.run(i*count/2, (i+1)*count/2)
			t.Logf("%d attacks (%v), %d victims", count/2, trial.outcomes, trial.victims)
			for _, outcome := range []string{"refused", "broken", "passed"} {
				if trial.outcomes[outcome] < count/100 {
					t.Errorf("only %d answers were %s: the generator tests too little", trial.outcomes[outcome], outcome)
				}
			}
		})
	}
}

// answerAttacker gives the answer that the path of a request names: that of a
// number to an attacker, and to a victim one of its own.
func answerAttacker(c net.Conn, r *http.Request) bool {
	if id, ok := strings.CutPrefix(r.URL.Path, "/v2/victim/"); ok {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Victim: %s\r\nContent-Length: %d\r\n\r\n%s", id, len(id), id)
		return true
	}
	n, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/v2/attack/"))
	h := newHostileAnswer(n)
	sent := 0
	for _, end := range h.pieces {
		io.WriteString(c, h.wire[sent:end])
		sent = end
	}
	io.WriteString(c, h.wire[sent:])
	return !h.hangsUp
}

// hostileTrial is a run of attacks through one gateway.
type hostileTrial struct {
	t     *testing.T
	tg    *testGateway
	proto string

	mu       sync.Mutex
	outcomes map[string]int
	victims  int
}

// run sends the attacks from one number to another, a few at a time.
func (h *hostileTrial) run(from, to int) {
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			client := h.tg.client(h.t)
			for n := range numbers {
				h.attack(client, n)
				for i := range 3 {
					h.victim(client, fmt.Sprintf("%d-%d", n, i))
				}
			}
		})
	}
	for n := from; n < to && !h.t.Failed(); n++ {
		numbers <- n
	}
	close(numbers)
	workers.Wait()
}

// ask returns the status, the header and the body of an answer. An error is that of
// a body which broke off, or of an exchange that did.
func (h *hostileTrial) ask(client *http.Client, method, path string) (*http.Response, string, error) {
	r, _ := http.NewRequest(method, h.tg.url(path), nil)
	r.Header.Set("Authorization", basic("push"))
	resp, err := client.Transport.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	if resp.Proto != h.proto {
		h.t.Errorf("protocol %s, want %s", resp.Proto, h.proto)
	}
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode == http.StatusNotModified && len(body) == 0 {
		err = nil // net/http misses the body that its length is of
	}
	return resp, string(body), err
}

func (h *hostileTrial) attack(client *http.Client, n int) {
	attack := newHostileAnswer(n)
	want := readReference(attack.method, attack.wire)
	if !want.delimited && h.proto == "HTTP/2.0" {
		want.refused = true
	}
	resp, body, err := h.ask(client, attack.method, fmt.Sprintf("/v2/attack/%d", n))
	outcome := "passed"
	switch {
	case want.refused:
		outcome = "refused"
		if err != nil || resp.StatusCode != http.StatusBadGateway {
			h.t.Errorf("attack %d: %s %q is malformed (%s), and it was passed on: %v %v", n, attack.method, attack.wire, want.why, resp, err)
		}
	case want.broken:
		outcome = "broken"
		if err == nil {
			h.t.Errorf("attack %d: %s %q breaks off, and the client got %d %q", n, attack.method, attack.wire, resp.StatusCode, body)
		}
	case err != nil || resp.StatusCode != want.status || body != want.body:
		h.t.Errorf("attack %d: %s %q came as %v %q %v, want %d %q", n, attack.method, attack.wire, resp, body, err, want.status, want.body)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.outcomes[outcome]++
}

func (h *hostileTrial) victim(client *http.Client, id string) {
	resp, body, err := h.ask(client, "GET", "/v2/victim/"+id)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.victims++
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("X-Victim") != id || body != id {
		h.t.Errorf("victim %s got %v %q %v", id, resp, body, err)
	}
}

// hostileAnswer is an answer to a request of a method, and how it is sent.
type hostileAnswer struct {
	method  string
	wire    string
	pieces  []int // where the parts end in which it is sent
	hangsUp bool  // the upstream closes the connection behind it
}

// newHostileAnswer generates the answer of that number. What stands behind its end
// is sent together with the end: later than that, only the time at which it comes
// would tell it from an answer to the next request.
func newHostileAnswer(n int) hostileAnswer {
	g := generator{Rand: rand.New(rand.NewPCG(uint64(n), 7))}
	h := hostileAnswer{method: pick(g, "GET", "GET", "GET", "HEAD")}
	h.wire = g.answer()
	for range g.IntN(3) {
		h.wire = g.spoil(h.wire)
	}
	if g.IntN(2) == 0 {
		h.wire += pick(g, evil, evil, "\r\n"+evil, "x", "0\r\n\r\n", evil+evil)
	}
	switch head := min(strings.Index(h.wire, "\r\n\r\n")+4, len(h.wire)); g.IntN(12) {
	case 0:
		h.wire = h.wire[:1+g.IntN(len(h.wire))]
	case 1, 2, 3:
		h.wire = h.wire[:head+g.IntN(len(h.wire)-head+1)]
	}
	end := readReference(h.method, h.wire)
	h.hangsUp = end.refused || end.broken || !end.delimited || g.IntN(4) == 0
	for at := 0; end.length > 0; {
		if at += 1 + g.IntN(end.length); at >= end.length || g.IntN(3) == 0 {
			break
		}
		h.pieces = append(h.pieces, at)
	}
	return h
}

// generator makes random answers out of few parts.
type generator struct{ *rand.Rand }

func pick[T any](g generator, from ...T) T { return from[g.IntN(len(from))] }

// answer returns an answer that may be good.
func (g generator) answer() string {
	var b strings.Builder
	for range g.IntN(8) / 6 {
		b.WriteString(pick(g, "HTTP/1.1 100 Continue\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n"))
		b.WriteString(pick(g, "", "", "Content-Length: 0\r\n", "Content-Length: 4\r\n", "Transfer-Encoding: chunked\r\n") + "\r\n")
		b.WriteString(pick(g, "", "", "evil", evil))
	}
	b.WriteString(pick(g, "HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.0 "))
	b.WriteString(pick(g, "200", "200", "200", "201", "204", "205", "206", "304", "404", "500", "299"))
	b.WriteString(pick(g, " OK", " OK", "", " ", " \xe9t\xe9", " a\tb") + "\r\n")
	for range g.IntN(4) {
		b.WriteString(pick(g, "A: b", "A:", "Etag: \"x\"", "Content-Type: text/plain", "Content-Type: text/html", "Vary: a", "Date: x", "Connection: keep-alive", "Connection: close", "X-Y: \t z \xff ") + "\r\n")
	}
	body := pick(g, "", "hello", evil, strings.Repeat("x", 5000), "evil", "a\r\n\r\nb")
	switch g.IntN(8) {
	case 0:
		b.WriteString("\r\n" + body)
	case 1, 2, 3:
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	default:
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n" + g.chunks(body))
	}
	return b.String()
}

// chunks returns body in chunks.
func (g generator) chunks(body string) string {
	var b strings.Builder
	extension := func() string { return pick(g, "", "", "", ";a=b", ";a=\"b;c\"") }
	for body != "" {
		n := 1 + g.IntN(len(body))
		fmt.Fprintf(&b, pick(g, "%x", "%X", "0%x")+"%s\r\n%s\r\n", n, extension(), body[:n])
		body = body[n:]
	}
	b.WriteString(pick(g, "0", "0", "00") + extension() + "\r\n")
	for range g.IntN(3) {
		b.WriteString(pick(g, "A: b", "Content-Length: 5", "Etag: x") + "\r\n")
	}
	return b.String() + "\r\n"
}

// spoil changes an answer in one place, most of the time for the worse.
func (g generator) spoil(wire string) string {
	at := g.IntN(len(wire) + 1)
	insert := func(at int, s string) string { return wire[:at] + s + wire[at:] }
	nasty := func() string { return pick(g, "\x00", "\x01", "\x0b", "\x1b", "\x7f", "\r", "\n", " ", "\t", "\xa0") }
	switch head := strings.Index(wire, "\r\n") + 2; g.IntN(14) {
	case 0:
		return insert(at, nasty())
	case 1:
		return wire[:at] + wire[min(at+1, len(wire)):]
	case 2:
		return strings.Replace(wire, "\r\n", pick(g, "\n", "\r", "", "\r\r\n", " \r\n", "\x00\r\n"), 1)
	case 3:
		return strings.Replace(wire, "HTTP/1.1", pick(g, "HTTP/1.0", "HTTP/1.2", "HTTP/2", "http/1.1", "HTTP/11", " HTTP/1.1", "\r\nHTTP/1.1", "ICY"), 1)
	case 4:
		return insert(max(head-2, 0), nasty()) // into the reason
	case 5, 6:
		return insert(head, pick(g, "Content-Length: 5", "Content-Length: 0", "Content-Length: 5, 5", "Content-Length: +5", "Content-Length: 0x5", "Content-Length:",
			"Transfer-Encoding: chunked", "Transfer-Encoding: CHUNKED", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity", "Transfer-Encoding:\x0bchunked", "Transfer-Encoding : chunked")+"\r\n")
	case 7:
		return insert(head, pick(g, "Content-Type: a/b", "Etag: y", "Date: y", "Location: /y", "Location: /y\r\nLocation: /y", "Content-Range: bytes 0-1/2", "Retry-After: 1\r\nretry-after: 2",
			"Docker-Content-Digest: sha256:a\r\nDocker-Content-Digest: sha256:b", "Set-Cookie: a=b\r\nSet-Cookie: c=d", "Link: </a>\r\nLink: </b>")+"\r\n")
	case 8:
		return insert(head, pick(g, " folded", "\tfolded", "no colon", ": no name", "A : b", "A\t: b", "A: b\rX-Evil: 1", "A: b\nX-Evil: 1", "A: \x1b[2J", "(A): b", "\xe9: b")+"\r\n")
	case 9, 10, 11, 12: // the size of a chunk, if there is one
		return strings.Replace(wire, pick(g, "\r\n0\r\n", "\r\n4\r\n", "\r\n5\r\n", "\r\n1\r\n", ";"), pick(g, "\r\n 5\r\n", "\r\n5 \r\n", "\r\n5\t;a\r\n", "\r\n0x5\r\n", "\r\n+5\r\n", "\r\n\r\n", "\r\n-1\r\n", "\r\n0 \r\n", "\r\n0\n", " ;", ";\x00", "\r\n10000000000000005\r\n"), 1)
	}
	return insert(at, evil)
}

// refAnswer is what the reference reads.
type refAnswer struct {
	refused   bool // it must not be passed on, and why says why not
	why       string
	status    int
	body      string
	broken    bool // the body has no proper end
	delimited bool // the end of the body shows on the wire
	length    int  // of all that belongs to the answer
}

var errReference = errors.New("malformed")

// readReference reads all that an upstream sends before it closes the connection,
// by expressions that are written down from the grammar of RFC 9112.
func readReference(method, wire string) refAnswer {
	for at, informational := 0, 0; ; informational++ {
		m := refAnswerHead.FindStringSubmatchIndex(wire[at:])
		if m == nil || informational > 100 {
			return refAnswer{refused: true, delimited: true, why: "head"}
		}
		head := wire[at:][:m[1]]
		at += m[1]
		fields, err := refFields(head[m[6]:m[7]])
		status, _ := strconv.Atoi(head[m[4]:m[5]])
		codings, lengths := fields["transfer-encoding"], fields["content-length"]
		announces := len(codings) > 0 || len(lengths) > 0 && lengths[0] != "0"
		switch {
		case err != nil, status == 101, status < 200 && announces:
			return refAnswer{refused: true, delimited: true, why: fmt.Sprint(err)}
		case status < 200:
			continue
		case len(codings) > 0 && (head[m[2]:m[3]] == "0" || !strings.EqualFold(codings[0], "chunked") || len(lengths) > 0):
			return refAnswer{refused: true, delimited: true, why: "framing"}
		}
		a := refAnswer{status: status, delimited: true, length: at}
		if len(lengths) > 0 && !refLength.MatchString(lengths[0]) {
			return refAnswer{refused: true, delimited: true, why: "length"}
		}
		if status != 204 && status != 205 && status != 304 && method != "HEAD" {
			a.readBody(wire[at:], codings, lengths)
		}
		return a
	}
}

func (a *refAnswer) readBody(rest string, codings, lengths []string) {
	switch {
	case len(codings) > 0:
		body, n, err := refChunks(rest)
		a.body, a.broken, a.length = body, err != nil, a.length+n
	case len(lengths) > 0:
		n, _ := strconv.Atoi(lengths[0])
		a.broken = n > len(rest)
		n = min(n, len(rest))
		a.body, a.length = rest[:n], a.length+n
	default:
		a.body, a.delimited, a.length = rest, false, a.length+len(rest)
	}
}
