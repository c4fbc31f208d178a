package gateway

import (
	"bytes"
	"crypto/tls"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gatehouse/internal/testkit"
)

func TestOldTLSIsRefused(t *testing.T) {
	tg := startGateway(t, withTLS(t), recipeRoute(t, newCapture(t).url()))
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c, err := tg.handshake(t, &tls.Config{MinVersion: version, MaxVersion: version})
		if (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			c.Close()
		}
	}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if suite.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		c, err := tg.handshake(t, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID}})
		if strong := strings.HasPrefix(suite.Name, "TLS_ECDHE_ECDSA") && (strings.Contains(suite.Name, "GCM") || strings.Contains(suite.Name, "POLY1305")); (err == nil) != strong {
			t.Errorf("%s: %v", suite.Name, err)
		}
		if err == nil {
			c.Close()
		}
	}
}

func TestProtocolIsNegotiated(t *testing.T) {
	tg := startGateway(t, withTLS(t), recipeRoute(t, newCapture(t).url()))
	for offered, want := range map[string]string{"h2,http/1.1": "h2", "http/1.1": "http/1.1", "": ""} {
		var protos []string
		if offered != "" {
			protos = strings.Split(offered, ",")
		}
		c, err := tg.handshake(t, &tls.Config{NextProtos: protos})
		if err != nil {
			t.Fatalf("%q: %v", offered, err)
		}
		if got := c.ConnectionState().NegotiatedProtocol; got != want {
			t.Errorf("%q: %q, want %q", offered, got, want)
		}
		c.Close()
	}
	if c, err := tg.handshake(t, &tls.Config{NextProtos: []string{"\x1b[2J"}}); err == nil {
		c.Close()
		t.Error("an unknown protocol was agreed on")
	}
}

// A request must not reach the rules of one host over a connection to another.
func TestHostOtherThanTheHandshakesIsMisdirected(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, withTLS(t), namedRoutes(t, up.url())...)
	for host, want := range map[string]int{"localhost": 200, "LOCALHOST.:5043": 200, "registry.test": 421, "127.0.0.1": 421} {
		before, _, _ := up.counts()
		w := tg.dial(t)
		w.send(t, "GET /v2/ HTTP/1.1\r\nHost: "+host+"\r\nAuthorization: "+basic("pull")+"\r\n\r\n")
		resp := w.answer(t, "GET")
		after, _, _ := up.counts()
		if resp.StatusCode != want || (after > before) != (want == 200) {
			t.Errorf("host %q: status %d, want %d", host, resp.StatusCode, want)
		}
	}
}

func TestPlainHTTPOnTheTLSPortIsAnsweredAndNotRedirected(t *testing.T) {
	tg := startGateway(t, withTLS(t), recipeRoute(t, newCapture(t).url()))
	answer := tg.raw(t, head("GET /v2/ HTTP/1.1"))
	if !strings.HasPrefix(answer, "HTTP/1.1 400 Bad Request\r\n") || strings.Contains(answer, "Location") {
		t.Errorf("got %q", answer)
	}
	if got := tg.raw(t, "\x00\x01\x02\x03\x04\x05\x06"); strings.Contains(got, "HTTP") {
		t.Errorf("rubbish is answered with %q", got)
	}
}

func TestSlowHandshakeIsCut(t *testing.T) {
	tg := startGateway(t, func(c *Config) { withTLS(t)(c); c.Timeouts.Handshake = 50 * time.Millisecond }, recipeRoute(t, newCapture(t).url()))
	c := tg.connect(t)
	io.WriteString(c, "\x16\x03\x01")
	if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("read: %v, want the end of the connection", err)
	}
}

func TestCertificateIsReloadedAndABadOneIsNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := testCertificate(t, dir, "localhost")
	tg := startGateway(t, func(c *Config) { c.TLS = &files }, recipeRoute(t, newCapture(t).url()))
	sessions := tls.NewLRUClientSessionCache(8)
	leaf := func() []byte {
		c, err := tg.handshake(t, &tls.Config{InsecureSkipVerify: true, ClientSessionCache: sessions, NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		io.ReadAll(c) // with the session ticket
		return c.ConnectionState().PeerCertificates[0].Raw
	}
	first := leaf()
	good, _ := os.ReadFile(files.CertFile)
	for _, bad := range [][]byte{nil, good[:len(good)/2], []byte("nonsense")} {
		failures := strings.Count(tg.log.String(), "certificate not reloaded")
		writeFile(t, files.CertFile, bad)
		testkit.Await(t, "a bad certificate is noticed", func() bool { return strings.Count(tg.log.String(), "certificate not reloaded") > failures })
		if !bytes.Equal(leaf(), first) {
			t.Error("a bad certificate took the place of the good one")
		}
	}
	testCertificate(t, dir, "localhost")
	testkit.Await(t, "the new certificate is served, also to who holds a session", func() bool { return !bytes.Equal(leaf(), first) })
}

// h2 is a client that says what it likes in frames.
type h2 struct {
	*http2.Framer
	conn *tls.Conn
}

func dialH2(t *testing.T, tg *testGateway) *h2 {
	t.Helper()
	c, err := tg.handshake(t, &tls.Config{NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, http2.ClientPreface)
	f := http2.NewFramer(c, c)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.WriteSettings()
	return &h2{f, c}
}

// request sends the head of stream 1.
func (h *h2) request(end bool, fields ...string) { h.beginFields(1, end, fields...) }

// outcome is the status of the answer, or "reset" or "closed" where there is none.
func (h *h2) outcome() string {
	for {
		f, err := h.ReadFrame()
		if err != nil {
			return "closed"
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return "reset"
		}
	}
}

// What HTTP/2 can say and HTTP/1 cannot, or says in another way, must not become
// two requests, or half a one, upstream.
func TestMalformedHTTP2RequestsDoNotArrive(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, withTLS(t), namedRoutes(t, up.url())...)
	base := func(method, path string, more ...string) []string {
		return append([]string{":method", method, ":scheme", "https", ":authority", "localhost", ":path", path, "authorization", basic("push")}, more...)
	}
	for name, tt := range map[string]struct {
		fields []string
		body   string // sent and ended, if there is one
		want   string // a status; empty for any that is no success
	}{
		"signed length":            {base("PUT", "/v2/x", "content-length", "+3"), "abc", ""},
		"two lengths":              {base("PUT", "/v2/x", "content-length", "3", "content-length", "5"), "abc", ""},
		"length that is no number": {base("PUT", "/v2/x", "content-length", "x"), "abc", ""},
		"length without a body":    {base("PUT", "/v2/x", "content-length", "3"), "", ""},
		"transfer coding":          {base("PUT", "/v2/x", "transfer-encoding", "chunked"), "abc", ""},
		"connection":               {base("GET", "/v2/x", "connection", "authorization"), "", ""},
		"line break in a value":    {base("GET", "/v2/x", "a", "b\r\nx-remote-user: admin"), "", ""},
		"line break in a name":     {base("GET", "/v2/x", "a\r\nb", "c"), "", ""},
		"capitals in a name":       {base("GET", "/v2/x", "X-A", "c"), "", ""},
		"colon in a name":          {base("GET", "/v2/x", "a:b", "c"), "", ""},
		"line break in the path":   {base("GET", "/v2/x\r\nHost: b"), "", ""},
		"blank in the path":        {base("GET", "/v2/x HTTP/1.1"), "", ""},
		"line break in the method": {base("GET / HTTP/1.1\r\nX:", "/v2/x"), "", ""},
		"lower-case method":        {base("get", "/v2/x"), "", "501"},
		"TRACE":                    {base("TRACE", "/v2/x"), "", "405"},
		"CONNECT":                  {[]string{":method", "CONNECT", ":authority", "localhost:443", "authorization", basic("push")}, "", "405"},
		"extended CONNECT":         {append([]string{":protocol", "websocket"}, base("CONNECT", "/v2/x")...), "", ""},
		"dot segments":             {base("GET", "/v2/../x"), "", "400"},
		"asterisk":                 {base("OPTIONS", "*"), "", "400"},
		"no path":                  {[]string{":method", "GET", ":scheme", "https", ":authority", "localhost"}, "", ""},
		"two paths":                {append([]string{":path", "/v2/y"}, base("GET", "/v2/x")...), "", ""},
		"path of another host":     {base("GET", "https://evil.test/v2/x"), "", "400"},
		"path of the same host":    {base("GET", "https://localhost/v2/x"), "", "400"},
		"two hosts":                {base("GET", "/v2/x", "host", "evil.test"), "", "400"},
		"malformed authority":      {[]string{":method", "GET", ":scheme", "https", ":authority", "a;b", ":path", "/v2/x"}, "", ""},
		"another authority":        {[]string{":method", "GET", ":scheme", "https", ":authority", "registry.test", ":path", "/v2/x"}, "", "421"},
		"two authorizations":       {base("GET", "/v2/x", "authorization", basic("pull")), "", "400"},
		"upgrade":                  {base("GET", "/v2/x", "upgrade", "h2c"), "", ""},
		"unknown expectation":      {base("PUT", "/v2/x", "expect", "x"), "abc", "417"},
		"scheme that is none":      {[]string{":method", "GET", ":scheme", "a\r\nb", ":authority", "localhost", ":path", "/v2/x"}, "", ""},
		"long path":                {base("GET", "/v2/"+strings.Repeat("x", maxRequestLine)), "", "414"},
		"more fields than wanted":  {base("GET", "/v2/x", strings.Split(strings.Repeat("a,b,", 101), ",")[:202]...), "", "431"},
	} {
		h := dialH2(t, tg)
		h.request(tt.body == "", tt.fields...)
		if tt.body != "" {
			h.WriteData(1, true, []byte(tt.body))
		}
		got := h.outcome()
		if tt.want != "" && got != tt.want || got == "200" {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		h.conn.Close()
		if begun, complete, _ := up.counts(); complete > 0 {
			t.Fatalf("%s: %d of %d requests were completed at the upstream: %q", name, complete, begun, up.text())
		}
	}
	h := dialH2(t, tg)
	h.request(true, base("GET", "/v2/x")...)
	if got := h.outcome(); got != "200" {
		t.Errorf("a good request: %s", got)
	}
}

func TestAbortedHTTP2UploadsNeverComplete(t *testing.T) {
	for name, abort := range map[string]func(*h2){
		"reset":            func(h *h2) { h.WriteRSTStream(1, http2.ErrCodeCancel) },
		"end too early":    func(h *h2) { h.WriteData(1, true, nil) },
		"end too late":     func(h *h2) { h.WriteData(1, true, make([]byte, 2000)) },
		"connection ended": func(h *h2) { h.conn.Close() },
	} {
		up := newCapture(t)
		tg := startGateway(t, withTLS(t), recipeRoute(t, up.url()))
		h := dialH2(t, tg)
		h.request(false, ":method", "PUT", ":scheme", "https", ":authority", "localhost", ":path", "/v2/x", "authorization", basic("push"), "content-length", "1000")
		h.WriteData(1, false, []byte("hello"))
		testkit.Await(t, name+": the upstream has got a part", func() bool { return strings.Contains(up.text(), "hello") })
		abort(h)
		testkit.Await(t, name+": the upstream has lost the request", func() bool { _, _, broken := up.counts(); return broken == 1 })
		if _, complete, _ := up.counts(); complete != 0 {
			t.Errorf("%s: complete at the upstream", name)
		}
	}
}
