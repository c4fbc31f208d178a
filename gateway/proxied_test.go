package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"

	"gatehouse/backend"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
	"gatehouse/internal/testkit"
)

func TestForwardedForNamesTheLastAddressThatIsNotOfAProxy(t *testing.T) {
	trusted := strict.Networks{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}
	for _, tt := range []struct {
		lines  []string
		client string // empty if it is refused
	}{
		{[]string{"192.0.2.1"}, "192.0.2.1"},
		{[]string{"192.0.2.1, 10.1.2.3"}, "192.0.2.1"},
		{[]string{"192.0.2.1,2001:db8:1::7 ,\t10.1.2.3"}, "192.0.2.1"},
		{[]string{"198.51.100.1, 192.0.2.1"}, "192.0.2.1"},
		{[]string{"198.51.100.1", "192.0.2.1", "10.1.2.3"}, "192.0.2.1"},
		{[]string{"10.9.9.9, 192.0.2.1"}, "192.0.2.1"},
		{[]string{"anything at all, 192.0.2.1"}, "192.0.2.1"},
		{[]string{"", "192.0.2.1"}, "192.0.2.1"},
		{[]string{"10.1.2.3"}, "10.1.2.3"},
		{[]string{"10.4.5.6, 10.1.2.3"}, "10.4.5.6"},
		{[]string{"192.0.2.1:4711"}, "192.0.2.1"},
		{[]string{"2001:db8::1"}, "2001:db8::1"},
		{[]string{"[2001:db8::1]"}, "2001:db8::1"},
		{[]string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{[]string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{[]string{"192.0.2.1, ::ffff:10.1.2.3"}, "192.0.2.1"},

		{[]string{""}, ""},
		{[]string{"192.0.2.1,"}, ""},
		{[]string{"192.0.2.1", ""}, ""},
		{[]string{"192.0.2.1, unknown"}, ""},
		{[]string{"unknown, 10.1.2.3"}, ""},
		{[]string{"for=unknown"}, ""},
		{[]string{"for=192.0.2.1"}, ""},
		{[]string{"registry.test"}, ""},
		{[]string{"192.0.2.1 10.1.2.3"}, ""},
		{[]string{"192.0.2.01"}, ""},
		{[]string{"192.0.2.1:"}, ""},
		{[]string{"192.0.2.1:99999"}, ""},
		{[]string{"[192.0.2.1]"}, ""},
		{[]string{"[2001:db8::1"}, ""},
		{[]string{"2001:db8::1]"}, ""},
		{[]string{"fe80::1%eth0"}, ""},
		{[]string{"[fe80::1%eth0]:1"}, ""},
		{[]string{"\"192.0.2.1\""}, ""},
	} {
		got, ok := forwardedFor(tt.lines, trusted)
		if ok != (tt.client != "") || ok && got.String() != tt.client {
			t.Errorf("%q: %v %v, want %q", tt.lines, got, ok, tt.client)
		}
	}
}

func FuzzForwardedFor(f *testing.F) {
	for _, seed := range []string{"192.0.2.1", "a, 10.1.2.3", "[2001:db8::1]:1, 10.0.0.1", "for=unknown", ",", "fe80::1%x"} {
		f.Add(seed)
	}
	trusted := strict.Networks{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, value string) {
		addr, ok := forwardedFor([]string{value}, trusted)
		if !ok {
			return
		}
		if !addr.IsValid() || addr.Is4In6() || addr.Zone() != "" {
			t.Errorf("%q: address %v", value, addr)
		}
		// What a client puts before the address that its proxy appends changes nothing.
		if got, ok := forwardedFor([]string{value, "192.0.2.1"}, trusted); !ok || got.String() != "192.0.2.1" {
			t.Errorf("%q before 192.0.2.1: %v", value, got)
		}
	})
}

// sources is a backend that takes down where logins come from.
type sources struct {
	backend.Backend
	seen chan netip.Addr
}

func (s sources) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	s.seen <- backend.CallOf(ctx).Source
	return s.Backend.Authenticate(ctx, user, password)
}

// proxiedGateway lets in who comes from 192.0.2.0/24, and users.
func proxiedGateway(t *testing.T, up *capture, change func(*Config)) (*testGateway, chan netip.Addr) {
	t.Helper()
	route := recipeRoute(t, up.url())
	route.Rules = append([]rules.Rule{{Name: "in house", Paths: []string{"/v2/in-house/**"}, Require: mustRequire(t, "ip 192.0.2.0/24")}}, route.Rules...)
	seen := make(chan netip.Addr, 100)
	route.Backend = sources{route.Backend, seen}
	return startGateway(t, change, route), seen
}

func trustLoopback(c *Config) {
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

func TestTrustedProxySaysWhoTheClientIs(t *testing.T) {
	up := newCapture(t)
	tg, seen := proxiedGateway(t, up, trustLoopback)
	for i, tt := range []struct {
		fields []string
		status int    // of what is for 192.0.2.0/24 alone
		source string // that is logged, and told
		proto  string
	}{
		{nil, 403, "127.0.0.1", "http"},
		{[]string{"X-Forwarded-For: 192.0.2.9"}, 200, "192.0.2.9", "http"},
		{[]string{"X-Forwarded-For: 192.0.2.9", "X-Forwarded-Proto: https"}, 200, "192.0.2.9", "https"},
		{[]string{"X-Forwarded-For: 192.0.2.9", "X-Forwarded-Proto: https", "X-Forwarded-Proto: https"}, 200, "192.0.2.9", "http"},
		{[]string{"X-Forwarded-For: 192.0.2.9", "X-Forwarded-Proto: gopher"}, 200, "192.0.2.9", "http"},
		{[]string{"X-Forwarded-For: 192.0.2.9, 198.51.100.1"}, 403, "198.51.100.1", "http"},
		{[]string{"X-Forwarded-For: 192.0.2.9", "X-Forwarded-For: 198.51.100.1"}, 403, "198.51.100.1", "http"},
		{[]string{"X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 192.0.2.9"}, 200, "192.0.2.9", "http"},
		{[]string{"X_Forwarded_For: 192.0.2.9"}, 403, "127.0.0.1", "http"},
		{[]string{"Forwarded: for=192.0.2.9", "X-Real-Ip: 192.0.2.9"}, 403, "127.0.0.1", "http"},
		{[]string{"X-Forwarded-For: for=unknown"}, 400, "127.0.0.1", ""},
		{[]string{"X-Forwarded-For:"}, 400, "127.0.0.1", ""},
	} {
		w := tg.dial(t)
		w.send(t, "GET /v2/in-house/x HTTP/1.1\r\nHost: localhost\r\n"+strings.Join(append(slices.Clone(tt.fields), ""), "\r\n")+"\r\n")
		if resp := w.answer(t, "GET"); resp.StatusCode != tt.status {
			t.Errorf("%q: status %d, want %d", tt.fields, resp.StatusCode, tt.status)
		}
		if got := tg.records(t, 2*i+1)[2*i]["source"]; tt.status != 400 && got != tt.source {
			t.Errorf("%q: logged as from %v, want %s", tt.fields, got, tt.source)
		}
		w = tg.dial(t)
		w.send(t, head("GET /v2/ HTTP/1.1", tt.fields...))
		resp := w.answer(t, "GET")
		tg.records(t, 2*i+2)
		if tt.status == 400 {
			if resp.StatusCode != 400 {
				t.Errorf("%q: status %d, want 400", tt.fields, resp.StatusCode)
			}
			continue
		}
		if got := <-seen; got.String() != tt.source {
			t.Errorf("%q: the backend hears of %v, want %s", tt.fields, got, tt.source)
		}
		told := up.last(t).Header
		if got := told["X-Forwarded-For"]; len(got) != 1 || got[0] != tt.source {
			t.Errorf("%q: the upstream hears of %q, want %s", tt.fields, got, tt.source)
		}
		if got := told["X-Forwarded-Proto"]; len(got) != 1 || got[0] != tt.proto {
			t.Errorf("%q: the upstream hears of %q, want %s", tt.fields, got, tt.proto)
		}
	}
}

func TestNobodyElseSaysWhoTheClientIs(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"nobody is trusted": func(c *Config) {},
		"others are trusted": func(c *Config) {
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::ffff:127.0.0.0/104")}
		},
	} {
		up := newCapture(t)
		tg, seen := proxiedGateway(t, up, change)
		fields := []string{"X-Forwarded-For: 192.0.2.9", "X-Forwarded-Proto: https"}
		w := tg.dial(t)
		w.send(t, head("GET /v2/in-house/x HTTP/1.1", fields...))
		if resp := w.answer(t, "GET"); resp.StatusCode != 403 {
			t.Errorf("%s: status %d, want 403", name, resp.StatusCode)
		}
		w.send(t, head("GET /v2/ HTTP/1.1", append(fields, "X-Forwarded-For: for=unknown")...))
		if resp := w.answer(t, "GET"); resp.StatusCode != 200 {
			t.Errorf("%s: status %d, want 200", name, resp.StatusCode)
		}
		if got := <-seen; got.String() != "127.0.0.1" {
			t.Errorf("%s: the backend hears of %v", name, got)
		}
		told := up.last(t).Header
		if got := fmt.Sprint(told["X-Forwarded-For"], told["X-Forwarded-Proto"]); got != "[127.0.0.1] [http]" {
			t.Errorf("%s: the upstream hears of %s", name, got)
		}
	}
}

// proxyHeaders begin a connection, each with the source that it makes of it; empty
// where it is refused.
func proxyHeaders(t *testing.T) map[string]string {
	t.Helper()
	addr := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	v2 := func(h *proxyproto.Header) string {
		var b bytes.Buffer
		if _, err := h.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	overUDP := v2(&proxyproto.Header{
		Version: 2, Command: proxyproto.PROXY, TransportProtocol: proxyproto.UDPv4,
		SourceAddr: &net.UDPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 1}, DestinationAddr: &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 2},
	})
	overUnix := v2(&proxyproto.Header{
		Version: 2, Command: proxyproto.PROXY, TransportProtocol: proxyproto.UnixStream,
		SourceAddr: &net.UnixAddr{Name: "a", Net: "unix"}, DestinationAddr: &net.UnixAddr{Name: "b", Net: "unix"},
	})
	of := func(from, to string) string { return v2(proxyproto.HeaderProxyFromAddrs(2, addr(from), addr(to))) }
	return map[string]string{
		"PROXY TCP4 192.0.2.9 192.0.2.1 40000 443\r\n":     "192.0.2.9",
		"PROXY TCP6 2001:db8::9 2001:db8::1 40000 443\r\n": "2001:db8::9",
		"PROXY UNKNOWN\r\n":                              "127.0.0.1",
		of("192.0.2.9:40000", "192.0.2.1:443"):           "192.0.2.9",
		of("[2001:db8::9]:40000", "[2001:db8::1]:443"):   "2001:db8::9",
		v2(proxyproto.HeaderProxyFromAddrs(2, nil, nil)): "127.0.0.1", // LOCAL
		"PROXY TCP4 127.0.0.9 192.0.2.1 40000 443\r\n":   "127.0.0.9", // a proxy before the proxy
		overUDP:  "127.0.0.1",
		overUnix: "127.0.0.1",
		"":       "",
		"PROXY TCP4 192.0.2.9 192.0.2.1 40000\r\n":                 "",
		"PROXY TCP4 unknown 192.0.2.1 40000 443\r\n":               "",
		"PROXY TCP4 2001:db8::9 2001:db8::1 40000 443\r\n":         "",
		"PROXY  TCP4 192.0.2.9 192.0.2.1 40000 443\r\n":            "",
		of("192.0.2.9:40000", "192.0.2.1:443")[:14] + "\x00\x01xx": "",
	}
}

func TestTrustedProxyBeginsWithAHeader(t *testing.T) {
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		up := newCapture(t)
		m := NewMetrics("v1", "go1")
		tg, _ := proxiedGateway(t, up, func(c *Config) {
			trustLoopback(c)
			c.ProxyProtocol, c.Metrics = true, m
			if secure {
				withTLS(t)(c)
			}
		})
		n, refused := 0, 0
		for header, source := range proxyHeaders(t) {
			w := tg.dialProxied(t, header)
			_, err := io.WriteString(w, head("GET /v2/ HTTP/1.1", "X-Forwarded-For: 198.51.100.7"))
			if source == "" {
				refused++
				if err == nil && !w.ended() {
					t.Errorf("%s: %q: the connection goes on", name, header)
				}
				continue
			}
			if resp := w.answer(t, "GET"); resp.StatusCode != 200 {
				t.Errorf("%s: %q: status %d", name, header, resp.StatusCode)
			}
			n++
			want := source
			if source == "127.0.0.9" { // who is believed; the others have sent the field themselves, or may have
				want = "198.51.100.7"
			}
			if got := tg.records(t, n)[n-1]["source"]; got != want {
				t.Errorf("%s: %q: logged as from %v, want %s", name, header, got, want)
			}
		}
		if got := int(samples(t, m, "gatehouse_connections_refused_total")["reason=proxy_header"]); got != refused {
			t.Errorf("%s: %d were counted as refused, want %d", name, got, refused)
		}
	}
}

// Who is not trusted is not heard, and what it says is no request.
func TestNobodyElseBeginsWithAHeader(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"others are trusted": func(c *Config) {
			c.ProxyProtocol, c.TrustedProxies = true, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		},
		"without the protocol":     trustLoopback,
		"others, over TLS":         func(c *Config) { withTLS(t)(c); c.ProxyProtocol = true },
		"without it, and over TLS": func(c *Config) { withTLS(t)(c); trustLoopback(c) },
	} {
		up := newCapture(t)
		tg, _ := proxiedGateway(t, up, change)
		for header, source := range proxyHeaders(t) {
			if source == "" {
				continue
			}
			text := tg.raw(t, header+head("GET /v2/ HTTP/1.1"))
			if strings.HasPrefix(text, "HTTP/") && !strings.HasPrefix(text, "HTTP/1.1 400 ") {
				t.Errorf("%s: %q is answered with %.40q", name, header, text)
			}
		}
		if got := up.text(); got != "" {
			t.Errorf("%s: the upstream got %q", name, got)
		}
		w := tg.dial(t)
		w.send(t, head("GET /v2/ HTTP/1.1"))
		if resp := w.answer(t, "GET"); resp.StatusCode != 200 {
			t.Errorf("%s: a client without a header: status %d", name, resp.StatusCode)
		}
	}
}

func TestConnectionsBehindAProxyAreLimitedByClient(t *testing.T) {
	tg, _ := proxiedGateway(t, newCapture(t), func(c *Config) {
		trustLoopback(c)
		c.ProxyProtocol, c.Limits.PerAddress = true, 1
	})
	ask := func(source string) *wire {
		w := tg.dialProxied(t, "PROXY TCP4 "+source+" 192.0.2.1 40000 443\r\n")
		io.WriteString(w, head("GET /v2/ HTTP/1.1"))
		return w
	}
	first := ask("192.0.2.9")
	if resp := first.answer(t, "GET"); resp.StatusCode != 200 {
		t.Fatalf("the first: status %d", resp.StatusCode)
	}
	if !ask("192.0.2.9").ended() {
		t.Error("a second connection of the same client goes on")
	}
	if resp := ask("192.0.2.10").answer(t, "GET"); resp.StatusCode != 200 {
		t.Errorf("another client: status %d", resp.StatusCode)
	}
	first.Close()
	testkit.Await(t, "the client may come again", func() bool {
		w := ask("192.0.2.9")
		resp, err := http.ReadResponse(w.br, nil)
		return err == nil && resp.StatusCode == 200
	})
}
