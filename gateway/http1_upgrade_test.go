package gateway

import (
	"bufio"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/backend"
	"gatehouse/gateway/rules"
)

// An offer of another protocol is ignored, and the upstream does not hear of it. The
// client of a WebSocket could not go on without one, and is told.
func TestHTTP1Upgrades(t *testing.T) {
	var got http.Header
	up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) { got = r.Header.Clone() })
	tg := startGateway(t, nil, recipeRoute(t, up.URL))
	for _, tt := range []struct {
		line   string
		fields []string
		status int
	}{
		{"GET /v2/x HTTP/1.1", []string{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"}, 200},
		{"GET /v2/x HTTP/1.1", []string{"Upgrade: h2c", "HTTP2-Settings: x"}, 200},
		{"GET /v2/x HTTP/1.1", []string{"Upgrade: TLS/1.3, foo/1"}, 200},
		{"GET /v2/x HTTP/1.1", []string{"Upgrade:"}, 200},
		{"GET /v2/x HTTP/1.1", []string{"Upgrade: websockets, not-websocket"}, 200},
		{"GET /v2/x HTTP/1.1", []string{"Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13", "Sec_WebSocket_Protocol: x"}, 200},
		{"GET /v2/x HTTP/1.0", []string{"Connection: Upgrade", "Upgrade: websocket"}, 200},
		{"GET /v2/x HTTP/1.1", []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13"}, 501},
		{"GET /v2/x HTTP/1.1", []string{"Upgrade: h2c , WEBSOCKET"}, 501},
	} {
		got = nil
		w := tg.dial(t)
		w.send(t, head(tt.line, tt.fields...))
		resp := w.answer(t, "GET")
		body := text(t, resp)
		if resp.StatusCode != tt.status || (got != nil) != (tt.status == 200) {
			t.Errorf("%s %q: status %d, want %d; the upstream got %v", tt.line, tt.fields, resp.StatusCode, tt.status, got)
		}
		if tt.status == 501 && !strings.Contains(body, "WebSocket") {
			t.Errorf("%q: the client is told %q", tt.fields, body)
		}
		for name := range got {
			plain := plainName(name)
			if plain == "Upgrade" || plain == "Http2-Settings" || plain == "Connection" || strings.HasPrefix(plain, "Sec-Websocket") {
				t.Errorf("%q: %s reached the upstream", tt.fields, name)
			}
		}
	}
}

// HTTP/1.0 may leave the host out. Such a request is for the host of the TLS handshake,
// or else for routes that name none; the upstream is told its own name.
func TestHTTP1WithoutHost(t *testing.T) {
	type arrived struct{ path, host, forwarded string }
	var got []arrived
	up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
		got = append(got, arrived{r.URL.Path, r.Host, strings.Join(r.Header["X-Forwarded-Host"], "|")})
	})
	name := strings.TrimPrefix(up.URL, "http://")
	anyHost, named := recipeRoute(t, up.URL), recipeRoute(t, up.URL)
	named.Hosts, named.Path = []string{"registry.test"}, "/v2/named"
	for _, tt := range []struct {
		version, sni, path string
		routes             []Route
		status             int
	}{
		{"HTTP/1.0", "", "/v2/x", []Route{anyHost, named}, 200},
		{"HTTP/1.0", "localhost", "/v2/x", []Route{anyHost, named}, 200},
		{"HTTP/1.0", "registry.test", "/v2/named/x", []Route{named}, 200},
		{"HTTP/1.0", "registry.test", "/v2/x", []Route{named}, 404},
		{"HTTP/1.0", "localhost", "/v2/named/x", []Route{named}, 400},
		{"HTTP/1.0", "", "/v2/named/x", []Route{named}, 400},
		{"HTTP/1.0", "", "http://localhost/v2/x", []Route{anyHost}, 400},
		{"HTTP/1.1", "", "/v2/x", []Route{anyHost}, 400},
		{"HTTP/1.1", "registry.test", "/v2/named/x", []Route{anyHost, named}, 400},
	} {
		got = nil
		tg := startGateway(t, withTLS(t), tt.routes...)
		c := tg.knocking(t, knock{sni: tt.sni}, "http/1.1")
		w := &wire{c, bufio.NewReader(c)}
		w.send(t, "GET "+tt.path+" "+tt.version+"\r\nAuthorization: "+basic("push")+"\r\n\r\n")
		resp := w.answer(t, "GET")
		want := []arrived{{tt.path, name, ""}}
		if tt.status != 200 {
			want = nil
		}
		if resp.StatusCode != tt.status || !slices.Equal(got, want) {
			t.Errorf("%s %s, handshake with %q: status %d, the upstream got %v; want %d and %v", tt.version, tt.path, tt.sni, resp.StatusCode, got, tt.status, want)
		}
		book, err := NewRulebook(tt.routes)
		if err != nil {
			t.Fatal(err)
		}
		if tt.version == "HTTP/1.0" && !strings.HasPrefix(tt.path, "http") {
			a := book.Explain(Question{Method: "GET", Target: tt.path, HTTP10: true, ServerName: tt.sni, Source: loopback, Who: rules.Subject{LoggedIn: true, Identity: backend.Identity{User: "push"}, GroupsKnown: true, Groups: []string{"pusher"}}})
			if a.Status != 0 && a.Status != tt.status || (a.Verdict == rules.Allowed) != (tt.status == 200) {
				t.Errorf("%s, handshake with %q: explain foresees %v %d, want %d", tt.path, tt.sni, a.Verdict, a.Status, tt.status)
			}
		}
		w.Close()
	}
}

// What explain foresees of requests that the gateway answers itself.
func TestRulebookForeseesWhatTheGatewayAnswers(t *testing.T) {
	route := recipeRoute(t, "http://registry:5000")
	route.Rules = append(route.Rules, rules.Rule{Name: "options", Methods: []string{"OPTIONS"}, Paths: everyPath, Require: mustRequire(t, "valid-user")})
	book, err := NewRulebook([]Route{route})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, target, name, value string
		verdict                     rules.Verdict
		status                      int
	}{
		{"GET", "/v2/x", "Upgrade", "websocket", rules.Denied, 501},
		{"GET", "/v2/x", "Upgrade", "h2c", rules.Allowed, 0},
		{"OPTIONS", "/v2/x", "Max-Forwards", "0", rules.Allowed, 200},
		{"OPTIONS", "/v2/x", "Max-Forwards", "1", rules.Allowed, 0},
		{"OPTIONS", "/v2/x", "Max-Forwards", "x", rules.Denied, 400},
		{"OPTIONS", "/v2/x?_method=PUT", "Max-Forwards", "0", rules.Denied, 400},
		{"GET", "/v2/x", "Max-Forwards", "0", rules.Allowed, 0},
	} {
		q := Question{Method: tt.method, Target: tt.target, Host: "localhost", Source: loopback, Header: http.Header{tt.name: {tt.value}}, Who: rules.Subject{LoggedIn: true, Identity: backend.Identity{User: "push"}, GroupsKnown: true, Groups: []string{"pusher"}}}
		if a := book.Explain(q); a.Verdict != tt.verdict || a.Status != tt.status {
			t.Errorf("%s %s with %s: %s: %v %d, want %v %d", tt.method, tt.target, tt.name, tt.value, a.Verdict, a.Status, tt.verdict, tt.status)
		}
	}
}
