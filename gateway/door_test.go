package gateway

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gatehouse/gateway/rules"
)

// namedRoutes are routes of which one is for localhost and one for other.test.
func namedRoutes(t *testing.T, upstream string) []Route {
	t.Helper()
	here, there := recipeRoute(t, upstream), recipeRoute(t, upstream)
	here.Hosts, there.Hosts, there.Path = []string{"localhost"}, []string{"other.test"}, "/v2/team"
	return []Route{here, there}
}

// knock is a request that may be sent over any protocol.
type knock struct {
	proxy, sni           string // what the connection begins with
	method, target, host string
	fields               []string // "Name: value", besides the host
}

// protocols send a knock, each over one of them.
var protocols = map[string]func(*testGateway, *testing.T, knock) seen{"HTTP/1.1": (*testGateway).over1, "HTTP/2": (*testGateway).over2}

// knocking makes the handshake for a knock.
func (tg *testGateway) knocking(t *testing.T, k knock, protocol string) *tls.Conn {
	t.Helper()
	raw := tg.connect(t)
	if _, err := io.WriteString(raw, k.proxy); err != nil {
		t.Fatal(err)
	}
	c := tls.Client(raw, &tls.Config{ServerName: k.sni, InsecureSkipVerify: true, NextProtos: []string{protocol}})
	if err := c.Handshake(); err != nil {
		t.Fatalf("handshake: %v", err)
	}
	return c
}

func (tg *testGateway) over1(t *testing.T, k knock) seen {
	t.Helper()
	c := tg.knocking(t, k, "http/1.1")
	w := &wire{c, bufio.NewReader(c)}
	defer w.Close()
	lines := append([]string{k.method + " " + k.target + " HTTP/1.1", "Host: " + k.host}, k.fields...)
	text := strings.Join(lines, "\r\n") + "\r\n\r\n"
	if slices.Contains(k.fields, "Transfer-Encoding: chunked") {
		text += "0\r\n\r\n"
	}
	w.send(t, text)
	resp := w.answer(t, k.method)
	body, _ := io.ReadAll(resp.Body)
	return seen{resp.StatusCode, messageOf(body, resp.Header.Get("X-Request-Id"))}
}

// wasReset is what a client sees over HTTP/2 where net/http could not make a request
// of what it sent.
var wasReset = seen{message: "reset"}

func (tg *testGateway) over2(t *testing.T, k knock) seen {
	t.Helper()
	c := tg.knocking(t, k, "h2")
	defer c.Close()
	io.WriteString(c, http2.ClientPreface)
	h := &h2{http2.NewFramer(c, c), c}
	h.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	h.WriteSettings()
	list := []string{":method", k.method, ":scheme", "https", ":authority", k.host, ":path", k.target}
	for _, f := range k.fields {
		name, value, _ := strings.Cut(f, ": ")
		list = append(list, strings.ToLower(name), value)
	}
	h.request(true, list...)
	var answer *http2.MetaHeadersFrame
	var body bytes.Buffer
	for {
		f, err := h.ReadFrame()
		if err != nil {
			t.Fatalf("%+v: the connection ended: %v", k, err)
		}
		ended := false
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			answer, ended = f, f.StreamEnded()
		case *http2.DataFrame:
			body.Write(f.Data())
			ended = f.StreamEnded()
		case *http2.GoAwayFrame:
			t.Errorf("%.300q: the connection ends, with the other requests on it", fmt.Sprint(k))
		case *http2.RSTStreamFrame:
			if answer == nil {
				return wasReset
			}
			ended = true
		}
		if !ended || answer == nil {
			continue
		}
		id := ""
		for _, f := range answer.RegularFields() {
			if f.Name == "x-request-id" {
				id = f.Value
			}
		}
		status, _ := strconv.Atoi(answer.PseudoValue("status"))
		return seen{status, messageOf(body.Bytes(), id)}
	}
}

// messageOf returns the message of an answer of the gateway itself, without the id.
func messageOf(body []byte, id string) string {
	var problem struct{ Errors []struct{ Message string } }
	if json.Unmarshal(body, &problem) != nil || len(problem.Errors) == 0 {
		return ""
	}
	return strings.TrimSuffix(problem.Errors[0].Message, " (id "+id+")")
}

// What the generated requests are made of: the first of each is a good one.
var (
	knockMethods = []string{"GET", "POST", "OPTIONS", "TRACE", "get", "FOO"}
	knockHosts   = []string{"localhost", "LOCALHOST.:5043", "other.test", "nowhere.test", "127.0.0.1", "[::1]:443", "a;b", "localhost:0", "local host", "xn--e1afmkfd.test", "127.1"}
	knockTargets = []string{
		"/v2/team/app", "/v2/", "/v2", "/", "*", "/v2/../x", "/v2/./x", "/v2//x", "/v2/%2e%2e/x", "/v2/%2fx", "/v2/%zz", "/v2/x%00", "/v2/x;y", "/v2/x?a=b&a=c", "/v2/x?from=a&from=b",
		"/v2/%C3%A9", "/v2/e%CC%81", "/v2/x#y", `/v2/\x`, "v2/x", "http://localhost/v2/team/app", "https://localhost/v2/team/app", "http://evil.test/v2/team/app", "http://other.test/v2/team/app",
		"http://localhost", "http:///v2/x", "ftp://localhost/v2/x", "//evil.test/v2/x", "http://user@localhost/v2/x", "/v2/" + strings.Repeat("x", maxRequestLine),
	}
	knockFields = [][]string{
		nil, {"Accept: a"}, {"Expect: 100-continue"}, {"Expect: x"}, {"Authorization: a"}, {"Authorization: a", "Authorization: b"},
		{"Content-Length: 0"}, {"Content-Length: x"}, {"Content-Length: +0"}, {"Content-Length: 0, 0"}, {"Content-Length: 0", "Content-Length: 0"},
		{"Transfer-Encoding: chunked"}, {"Transfer-Encoding: gzip"}, {"Transfer-Encoding: chunked", "Content-Length: 0"}, {"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"},
		{"Upgrade: h2c"}, {"Upgrade: websocket"}, {"Max-Forwards: 0"}, {"Max-Forwards: x"}, {"Connection: close"}, {"Connection: keep-alive"}, {"Keep-Alive: 5"}, {"Proxy-Connection: close"}, {"Te: trailers"}, {"Te: gzip"}, {"Te: trailers", "Te: trailers"},
		{"Trailer: X"}, {"Trailer: X, Content-Length"}, {"Host: localhost"}, {"Host: other.test"}, {"Host: a;b"},
		{"X-Forwarded-For: 10.0.0.1"}, {"X-Forwarded-For: x"}, {"X-Http-Method-Override: DELETE"}, {"X-Original-Url: /x"},
		slices.Repeat([]string{"A: b"}, 99), slices.Repeat([]string{"A: b"}, 101),
	}
	knockNames = []string{"localhost", "", "nowhere.test", "other.test"}
)

// generatedKnocks returns good requests that differ in one thing, and some that differ
// in several.
func generatedKnocks() []knock {
	at := func(sni, method, target, host, fields int) knock {
		return knock{sni: knockNames[sni], method: knockMethods[method], target: knockTargets[target], host: knockHosts[host], fields: knockFields[fields]}
	}
	var all []knock
	for i := range knockMethods {
		all = append(all, at(0, i, 0, 0, 0))
	}
	for i := range knockTargets {
		all = append(all, at(0, 0, i, 0, 0))
	}
	for i := range knockHosts {
		for j := range knockNames {
			all = append(all, at(j, 0, 0, i, 0))
		}
	}
	for i := range knockFields {
		all = append(all, at(0, 0, 0, 0, i))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		all = append(all, at(random.IntN(len(knockNames)), random.IntN(len(knockMethods)), random.IntN(len(knockTargets)), random.IntN(len(knockHosts)), random.IntN(len(knockFields))))
	}
	return all
}

// question returns what explain is asked for k.
func (k knock) question(over2 bool) Question {
	q := Question{Method: k.method, Target: k.target, Host: k.host, Source: loopback, HTTP2: over2, ServerName: k.sni, Header: http.Header{}}
	for _, f := range k.fields {
		name, value, _ := strings.Cut(f, ": ")
		if !over2 || !slices.Contains(takenOff, name) {
			q.Header.Add(name, value)
		}
	}
	return q
}

// takenOff are fields that net/http acts upon over HTTP/2, and takes off a request: the
// gateway never sees them, and no upstream does. An Expect of something else stays.
var takenOff = []string{"Trailer"}

// sameOver reports whether k says the same over both protocols: in HTTP/2 there are no
// absolute targets, the fields of connections are malformed, and a Host field stands
// beside :authority.
func (k knock) sameOver() bool {
	return (strings.HasPrefix(k.target, "/") || k.target == "*") && !slices.ContainsFunc(k.fields, func(f string) bool {
		name, _, _ := strings.Cut(f, ":")
		return slices.Contains([]string{"Host", "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "Te", "Trailer"}, name)
	})
}

// A request gets the same answer over HTTP/1.1, over HTTP/2 and from explain.
func TestOneDoor(t *testing.T) {
	up := newCapture(t)
	routes := namedRoutes(t, up.url())
	for i := range routes {
		routes[i].Rules = []rules.Rule{{Name: "all", Paths: everyPath, Require: mustRequire(t, "all granted")}}
	}
	tg := startGateway(t, withTLS(t), routes...)
	book, err := NewRulebook(routes)
	if err != nil {
		t.Fatal(err)
	}
	admitted := 0
	for _, k := range generatedKnocks() {
		answers := map[bool]seen{}
		for _, over2 := range []bool{false, true} {
			got := protocols[map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[over2]](tg, t, k)
			answers[over2] = got
			want := foreseen(book.Explain(k.question(over2)))
			if got == wasReset && want.status >= 400 {
				continue
			}
			if got.status != want.status || got.message != "" && got.message != want.message {
				t.Errorf("over HTTP/2 %v: %.300q: got %v, explain says %v", over2, fmt.Sprint(k), got, want)
			}
			if got.status == 200 {
				admitted++
			}
		}
		if k.sameOver() && answers[true] != wasReset && answers[false].status != answers[true].status {
			t.Errorf("%.300q: %v over HTTP/1.1, %v over HTTP/2", fmt.Sprint(k), answers[false], answers[true])
		}
	}
	if admitted < 40 {
		t.Errorf("only %d requests were let in", admitted)
	}
}

// An absolute path of HTTP/2 names a host beside :authority (RFC 9113, section 8.3.1).
func TestSEC4PathOfHTTP2NamesNoHost(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, withTLS(t), recipeRoute(t, up.url()))
	for _, target := range []string{"http://evil.example/v2/pub/x", "https://localhost/v2/pub/x", "HTTP://evil.example/v2/pub/x", "//evil.example/v2/pub/x", "*", "v2/pub/x"} {
		k := knock{sni: "localhost", method: "GET", target: target, host: "localhost", fields: []string{"Authorization: " + basic("pull")}}
		if got := tg.over2(t, k); got.status != 400 && got != wasReset {
			t.Errorf("%s: %v, want 400", target, got)
		}
		if got := tg.over1(t, k); target != "https://localhost/v2/pub/x" && got.status != 400 {
			t.Errorf("%s over HTTP/1.1: %v, want 400", target, got)
		}
	}
	if got := tg.over2(t, knock{sni: "localhost", method: "GET", target: "/v2/pub/x", host: "localhost", fields: []string{"Authorization: " + basic("pull")}}); got.status != 200 {
		t.Errorf("a path: %v", got)
	}
}

// A PROXY header that names no client makes nobody's X-Forwarded-For believed.
func TestSEC5ProxyHeaderWithoutAClient(t *testing.T) {
	up := newCapture(t)
	tg, _ := proxiedGateway(t, up, func(c *Config) { withTLS(t)(c); trustLoopback(c); c.ProxyProtocol = true })
	headers := proxyHeaders(t)
	for header, source := range headers {
		if source == "" {
			continue
		}
		want := map[string]int{"127.0.0.9": 200, "192.0.2.9": 200}[source] // which a trusted proxy says, or the header itself
		k := knock{proxy: header, sni: "localhost", method: "GET", target: "/v2/in-house/x", host: "localhost", fields: []string{"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http", "Authorization: " + basic("pull")}}
		for protocol, send := range protocols {
			if got := send(tg, t, k); got.status != max(want, 200) && want == 200 || want == 0 && got.status != 403 {
				t.Errorf("%s, %q: %v", protocol, header, got)
			}
		}
	}
}

// A proxy that speaks TLS to the gateway under a name of its own.
func TestREG3ReencryptingProxy(t *testing.T) {
	proxied := "PROXY TCP4 192.0.2.9 192.0.2.1 40000 443\r\n"
	before := "PROXY TCP4 127.0.0.9 192.0.2.1 40000 443\r\n"
	for name, tt := range map[string]struct {
		named, trusted bool   // routes name hosts; the proxy is trusted
		header         string // of the PROXY protocol
		want           int
	}{
		"no route names a host":               {false, false, "", 200},
		"trusted proxy":                       {true, true, "", 200},
		"anybody else":                        {true, false, "", 421},
		"client of a trusted proxy":           {true, true, proxied, 421},
		"proxy before a trusted proxy":        {true, true, before, 200},
		"nobody, by a trusted proxy":          {true, true, "PROXY UNKNOWN\r\n", 421},
		"no host, client of a trusted proxy":  {false, true, proxied, 200},
		"no host, nobody by a trusted proxy.": {false, true, "PROXY UNKNOWN\r\n", 200},
	} {
		t.Run(name, func(t *testing.T) {
			up := newCapture(t)
			routes := []Route{recipeRoute(t, up.url())}
			if tt.named {
				routes = namedRoutes(t, up.url())
			}
			tg := startGateway(t, func(c *Config) {
				withTLS(t)(c)
				if tt.trusted {
					c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				}
				c.ProxyProtocol = tt.header != ""
			}, routes...)
			n := 0
			for protocol, send := range protocols {
				k := knock{proxy: tt.header, sni: "gatehouse.internal", method: "GET", target: "/v2/team/a", host: "other.test", fields: []string{"Authorization: " + basic("pull")}}
				got := send(tg, t, k)
				n++
				if got.status != tt.want {
					t.Errorf("%s: %v, want %d", protocol, got, tt.want)
				}
				if tt.want == 421 {
					checkBothNames(t, tg, tg.records(t, n)[n-1])
				}
			}
		})
	}
}

// checkBothNames checks that a record, and who asks why, are told of both names.
func checkBothNames(t *testing.T, tg *testGateway, record map[string]any) {
	t.Helper()
	why, ok := tg.Why(record["id"].(string))
	for _, text := range []string{record["cause"].(string), why.Cause} {
		if !ok || !strings.Contains(text, "gatehouse.internal") || !strings.Contains(text, "other.test") {
			t.Errorf("%q does not say both names", text)
		}
	}
	if record["code"] != "request.misdirected" || why.Code != "request.misdirected" {
		t.Errorf("code %v, %v", record["code"], why.Code)
	}
}

// The answer to a request for a host that no route names tells of the host, and not
// of the path, which may be served for another.
func TestCLI8HostThatIsNotServed(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, withTLS(t), namedRoutes(t, up.url())...)
	for _, tt := range []struct{ host, target, want string }{
		{"Nowhere.Test:5043", "/v2/secret", "nothing is served for the host nowhere.test"},
		{"127.0.0.1", "/v2/secret", "nothing is served for the host 127.0.0.1"},
		{"[0::1]:443", "/v2/secret", "nothing is served for the host [::1]"},
		{"other.test", "/v2/secret", "nothing is served under this path"},
		{"localhost", "/secret", "nothing is served under this path"},
	} {
		k := knock{method: "GET", target: tt.target, host: tt.host, fields: []string{"Authorization: " + basic("pull")}}
		for protocol, send := range protocols {
			if got := send(tg, t, k); got != (seen{404, tt.want}) {
				t.Errorf("%s, %s at %s: %v, want %q", protocol, tt.target, tt.host, got, tt.want)
			}
		}
	}
}
