package gateway

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"gatehouse/backend"
	"gatehouse/gateway/rules"
)

// oracle is a backend that answers as it is told and remembers what it was asked.
type oracle struct {
	id        backend.Identity
	err       error
	groups    []string
	groupsErr error
	panics    bool

	mu    sync.Mutex
	asked [][2]string
}

func (o *oracle) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	o.mu.Lock()
	o.asked = append(o.asked, [2]string{user, password})
	o.mu.Unlock()
	if o.panics {
		panic("the backend fell over")
	}
	return o.id, o.err
}

func (o *oracle) Groups(context.Context, backend.Identity) ([]string, error) {
	return o.groups, o.groupsErr
}

func (o *oracle) questions() [][2]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked
}

// behind starts a gateway whose users are those of b.
func behind(t *testing.T, b backend.Backend, up *capture) *testGateway {
	t.Helper()
	route := recipeRoute(t, up.url())
	route.Backend = b
	return startGateway(t, nil, route)
}

func basicOf(userpass string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(userpass))
}

func TestMalformedCredentialsReachNoBackend(t *testing.T) {
	up, users := newCapture(t), &oracle{id: backend.Identity{User: "bob"}}
	tg := behind(t, users, up)
	long := strings.Repeat("x", 1025)
	for name, field := range map[string]string{
		"none":                       "X: y",
		"empty":                      "Authorization:",
		"scheme alone":               "Authorization: Basic",
		"another scheme":             "Authorization: Bearer " + strings.TrimPrefix(basicOf("bob:secret"), "Basic "),
		"a list":                     "Authorization: Bearer x, " + basicOf("bob:secret"),
		"a list, the good one first": "Authorization: " + basicOf("bob:secret") + ", Bearer x",
		"two blanks":                 "Authorization: Basic  " + strings.TrimPrefix(basicOf("bob:secret"), "Basic "),
		"a tab":                      "Authorization: Basic\t" + strings.TrimPrefix(basicOf("bob:secret"), "Basic "),
		"no padding":                 "Authorization: " + strings.TrimRight(basicOf("bob:secret1"), "="),
		"blank inside":               "Authorization: Basic Ym9i OnNlY3JldA==",
		"URL alphabet":               "Authorization: " + strings.NewReplacer("+", "-", "/", "_").Replace(basicOf("bob:\xfb\xff\xfe?>")),
		"rubbish behind":             "Authorization: " + basicOf("bob:secret") + "x",
		"trailing bits":              "Authorization: Basic Ym9iOnNlY3JldB==",
		"no colon":                   "Authorization: " + basicOf("bob"),
		"empty user":                 "Authorization: " + basicOf(":secret"),
		"empty password":             "Authorization: " + basicOf("bob:"),
		"both empty":                 "Authorization: " + basicOf(":"),
		"NUL in the user":            "Authorization: " + basicOf("bob\x00x:secret"),
		"NUL as password":            "Authorization: " + basicOf("bob:\x00"),
		"NUL in the password":        "Authorization: " + basicOf("bob:secret\x00junk"),
		"line break in the user":     "Authorization: " + basicOf("bob\r\nX-Remote-User: admin:secret"),
		"line break in the password": "Authorization: " + basicOf("bob:secret\n"),
		"escape in the user":         "Authorization: " + basicOf("bob\x1b[2J:secret"),
		"long user":                  "Authorization: " + basicOf(long+":secret"),
		"long password":              "Authorization: " + basicOf("bob:"+long),
		"blank behind the user":      "Authorization: " + basicOf("bob :secret"),
		"full-width user":            "Authorization: " + basicOf("\uff42ob:secret"),
		"user that is not UTF-8":     "Authorization: " + basicOf("b\xffb:secret"),
		"Proxy-Authorization":        "Proxy-Authorization: " + basicOf("bob:secret"),
		"under another spelling":     "X_Authorization: " + basicOf("bob:secret"),
	} {
		w := tg.dial(t)
		w.send(t, "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n"+field+"\r\n\r\n")
		resp := w.answer(t, "GET")
		if resp.StatusCode != 401 {
			t.Errorf("%s: status %d, want 401", name, resp.StatusCode)
		}
		if got := resp.Header.Values("WWW-Authenticate"); len(got) != 1 || got[0] != `Basic realm="Registry Authentication", charset="UTF-8"` {
			t.Errorf("%s: challenges %q", name, got)
		}
	}
	if got := users.questions(); len(got) > 0 {
		t.Errorf("the backend was asked about %q", got)
	}
	if got := up.text(); got != "" {
		t.Errorf("the upstream got %q", got)
	}
}

func TestTwoAuthorizationsAreRefused(t *testing.T) {
	t.Parallel()
	good := "Authorization: " + basic("pull")
	expectRefused(t, []attack{
		{"good one first", "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n" + good + "\r\nAuthorization: Basic eDp5\r\n\r\n", 400},
		{"good one last", "GET /v2/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic eDp5\r\n" + good + "\r\n\r\n", 400},
		{"twice the same", "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n" + good + "\r\naUTHORIZATION: " + basic("pull") + "\r\n\r\n", 400},
		{"one of them empty", "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n" + good + "\r\nAuthorization:\r\n\r\n", 400},
	})
}

func TestPasswordsReachTheBackendByteForByte(t *testing.T) {
	users := &oracle{err: backend.ErrWrongPassword}
	tg := behind(t, users, newCapture(t))
	want := [][2]string{{"bob", "a:b:c"}, {"bob", " leading and trailing "}, {"bob", "p\xc3\xa4ss\xf0\x9f\x94\x91"}, {"bob", "\xff\xfe"}, {`DOM\bob`, `"\`}, {"bob", strings.Repeat("x", 1024)}}
	for _, pair := range want {
		w := tg.dial(t)
		w.send(t, "GET /v2/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: "+basicOf(pair[0]+":"+pair[1])+"\r\n\r\n")
		w.answer(t, "GET")
	}
	if got := users.questions(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the backend was asked %q, want %q", got, want)
	}
}

// A stranger learns from no refusal whether the user exists or is locked.
func TestRefusedLoginsLookAlike(t *testing.T) {
	var first string
	for _, method := range []string{"GET", "PUT"} {
		for _, err := range []error{
			backend.ErrUnknownUser, backend.ErrWrongPassword, backend.ErrLocked,
			fmt.Errorf("corp: bind as CN=bob: %w", backend.ErrLocked),
			errors.Join(errors.New("local"), backend.ErrUnknownUser),
		} {
			up := newCapture(t)
			tg := behind(t, &oracle{err: err}, up)
			answer := tg.raw(t, head(method+" /v2/app/manifests/1 HTTP/1.1", "Connection: close"))
			answer = regexp.MustCompile(`(Date|X-Request-Id): .*\r\n`).ReplaceAllString(answer, "$1: -\r\n")
			if first == "" {
				first = answer
			}
			if answer != first || !strings.HasPrefix(answer, "HTTP/1.1 401 Unauthorized\r\n") {
				t.Errorf("%v: answered\n%s\nwant\n%s", err, answer, first)
			}
			if got := up.text(); got != "" {
				t.Errorf("%v: the upstream got %q", err, got)
			}
		}
	}
}

// What is no answer is neither a refusal, after which clients forget a good
// password, nor a permission.
func TestBackendsThatDoNotAnswerLetNobodyIn(t *testing.T) {
	secret := errors.New("ldaps://dc1.corp.example: CN=svc,DC=corp: connection refused")
	bob := backend.Identity{User: "bob", Source: "corp"}
	for name, tt := range map[string]struct {
		users  *oracle
		method string
		want   int
	}{
		"unavailable":                   {&oracle{err: fmt.Errorf("%w: %w", backend.ErrUnavailable, secret)}, "GET", 503},
		"timeout":                       {&oracle{err: fmt.Errorf("%w: %w", backend.ErrUnavailable, context.DeadlineExceeded)}, "GET", 503},
		"cancelled by itself":           {&oracle{err: context.Canceled}, "GET", 503},
		"unknown fault":                 {&oracle{err: secret}, "GET", 503},
		"unknown fault with a name":     {&oracle{id: bob, err: secret}, "GET", 503},
		"nobody vouched for":            {&oracle{}, "GET", 503},
		"name with a line break":        {&oracle{id: backend.Identity{User: "a\r\nX: y"}}, "GET", 503},
		"groups unavailable":            {&oracle{id: bob, groupsErr: backend.ErrUnavailable}, "PUT", 503},
		"groups wrongly refused":        {&oracle{id: bob, groupsErr: backend.ErrUnknownUser}, "PUT", 503},
		"groups beside an error":        {&oracle{id: bob, groups: []string{"pusher"}, groupsErr: secret}, "PUT", 503},
		"in another group":              {&oracle{id: bob, groups: []string{"pushers", "push", "xpusher"}}, "PUT", 403},
		"panic":                         {&oracle{id: bob, groups: []string{"pusher"}, panics: true}, "GET", 500},
		"panic with a body on its way":  {&oracle{id: bob, groups: []string{"pusher"}, panics: true}, "PUT", 500},
		"allowed, to prove these tests": {&oracle{id: bob, groups: []string{"pusher"}}, "PUT", 200},
	} {
		t.Run(name, func(t *testing.T) {
			up := newCapture(t)
			tg := behind(t, tt.users, up)
			w := tg.dial(t)
			w.send(t, head(tt.method+" /v2/app/manifests/1 HTTP/1.1", "Content-Length: 3")+"abc")
			resp := w.answer(t, tt.method)
			if resp.StatusCode != tt.want {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.want)
			}
			if tt.want == 200 {
				return
			}
			if got := up.text(); got != "" {
				t.Errorf("the upstream got %q", got)
			}
			if got := resp.Header.Get("Retry-After"); (got != "") != (tt.want == 503) {
				t.Errorf("Retry-After %q", got)
			}
			body := text(t, resp)
			for _, hidden := range []string{"corp", "ldap", "CN=", "refused\"", "goroutine", "fell over"} {
				if strings.Contains(body, hidden) {
					t.Errorf("the client is told %q", body)
				}
			}
			if !strings.Contains(body, resp.Header.Get("X-Request-Id")) {
				t.Errorf("the request's id %s is not in %q", resp.Header.Get("X-Request-Id"), body)
			}
		})
	}
}

func TestRefusalSaysWhoMayNotDoWhat(t *testing.T) {
	tg := startGateway(t, nil, recipeRoute(t, newCapture(t).url()))
	resp := tg.do(t, "pull", "PUT", "/v2/team/app/manifests/1", nil)
	id := resp.Header.Get("X-Request-Id")
	want := `{"errors":[{"code":"DENIED","message":"pull may not push to team/app: rule \"push\" needs group pusher (id ` + id +
		`)","detail":{"action":"push to","repository":"team/app","requires":"group pusher","rule":"push"}}]}` + "\n"
	if got := text(t, resp); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if r := tg.records(t, 1)[0]; r["id"] != id || r["user"] != "pull" || r["rule"] != "push" || r["backend"] != "people" {
		t.Errorf("access record %v", r)
	}
}

func TestRefusalsOfHEADHaveFieldsAndNoBody(t *testing.T) {
	tg := startGateway(t, nil, recipeRoute(t, newCapture(t).url()))
	for _, method := range []string{"GET", "HEAD"} {
		w := tg.dial(t)
		w.send(t, method+" /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n"+head("GET /v2/ HTTP/1.1"))
		resp := w.answer(t, method)
		if resp.StatusCode != 401 || resp.ContentLength <= 0 || resp.Header.Get("WWW-Authenticate") == "" || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: status %d, %v", method, resp.StatusCode, resp.Header)
		}
		if resp := w.answer(t, "GET"); resp.StatusCode != 200 {
			t.Errorf("behind %s: status %d", method, resp.StatusCode)
		}
	}
}

func TestGroupNamesReachTheUpstreamUnmistakably(t *testing.T) {
	up := newCapture(t)
	route := identityRoute(t, up.url(), "valid-user")
	route.Backend = &oracle{id: backend.Identity{User: "bob"}, groups: []string{"a,b", "c%2Cd", "e\r\nX-Evil: y", "grün", ""}}
	tg := startGateway(t, nil, route)
	tg.do(t, "push", "GET", "/v2/", nil)
	if got, want := up.last(t).Header.Get("X-Remote-Groups"), "a%2Cb,c%252Cd,e%0D%0AX-Evil: y,gr%C3%BCn,"; got != want {
		t.Errorf("groups %q, want %q", got, want)
	}
}

// A client that hangs up while its login is checked is nobody's outage.
func TestClientThatLeavesDuringLoginGetsNothing(t *testing.T) {
	started, up := make(chan struct{}), newCapture(t)
	tg := behind(t, slowUsers(started), up)
	w := tg.dial(t)
	w.send(t, head("GET /v2/ HTTP/1.1"))
	<-started
	w.Close()
	if r := tg.records(t, 1)[0]; r["status"].(float64) != statusClientGone {
		t.Errorf("access record %v", r)
	}
	if got := up.text(); got != "" {
		t.Errorf("the upstream got %q", got)
	}
}

// slowUsers says that it has been asked, and waits for the context.
type slowUsers chan struct{}

func (s slowUsers) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	close(s)
	<-ctx.Done()
	return backend.Identity{}, fmt.Errorf("%w: %w", backend.ErrUnavailable, ctx.Err())
}

func (s slowUsers) Groups(context.Context, backend.Identity) ([]string, error) { return nil, nil }

func TestBasicIsNotAskedForOverAnOpenWire(t *testing.T) {
	for address, allowed := range map[string]bool{
		"127.0.0.1:0": true, "[::1]:0": true, "localhost:0": true, ":5000": false, "0.0.0.0:5000": false, "[::]:5000": false,
		"192.0.2.1:5000": false, "registry.example:5000": false, "localhost.example:5000": false, "127.0.0.1.example:80": false,
	} {
		for _, insecure := range []bool{false, true} {
			cfg := Config{Listen: []string{address}, InsecurePlaintext: insecure, Routes: []Route{recipeRoute(t, "http://127.0.0.1:1")}, AccessOut: io.Discard}
			g, err := New(cfg)
			if (err == nil) != (allowed || insecure) {
				t.Errorf("%s, insecure %v: error %v", address, insecure, err)
			}
			if g != nil {
				g.release()
			}
		}
	}
}

func TestAnonymousRequestsPassWhereARuleSaysSo(t *testing.T) {
	up := newCapture(t)
	route := recipeRoute(t, up.url())
	users := &oracle{err: backend.ErrWrongPassword}
	route.Backend, route.Rules = users, []rules.Rule{{Name: "open", Paths: []string{"/v2/open/**"}, Require: mustRequire(t, "all granted")}}
	tg := startGateway(t, nil, route)
	for _, user := range []string{"", "stranger"} {
		if got := tg.do(t, user, http.MethodGet, "/v2/open/x", nil).StatusCode; got != 200 {
			t.Errorf("user %q: status %d", user, got)
		}
	}
	if got := users.questions(); len(got) > 0 {
		t.Errorf("the backend was asked about %q where nobody needs to log in", got)
	}
	if got := tg.do(t, "", http.MethodGet, "/v2/", nil).StatusCode; got != 401 {
		t.Errorf("/v2/ without credentials: status %d, want 401", got)
	}
}
