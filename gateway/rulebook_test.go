package gateway

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"gatehouse/backend"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/upstream"
)

// variedRoutes have rules of every kind, on more than one host and path.
func variedRoutes(t *testing.T, service string) []Route {
	t.Helper()
	rules := []rules.Rule{
		{Name: "closed", Paths: []string{"/v2/closed/**"}, Require: mustRequire(t, "all denied")},
		{Name: "open", Paths: []string{"/v2/open/**"}, Require: mustRequire(t, "all granted")},
		{Name: "near", Paths: []string{"/v2/near/**"}, Require: mustRequire(t, all("valid-user", "not ip 127.0.0.0/8"))},
		{Name: "here", Paths: []string{"/v2/here/**"}, Require: mustRequire(t, "ip 127.0.0.1", "user alice")},
		{Name: "not devs", Paths: []string{"/v2/own/*/blobs/**"}, Require: mustRequire(t, all("valid-user", "not group devs"))},
		{Name: "pull", Methods: []string{"GET"}, Require: mustRequire(t, "valid-user")},
		{Name: "push", Methods: []string{"POST", "PUT"}, Paths: []string{"/v2/team/**", "/v2/own/**"}, Require: mustRequire(t, "group pusher", "user people:alice")},
	}
	route := Route{Backend: everyone, Backends: []string{"people"}, Upstream: upstream.Config{URL: service}, Rules: rules}
	route.Catalog = WholeCatalog // what the upstream lists is no list
	route.ImmutableTags = []string{"v*"}
	v2, other := route, route
	v2.Path = "/v2/"
	other.Hosts, other.Path = []string{"other.test"}, "/v2/team"
	other.Rules = rules[:1]
	return []Route{v2, other}
}

// subjectOf is what the gateway finds out of a user of everyone.
func subjectOf(user string) rules.Subject {
	groups, known := everyone[user]
	if !known {
		return rules.Subject{}
	}
	return rules.Subject{LoggedIn: true, Identity: backend.Identity{User: user, Source: "people"}, GroupsKnown: true, Groups: groups}
}

// The rulebook says of a request what the gateway does with it, for each user,
// method, path and host: status and message.
func TestRulebookSaysWhatTheGatewayDoes(t *testing.T) {
	up := newCapture(t)
	routes := variedRoutes(t, up.url())
	tg := startGateway(t, nil, routes...)
	book, err := NewRulebook(routes)
	if err != nil {
		t.Fatal(err)
	}
	mount := "/v2/team/app/blobs/uploads/?mount=" + layer + "&from="
	targets := []string{
		"/v2/", "/v2", "/v2/_catalog", "/v2/team/app/manifests/1", "/v2/team/app/manifests/" + layer + "?tag=v1", "/v2/own/x/blobs/uploads/", "/v2/closed/x", "/v2/open/x/tags/list",
		"/v2/near/x", "/v2/here/x", "/v2/else", "/else", "/v2/../x", "/v2//x", "/v2/%2e%2e/x", "/v2/x?from=a&from=b", "/v2/team%2fapp", "/v2/tea%6d/app",
		"http://registry.test/v2/team/app/tags/list", "https://other.test/v2/",
		mount + "team/other", mount + "closed/x", mount + "..",
	}
	for _, user := range []string{"", "pull", "push", "alice", "nobody"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "FOO"} {
			for _, target := range targets {
				hosts := []string{"registry.test"}
				if strings.HasPrefix(target, "/v2/team/") {
					hosts = append(hosts, "other.test")
				}
				for _, host := range hosts {
					q := Question{Method: method, Target: target, Host: host, Source: loopback, Who: subjectOf(user)}
					want := tg.sees(t, user, q)
					if got := foreseen(book.Explain(q)); got != want {
						t.Errorf("%s %s at %s by %q: foreseen %+v, got %+v", method, target, host, user, got, want)
					}
				}
			}
		}
	}
}

// seen is what a client gets: a status, 200 for whatever the upstream says, and the
// message without an id.
type seen struct {
	status  int
	message string
}

func foreseen(a Answer) seen {
	if a.Status == 0 {
		return seen{status: 200}
	}
	return seen{a.Status, a.Message}
}

// sees sends the request that q is about.
func (tg *testGateway) sees(t *testing.T, user string, q Question) seen {
	t.Helper()
	w := tg.dial(t)
	defer w.Close()
	request := q.Method + " " + q.Target + " HTTP/1.1\r\nHost: " + q.Host + "\r\nConnection: close\r\nContent-Length: 0\r\n"
	if user != "" {
		request += "Authorization: " + basic(user) + "\r\n"
	}
	go io.WriteString(w, request+"\r\n")
	resp := w.answer(t, q.Method)
	var body struct{ Errors []struct{ Message string } }
	switch {
	case resp.StatusCode < 300:
		return seen{status: 200}
	case q.Method == http.MethodHead:
		book, _ := NewRulebook(tg.cfg.Routes)
		return seen{resp.StatusCode, book.Explain(q).Message} // which a HEAD does not have
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil || len(body.Errors) != 1 {
		t.Fatalf("%s %s: answer %d with the body %v, %v", q.Method, q.Target, resp.StatusCode, body, err)
	}
	return seen{resp.StatusCode, strings.TrimSuffix(body.Errors[0].Message, " (id "+resp.Header.Get("X-Request-Id")+")")}
}

func TestRulebookRefusesTheLongestTargets(t *testing.T) {
	book, err := NewRulebook([]Route{apacheRecipe(t)})
	if err != nil {
		t.Fatal(err)
	}
	a := book.Explain(Question{Method: "GET", Target: "/v2/" + strings.Repeat("x", maxRequestLine), Host: "h"})
	if a.Status != http.StatusRequestURITooLong || a.Verdict != rules.Denied {
		t.Errorf("status %d, %v", a.Status, a.Verdict)
	}
}

func TestRulebookOfWhatIsNotKnown(t *testing.T) {
	routes := []Route{apacheRecipe(t)}
	book, err := NewRulebook(routes)
	if err != nil {
		t.Fatal(err)
	}
	noGroups := rules.Subject{LoggedIn: true, Identity: backend.Identity{User: "bob"}}
	for _, tt := range []struct {
		name   string
		method string
		who    rules.Subject
		down   bool
		want   Answer
	}{
		{"groups that a rule does not ask for", "GET", noGroups, false, Answer{Verdict: rules.Allowed}},
		{"groups that a rule asks for", "PUT", noGroups, false, Answer{Verdict: rules.NeedsGroups}},
		{"groups of a backend that is down", "PUT", noGroups, true, answerOf(undecided(nil))},
		{"a user of a backend that is down", "GET", rules.Subject{}, true, answerOf(undecided(nil))},
		{"nobody", "GET", rules.Subject{}, false, answerOf(unauthorized(nil))},
	} {
		got := book.Explain(Question{Method: tt.method, Target: "/v2/x", Host: "h", Source: loopback, Who: tt.who, BackendDown: tt.down})
		if len(got.Trace.Steps) != 3 {
			t.Errorf("%s: %d steps in the trace, want one for each rule", tt.name, len(got.Trace.Steps))
		}
		if got.Status != tt.want.Status || got.Message != tt.want.Message || (got.Verdict == rules.Allowed) != (tt.want.Verdict == rules.Allowed) {
			t.Errorf("%s: %d %q (%v), want %d %q (%v)", tt.name, got.Status, got.Message, got.Verdict, tt.want.Status, tt.want.Message, tt.want.Verdict)
		}
	}
}

func TestRulebookSaysWhenAMountIsIgnored(t *testing.T) {
	book, err := NewRulebook(variedRoutes(t, "http://127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	for query, ignored := range map[string]bool{
		"":                                    false,
		"?mount=" + layer + "&from=team/a":    false,
		"?mount=" + layer + "&from=closed/a":  true,
		"?mount=" + layer:                     true,
		"?from=team/a":                        true,
		"?mount=" + layer + "&from=elsewhere": false,
	} {
		a := book.Explain(Question{Method: "POST", Target: "/v2/team/app/blobs/uploads/" + query, Host: "h", Source: loopback, Who: subjectOf("push")})
		if a.Verdict != rules.Allowed || a.MountIgnored != ignored {
			t.Errorf("%q: %v, ignored %v; want it ignored: %v", query, a.Verdict, a.MountIgnored, ignored)
		}
	}
}

func TestRulebookFindsTheRouteOfATarget(t *testing.T) {
	book, err := NewRulebook(variedRoutes(t, "http://127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host, target string
		want         int
	}{
		{"x", "/v2/team/app", 0},
		{"other.test", "/v2/team/app", 1},
		{"OTHER.test.:443", "/v2/team/app", 1},
		{"", "https://other.test/v2/team/app", 1},
		{"other.test", "/v2/", 0},
		{"x", "/else", -1},
		{"x", "/v2/../x", -1},
		{"", "/v2/", -1},
	} {
		if got := book.RouteFor(tt.host, tt.target); got != tt.want {
			t.Errorf("route of %s at %q: %d, want %d", tt.target, tt.host, got, tt.want)
		}
	}
}
