package gateway

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"gatehouse/backend"
	"gatehouse/gateway/rules"
)

var idInMessage = regexp.MustCompile(`\(id ([0-9A-Z]{8})\)`)

// refusedID returns the id that a refused request was answered with.
func refusedID(t *testing.T, resp *http.Response) string {
	t.Helper()
	id := resp.Header.Get("X-Request-Id")
	if m := idInMessage.FindStringSubmatch(text(t, resp)); m != nil && m[1] != id {
		t.Errorf("id %q in the message, %q in X-Request-Id", m[1], id)
	}
	return id
}

func TestRefusalIsFoundByTheIDThatTheUserSaw(t *testing.T) {
	tg := startGateway(t, nil, recipeRoute(t, newCapture(t).url()))
	resp := tg.do(t, "alice", "PUT", "/v2/team/app/manifests/1", strings.NewReader("{}"))
	id := refusedID(t, resp)
	for _, asked := range []string{id, strings.ToLower(id), " " + id, strings.NewReplacer("0", "O", "1", "l").Replace(id)} {
		r, ok := tg.Why(asked)
		if !ok || r.ID != id {
			t.Fatalf("Why(%q) = %+v, %v", asked, r, ok)
		}
	}
	r, _ := tg.Why(id)
	if r.Method != "PUT" || r.Target != "/v2/team/app/manifests/1" || r.Host != tg.addr || r.Source != loopback || r.Time.IsZero() {
		t.Errorf("request %+v", r)
	}
	if r.Who.Identity.User != "alice" || len(r.Who.Groups) != 1 || r.Claimed != "alice" {
		t.Errorf("user %+v, claimed %q", r.Who, r.Claimed)
	}
	a := r.Answer
	if a.Status != 403 || a.Code != codeDenied || a.Verdict != rules.Denied || !a.Signed || a.Message != `alice may not push to team/app: rule "push" needs group pusher` {
		t.Errorf("answer %+v", a)
	}
	if d := a.Trace.Decision; d.Rule != "push" || len(a.Trace.Steps) != 3 || !a.Trace.Steps[1].Decides || a.Trace.Remedies[0] != "add alice to the group pusher" {
		t.Errorf("trace %+v", a.Trace)
	}
	if _, ok := tg.Why("ZZZZZZZZ"); ok {
		t.Error("an id that nobody was shown is found")
	}
}

func TestRefusalsOfEveryKindSayWhy(t *testing.T) {
	up := newCapture(t)
	down := onEveryPath(recipeRoute(t, up.url()))
	down.Path, down.Backend = "/down", outage{fmt.Errorf("dc1: no route to host: %w", backend.ErrUnavailable)}
	gone := onEveryPath(recipeRoute(t, "http://127.0.0.1:1"))
	gone.Path = "/gone"
	tg := startGateway(t, nil, recipeRoute(t, up.url()), down, gone)
	for _, tt := range []struct {
		name, request string
		status        int
		cause         string
		verdict       rules.Verdict
		steps         int
	}{
		{"wrong password", "GET /v2/x HTTP/1.1\r\nAuthorization: " + basicOf("pull:wrong"), 401, "wrong password", rules.NeedsLogin, 3},
		{"unknown user", "GET /v2/x HTTP/1.1\r\nAuthorization: " + basicOf("eve:wrong"), 401, "unknown user", rules.NeedsLogin, 3},
		{"challenge", "GET /v2/x HTTP/1.1", 401, "", rules.NeedsLogin, 3},
		{"backend down", "GET /down HTTP/1.1\r\nAuthorization: " + basic("pull"), 503, "dc1: no route to host", rules.NeedsLogin, 2},
		{"upstream gone", "GET /gone HTTP/1.1\r\nAuthorization: " + basic("pull"), 503, "refused", rules.Allowed, 2},
		{"no rule", "OPTIONS /v2/x HTTP/1.1\r\nAuthorization: " + basic("pull"), 403, "", rules.Denied, 3},
		{"no route", "GET /x HTTP/1.1", 404, "", rules.Denied, 0},
		{"malformed", "GET /v2/../x HTTP/1.1", 400, "", rules.Denied, 0},
		{"unknown method", "FOO /v2/x HTTP/1.1", 501, "", rules.Denied, 0},
	} {
		resp := tg.get1(t, tt.request+"\r\nHost: h\r\nConnection: close\r\n\r\n")
		r, ok := tg.Why(refusedID(t, resp))
		if !ok || r.Answer.Status != tt.status || resp.StatusCode != tt.status {
			t.Errorf("%s: answered %d, found %v with status %d; want %d", tt.name, resp.StatusCode, ok, r.Answer.Status, tt.status)
		}
		if !strings.Contains(r.Cause, tt.cause) || (r.Cause == "") != (tt.cause == "") || r.Reason == "" {
			t.Errorf("%s: cause %q, want %q in it; reason %q", tt.name, r.Cause, tt.cause, r.Reason)
		}
		if r.Answer.Verdict != tt.verdict || len(r.Answer.Trace.Steps) != tt.steps {
			t.Errorf("%s: verdict %v with %d steps, want %v with %d", tt.name, r.Answer.Verdict, len(r.Answer.Trace.Steps), tt.verdict, tt.steps)
		}
	}
}

// outage is a backend that gives no answer.
type outage struct{ error }

func (f outage) Authenticate(context.Context, string, string) (backend.Identity, error) {
	return backend.Identity{}, f
}
func (f outage) Groups(context.Context, backend.Identity) ([]string, error) { return nil, f }

// What a template stood for is known later, and so is what became of a list.
func TestRefusalsByTemplatesAndListsSayWhy(t *testing.T) {
	r := recipeRoute(t, catalogUpstream(t, []string{"teams/devs/app"}, nil).URL)
	r.Rules = []rules.Rule{
		{Name: "team", Repositories: []string{"teams/{group}/**"}, Require: mustRequire(t, "valid-user")},
		{Name: "own", Repositories: []string{"users/{user}/**"}, Require: mustRequire(t, "valid-user")},
		{Name: "list", Actions: []string{"catalog"}, Require: mustRequire(t, "user alice")},
	}
	tg := startGateway(t, nil, r)
	why := func(method, path string, status int) Refusal {
		t.Helper()
		resp := tg.do(t, "alice", method, path, nil)
		if resp.StatusCode != status {
			t.Fatalf("%s: status %d, want %d", path, resp.StatusCode, status)
		}
		said, ok := tg.Why(refusedID(t, resp))
		if !ok {
			t.Fatalf("%s: not found", path)
		}
		return said
	}
	said := why("DELETE", "/v2/teams/other/app/manifests/1", 403)
	if !strings.Contains(said.Answer.Message, "teams/devs/**") || !strings.Contains(said.Answer.Message, "users/alice/**") {
		t.Errorf("message %q", said.Answer.Message)
	}
	if len(said.Who.Groups) != 1 || said.Answer.Trace.Decision.Rule != "" {
		t.Errorf("user %+v, trace %+v", said.Who, said.Answer.Trace)
	}
	r.Backend = groupless{everyone}
	tg = startGateway(t, nil, r)
	if said = why("GET", "/v2/_catalog", 503); said.Answer.Verdict == rules.Allowed && said.Cause == "" || said.Target != "/v2/_catalog" {
		t.Errorf("a list without groups: %+v", said)
	}
}

// The rules may be others by the time that somebody asks why.
func TestRefusalIsExplainedByTheRulesThatDecided(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	id := refusedID(t, tg.do(t, "alice", "PUT", "/v2/x", nil))
	changed := tg.cfg
	changed.Routes = []Route{recipeRoute(t, up.url())}
	changed.Routes[0].Rules = []rules.Rule{{Name: "everything", Paths: everyPath, Require: mustRequire(t, "valid-user")}}
	if err := tg.Reload(changed); err != nil {
		t.Fatal(err)
	}
	if resp := tg.do(t, "alice", "PUT", "/v2/x", nil); resp.StatusCode != 200 {
		t.Fatalf("after the reload: status %d", resp.StatusCode)
	}
	r, ok := tg.Why(id)
	if !ok || r.Answer.Trace.Decision.Rule != "push" || len(r.Answer.Trace.Steps) != 3 {
		t.Errorf("found %v, trace %+v", ok, r.Answer.Trace)
	}
}

// A user's refusal is there still after any number of requests by strangers.
func TestStrangersPushOutNoRefusalOfAUser(t *testing.T) {
	var k refusals
	keep := func(id string, who rules.Subject, claimed string) {
		x := &exchange{id: id, who: who, claimed: claimed, r: &http.Request{Method: "PUT", RequestURI: "/v2/x"}, conn: &clientConn{}}
		k.keep(x, unauthorized(nil))
	}
	keep("USER", puller, "testpull")
	keep("WRONG", rules.Subject{}, "bob")
	for i := range 3 * keptRefusals {
		keep(fmt.Sprint("C", i), rules.Subject{}, "")
	}
	for _, id := range []string{"USER", "WRONG", fmt.Sprint("C", 3*keptRefusals-1), fmt.Sprint("C", 2*keptRefusals)} {
		if _, ok := k.lookup(id); !ok {
			t.Errorf("%s is forgotten", id)
		}
	}
	if _, ok := k.lookup(fmt.Sprint("C", 2*keptRefusals-1)); ok {
		t.Errorf("more than %d challenges are kept", keptRefusals)
	}
}

func TestRefusalsAreKeptAndFoundAtOnce(t *testing.T) {
	var k refusals
	p := policyOf(t, apacheRecipe(t))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range keptRefusals / 2 {
				id := newID()
				x := &exchange{id: id, who: puller, r: &http.Request{Method: "PUT", RequestURI: "/v2/x"}, conn: &clientConn{source: loopback}, route: &route{policy: p}}
				k.keep(x, unauthorized(nil))
				if r, ok := k.find(id); ok && r.Answer.Trace.Decision.Rule != "push" {
					t.Errorf("trace %+v", r.Answer.Trace)
				}
			}
		})
	}
	all.Wait()
	if got := len(k.kinds[ofUsers].list); got != keptRefusals {
		t.Errorf("%d refusals are kept, want %d", got, keptRefusals)
	}
}

// What is kept has no credentials in it and is bounded, whatever the client sent.
func TestRefusalsKeepNoPasswordAndLittleText(t *testing.T) {
	tg := startGateway(t, nil, recipeRoute(t, newCapture(t).url()))
	const password = "correct-horse"
	resp := tg.get1(t, "GET /v2/"+strings.Repeat("x", 5000)+" HTTP/1.1\r\nHost: h\r\nUser-Agent: "+strings.Repeat("u", 5000)+
		"\r\nAuthorization: "+basicOf("bob:"+password)+"\r\nConnection: close\r\n\r\n")
	r, ok := tg.Why(refusedID(t, resp))
	if !ok || len(r.Target) != maxKeptText || len(r.UserAgent) != maxKeptText || len(r.Answer.Trace.Steps) != 0 {
		t.Errorf("found %v, target of %d bytes, user agent of %d, %d steps", ok, len(r.Target), len(r.UserAgent), len(r.Answer.Trace.Steps))
	}
	everything := fmt.Sprintf("%+v", tg.sites.refusals.kinds)
	if strings.Contains(everything, password) || strings.Contains(everything, basicOf("bob:"+password)) {
		t.Error("the password is kept")
	}
}

// Strings that were cut out of a request keep all of its memory, with the password
// in it, from being used again.
func TestRefusalsShareNoMemoryWithTheRequest(t *testing.T) {
	head := "PUT /v2/x registry.test curl bob:correct-horse"
	part := func(s string) string { i := strings.Index(head, s); return head[i : i+len(s)] }
	x := &exchange{
		id: newID(), claimed: part("bob"), who: rules.Subject{LoggedIn: true, Identity: backend.Identity{User: part("bob")}}, conn: &clientConn{},
		r: &http.Request{Method: part("PUT"), RequestURI: part("/v2/x"), Host: part("registry.test"), Header: http.Header{"User-Agent": {part("curl")}}},
	}
	var k refusals
	k.keep(x, unauthorized(nil))
	r := k.kinds[ofUsers].list[0]
	begin, end := uintptr(unsafe.Pointer(unsafe.StringData(head))), uintptr(len(head))
	for _, s := range []string{r.Method, r.Target, r.Host, r.UserAgent, r.Claimed, r.Who.Identity.User} {
		if at := uintptr(unsafe.Pointer(unsafe.StringData(s))); at-begin < end {
			t.Errorf("%q is a part of the head", s)
		}
	}
}

func BenchmarkKeepRefusal(b *testing.B) {
	var k refusals
	x := &exchange{id: newID(), who: puller, r: &http.Request{Method: "PUT", RequestURI: "/v2/team/app/manifests/1", Host: "registry.test"}, conn: &clientConn{}, claimed: "testpull"}
	p := denied(policyOf(b, apacheRecipe(b)), rules.Request{Method: "PUT", Path: "/v2/team/app/manifests/1"}, puller, rules.Decision{Rule: "push", Requires: "group pusher"})
	b.ReportAllocs()
	for b.Loop() {
		k.keep(x, p)
	}
}
