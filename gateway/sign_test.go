package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/gateway/rules"
	"gatehouse/gateway/signing"
	"gatehouse/gateway/upstream"
)

func newTokenSigner(t testing.TB) *signing.Signer {
	t.Helper()
	text, err := signing.NewKey(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := signing.ParseKey(text, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s, err := signing.New(key, signing.Name{Issuer: "gatehouse", Service: "registry"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signedFor is what a token that reached an upstream says.
type signedFor struct {
	Sub    string
	Access []struct {
		Type, Name string
		Actions    []string
	}
}

func (s signedFor) String() string {
	text := s.Sub
	for _, a := range s.Access {
		text += " " + a.Type + ":" + a.Name + ":" + strings.Join(a.Actions, ",")
	}
	return text
}

// signedIn returns what the token of a request says. It is the only Authorization field.
func signedIn(t *testing.T, r *http.Request) (s signedFor) {
	t.Helper()
	fields := r.Header["Authorization"]
	if len(fields) != 1 || !strings.HasPrefix(fields[0], "Bearer ey") {
		t.Fatalf("%s %s came with %d Authorization fields, or another one than a token", r.Method, r.URL, len(fields))
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(fields[0], ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// last returns the request that came last.
func (u *upstreamLog) last() *http.Request {
	all := u.requests()
	return all[len(all)-1]
}

// actionRoute is a route that signs. Everybody reads public, whoever has logged in reads
// team, and pushers do everything to all.
func actionRoute(t testing.TB, url string) Route {
	t.Helper()
	rule := func(name string, repositories, actions []string, require string) rules.Rule {
		return rules.Rule{Name: name, Repositories: repositories, Actions: actions, Require: mustRequire(t, require)}
	}
	return Route{Path: "/v2/", Backend: everyone, UpstreamTokens: newTokenSigner(t), Upstream: upstream.Config{URL: url}, Catalog: WholeCatalog, Rules: []rules.Rule{
		rule("public", []string{"public/**"}, []string{"pull"}, "all granted"),
		rule("team", []string{"team/**"}, []string{"pull"}, "valid-user"),
		rule("catalog", nil, []string{"catalog"}, "valid-user"),
		rule("push", []string{"**"}, []string{"pull", "push", "delete"}, "group pusher"),
	}}
}

func TestSignedForWhatWasDecided(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	overBoth(t, func(t *testing.T, change func(*Config)) {
		up := newUpstreamLog(t, nil)
		tg := startGateway(t, change, actionRoute(t, up.URL))
		for _, tt := range []struct{ user, method, path, want string }{
			{"", "GET", "/v2/public/app/manifests/1", " repository:public/app:pull"},
			{"pull", "GET", "/v2/public/app/manifests/1", " repository:public/app:pull"}, // nobody asked who it is
			{"pull", "HEAD", "/v2/team/app/manifests/1", "pull repository:team/app:pull"},
			{"pull", "GET", "/v2/", "pull"},
			{"pull", "GET", "/v2/_catalog", "pull registry:catalog:*"},
			{"pull", "GET", "/v2/team/app/tags/list", "pull repository:team/app:pull"},
			{"push", "GET", "/v2/team/app/referrers/" + digest, "push repository:team/app:pull"},
			{"push", "PUT", "/v2/team/app/manifests/1", "push repository:team/app:pull,push"},
			{"push", "DELETE", "/v2/team/app/manifests/" + digest, "push repository:team/app:delete"},
			{"push", "POST", "/v2/team/app/blobs/uploads/", "push repository:team/app:pull,push"},
			{"push", "PATCH", "/v2/team/app/blobs/uploads/x", "push repository:team/app:pull,push"},
			{"push", "GET", "/v2/team/app/blobs/uploads/x", "push repository:team/app:pull"},
			{"push", "DELETE", "/v2/team/app/blobs/uploads/x", "push repository:team/app:delete"},
			{"push", "POST", "/v2/team/app/blobs/uploads/?from=other&mount=" + digest, "push repository:team/app:pull,push repository:other:pull"},
		} {
			before := len(up.requests())
			if resp := tg.do(t, tt.user, tt.method, tt.path, nil); resp.StatusCode != 200 || len(up.requests()) != before+1 {
				t.Errorf("%s %s by %q: %s", tt.method, tt.path, tt.user, resp.Status)
			} else if got := signedIn(t, up.last()).String(); got != tt.want {
				t.Errorf("%s %s by %q: signed for %q, want %q", tt.method, tt.path, tt.user, got, tt.want)
			}
		}
	})
}

// The token of a request gives what the rules allow and the request needs, whatever is asked
// for; who is refused has none.
func TestSignedForNoMoreThanWasDecided(t *testing.T) {
	up := newUpstreamLog(t, nil)
	route := actionRoute(t, up.URL)
	tg := startGateway(t, nil, route)
	policy, err := rules.NewPolicy(route.ForRules())
	if err != nil {
		t.Fatal(err)
	}
	digest := "sha256:" + strings.Repeat("a", 64)
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	need := map[string][]string{"GET": {"pull"}, "HEAD": {"pull"}, "POST": {"pull", "push"}, "PUT": {"pull", "push"}, "PATCH": {"pull", "push"}, "DELETE": {"delete"}}
	passed := 0
	for range 3000 {
		repository, from := pick("public/app", "team/app", "other", "public/b"), pick("public/app", "team/app", "other")
		path := "/v2/" + repository + pick("/manifests/1", "/manifests/"+digest, "/blobs/"+digest, "/blobs/uploads/", "/blobs/uploads/x", "/tags/list", "/referrers/"+digest, "/_x/y", "/unknown")
		query := pick("", "", "?from="+from, "?mount="+digest+"&from="+from, "?mount="+digest)
		user, method := pick("", "pull", "push"), pick("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
		before := len(up.requests())
		resp := tg.do(t, user, method, path+query, nil)
		if seen := up.requests(); len(seen) == before {
			continue
		}
		passed++
		for _, a := range signedIn(t, up.last()).Access {
			reads := rules.Subject{Identity: subjectOf(user).Identity, LoggedIn: user != "", Groups: everyone[user], GroupsKnown: true}
			q := policy.Ask(rules.Request{Method: "GET", Path: "/v2/" + a.Name + "/blobs/" + digest})
			mayRead := policy.Answer(&q, &reads).Verdict == rules.Allowed
			for _, action := range a.Actions {
				own := a.Name == repository && slices.Contains(need[method], action)
				mounted := action == "pull" && a.Name == from && strings.Contains(query, "mount=") && strings.Contains(query, "from=") && strings.Contains(path, "/uploads/") && mayRead
				if a.Type != "repository" || !own && !mounted {
					t.Fatalf("%s %s%s by %q (%s): signed for %s", method, path, query, user, resp.Status, signedIn(t, up.last()))
				}
			}
		}
	}
	if passed < 300 {
		t.Errorf("only %d requests passed", passed)
	}
}

// Neither the client's credentials nor what it calls by that name go to the upstream, and
// the token comes nowhere but there.
func TestTokensStayBetweenGatewayAndUpstream(t *testing.T) {
	up := newUpstreamLog(t, nil)
	tg := startGateway(t, nil, actionRoute(t, up.URL))
	for _, fields := range []map[string]string{
		{"Authorization": "Bearer ey.client.own"}, {"Authorization": basic("pull"), "Proxy-Authorization": "Bearer ey.x.y"},
		{"Authorization": basic("push"), "X-Authorization": "Bearer ey.x.y"},
	} {
		tg.ask(t, "", "GET", "/v2/public/app/manifests/1", fields)
		tg.ask(t, "", "GET", "/v2/team/app/manifests/1", fields)
	}
	for _, r := range up.requests() {
		signedIn(t, r)
		if sent := fmt.Sprint(r.Header); strings.Contains(sent, "client.own") || strings.Contains(sent, "Basic ") {
			t.Errorf("the upstream got %s", sent)
		}
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if strings.Contains(tg.access.String()+tg.log.String(), token[len(token)-40:]) {
			t.Error("a log has a token")
		}
	}
}

// What the upstream says of a token is for no client: its challenge would lead them, and
// their passwords, elsewhere.
func TestUpstreamRefusesATokenOfOurs(t *testing.T) {
	realm := `Bearer realm="https://evil.example/token",service="s"`
	for challenge, want := range map[string]string{
		"":                                     "without a reason",
		"Basic realm=x":                        "asks for another login",
		realm:                                  "asks for another login",
		realm + `,error="invalid_token"`:       `issuer "gatehouse" for the service "registry"`,
		realm + `,error="insufficient_scope"`:  "insufficient_scope",
		realm + `,error="<script>steal(this)"`: "asks for another login",
	} {
		for _, request := range []struct{ method, path string }{
			{"GET", "/v2/"}, {"GET", "/v2/team/app/manifests/1"}, {"PUT", "/v2/team/app/manifests/new"}, {"GET", "/v2/_catalog"}, {"PATCH", "/v2/team/app/blobs/uploads/x"},
		} {
			up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
				if challenge != "" {
					w.Header().Set("WWW-Authenticate", challenge)
				}
				w.WriteHeader(401)
				io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`)
			})
			route := actionRoute(t, up.URL)
			route.Catalog, route.ImmutableTags = FilteredCatalog, []string{"*"}
			tg := startGateway(t, nil, route)
			resp := tg.do(t, "push", request.method, request.path, strings.NewReader("{}"))
			body := text(t, resp)
			if resp.StatusCode != 502 || resp.Header.Get(challengeField) != "" || strings.Contains(body, "evil") || !strings.Contains(body, "does not trust the gateway") {
				t.Errorf("%s %s, %q: %s with %v and %q", request.method, request.path, challenge, resp.Status, resp.Header, body)
			}
			record := tg.records(t, 1)[0]
			if cause, _ := record["cause"].(string); record["code"] != "upstream.answer.token_refused" || !strings.Contains(cause, want) || strings.Contains(cause, "evil") || strings.Contains(cause, "steal") {
				t.Errorf("%s %s, %q: access record %v", request.method, request.path, challenge, record)
			}
		}
	}
}

func TestSecondPageOfAListMayBeRefused(t *testing.T) {
	up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("last") != "" {
			w.Header().Set("WWW-Authenticate", "Basic realm=theirs")
			w.WriteHeader(401)
			return
		}
		w.Header().Set("Link", `</v2/_catalog?last=a>; rel="next"`)
		io.WriteString(w, `{"repositories":["a"]}`)
	})
	route := actionRoute(t, up.URL)
	route.Catalog = FilteredCatalog
	tg := startGateway(t, nil, route)
	if resp := tg.do(t, "pull", "GET", "/v2/_catalog", nil); resp.StatusCode != 502 || resp.Header.Get(challengeField) != "" {
		t.Errorf("%s, %v", resp.Status, resp.Header)
	}
}

// An upstream, or a proxy before it, that shows what it was sent must not give the token to
// a client, which could go around the gateway with it.
func TestUpstreamThatShowsTheToken(t *testing.T) {
	for name, show := range map[string]func(w http.ResponseWriter, token string){
		"in a field": func(w http.ResponseWriter, token string) { w.Header().Set("X-Debug", "got "+token+";") },
		"in a redirection": func(w http.ResponseWriter, token string) {
			w.Header().Set("Location", "/v2/x?"+token)
			w.WriteHeader(307)
		},
		"in a body":         func(w http.ResponseWriter, token string) { io.WriteString(w, `{"authorization":"`+token+`"}`) },
		"in an error":       func(w http.ResponseWriter, token string) { w.WriteHeader(500); io.WriteString(w, token) },
		"in a long body":    func(w http.ResponseWriter, token string) { io.WriteString(w, strings.Repeat("x", 70_000)+token) },
		"in several pieces": func(w http.ResponseWriter, token string) { writeInPieces(w, token) },
	} {
		up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
			show(w, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		})
		tg := startGateway(t, nil, actionRoute(t, up.URL))
		got := tg.raw(t, head("GET /v2/team/app/manifests/1 HTTP/1.1", "Connection: close"))
		sent := strings.Split(up.last().Header.Get("Authorization"), ".")
		if len(sent) != 3 || strings.Contains(got, sent[2]) {
			t.Errorf("%s: the client got the token, or the upstream none", name)
		}
		if record := tg.records(t, 1)[0]; record["code"] != "upstream.answer.token_shown" {
			t.Errorf("%s: access record %v", name, record)
		}
	}
}

func writeInPieces(w http.ResponseWriter, text string) {
	for piece := range slices.Chunk([]byte(text), 7) {
		w.Write(piece)
		w.(http.Flusher).Flush()
	}
}

// However a text is cut, the mark is found, and nothing else is.
func TestMarkFinder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		mark, body := []byte("abcab"), make([]byte, random.IntN(30))
		for i := range body {
			body[i] = "abc"[random.IntN(3)]
		}
		f, found := &markFinder{mark: mark}, false
		for rest := body; len(rest) > 0 && !found; {
			n := 1 + random.IntN(len(rest))
			found = f.in(slices.Clone(rest[:n]))
			rest = rest[n:]
		}
		if found != bytes.Contains(body, mark) {
			t.Fatalf("%q: found %v", body, found)
		}
	}
}

// A layer is what somebody has pushed, and its digest is that of every byte.
func TestLayersAreNotLookedThrough(t *testing.T) {
	up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("Authorization")) })
	tg := startGateway(t, nil, actionRoute(t, up.URL))
	resp := tg.do(t, "pull", "GET", "/v2/team/app/blobs/sha256:"+strings.Repeat("a", 64), nil)
	if got := text(t, resp); got != up.last().Header.Get("Authorization") {
		t.Errorf("got %d bytes", len(got))
	}
}

// A list that is kept for all is asked for in nobody's name.
func TestListForAllIsSignedForNobody(t *testing.T) {
	up := catalogUpstream(t, []string{"public/a", "team/b"}, nil)
	route := actionRoute(t, up.URL)
	route.Catalog, route.CatalogTTL = FilteredCatalog, time.Hour
	tg := startGateway(t, nil, route)
	tg.do(t, "pull", "GET", "/v2/_catalog", nil)
	tg.do(t, "pull", "GET", "/v2/team/b/tags/list", nil)
	var got []string
	for _, r := range up.requests() {
		got = append(got, signedIn(t, r).String())
	}
	if want := []string{" registry:catalog:*", "pull repository:team/b:pull"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestImmutableTagIsAskedForWithAToken(t *testing.T) {
	up := newTagUpstream(t)
	route := actionRoute(t, up.URL)
	route.ImmutableTags = []string{"*"}
	tg := startGateway(t, nil, route)
	if status, text := tg.put(t, "PUT", "/v2/team/app/manifests/1", strings.NewReader("a")); status != 201 {
		t.Errorf("%d: %s", status, text)
	}
	if status, _ := tg.put(t, "PUT", "/v2/team/app/manifests/1", strings.NewReader("b")); status != 403 {
		t.Errorf("the tag was moved: %d", status)
	}
	for _, r := range up.requests() {
		if got := signedIn(t, r).String(); got != "push repository:team/app:pull,push" {
			t.Errorf("%s: signed for %q", r.Method, got)
		}
	}
}

func TestUploadElsewhereIsSignedForItsRepository(t *testing.T) {
	up := elsewhere(t)
	tg := startGateway(t, nil, actionRoute(t, up.URL))
	begun := tg.ask(t, "push", "POST", "/v2/team/app/blobs/uploads/", nil)
	if resp := tg.ask(t, "push", "PATCH", begun.Header.Get("Location"), nil); resp.StatusCode != 202 {
		t.Fatalf("%s", resp.Status)
	}
	if got := signedIn(t, up.last()).String(); got != "push repository:team/app:pull,push" {
		t.Errorf("signed for %q", got)
	}
}

func TestRoutesThatCannotSign(t *testing.T) {
	for want, change := range map[string]func(*Route){
		"upstream_user or tokens":    func(r *Route) { r.Upstream.User, r.Upstream.Password = "a", "b" },
		"take forward_authorization": func(r *Route) { r.ForwardAuthorization = true },
		"the route leads to none":    func(r *Route) { r.Registry, r.Catalog, r.Rules = rules.NoRegistry, "", apacheRecipe(t).Rules },
	} {
		route := actionRoute(t, "http://127.0.0.1:1")
		change(&route)
		if _, err := New(Config{Listen: []string{"127.0.0.1:0"}, Routes: []Route{route}}); err == nil || !regexp.MustCompile(want).MatchString(err.Error()) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
