package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/backend/watch"
	"gatehouse/gateway/upstream"
	"gatehouse/internal/testkit"
)

const okHead = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

// Answers that are no HTTP, or could be split in two ways into answers. The client
// gets a 502 that says nothing of the upstream, and the connection carries no other
// request.
func TestMalformedAnswersBecomeBadGateway(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"no HTTP":                     "SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"HTTP/2":                      "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.2":                    "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
		"status of two digits":        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
		"status of four digits":       "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
		"signed status":               "HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n",
		"status 099":                  "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
		"no status":                   "HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
		"bare LF":                     "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"bare LF in the fields":       okHead + "A: b\nContent-Length: 0\r\n\r\n",
		"CR in a value":               okHead + "A: b\rSet-Cookie: x\r\nContent-Length: 0\r\n\r\n",
		"NUL in a value":              okHead + "A: b\x00\r\nContent-Length: 0\r\n\r\n",
		"ESC in a value":              okHead + "A: \x1b[2J\r\nContent-Length: 0\r\n\r\n",
		"blank before the colon":      okHead + "A : b\r\nContent-Length: 0\r\n\r\n",
		"folded field":                okHead + "A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
		"no colon":                    okHead + "nonsense\r\nContent-Length: 0\r\n\r\n",
		"head of 2 MiB":               okHead + "A: " + strings.Repeat("x", 2<<20) + "\r\nContent-Length: 0\r\n\r\n",
		"2 MiB of fields":             okHead + strings.Repeat("A: x\r\n", 2<<20/6) + "Content-Length: 0\r\n\r\n",
		"two lengths":                 okHead + "Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
		"equal lengths":               okHead + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		"lengths in one line":         okHead + "Content-Length: 5, 5\r\n\r\nhello",
		"signed length":               okHead + "Content-Length: +5\r\n\r\nhello",
		"negative length":             okHead + "Content-Length: -1\r\n\r\nhello",
		"empty length":                okHead + "Content-Length:\r\n\r\nhello",
		"length and coding":           okHead + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"unknown coding":              okHead + "Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"coding twice":                okHead + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"coding identity":             okHead + "Transfer-Encoding: identity\r\n\r\nhello",
		"protocol switched":           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
		"informational without end":   strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 10000),
		"half a head":                 "HTTP/1.1 200 OK\r\nContent-Le",
		"its own login":               "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"http://evil.example\"\r\nContent-Length: 0\r\n\r\n",
		"ESC in the reason":           "HTTP/1.1 200 \x1b[2J\r\nContent-Length: 0\r\n\r\n",
		"CR in the reason":            "HTTP/1.1 200 OK\rSet-Cookie: x\r\nContent-Length: 0\r\n\r\n",
		"NUL in the reason":           "HTTP/1.1 200 \x00\r\nContent-Length: 0\r\n\r\n",
		"DEL in the reason":           "HTTP/1.1 200 O\x7fK\r\nContent-Length: 0\r\n\r\n",
		"informational with a length": "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + hello,
		"informational in chunks":     "HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n" + hello,
		"only informational":          "HTTP/1.1 100 Continue\r\n\r\n",
		"malformed informational one": "HTTP/1.1 103 Early Hints\r\nA: \x00\r\n\r\n" + hello,
	} {
		t.Run(name, func(t *testing.T) {
			up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
				io.WriteString(c, answer)
				return false
			})
			tg := startGateway(t, nil, recipeRoute(t, up.url()))
			resp := tg.do(t, "pull", "GET", "/v2/x", nil)
			if resp.StatusCode != 502 {
				t.Errorf("status %d, want 502", resp.StatusCode)
			}
			for name, values := range resp.Header {
				if name == "A" || name == "Www-Authenticate" || name == "Set-Cookie" || name == "Link" {
					t.Errorf("%s: %q reached the client", name, values)
				}
			}
			tellsNothing(t, up.url(), text(t, resp))
			if r := tg.records(t, 1)[0]; r["cause"] == nil {
				t.Errorf("access record without a cause: %v", r)
			}
		})
	}
}

// tellsNothing checks that a client does not learn from body what is behind the
// gateway.
func tellsNothing(t *testing.T, upstream, body string) {
	t.Helper()
	for _, hidden := range []string{strings.TrimPrefix(upstream, "http://"), "127.0.0.1", "dial", "tcp", "refused\"", "x509", "/tmp", ".sock", "EOF", "lookup", "no such"} {
		if strings.Contains(body, hidden) {
			t.Errorf("the client is told %q", body)
		}
	}
}

// What an upstream sends beyond its answer must not become the answer to the next
// request, which is another user's.
func TestSurplusOfAnAnswerIsNobodysAnswer(t *testing.T) {
	t.Parallel()
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for _, tt := range []struct{ name, method, answer string }{
		{"behind a body", "GET", okHead + "Content-Length: 5\r\n\r\nhello" + evil},
		{"behind an empty body", "GET", okHead + "Content-Length: 0\r\n\r\n" + evil},
		{"behind chunks", "GET", okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + evil},
		{"behind trailers", "GET", okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n" + evil},
		{"body of HEAD", "HEAD", okHead + "Content-Length: " + fmt.Sprint(len(evil)) + "\r\n\r\n" + evil},
		{"body of HEAD in chunks", "HEAD", okHead + "Transfer-Encoding: chunked\r\n\r\n" + evil},
		{"body of 204", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: " + fmt.Sprint(len(evil)) + "\r\n\r\n" + evil},
		{"body of 304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: " + fmt.Sprint(len(evil)) + "\r\n\r\n" + evil},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, late %v", tt.name, late), func(t *testing.T) {
				sent := make(chan bool, 8)
				up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
					if r.URL.Path != "/v2/first" {
						io.WriteString(c, hello)
						return true
					}
					answer := []byte(tt.answer)
					if late {
						io.WriteString(c, strings.TrimSuffix(tt.answer, evil))
						answer = []byte(evil)
						sent <- true // the gateway may answer its client now
						time.Sleep(20 * time.Millisecond)
					}
					c.Write(answer)
					sent <- true
					return true
				})
				tg := startGateway(t, nil, recipeRoute(t, up.url()))
				first := tg.do(t, "pull", tt.method, "/v2/first", nil)
				if body := text(t, first); strings.Contains(body, "evil") {
					t.Errorf("the answer itself is %q", body)
				}
				<-sent
				if late {
					<-sent
				}
				time.Sleep(5 * time.Millisecond) // for the bytes to cross the loopback
				for range 3 {
					resp := tg.do(t, "push", "GET", "/v2/second", nil)
					if got := text(t, resp); resp.StatusCode != 200 || got != "hello" {
						t.Errorf("the next answer is %d %q", resp.StatusCode, got)
					}
				}
			})
		}
	}
}

// Over TLS the surplus may have been received already, in the record of the answer
// itself, and show neither in the buffer of the answer nor at the socket.
func TestSurplusInARecordIsNobodysAnswer(t *testing.T) {
	files := testCertificate(t, t.TempDir(), "registry.test")
	pair, err := watch.LoadKeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for _, length := range []int{0, 5, 4096, 10000, 16 << 10} {
		up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
			if r.URL.Path != "/v2/first" {
				io.WriteString(c, hello)
				return true
			}
			fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n%s%s", okHead, length, strings.Repeat("x", length), evil)
			return true
		}, &tls.Config{Certificates: []tls.Certificate{pair}, DynamicRecordSizingDisabled: true})
		route := recipeRoute(t, "")
		route.Upstream = upstream.Config{URL: "https://" + up.Addr().String(), CAFile: files.CertFile}
		tg := startGateway(t, nil, route)
		if got := text(t, tg.do(t, "pull", "GET", "/v2/first", nil)); len(got) != length {
			t.Errorf("the answer has %d bytes, want %d", len(got), length)
		}
		for range 3 {
			if got := text(t, tg.do(t, "push", "GET", "/v2/second", nil)); got != "hello" {
				t.Errorf("behind %d bytes, the next answer is %q", length, got)
			}
		}
	}
}

// A kept connection is used again if nothing came on it, also over TLS.
func TestConnectionToATLSUpstreamIsKept(t *testing.T) {
	files := testCertificate(t, t.TempDir(), "registry.test")
	pair, err := watch.LoadKeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
		io.WriteString(c, hello)
		return true
	}, &tls.Config{Certificates: []tls.Certificate{pair}})
	route := recipeRoute(t, "")
	route.Upstream = upstream.Config{URL: "https://" + up.Addr().String(), CAFile: files.CertFile}
	tg := startGateway(t, nil, route)
	for range 5 {
		text(t, tg.do(t, "pull", "GET", "/v2/", nil))
	}
	if n := up.accepted.Load(); n != 1 {
		t.Errorf("%d connections for requests one after the other", n)
	}
}

func TestInformationalAnswersAreDropped(t *testing.T) {
	up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
		io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n"+strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nX-Remote-User: admin\r\n\r\n", 50)+hello)
		return true
	})
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	if got := tg.raw(t, head("GET /v2/ HTTP/1.1", "Connection: close")); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || strings.Contains(got, "103") || strings.Contains(got, "admin") {
		t.Errorf("got %q", got)
	}
}

// A body that broke off must never look like one that is complete.
func TestTruncatedAnswersAreBrokenForTheClient(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"short of its length":        okHead + "Content-Length: 500000\r\n\r\n" + strings.Repeat("x", 300000),
		"nothing of its length":      okHead + "Content-Length: 5\r\n\r\n",
		"no last chunk":              okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"half a chunk":               okHead + "Transfer-Encoding: chunked\r\n\r\n50\r\nhello",
		"no end of trailers":         okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n",
		"bare LF behind last chunk":  okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\n",
		"endless trailers":           okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n" + strings.Repeat("A: b\r\n", 10000),
		"blank before a chunk size":  okHead + "Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n",
		"blank behind a chunk size":  okHead + "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
		"tab behind a chunk size":    okHead + "Transfer-Encoding: chunked\r\n\r\n5\t\r\nhello\r\n0\r\n\r\n",
		"blank before an extension":  okHead + "Transfer-Encoding: chunked\r\n\r\n5 ;a=b\r\nhello\r\n0\r\n\r\n",
		"blank behind the last size": okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0 \r\n\r\n",
		"bare LF behind a size":      okHead + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
		"control in an extension":    okHead + "Transfer-Encoding: chunked\r\n\r\n5;a=\x1b\r\nhello\r\n0\r\n\r\n",
		"control in a trailer":       okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: \x00\r\n\r\n",
		"malformed chunk":            okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n",
		"data longer than its chunk": okHead + "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
	} {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(name+" "+proto, func(t *testing.T) {
				up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
					io.WriteString(c, answer)
					return false
				})
				change := withTLS(t)
				if proto == "HTTP/1.1" {
					change = nil
				}
				tg := startGateway(t, change, recipeRoute(t, up.url()))
				r, _ := http.NewRequest("GET", tg.url("/v2/x"), nil)
				r.Header.Set("Authorization", basic("pull"))
				resp, err := tg.client(t).Do(r)
				if err != nil {
					return // cut before the head went out
				}
				defer resp.Body.Close()
				if resp.Proto != proto {
					t.Fatalf("protocol %s, want %s", resp.Proto, proto)
				}
				if body, err := io.ReadAll(resp.Body); err == nil {
					t.Errorf("%d bytes look like a complete body", len(body))
				}
			})
		}
	}
}

// A body that ends with its connection has no end that could be told from a break.
// It is passed on with no more of an end than it has.
func TestBodiesThatEndWithTheConnection(t *testing.T) {
	up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
		io.WriteString(c, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello")
		return false
	})
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	got := tg.raw(t, head("GET /v2/ HTTP/1.1"))
	if !strings.HasSuffix(got, "\r\n\r\nhello") || strings.Contains(got, "Transfer-Encoding") || strings.Contains(got, "Content-Length") || !strings.Contains(got, "Connection: close") {
		t.Errorf("HTTP/1.1: got %q", got)
	}
	secure := startGateway(t, withTLS(t), recipeRoute(t, up.url()))
	if got := secure.do(t, "pull", "GET", "/v2/", nil).StatusCode; got != 502 {
		t.Errorf("HTTP/2, where every body has an end: status %d, want 502", got)
	}
}

// Where only the end of the connection tells the end of a body, one that broke off
// must not end in order.
func TestTruncatedAnswersWithoutALengthAreReset(t *testing.T) {
	up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
		io.WriteString(c, okHead+"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		return false
	})
	for name, change := range map[string]func(*Config){"plain": nil, "TLS": withTLS(t)} {
		w := startGateway(t, change, recipeRoute(t, up.url())).dial(t)
		w.send(t, head("GET /v2/ HTTP/1.0"))
		if got, err := io.ReadAll(w.br); err == nil {
			t.Errorf("%s: %q, and an orderly end", name, got)
		}
	}
}

func TestUnreachableUpstreamsAreUnavailable(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	noTLS := newCapture(t)
	untrusted := httptest.NewTLSServer(nil)
	untrusted.Config.ErrorLog = quiet()
	defer untrusted.Close()
	files := testCertificate(t, t.TempDir(), "other.test")
	wrongName := tlsUpstream(t, files)
	for name, upstream := range map[string]upstream.Config{
		"refused":        {URL: "http://" + gone.Addr().String()},
		"unresolvable":   {URL: "http://registry.invalid:5000"},
		"no socket":      {URL: "unix:" + filepath.Join(t.TempDir(), "none.sock")},
		"no TLS":         {URL: "https://" + noTLS.Addr().String()},
		"untrusted":      {URL: untrusted.URL},
		"another name":   {URL: wrongName, CAFile: files.CertFile, ServerName: "registry.test"},
		"closes at once": {URL: "http://" + listen(t, func(net.Conn) {}).Addr().String()},
	} {
		t.Run(name, func(t *testing.T) {
			route := recipeRoute(t, "")
			route.Upstream = upstream
			tg := startGateway(t, nil, route)
			for _, method := range []string{"GET", "PUT", "POST"} {
				resp := tg.do(t, "push", method, "/v2/x", strings.NewReader("body"))
				body := text(t, resp)
				if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
					t.Errorf("%s: status %d, Retry-After %q", method, resp.StatusCode, resp.Header.Get("Retry-After"))
				}
				tellsNothing(t, upstream.URL, body)
			}
		})
	}
	if got := noTLS.text(); strings.Contains(got, "HTTP") {
		t.Errorf("an upstream without TLS got %q", got)
	}
}

// tlsUpstream answers "hello" over TLS with the certificate of files, and asks for
// one of the client where it is told an authority.
func tlsUpstream(t *testing.T, files TLS) string {
	t.Helper()
	u := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Client-Certificates", fmt.Sprint(len(r.TLS.PeerCertificates)))
		io.WriteString(w, "hello")
	}))
	pair, err := watch.LoadKeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	u.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
	u.Config.ErrorLog = quiet()
	u.StartTLS()
	t.Cleanup(u.Close)
	return u.URL
}

func TestUpstreamsOverTLSAndSocket(t *testing.T) {
	files := testCertificate(t, t.TempDir(), "registry.test")
	secure := tlsUpstream(t, files)
	socket := filepath.Join(t.TempDir(), "registry.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })}
	go s.Serve(l)
	defer s.Close()
	for name, tt := range map[string]struct {
		upstream     upstream.Config
		certificates string
	}{
		"own authority":      {upstream.Config{URL: secure, CAFile: files.CertFile}, "0"},
		"another name":       {upstream.Config{URL: secure, CAFile: files.CertFile, ServerName: "registry.test"}, "0"},
		"client certificate": {upstream.Config{URL: secure, CAFile: files.CertFile, CertFile: files.CertFile, KeyFile: files.KeyFile}, "1"},
		"socket":             {upstream.Config{URL: "unix:" + socket}, ""},
	} {
		route := recipeRoute(t, "")
		route.Upstream = tt.upstream
		tg := startGateway(t, nil, route)
		for range 3 {
			resp := tg.do(t, "pull", "GET", "/v2/", nil)
			if got := text(t, resp); got != "hello" || resp.Header.Get("X-Client-Certificates") != tt.certificates {
				t.Errorf("%s: status %d, %q, %s client certificates", name, resp.StatusCode, got, resp.Header.Get("X-Client-Certificates"))
			}
		}
	}
}

func TestUpstreamThatIsSilentTimesOut(t *testing.T) {
	block := make(chan struct{})
	defer close(block)
	up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
		io.Copy(io.Discard, r.Body)
		<-block
		return false
	})
	short := func(c *Config) {
		c.Timeouts.Response, c.Timeouts.UploadResponse = 50*time.Millisecond, 50*time.Millisecond
	}
	tg := startGateway(t, short, recipeRoute(t, up.url()))
	for _, method := range []string{"GET", "DELETE", "POST", "PUT"} {
		var body io.Reader
		if method == "PUT" {
			body = strings.NewReader("body")
		}
		resp := tg.do(t, "push", method, "/v2/x", body)
		if resp.StatusCode != 504 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: status %d, Retry-After %q", method, resp.StatusCode, resp.Header.Get("Retry-After"))
		}
		tellsNothing(t, up.url(), text(t, resp))
	}
	testkit.Await(t, "no connection is kept to a silent upstream", func() bool { return up.accepted.Load() == 4 })
}

// An upstream that takes longer to answer an upload than a body may stand still,
// because it hashes a whole layer first, gets its time.
func TestUpstreamMayTakeItsTimeOverACompleteUpload(t *testing.T) {
	t.Parallel()
	const idle = time.Second // a busy machine may keep a body waiting, too
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			time.Sleep(3 * idle / 2)
			fmt.Fprint(w, n)
		})
		secure := func(*Config) {}
		if proto == "HTTP/2.0" {
			secure = withTLS(t)
		}
		tg := startGateway(t, func(c *Config) { secure(c); c.Timeouts.BodyIdle = idle }, recipeRoute(t, up.URL))
		for name, body := range map[string]io.Reader{"length": strings.NewReader("hello"), "chunks": io.MultiReader(strings.NewReader("hello")), "none": nil} {
			t.Run(proto+", "+name, func(t *testing.T) {
				t.Parallel()
				resp := tg.do(t, "push", "PUT", "/v2/x", body)
				want := "5"
				if body == nil {
					want = "0"
				}
				if got := text(t, resp); resp.StatusCode != 200 || got != want || resp.Proto != proto {
					t.Errorf("%s %d %q, want %q", resp.Proto, resp.StatusCode, got, want)
				}
			})
		}
	}
}

func TestBodiesPassByteForByte(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(bytes.Repeat([]byte("layer "), 100000))
	z.Close()
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for _, secure := range []bool{false, true} {
		up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
			if got, ok := r.Header["Accept-Encoding"]; ok != (r.URL.Path == "/v2/gzip") {
				t.Errorf("%s: Accept-Encoding %q", r.URL.Path, got)
			}
			switch r.URL.Path {
			case "/v2/gzip":
				w.Header().Set("Content-Encoding", "gzip")
				w.Write(zipped.Bytes())
			case "/v2/range":
				w.Header().Set("Etag", `"sha256:x"`)
				w.Header().Set("Docker-Content-Digest", "sha256:x")
				w.Header().Set("OCI-Subject", "sha256:y")
				w.Header().Add("Warning", `299 - "one"`)
				w.Header().Add("Warning", `299 - "two"`)
				http.ServeContent(w, r, "blob", time.Time{}, bytes.NewReader(large))
			default:
				w.Header()["Content-Type"] = nil
				io.WriteString(w, "<html>")
			}
		})
		var change func(*Config)
		if secure {
			change = withTLS(t)
		}
		tg := startGateway(t, change, recipeRoute(t, up.URL))
		get := func(path string, fields ...string) *http.Response {
			r, _ := http.NewRequest("GET", tg.url(path), nil)
			r.Header.Set("Authorization", basic("pull"))
			for i := 0; i < len(fields); i += 2 {
				r.Header.Set(fields[i], fields[i+1])
			}
			resp, err := tg.client(t).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { resp.Body.Close() })
			return resp
		}
		resp := get("/v2/gzip", "Accept-Encoding", "gzip")
		if got := text(t, resp); got != zipped.String() || resp.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("a gzipped body of %d bytes came as %d, Content-Encoding %q", zipped.Len(), len(got), resp.Header.Get("Content-Encoding"))
		}
		resp = get("/v2/range", "Range", "bytes=10-99999")
		if got := text(t, resp); resp.StatusCode != 206 || got != string(large[10:100000]) || resp.Header.Get("Content-Range") != "bytes 10-99999/1048576" ||
			resp.Header.Get("Etag") != `"sha256:x"` || resp.Header.Get("Docker-Content-Digest") != "sha256:x" || resp.Header.Get("Oci-Subject") != "sha256:y" ||
			len(resp.Header["Warning"]) != 2 || resp.Header.Get("Accept-Ranges") != "bytes" {
			t.Errorf("a range: status %d, %d bytes, %v", resp.StatusCode, len(got), resp.Header)
		}
		resp = get("/v2/range", "If-None-Match", `"sha256:x"`)
		if got := text(t, resp); resp.StatusCode != 304 || got != "" || resp.Header.Get("Etag") == "" {
			t.Errorf("not modified: status %d, %q, %v", resp.StatusCode, got, resp.Header)
		}
		if resp = get("/v2/untyped"); resp.Header["Content-Type"] != nil {
			t.Errorf("Content-Type %q was guessed", resp.Header["Content-Type"])
		}
	}
}

// docker refuses an empty blob if HEAD does not say its length.
func TestLengthOfHEADSurvives(t *testing.T) {
	for _, length := range []string{"0", "1", "5368709120"} {
		up := newCapture(t, okHead+"Content-Length: "+length+"\r\n\r\n")
		for _, change := range []func(*Config){nil, withTLS(t)} {
			tg := startGateway(t, change, recipeRoute(t, up.url()))
			resp := tg.do(t, "pull", "HEAD", "/v2/app/blobs/sha256:x", nil)
			if got := resp.Header.Get("Content-Length"); resp.StatusCode != 200 || got != length {
				t.Errorf("%s: status %d, Content-Length %q, want %s", resp.Proto, resp.StatusCode, got, length)
			}
		}
	}
}

func TestFieldsThatAnUpstreamMayNotSetAreRemoved(t *testing.T) {
	up := newCapture(t, okHead+"Connection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nAlt-Svc: h3=\":443\"\r\n"+
		"Upgrade: h2c\r\nTrailer: X-Trailer\r\nX-Team-User: admin\r\nx_remote_groups: admins\r\nX-Request-Id: theirs\r\nX-Kept: 1\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"5\r\nhello\r\n0\r\nX-Trailer: late\r\nX-Team-User: admin\r\n\r\n")
	for _, change := range []func(*Config){nil, withTLS(t)} {
		tg := startGateway(t, change, identityRoute(t, up.url(), "valid-user"))
		resp := tg.do(t, "pull", "GET", "/v2/", nil)
		if got := text(t, resp); got != "hello" {
			t.Errorf("body %q", got)
		}
		for _, name := range []string{"X-Hop", "Keep-Alive", "Proxy-Authenticate", "Alt-Svc", "Upgrade", "X-Team-User", "X-Remote-Groups", "X_remote_groups", "X-Trailer"} {
			if got := resp.Header.Values(name); len(got) > 0 {
				t.Errorf("%s reached the client: %q", name, got)
			}
		}
		if len(resp.Trailer) > 0 {
			t.Errorf("trailers reached the client: %v", resp.Trailer)
		}
		if got := resp.Header.Get("X-Request-Id"); len(got) != 8 || resp.Header.Get("X-Kept") != "1" {
			t.Errorf("X-Request-Id %q, X-Kept %q", got, resp.Header.Get("X-Kept"))
		}
	}
}

// An upstream that works for nobody any more is told so.
func TestClientThatLeavesCancelsTheUpstreamRequest(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		started, cancelled := make(chan struct{}), make(chan struct{})
		up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
			close(started)
			<-r.Context().Done()
			close(cancelled)
		})
		var change func(*Config)
		if proto == "HTTP/2.0" {
			change = withTLS(t)
		}
		tg := startGateway(t, change, recipeRoute(t, up.URL))
		client := tg.client(t)
		r, _ := http.NewRequest("GET", tg.url("/v2/slow"), nil)
		r.Header.Set("Authorization", basic("pull"))
		done := make(chan error)
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_, err := client.Do(r.WithContext(ctx))
			done <- err
		}()
		<-started
		cancel()
		if err := <-done; err == nil {
			t.Errorf("%s: the client got an answer", proto)
		}
		select {
		case <-cancelled:
		case <-time.After(testkit.Patience):
			t.Errorf("%s: the upstream goes on for a client that has gone", proto)
		}
		if r := tg.records(t, 1)[0]; r["status"].(float64) != statusClientGone {
			t.Errorf("%s: access record %v", proto, r)
		}
	}
}

func TestKeptConnectionIsGivenUpBeforeTheUpstreamDoes(t *testing.T) {
	up := newCapture(t)
	route := recipeRoute(t, up.url())
	route.Upstream.IdleTimeout = 30 * time.Millisecond
	tg := startGateway(t, nil, route)
	tg.do(t, "pull", "GET", "/v2/", nil)
	tg.do(t, "pull", "GET", "/v2/", nil)
	testkit.Await(t, "the idle connection is closed", func() bool { return tg.sites.current().slots.Stats().Idle == 0 })
	if got := tg.do(t, "push", "POST", "/v2/x", nil).StatusCode; got != 200 {
		t.Errorf("status %d", got)
	}
}

// A route may have another patience than the rest. A request of it that was there
// before is answered after the upstream was too slow for another route.
func TestRouteHasTimeoutsOfItsOwn(t *testing.T) {
	for proto, secure := range map[string]func(*Config){"HTTP/1.1": func(*Config) {}, "HTTP/2.0": withTLS(t)} {
		arrived, goOn := make(chan struct{}), make(chan struct{})
		up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/v2/other/") {
				<-r.Context().Done()
				return
			}
			arrived <- struct{}{}
			<-goOn
		})
		patient, other := recipeRoute(t, up.URL), recipeRoute(t, up.URL)
		patient.Path, other.Path = "/v2/patient/", "/v2/other/"
		patient.Upstream.Timeouts = upstream.Timeouts{Response: time.Hour, UploadResponse: time.Hour}
		tg := startGateway(t, func(c *Config) {
			secure(c)
			c.Timeouts.Response, c.Timeouts.UploadResponse = 50*time.Millisecond, 50*time.Millisecond
		}, patient, other)
		for _, method := range []string{"GET", "PUT"} {
			answered := make(chan int)
			go func() { answered <- tg.do(t, "push", method, "/v2/patient/x", nil).StatusCode }()
			<-arrived
			if resp := tg.do(t, "push", method, "/v2/other/x", nil); resp.StatusCode != 504 || resp.Proto != proto {
				t.Errorf("%s %s: status %d over %s, want 504", proto, method, resp.StatusCode, resp.Proto)
			}
			goOn <- struct{}{}
			if status := <-answered; status != 200 {
				t.Errorf("%s %s: status %d on the route that waits, want 200", proto, method, status)
			}
		}
	}
}
