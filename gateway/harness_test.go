package gateway

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// waiters is how many of the tests that say t.Parallel run at once. They wait for
// deadlines and take no processor meanwhile, so there may be more than there are
// processors.
const waiters = "8"

func TestMain(m *testing.M) {
	flag.Set("test.parallel", waiters)
	code := m.Run()
	if left := leftBehind(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines were left behind:\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// leftBehind returns the stacks of the goroutines of this package that do not end.
func leftBehind() string {
	var left []string
	for end := time.Now().Add(testkit.Patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		stacks := make([]byte, 4<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		left = slices.DeleteFunc(strings.Split(string(stacks), "\n\n"), func(stack string) bool {
			return !strings.Contains(stack, "gatehouse/") || strings.Contains(stack, "TestMain")
		})
		if len(left) == 0 {
			return ""
		}
	}
	return strings.Join(left, "\n\n")
}

// patientConn is a connection to the gateway that fails its test when the gateway
// keeps it waiting for longer than testkit.Patience. A read that ends by a deadline looks like
// the end of the connection to a caller that drops errors, so no caller has to judge.
type patientConn struct {
	net.Conn // of TCP
	t        *testing.T
}

func (c *patientConn) Read(b []byte) (int, error) {
	c.SetReadDeadline(time.Now().Add(testkit.Patience))
	n, err := c.Conn.Read(b)
	if os.IsTimeout(err) {
		c.t.Errorf("the gateway sent nothing for %v, nor did it close the connection", testkit.Patience)
	}
	return n, err
}

func (c *patientConn) Write(b []byte) (int, error) {
	c.SetWriteDeadline(time.Now().Add(testkit.Patience))
	n, err := c.Conn.Write(b)
	if os.IsTimeout(err) {
		c.t.Errorf("the gateway took nothing for %v, nor did it close the connection", testkit.Patience)
	}
	return n, err
}

// abort closes the connection with a reset.
func (c *patientConn) abort() {
	c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// connect opens a connection to the gateway that is closed when the test ends.
func (tg *testGateway) connect(t *testing.T) *patientConn {
	t.Helper()
	c, err := net.Dial("tcp", tg.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &patientConn{c, t}
}

// handshake makes a TLS connection to the gateway, or says why not.
func (tg *testGateway) handshake(t *testing.T, cfg *tls.Config) (*tls.Conn, error) {
	t.Helper()
	cfg.RootCAs = tg.roots
	if cfg.ServerName == "" {
		cfg.ServerName = "localhost"
	}
	c := tls.Client(tg.connect(t), cfg)
	if err := c.Handshake(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// wire is the connection of a client that says what it likes.
type wire struct {
	net.Conn
	br *bufio.Reader
}

// dial opens a connection to the gateway, with TLS where it speaks that.
func (tg *testGateway) dial(t *testing.T) *wire {
	t.Helper()
	return tg.dialProxied(t, "")
}

// dialProxied opens a connection that begins with what a proxy says.
func (tg *testGateway) dialProxied(t *testing.T, header string) *wire {
	t.Helper()
	var c net.Conn = tg.connect(t)
	if _, err := io.WriteString(c, header); err != nil {
		t.Fatal(err)
	}
	if tg.cfg.TLS != nil {
		c = tls.Client(c, &tls.Config{RootCAs: tg.roots, ServerName: "localhost", NextProtos: []string{"http/1.1"}})
	}
	return &wire{c, bufio.NewReader(c)}
}

func (w *wire) send(t *testing.T, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// answer reads one answer to a request of that method, its body included.
func (w *wire) answer(t *testing.T, method string) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(w.br, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("read answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read body of answer %d: %v", resp.StatusCode, err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp
}

// ended reports whether the other side closes the connection without a further
// byte.
func (w *wire) ended() bool {
	_, err := w.br.ReadByte()
	return err != nil && !os.IsTimeout(err)
}

// records waits for n access records and returns them.
func (tg *testGateway) records(t *testing.T, n int) []map[string]any {
	t.Helper()
	testkit.Await(t, fmt.Sprintf("there are %d access records", n), func() bool {
		return strings.Count(tg.access.String(), "\n") >= n
	})
	var all []map[string]any
	for line := range strings.Lines(tg.access.String()) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("access record %q: %v", line, err)
		}
		all = append(all, r)
	}
	if len(all) != n {
		t.Fatalf("%d access records, want %d:\n%s", len(all), n, tg.access.String())
	}
	return all
}

// attack is a request that must be refused at the door.
type attack struct {
	name, request string
	status        int
}

// expectRefused sends each attack on a connection of its own. It must be answered
// with its status in the shape that clients read, be recorded once, end the
// connection, and leave no trace at the upstream; and good requests must pass
// afterwards.
func expectRefused(t *testing.T, attacks []attack) {
	t.Helper()
	up := newCapture(t)
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	for i, a := range attacks {
		w := tg.dial(t)
		go io.WriteString(w, a.request) // an answer may come before its end
		resp := w.answer(t, "GET")
		if resp.StatusCode != a.status {
			t.Errorf("%s: status %d, want %d: %s", a.name, resp.StatusCode, a.status, text(t, resp))
		}
		checkProblem(t, a.name, resp)
		if !w.ended() {
			t.Errorf("%s: the connection goes on", a.name)
		}
		w.Close()
		if got := up.text(); got != "" {
			t.Fatalf("%s: the upstream got %q", a.name, got)
		}
		if got := int(tg.records(t, i+1)[i]["status"].(float64)); got != a.status {
			t.Errorf("%s: the access record says %d, want %d", a.name, got, a.status)
		}
	}
	if resp := tg.do(t, "pull", "GET", "/v2/", nil); resp.StatusCode != 200 {
		t.Errorf("a good request afterwards: status %d", resp.StatusCode)
	}
}

// checkProblem checks the form of an answer of the gateway itself.
func checkProblem(t *testing.T, name string, resp *http.Response) {
	t.Helper()
	var body struct {
		Errors []struct {
			Code, Message string
			Detail        map[string]string
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Errorf("%s: body of answer %d: %v", name, resp.StatusCode, err)
		return
	}
	if len(body.Errors) != 1 || body.Errors[0].Code == "" || body.Errors[0].Message == "" || body.Errors[0].Detail == nil {
		t.Errorf("%s: body of answer %d is not one error with a code, a message and a detail: %+v", name, resp.StatusCode, body)
	}
	if got := resp.Header.Values("X-Request-Id"); len(got) != 1 || len(got[0]) != 8 {
		t.Errorf("%s: answer %d: X-Request-Id %q", name, resp.StatusCode, got)
	}
}

// head makes a request of a line and fields, with a Host and the credentials of
// the user who may do all.
func head(line string, fields ...string) string {
	return strings.Join(append([]string{line, "Host: localhost", "Authorization: " + basic("push")}, fields...), "\r\n") + "\r\n\r\n"
}

// quiet is a log for servers that are meant to fail.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// overBoth runs a test with a configuration for each version of the protocol, which
// the clients of the test then speak.
func overBoth(t *testing.T, test func(t *testing.T, change func(*Config))) {
	t.Run("HTTP/1.1", func(t *testing.T) { test(t, func(*Config) {}) })
	t.Run("HTTP/2", func(t *testing.T) { test(t, withTLS(t)) })
}
