package gateway

import (
	"strconv"
	"strings"
	"testing"

	"gatehouse/gateway/rules"
)

func TestMethodsThatNoRuleCanNameAreRefused(t *testing.T) {
	t.Parallel()
	expectRefused(t, []attack{
		{"lower case", head("get /v2/ HTTP/1.1"), 501},
		{"mixed case", head("Delete /v2/ HTTP/1.1"), 501},
		{"unknown", head("FROB /v2/ HTTP/1.1"), 501},
		{"WebDAV", head("PROPFIND /v2/ HTTP/1.1"), 501},
		{"1000 letters", head(strings.Repeat("M", 1000) + " /v2/ HTTP/1.1"), 501},
		{"the gateway's own word for a refusal", head("REFUSED / HTTP/1.1"), 501},
		{"CONNECT to an authority", head("CONNECT localhost:443 HTTP/1.1"), 405},
		{"CONNECT to a path", head("CONNECT /v2/ HTTP/1.1"), 405},
		{"CONNECT with a body", head("CONNECT localhost:443 HTTP/1.1", "Content-Length: 5") + "hello", 405},
		{"CONNECT with another request behind it", head("CONNECT /v2/ HTTP/1.1") + head("GET /v2/ HTTP/1.1"), 405},
		{"TRACE", head("TRACE /v2/ HTTP/1.1"), 405},
		{"TRACK", head("TRACK /v2/ HTTP/1.1"), 405},
		{"no method", head(" /v2/ HTTP/1.1"), 400},
		{"method that is no token", head("G@T /v2/ HTTP/1.1"), 400},
		{"method with a control character", head("GE\x01T /v2/ HTTP/1.1"), 400},
	})
}

func TestRefusedMethodsEchoNoCredentialsAndNameTheKnownOnes(t *testing.T) {
	tg := startGateway(t, nil, recipeRoute(t, newCapture(t).url()))
	answer := tg.raw(t, head("TRACE /v2/ HTTP/1.1"))
	if strings.Contains(answer, basic("push")) {
		t.Errorf("the answer to TRACE has the credentials: %q", answer)
	}
	if want := "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"; !strings.Contains(answer, want) {
		t.Errorf("the answer lacks %q: %q", want, answer)
	}
}

// OPTIONS is judged as every method is, here by rules that do not name it.
func TestOptionsIsNoWayAroundTheRules(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	for user, want := range map[string]int{"": 401, "pull": 403, "push": 403} {
		if got := tg.do(t, user, "OPTIONS", "/v2/app/tags/list", nil).StatusCode; got != want {
			t.Errorf("user %q: status %d, want %d", user, got, want)
		}
	}
	if got := up.text(); got != "" {
		t.Errorf("the upstream got %q", got)
	}
}

// A rule that names methods says nothing of the others.
func TestMethodsThatARuleDoesNotNameAreDenied(t *testing.T) {
	up := newCapture(t)
	route := recipeRoute(t, up.url())
	route.Rules = []rules.Rule{{Name: "some", Methods: []string{"GET", "POST"}, Paths: everyPath, Require: mustRequire(t, "valid-user")}}
	tg := startGateway(t, nil, route)
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 200, "PUT": 403, "PATCH": 403, "DELETE": 403, "OPTIONS": 403} {
		if got := tg.do(t, "push", method, "/v2/app/x", nil).StatusCode; got != want {
			t.Errorf("%s: status %d, want %d", method, got, want)
		}
	}
}

func TestMethodOverridesDoNotArrive(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	w := tg.dial(t)
	w.send(t, head("GET /v2/ HTTP/1.1", "X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE", "x_http_method_override: DELETE"))
	w.answer(t, "GET")
	if got := strings.ToLower(up.text()); strings.Contains(got, "delete") {
		t.Errorf("the upstream got %q", got)
	}
}

// A body where none is usual must not become the next request.
func TestBodiesOfReadingMethodsStayBodies(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "DELETE"} {
		up := newCapture(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		tg := startGateway(t, nil, recipeRoute(t, up.url()))
		smuggled := head("PUT /v2/secret HTTP/1.1")
		w := tg.dial(t)
		w.send(t, head(method+" /v2/one HTTP/1.1", "Content-Length: "+strconv.Itoa(len(smuggled)))+smuggled+head("GET /v2/two HTTP/1.1"))
		for _, m := range []string{method, "GET"} {
			if resp := w.answer(t, m); resp.StatusCode != 200 {
				t.Errorf("%s with a body: status %d", method, resp.StatusCode)
			}
		}
		if begun, _, _ := up.counts(); begun != 2 || up.bodies[0] != smuggled || up.bodies[1] != "" {
			t.Errorf("%s: %d requests arrived with the bodies %q", method, begun, up.bodies)
		}
	}
}
