package gateway

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/backend"
	"gatehouse/gateway/strict"
)

const (
	uiOrigin    = "https://ui.example.test"
	otherOrigin = "https://evil.example.test"
)

// flooded is a backend of which no login is asked.
type flooded struct{ people }

func (flooded) Authenticate(context.Context, string, string) (backend.Identity, error) {
	return backend.Identity{}, backend.ErrThrottled
}

// corsGateway is a gateway whose route is shared with uiOrigin, and others beside it. Its
// upstream has its own mind about pages.
func corsGateway(t *testing.T, change func(*Config)) (*testGateway, *upstreamLog) {
	t.Helper()
	up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h["access-control-allow-METHODS"] = []string{"BREW"}
		h["Access_Control_Allow_Credentials"] = []string{"maybe"}
		h.Set("Vary", "Accept")
		switch r.URL.Path {
		case "/v2/none":
			w.WriteHeader(404)
		case "/v2/varied":
			h["Vary"] = []string{"Accept, ORIGIN", "X-Other"}
		}
	})
	shared, plain, gone, limited := recipeRoute(t, up.URL), recipeRoute(t, up.URL), recipeRoute(t, "http://127.0.0.1:1"), recipeRoute(t, up.URL)
	shared.CORSOrigins = []string{uiOrigin, "http://localhost:8080"}
	plain.Path = "/v2/plain/"
	gone.Path, gone.CORSOrigins = "/v2/gone/", shared.CORSOrigins
	limited.Path, limited.CORSOrigins, limited.Backend = "/v2/limited/", shared.CORSOrigins, flooded{}
	return startGateway(t, change, shared, plain, gone, limited), up
}

// ask sends a request with the fields.
func (tg *testGateway) ask(t testing.TB, user, method, path string, fields map[string]string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(method, tg.url(path), nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		r.Header.Set("Authorization", basic(user))
	}
	for name, value := range fields {
		r.Header.Set(name, value)
	}
	resp, err := tg.client(t).Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// corsFields returns the fields of the CORS protocol in any spelling.
func corsFields(h http.Header) []string {
	var names []string
	for name := range h {
		if strings.HasPrefix(plainName(http.CanonicalHeaderKey(name)), "Access-Control-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Every answer on the route, whoever gives it, is for the page of a listed origin to
// read, and for no other; what the upstream thinks of that does not count.
func TestREG4EveryAnswerIsForListedOrigins(t *testing.T) {
	answerFields := []string{"Access-Control-Allow-Credentials", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers"}
	for proto, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		tg, _ := corsGateway(t, change)
		for _, tt := range []struct {
			user, method, path string
			status             int
		}{
			{"pull", "GET", "/v2/", 200},
			{"pull", "HEAD", "/v2/", 200},
			{"", "GET", "/v2/", 401},
			{"nobody", "GET", "/v2/", 401},
			{"pull", "PUT", "/v2/x", 403},
			{"push", "DELETE", "/v2/x", 200},
			{"pull", "GET", "/v2/none", 404},
			{"pull", "GET", "/v2/varied", 200},
			{"pull", "GET", "/v2/gone/x", 503},
			{"pull", "GET", "/v2/limited/x", 429},
			{"", "OPTIONS", "/v2/x", 401},
		} {
			for _, origin := range []string{uiOrigin, "http://localhost:8080", otherOrigin, "null", "https://ui.example.test.", "https://ui.example.test:443", "HTTPS://UI.EXAMPLE.TEST", ""} {
				fields := map[string]string{}
				if origin != "" {
					fields["Origin"] = origin
				}
				resp := tg.ask(t, tt.user, tt.method, tt.path, fields)
				if resp.StatusCode != tt.status || resp.Proto != proto {
					t.Fatalf("%s %s %s: status %d over %s, want %d", proto, tt.method, tt.path, resp.StatusCode, resp.Proto, tt.status)
				}
				listed := origin == uiOrigin || origin == "http://localhost:8080"
				var want []string
				if listed {
					want = answerFields
				}
				if got := corsFields(resp.Header); !slices.Equal(got, want) {
					t.Errorf("%s: %d to origin %q has the fields %q, want %q", proto, tt.status, origin, got, want)
				}
				if got := resp.Header.Values(allowOrigin); listed && (len(got) != 1 || got[0] != origin) {
					t.Errorf("%s: %d to origin %q is for %q", proto, tt.status, origin, got)
				}
				if vary := strings.ToLower(strings.Join(resp.Header.Values("Vary"), ",")); strings.Count(vary, "origin") != 1 {
					t.Errorf("%s: %d to origin %q: Vary %q", proto, tt.status, origin, vary)
				}
			}
		}
		resp := tg.ask(t, "pull", "GET", "/v2/plain/x", map[string]string{"Origin": uiOrigin})
		if got := resp.Header.Get(allowOrigin); got != "*" || resp.Header.Get("Vary") != "Accept" {
			t.Errorf("%s: a route without cors_origins answers with %v", proto, resp.Header)
		}
		for _, path := range []string{"/else", "/v2/../x"} {
			resp := tg.ask(t, "pull", "GET", path, map[string]string{"Origin": uiOrigin})
			if got := corsFields(resp.Header); len(got) > 0 {
				t.Errorf("%s: what came to no route (%d) has the fields %q", proto, resp.StatusCode, got)
			}
		}
	}
}

// Exposed is what clients of registries read.
func TestREG4FieldsOfRegistriesAreExposed(t *testing.T) {
	tg, _ := corsGateway(t, nil)
	exposed := tg.ask(t, "pull", "GET", "/v2/", map[string]string{"Origin": uiOrigin}).Header["Access-Control-Expose-Headers"]
	for _, name := range []string{"Docker-Content-Digest", "Link", "Location", "Range", "Www-Authenticate", "X-Request-Id", "Retry-After", "Etag", "Content-Range"} {
		if !strict.ListHas(exposed, name) {
			t.Errorf("%s is not exposed: %q", name, exposed)
		}
	}
}

// The gateway answers the preflight of a listed origin itself, without a login and
// whatever the rules say of OPTIONS; any other OPTIONS is for the rules.
func TestREG4PreflightIsAnsweredHere(t *testing.T) {
	for proto, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		tg, up := corsGateway(t, change)
		preflight := map[string]string{
			"Origin": uiOrigin, "Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization, x-own",
		}
		for _, path := range []string{"/v2/", "/v2/team/app/manifests/1", "/v2/gone/x", "/v2/limited/x"} {
			resp := tg.ask(t, "", "OPTIONS", path, preflight)
			if resp.StatusCode != 204 || resp.Proto != proto || resp.Header.Get(allowOrigin) != uiOrigin || resp.Header.Get("Access-Control-Allow-Credentials") != "true" ||
				resp.Header.Get("Access-Control-Allow-Headers") != "authorization, x-own" || len(resp.Header["Content-Length"]) > 0 {
				t.Errorf("%s %s: status %d over %s with %v", proto, path, resp.StatusCode, resp.Proto, resp.Header)
			}
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
				if !strict.ListHas(resp.Header["Access-Control-Allow-Methods"], method) {
					t.Errorf("%s %s: %s is not among %q", proto, path, method, resp.Header["Access-Control-Allow-Methods"])
				}
			}
			if len(resp.Header.Values("Vary")) != 1 || resp.Header.Get("X-Request-Id") == "" {
				t.Errorf("%s %s: Vary %q, X-Request-Id %q", proto, path, resp.Header.Values("Vary"), resp.Header.Get("X-Request-Id"))
			}
		}
		for _, r := range tg.records(t, 4) {
			if r["rule"] != "" || r["status"] != 204.0 {
				t.Errorf("%s: the record of a preflight is %v", proto, r)
			}
		}
		for name, change := range map[string]map[string]string{
			"of another origin":             {"Origin": otherOrigin},
			"of no origin":                  {"Origin": ""},
			"without a method":              {"Access-Control-Request-Method": ""},
			"of a prefix":                   {"Origin": uiOrigin + ".evil.test"},
			"of several origins":            {"Origin": uiOrigin + ", " + otherOrigin},
			"on a route that is not shared": {"path": "/v2/plain/x"},
		} {
			fields := maps.Clone(preflight)
			maps.Copy(fields, change)
			path := "/v2/x"
			if fields["path"] != "" {
				path = fields["path"]
			}
			maps.DeleteFunc(fields, func(name, value string) bool { return value == "" || name == "path" })
			if resp := tg.ask(t, "", "OPTIONS", path, fields); resp.StatusCode != 401 || resp.Header.Get("Access-Control-Allow-Methods") != "" {
				t.Errorf("%s: a preflight %s: status %d with %v", proto, name, resp.StatusCode, resp.Header)
			}
		}
		if asked := up.requests(); len(asked) > 0 {
			t.Errorf("%s: the upstream was asked %d times", proto, len(asked))
		}
	}
}

// What is told of fields is what was asked for, and never more than a list of names.
func TestREG4PreflightEchoesNamesAlone(t *testing.T) {
	tg, _ := corsGateway(t, nil)
	for fields, want := range map[string]string{
		"authorization":    "authorization",
		"a,B-c , x_y":      "a,B-c , x_y",
		"a; b":             "",
		"\"a\"":            "",
		"<script>":         "",
		"a\tb":             "",
		"authorization, ä": "",
	} {
		resp := tg.ask(t, "", "OPTIONS", "/v2/", map[string]string{"Origin": uiOrigin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": fields})
		if got := resp.Header.Get("Access-Control-Allow-Headers"); resp.StatusCode != 204 || got != want {
			t.Errorf("%q: status %d, %q, want %q", fields, resp.StatusCode, got, want)
		}
	}
	two := "OPTIONS /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccess-Control-Request-Method: GET\r\nOrigin: " + uiOrigin + "\r\nOrigin: " + otherOrigin + "\r\n\r\n"
	if resp := tg.get1(t, two); resp.StatusCode != 401 || len(corsFields(resp.Header)) > 0 {
		t.Errorf("two Origin fields: status %d with %v", resp.StatusCode, resp.Header)
	}
}

// The rulebook foresees the preflight, and which page may read an answer.
func TestREG4RulebookForeseesThePreflight(t *testing.T) {
	route := recipeRoute(t, "http://127.0.0.1:1")
	route.CORSOrigins = []string{uiOrigin}
	book, err := NewRulebook([]Route{route})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, origin string
		status         int
		readable       bool
	}{
		{"OPTIONS", uiOrigin, 204, true},
		{"OPTIONS", otherOrigin, 401, false},
		{"OPTIONS", "", 401, false},
		{"GET", uiOrigin, 401, true},
		{"GET", otherOrigin, 401, false},
	} {
		q := Question{Method: tt.method, Target: "/v2/x", Host: "h", Source: loopback, Header: http.Header{requestedMethod: {"GET"}}}
		if tt.origin != "" {
			q.Header.Set("Origin", tt.origin)
		}
		a := book.Explain(q)
		if a.Status != tt.status || a.Readable != tt.readable {
			t.Errorf("%s from %q: status %d, readable %v, want %d, %v", tt.method, tt.origin, a.Status, a.Readable, tt.status, tt.readable)
		}
	}
}

func TestOriginsThatAreNoneAreRefused(t *testing.T) {
	check := func(list ...string) error {
		_, err := Route{CORSOrigins: list}.origins()
		return err
	}
	for _, text := range []string{
		"", "*", "null", "https://*.example", "https://*", "*://ui.example", "ui.example", "//ui.example", "https:ui.example", "https:/ui.example",
		"https://", "https://ui.example/", "https://ui.example/x", "https://ui.example?x", "https://ui.example#x", "https://u@ui.example", "https://ui.example ",
		" https://ui.example", "https://UI.example", "HTTPS://ui.example", "https://ui.example:443", "http://ui.example:80", "https://ui.example.", "https://ui.example:0",
		"https://ui.example:x", "https://ui.example:", "https://üi.example", "https://ui.example, https://b.example", "https://ui.example\r\nX: y", "://ui.example", "4://x",
		"https://[2001:DB8::1]", "https://[2001:db8:0::1]", "https://127.1",
	} {
		if err := check(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	for _, text := range []string{
		"https://ui.example", "http://ui.example", "https://ui.example:8443", "http://ui.example:443", "http://localhost:8080", "https://[2001:db8::1]:8443", "https://[::1]",
		"http://127.0.0.1", "chrome-extension://abcdefghijklmnopabcdefghijklmnop", "tauri://localhost",
	} {
		if err := check(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if check("https://a.example", "https://a.example") == nil {
		t.Error("one origin is taken twice")
	}
	if _, err := (Route{CORSOrigins: []string{}}).origins(); err == nil {
		t.Error("an empty list is taken")
	}
}

// Nobody reads the body of a preflight, so that the connection ends, and the answer says so.
func TestPreflightWithABodyEndsTheConnection(t *testing.T) {
	route := recipeRoute(t, newCapture(t).url())
	route.CORSOrigins = []string{"https://ui.example"}
	tg := startGateway(t, nil, route)
	const head = "OPTIONS /v2/x HTTP/1.1\r\nHost: localhost\r\nOrigin: https://ui.example\r\nAccess-Control-Request-Method: GET\r\n"
	for name, request := range map[string]string{
		"small":    head + "Content-Length: 5\r\n\r\nhello",
		"withheld": head + "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
		"unended":  head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		w := tg.dial(t)
		w.send(t, request)
		if resp := w.answer(t, "OPTIONS"); resp.StatusCode != 204 || !resp.Close || !w.ended() {
			t.Errorf("%s: status %d, says that it ends: %v", name, resp.StatusCode, resp.Close)
		}
	}
	w := tg.dial(t)
	w.send(t, head+"\r\n")
	if resp := w.answer(t, "OPTIONS"); resp.StatusCode != 204 || resp.Close {
		t.Errorf("without a body: status %d, says that it ends: %v", resp.StatusCode, resp.Close)
	}
}
