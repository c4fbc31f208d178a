package gateway

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/gateway/rules"
	"gatehouse/gateway/upstream"
)

// identityRoute lets everybody in and tells the upstream who has logged in.
func identityRoute(t *testing.T, upstream string, require ...any) Route {
	t.Helper()
	r := recipeRoute(t, upstream)
	r.UserHeader, r.GroupsHeader = "X-Team-User", "X-Remote-Groups"
	r.Rules = []rules.Rule{{Name: "all", Paths: everyPath, Require: mustRequire(t, require...)}}
	return r
}

var spoofedFields = []string{
	"X-Team_User", "X-Team-User", "x.team.user", "X_TEAM_USER", "X-Remote-User", "X_Remote_User", "X.Remote.User", "x-remote_user", "x!remote~user",
	"Remote-User", "Remote_User", "X-Forwarded-User", "X-WEBAUTH-USER", "X-Remote-Groups", "X_Remote_Groups", "X-Remote-Group", "Remote-Groups",
	"X-Auth-Request-User", "X_Auth_Request_Email", "X-Forwarded-For", "X-Forwarded_For", "X_Forwarded_Host", "X-Forwarded-Proto", "X-Forwarded-Port",
	"X-Forwarded-Prefix", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Anything", "Forwarded", "X-Real-IP", "X_Real_IP", "True-Client-IP",
	"X-Original-URL", "X-Rewrite-URL", "X-Client-IP", "CF-Connecting-IP", "X-Request-Id", "Proxy", "Proxy-Authorization", "Idempotency-Key",
	"X-Idempotency-Key", "X_Idempotency_Key", "Keep-Alive", "TE", "X-HTTP-Method-Override", "Proxy-Connection", "X-Host",
}

func TestFieldsThatOnlyTheGatewaySetsAreRemoved(t *testing.T) {
	for _, tt := range []struct {
		name string
		user string
		item any
		want [2]string // user and groups that the upstream is told
	}{
		{"nobody has logged in", "", "all granted", [2]string{}},
		{"alice has logged in", "alice", "valid-user", [2]string{"alice", "devs"}},
		{"a user without groups", "pull", "valid-user", [2]string{"pull", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			up := newCapture(t)
			tg := startGateway(t, nil, identityRoute(t, up.url(), tt.item))
			lines := []string{"GET /v2/x HTTP/1.1", "Host: localhost"}
			if tt.user != "" {
				lines = append(lines, "Authorization: "+basic(tt.user))
			}
			for _, name := range spoofedFields {
				lines = append(lines, name+": spoofed")
			}
			w := tg.dial(t)
			w.send(t, strings.Join(lines, "\r\n")+"\r\n\r\n")
			if resp := w.answer(t, "GET"); resp.StatusCode != 200 {
				t.Fatalf("status %d", resp.StatusCode)
			}
			if got := up.text(); strings.Contains(got, "spoofed") {
				t.Errorf("the upstream got %q", got)
			}
			h := up.last(t).Header
			want := map[string]string{
				"X-Team-User": tt.want[0], "X-Remote-Groups": tt.want[1], "Authorization": "",
				"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "localhost", "X-Forwarded-Proto": "http",
			}
			for name, value := range want {
				if got := strings.Join(h.Values(name), "|"); got != value {
					t.Errorf("the upstream got %s %q, want %q", name, got, value)
				}
			}
		})
	}
}

// Connection names fields for the next hop to remove. It is obeyed for what a client
// brought, and not for ours.
func TestConnectionCannotRemoveOurFields(t *testing.T) {
	for _, connection := range []string{
		"Authorization, X-Team-User, X-Remote-Groups, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Request-Id, Host, Content-Length, X-Custom",
		"authorization, x-team-user, x-remote-groups, x-forwarded-for, x-forwarded-proto, x-forwarded-host, x-request-id, host, content-length, x-custom",
		"keep-alive\r\nConnection: AUTHORIZATION,X-TEAM-USER\r\nConnection: X-Forwarded-For,X-Forwarded-Proto,Content-Length,Host,,X-Custom",
	} {
		up := newCapture(t)
		tg := startGateway(t, nil, identityRoute(t, up.url(), "valid-user"))
		w := tg.dial(t)
		w.send(t, head("PUT /v2/x HTTP/1.1", "Content-Length: 3", "X-Custom: gone", "Connection: "+connection)+"abc")
		if resp := w.answer(t, "PUT"); resp.StatusCode != 200 {
			t.Fatalf("status %d", resp.StatusCode)
		}
		r := up.last(t)
		for _, name := range []string{"X-Team-User", "X-Remote-Groups", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-Id"} {
			if len(r.Header.Values(name)) != 1 {
				t.Errorf("the upstream got %s %q", name, r.Header.Values(name))
			}
		}
		if r.Host != "localhost" || r.ContentLength != 3 || up.bodies[0] != "abc" {
			t.Errorf("the upstream got host %q, length %d and body %q", r.Host, r.ContentLength, up.bodies[0])
		}
		if r.Header["X-Custom"] != nil || r.Header["Connection"] != nil {
			t.Errorf("the upstream got %q", r.Header)
		}
	}
}

func TestCredentialsStayWithTheGateway(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Route)
		want   string
	}{
		"by default":              {func(*Route) {}, ""},
		"where they are wanted":   {func(r *Route) { r.ForwardAuthorization = true }, basic("push")},
		"with those of the route": {func(r *Route) { r.Upstream.User, r.Upstream.Password = "gateway", "gateway-secret" }, basic("gateway")},
	} {
		t.Run(name, func(t *testing.T) {
			up := newCapture(t)
			route := recipeRoute(t, up.url())
			tt.change(&route)
			tg := startGateway(t, nil, route)
			tg.do(t, "push", "GET", "/v2/", nil)
			if got := strings.Join(up.last(t).Header.Values("Authorization"), "|"); got != tt.want {
				t.Errorf("the upstream got Authorization %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTrailersAreDropped(t *testing.T) {
	for _, announced := range []string{"X: y", "Trailer: X-Remote-User, Authorization"} {
		up := newCapture(t)
		tg := startGateway(t, nil, identityRoute(t, up.url(), "valid-user"))
		w := tg.dial(t)
		w.send(t, head("POST /v2/x HTTP/1.1", "Transfer-Encoding: chunked", announced)+
			"3\r\nabc\r\n0\r\nX-Remote-User: admin\r\nAuthorization: z\r\n\r\n"+head("GET /v2/next HTTP/1.1"))
		for range 2 {
			if resp := w.answer(t, "GET"); resp.StatusCode != 200 {
				t.Errorf("status %d", resp.StatusCode)
			}
		}
		if got := up.text(); strings.Contains(got, "admin") || strings.Contains(got, "Trailer") || strings.Contains(got, "Authorization") {
			t.Errorf("the upstream got %q", got)
		}
	}
}

// A POST may have been carried out when its connection breaks. Nobody repeats it,
// whatever the client says of keys that make it safe.
func TestOnlyReadingRequestsAreSentAgainOnAStaleConnection(t *testing.T) {
	for method, want := range map[string]struct{ status, attempts int }{
		"GET": {200, 2}, "HEAD": {200, 2}, "POST": {503, 1}, "PUT": {503, 1}, "PATCH": {503, 1}, "DELETE": {503, 1},
	} {
		t.Run(method, func(t *testing.T) {
			up := newStale(t)
			tg := startGateway(t, nil, recipeRoute(t, up.url()))
			w := tg.dial(t)
			w.send(t, head("GET /v2/first HTTP/1.1"))
			w.answer(t, "GET")
			w.send(t, head(method+" /v2/second HTTP/1.1", "Idempotency-Key: 1", "X-Idempotency-Key: 1"))
			if resp := w.answer(t, method); resp.StatusCode != want.status {
				t.Errorf("status %d, want %d", resp.StatusCode, want.status)
			}
			if got := up.attempts(); got != want.attempts {
				t.Errorf("the upstream saw %d attempts, want %d", got, want.attempts)
			}
		})
	}
}

func TestFieldsOfRegistryClientsArriveAsSent(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	w := tg.dial(t)
	w.send(t, head("GET /v2/app/manifests/1 HTTP/1.1",
		"Accept: application/vnd.oci.image.index.v1+json", "Accept: application/vnd.docker.distribution.manifest.v2+json, */*",
		"Accept-Encoding: gzip", "Range: bytes=0-99,200-", "If-None-Match: \"a\"", "User-Agent: docker/20.10", "Cookie: a=b; c=d", "X-Meta-Latin: caf\xe9"))
	w.answer(t, "GET")
	h := up.last(t).Header
	for name, want := range map[string][]string{
		"Accept":          {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.v2+json, */*"},
		"Accept-Encoding": {"gzip"}, "Range": {"bytes=0-99,200-"}, "If-None-Match": {`"a"`}, "User-Agent": {"docker/20.10"},
		"Cookie": {"a=b; c=d"}, "X-Meta-Latin": {"caf\xe9"},
	} {
		if got := strings.Join(h[name], "|"); got != strings.Join(want, "|") {
			t.Errorf("%s arrived as %q, want %q", name, got, want)
		}
	}
	w.send(t, head("GET /v2/ HTTP/1.1"))
	w.answer(t, "GET")
	for _, name := range []string{"Accept-Encoding", "User-Agent", "Connection", "Te"} {
		if got, ok := up.last(t).Header[name]; ok {
			t.Errorf("%s was added: %q", name, got)
		}
	}
}

func TestEveryAnswerBelowV2HasOneApiVersion(t *testing.T) {
	up := newCapture(t,
		"HTTP/1.1 200 OK\r\ndocker-distribution-api-version: registry/2.0\r\nDocker-Distribution-Api-Version: registry/2.0\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
		"nonsense\r\n\r\n")
	all := recipeRoute(t, up.url())
	all.Path, all.Rules = "/", []rules.Rule{{Name: "all", Paths: everyPath, Require: mustRequire(t, "valid-user")}}
	tg := startGateway(t, nil, all)
	for _, tt := range []struct {
		request string
		status  int
		want    string
	}{
		{head("GET /v2/ HTTP/1.1"), 200, "registry/2.0"},
		{head("GET /v2/x HTTP/1.1"), 404, "registry/2.0"},
		{head("GET /v2/x HTTP/1.1"), 502, "registry/2.0"},
		{"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 401, "registry/2.0"},
		{"HEAD /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 401, "registry/2.0"},
		{head("GET /v2/a//b HTTP/1.1"), 400, "registry/2.0"},
		{head("GET /v2/%zz HTTP/1.1"), 400, "registry/2.0"},
		{head("PUT /v2/a HTTP/1.1", "Content-Length: x"), 400, "registry/2.0"},
		{head("TRACE /v2/ HTTP/1.1"), 405, "registry/2.0"},
		{head("FROB /v2/ HTTP/1.1"), 501, "registry/2.0"},
		{head("GET /v2/ HTTP/1.1", "Expect: x"), 417, "registry/2.0"},
		{head("GET /v2 HTTP/1.1", "A: b\x00"), 400, "registry/2.0"},
		{head("GET /v2?a HTTP/1.1", "A: b\x00"), 400, "registry/2.0"},
		{head("GET /v2x/ HTTP/1.1"), 502, ""},
		{head("GET / HTTP/1.1", "A: b\x00"), 400, ""},
	} {
		resp := tg.get1(t, strings.Replace(tt.request, "\r\nHost:", "\r\nConnection: close\r\nHost:", 1))
		if got := strings.Join(resp.Header.Values(apiVersion), "|"); got != tt.want || resp.StatusCode != tt.status {
			t.Errorf("%.40q: status %d with api-version %q, want %d with %q", tt.request, resp.StatusCode, got, tt.status, tt.want)
		}
	}
}

func TestUpstreamReferencesBecomeLocal(t *testing.T) {
	for _, tt := range []struct{ field, value, want string }{
		{"Location", "http://registry:5000/v2/app/blobs/uploads/1?_state=a%3D%3D&x=y", "/v2/app/blobs/uploads/1?_state=a%3D%3D&x=y"},
		{"Location", "https://REGISTRY:5000/v2/", "/v2/"},
		{"Location", "http://gateway.test:5043/v2/x", "/v2/x"},
		{"Location", "https://gateway.test:5043/v2/x#frag", "/v2/x#frag"},
		{"Location", "//registry:5000/v2/x", "/v2/x"},
		{"Location", "http://registry:5000", "/"},
		{"Location", "http://registry:5000?x", "/?x"},
		{"Location", "http://registry:5000#x", "/#x"},
		{"Location", "http://user:pw@registry:5000/v2/x", "/v2/x"},
		{"Location", "/v2/x?y", "/v2/x?y"},
		{"Location", "x", "x"},
		{"Location", "https://s3.example/bucket/x?X-Amz-Signature=1", "https://s3.example/bucket/x?X-Amz-Signature=1"},
		{"Location", "http://registry.evil.example:5000/v2/", "http://registry.evil.example:5000/v2/"},
		{"Location", "http://registry:5001/v2/", "http://registry:5001/v2/"},
		{"Location", "ftp://registry:5000/v2/", "ftp://registry:5000/v2/"},
		{"Location", "http://registry:5000//evil.example/x", "http://registry:5000//evil.example/x"},
		{"Location", "http://[::1/", "http://[::1/"},
		{"Content-Location", "http://registry:5000/v2/x", "/v2/x"},
		{"Link", `<http://registry:5000/v2/_catalog?n=2&last=b>; rel="next"`, `</v2/_catalog?n=2&last=b>; rel="next"`},
		{"Link", `</v2/_catalog?last=b&n=2>; rel="next"`, `</v2/_catalog?last=b&n=2>; rel="next"`},
		{"Link", `<http://registry:5000/a>; rel=a, <https://other.example/b>; rel=b, <http://gateway.test:5043/c>; rel=c`, `</a>; rel=a, <https://other.example/b>; rel=b, </c>; rel=c`},
		{"Link", "nonsense", "nonsense"},
		{"Warning", "http://registry:5000/v2/", "http://registry:5000/v2/"},
	} {
		x := &exchange{r: &http.Request{Host: "gateway.test:5043"}, route: &route{policy: &rules.Policy{}, upstream: &upstream.Pool{Authority: "registry:5000"}}, conn: &clientConn{}}
		h := http.Header{}
		x.copyHeader(h, &upstream.Response{Header: http.Header{tt.field: {tt.value}}})
		if got := h.Get(tt.field); got != tt.want {
			t.Errorf("%s: %s became %q, want %q", tt.field, tt.value, got, tt.want)
		}
	}
}

// The rewriting on the wire, where the registry knows the host that was asked.
func TestLocationsOfTheRequestsHostBecomeLocal(t *testing.T) {
	up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://"+r.Host+"/v2/app/blobs/uploads/1?_state=x")
		w.WriteHeader(202)
	})
	tg := startGateway(t, withTLS(t), recipeRoute(t, up.URL))
	if got := tg.do(t, "push", "POST", "/v2/app/blobs/uploads/", nil).Header.Get("Location"); got != "/v2/app/blobs/uploads/1?_state=x" {
		t.Errorf("Location %q", got)
	}
}

// A registry that is told its public name (http.host) leaves out our port, or says
// another scheme. What it has created is at the gateway all the same; a redirection
// to another port of that host may lead to an object store.
func TestREG5LocationOfWhatWasCreated(t *testing.T) {
	for _, tt := range []struct {
		status               int
		path, location, want string
	}{
		{202, "/v2/a/blobs/uploads/", "https://localhost/v2/a/blobs/uploads/1?_state=x", "/v2/a/blobs/uploads/1?_state=x"},
		{202, "/v2/a/blobs/uploads/", "http://LOCALHOST.:9/v2/a/blobs/uploads/1", "/v2/a/blobs/uploads/1"},
		{202, "/v2/a/blobs/uploads/", "//localhost:5043/v2/a/blobs/uploads/1", "/v2/a/blobs/uploads/1"},
		{201, "/v2/a/manifests/1", "https://localhost:5000/v2/a/manifests/sha256:0", "/v2/a/manifests/sha256:0"},
		{202, "/v2/a/blobs/uploads/", "https://localhost.evil.example/v2/", "https://localhost.evil.example/v2/"},
		{202, "/v2/a/blobs/uploads/", "https://storage.example/x", "https://storage.example/x"},
		{202, "/v2/a/blobs/uploads/", "https://localhost//evil.example/x", "https://localhost//evil.example/x"},
		{307, "/v2/a/blobs/sha256:0", "https://localhost:9000/bucket/x", "https://localhost:9000/bucket/x"},
		{302, "/v2/a/blobs/sha256:0", "http://localhost/bucket/x", "http://localhost/bucket/x"},
		{200, "/v2/a/blobs/sha256:0", "https://localhost:9000/x", "https://localhost:9000/x"},
		{201, "/files/a", "https://localhost:9000/files/a", "https://localhost:9000/files/a"},
	} {
		up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", tt.location)
			w.WriteHeader(tt.status)
		})
		for _, change := range []func(*Config){nil, withTLS(t)} {
			route := onEveryPath(recipeRoute(t, up.URL))
			route.Path = "/"
			tg := startGateway(t, change, route)
			r, _ := http.NewRequest("PUT", strings.Replace(tg.url(tt.path), "127.0.0.1", "localhost", 1), nil)
			r.Header.Set("Authorization", basic("push"))
			resp, err := tg.client(t).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.Header.Get("Location"); resp.StatusCode != tt.status || got != tt.want {
				t.Errorf("%s: %d %s with Location %s became %d with %q, want %q", resp.Proto, tt.status, tt.path, tt.location, resp.StatusCode, got, tt.want)
			}
		}
	}
}
