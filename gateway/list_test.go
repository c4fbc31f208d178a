package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/backend"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/upstream"
)

// catalogUpstream is a registry that lists names in pages, and the tags of each.
func catalogUpstream(t *testing.T, names, tags []string) *upstreamLog {
	return newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
		key, all := "repositories", names
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			key, all = "tags", tags
		}
		n, err := strconv.Atoi(r.FormValue("n"))
		if err != nil || n < 1 {
			w.WriteHeader(400)
			io.WriteString(w, `{"errors":[{"code":"PAGINATION_NUMBER_INVALID"}]}`)
			return
		}
		if i := slices.Index(all, r.FormValue("last")); i >= 0 {
			all = all[i+1:]
		}
		if len(all) > n {
			all = all[:n]
			w.Header().Set("Link", fmt.Sprintf(`<%s?n=%d&last=%s>; rel="next"`, r.URL.Path, n, all[n-1]))
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Etag", "1")
		json.NewEncoder(w).Encode(map[string]any{key: all})
	})
}

func readRule(t *testing.T, name, require, path string) rules.Rule {
	t.Helper()
	return rules.Rule{Name: name, Methods: []string{"GET", "HEAD"}, Paths: []string{path}, Require: mustRequire(t, require)}
}

// listGateway lets everybody who has logged in see lists, alice read team/ and prod tags,
// whoever comes read public/.
func listGateway(t *testing.T, up *upstreamLog, change func(*Config)) *testGateway {
	r := recipeRoute(t, up.URL)
	r.Rules = []rules.Rule{
		readRule(t, "catalog", "valid-user", "/v2/_catalog"),
		readRule(t, "prod", "user push", "/v2/team/app/manifests/prod"),
		readRule(t, "tags", "valid-user", "/v2/team/app/tags/list"),
		readRule(t, "team", "user alice", "/v2/team/**"),
		readRule(t, "public", "all granted", "/v2/public/**"),
	}
	return startGateway(t, change, r)
}

// listed returns the names of a list, page by page.
func (tg *testGateway) listed(t *testing.T, user, path string) (names []string, links []string) {
	t.Helper()
	for path != "" {
		resp := tg.ask(t, user, "GET", path, nil)
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 {
			t.Fatalf("%s: status %d, %s", path, resp.StatusCode, body)
		}
		var list struct{ Repositories, Tags []string }
		if err := json.Unmarshal(body, &list); err != nil {
			t.Fatalf("%s: %v in %s", path, err, body)
		}
		names = append(append(names, list.Repositories...), list.Tags...)
		path = ""
		if link := resp.Header.Get("Link"); link != "" {
			links = append(links, link)
			path, _, _ = strings.Cut(strings.TrimPrefix(link, "<"), ">")
		}
	}
	return names, links
}

func TestCatalogShowsWhatTheUserMayPull(t *testing.T) {
	names := []string{"public/a", "public/b", "secret/x", "team/app", "team/b", "zoo"}
	up := catalogUpstream(t, names, nil)
	overBoth(t, func(t *testing.T, change func(*Config)) {
		tg := listGateway(t, up, change)
		for user, want := range map[string][]string{"alice": {"public/a", "public/b", "team/app", "team/b"}, "pull": {"public/a", "public/b"}} {
			for _, query := range []string{"", "?n=1", "?n=2", "?n=3", "?n=1000", "?n=99999"} {
				got, links := tg.listed(t, user, "/v2/_catalog"+query)
				if !slices.Equal(got, want) {
					t.Errorf("%s sees %q with %q, want %q", user, got, query, want)
				}
				if text := strings.Join(links, " "); strings.Contains(text, "secret") || strings.Contains(text, "zoo") {
					t.Errorf("%s learns from %s", user, text)
				}
			}
		}
		if resp := tg.ask(t, "", "GET", "/v2/_catalog", nil); resp.StatusCode != 401 {
			t.Errorf("a stranger gets %d", resp.StatusCode)
		}
	})
}

// Clients take the list apart by its type: null is none.
func TestListOfWhichNothingIsShown(t *testing.T) {
	up := catalogUpstream(t, []string{"secret/x", "zoo"}, []string{"prod"})
	overBoth(t, func(t *testing.T, change func(*Config)) {
		tg := listGateway(t, up, change)
		for path, want := range map[string]string{
			"/v2/_catalog":           `{"repositories":[]}`,
			"/v2/_catalog?last=zoo":  `{"repositories":[]}`,
			"/v2/team/app/tags/list": `{"name":"team/app","tags":[]}`,
		} {
			body, _ := io.ReadAll(tg.ask(t, "pull", "GET", path, nil).Body)
			if got := strings.TrimSpace(string(body)); got != want {
				t.Errorf("%s is %s, want %s", path, got, want)
			}
		}
	})
}

func TestTagsShowWhatTheUserMayPull(t *testing.T) {
	up := catalogUpstream(t, nil, []string{"1.0", "latest", "prod"})
	tg := listGateway(t, up, nil)
	for user, want := range map[string][]string{"alice": {"1.0", "latest"}, "push": {"prod"}, "pull": nil} {
		if got, _ := tg.listed(t, user, "/v2/team/app/tags/list?n=1"); !slices.Equal(got, want) {
			t.Errorf("%s sees the tags %q, want %q", user, got, want)
		}
	}
}

func TestHeadOfAListIsThatOfTheList(t *testing.T) {
	tg := listGateway(t, catalogUpstream(t, []string{"public/a", "public/b", "x"}, nil), nil)
	get, head := tg.ask(t, "pull", "GET", "/v2/_catalog?n=1", nil), tg.ask(t, "pull", "HEAD", "/v2/_catalog?n=1", nil)
	for _, name := range []string{"Content-Type", "Content-Length", "Link", "Etag"} {
		if get.Header.Get(name) != head.Header.Get(name) {
			t.Errorf("%s: %q and %q", name, get.Header.Get(name), head.Header.Get(name))
		}
	}
	if get.Header.Get("Etag") != "" {
		t.Error("the list of one user has the tag of the list of all")
	}
	if body, _ := io.ReadAll(head.Body); len(body) > 0 {
		t.Errorf("HEAD has a body: %s", body)
	}
}

// A client gets no other form of the list than the one that is filtered, and learns
// nothing by asking for hidden places.
func TestListIsNotAskedForAround(t *testing.T) {
	up := catalogUpstream(t, []string{"public/a", "secret/x", "public/z"}, nil)
	tg := listGateway(t, up, nil)
	for _, fields := range []map[string]string{
		{"Range": "bytes=0-100"}, {"Accept-Encoding": "gzip"}, {"If-None-Match": "1"}, {"If-Modified-Since": "Mon, 30 Nov 2026 00:00:00 GMT"},
	} {
		resp := tg.ask(t, "pull", "GET", "/v2/_catalog", fields)
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(body) != `{"repositories":["public/a","public/z"]}`+"\n" {
			t.Errorf("%v: %d %s", fields, resp.StatusCode, body)
		}
	}
	for _, path := range []string{"/v2/_catalog/", "/v2/_catalog?x=1", "/v2/_catalog?last=public/a&n=5"} {
		if resp := tg.ask(t, "pull", "GET", path, nil); resp.StatusCode == 200 {
			if body, _ := io.ReadAll(resp.Body); strings.Contains(string(body), "secret") {
				t.Errorf("%s: %s", path, body)
			}
		}
	}
	var answers []string
	for _, place := range []string{"secret/x", "secret/y", "secret/a"} {
		resp := tg.ask(t, "pull", "GET", "/v2/_catalog?last="+place, nil)
		body, _ := io.ReadAll(resp.Body)
		answers = append(answers, fmt.Sprint(resp.StatusCode, resp.Header.Get("Link"), string(body)))
	}
	if len(slices.Compact(answers)) != 1 {
		t.Errorf("a hidden name that there is differs from others: %q", answers)
	}
	for query, want := range map[string]int{"last=~x": 400, "n=1&n=2": 400, "last=a&last=b": 400, "n=0": 400, "n=-1": 400, "n=many": 400} {
		if resp := tg.ask(t, "pull", "GET", "/v2/_catalog?"+query, nil); resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", query, resp.StatusCode, want)
		}
	}
}

// groupless is a backend whose groups cannot be looked up.
type groupless struct{ people }

func (groupless) Groups(context.Context, backend.Identity) ([]string, error) {
	return nil, backend.ErrUnavailable
}

func TestUnknownGroupsMakeNoShorterList(t *testing.T) {
	up := catalogUpstream(t, []string{"a/x", "b/y"}, nil)
	r := recipeRoute(t, up.URL)
	r.Backend = groupless{everyone}
	r.Rules = []rules.Rule{
		readRule(t, "catalog", "valid-user", "/v2/_catalog"),
		readRule(t, "a", "valid-user", "/v2/a/**"),
		readRule(t, "b", "group b", "/v2/b/**"),
	}
	tg := startGateway(t, nil, r)
	if resp := tg.ask(t, "pull", "GET", "/v2/_catalog", nil); resp.StatusCode != 503 {
		t.Errorf("status %d, want 503", resp.StatusCode)
	}
}

func TestListThatIsNone(t *testing.T) {
	for what, answer := range map[string]string{
		"no JSON":     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html",
		"another":     "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"names\":[1]}",
		"encoded":     "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 19\r\n\r\n{\"repositories\":[]}",
		"not ended":   "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"repositories\":[",
		"no end page": "HTTP/1.1 200 OK\r\nLink: </v2/_catalog?last=x>; rel=next\r\nContent-Length: 19\r\n\r\n{\"repositories\":[]}",
	} {
		up := newCapture(t, answer)
		r := recipeRoute(t, up.url())
		r.Rules = []rules.Rule{readRule(t, "catalog", "valid-user", "/v2/_catalog"), readRule(t, "a", "valid-user", "/v2/a/**")}
		tg := startGateway(t, nil, r)
		if resp := tg.ask(t, "pull", "GET", "/v2/_catalog", nil); resp.StatusCode != 502 && resp.StatusCode != 503 {
			t.Errorf("%s: status %d", what, resp.StatusCode)
		}
	}
}

// The whole list has the time that a registry has to begin an answer.
func TestListThatDoesNotCome(t *testing.T) {
	up := newCapture(t, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"repositories\":[")
	r := recipeRoute(t, up.url())
	r.Rules = []rules.Rule{readRule(t, "catalog", "valid-user", "/v2/_catalog"), readRule(t, "a", "valid-user", "/v2/a/**")}
	tg := startGateway(t, func(c *Config) { c.Timeouts.Response = 50 * time.Millisecond }, r)
	if resp := tg.ask(t, "pull", "GET", "/v2/_catalog", nil); resp.StatusCode != 504 {
		t.Errorf("status %d, want 504", resp.StatusCode)
	}
}

// The registry's list is kept for all, and what each user sees of it is decided anew.
func TestCatalogThatIsKept(t *testing.T) {
	up := catalogUpstream(t, []string{"public/a", "team/app"}, nil)
	r := recipeRoute(t, up.URL)
	r.CatalogTTL = time.Hour
	r.Rules = []rules.Rule{readRule(t, "catalog", "valid-user", "/v2/_catalog"), readRule(t, "team", "user alice", "/v2/team/**"), readRule(t, "public", "all granted", "/v2/public/**")}
	tg := startGateway(t, nil, r)
	for range 3 {
		for user, want := range map[string][]string{"alice": {"public/a", "team/app"}, "pull": {"public/a"}} {
			if got, _ := tg.listed(t, user, "/v2/_catalog"); !slices.Equal(got, want) {
				t.Errorf("%s sees %q, want %q", user, got, want)
			}
		}
	}
	if n := len(up.requests()); n != 1 {
		t.Errorf("the registry was asked %d times", n)
	}
}

func TestCatalogIsNotKeptWhereItMayDiffer(t *testing.T) {
	for _, change := range []func(*Route){
		func(r *Route) { r.ForwardAuthorization = true }, func(r *Route) { r.UserHeader = "X-Remote-User" },
		func(r *Route) { r.GroupsHeader = "X-Remote-Groups" }, func(r *Route) { r.Catalog = WholeCatalog },
	} {
		r := recipeRoute(t, "http://127.0.0.1:1")
		r.CatalogTTL = time.Minute
		if change(&r); r.CheckCatalogTTL() == nil {
			t.Errorf("%+v is taken", r)
		}
		if _, err := New(Config{Routes: []Route{r}}); err == nil {
			t.Errorf("%+v is served", r)
		}
	}
}

// What the registry refuses is told as it tells it.
func TestRegistryRefusesAList(t *testing.T) {
	up := newCapture(t, "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nno, x")
	r := recipeRoute(t, up.url())
	r.Rules = []rules.Rule{readRule(t, "catalog", "valid-user", "/v2/_catalog"), readRule(t, "a", "valid-user", "/v2/a/**")}
	tg := startGateway(t, nil, r)
	resp := tg.ask(t, "pull", "GET", "/v2/_catalog", nil)
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 404 || string(body) != "no, x" {
		t.Errorf("status %d, %s", resp.StatusCode, body)
	}
}

// What another route takes has rules of its own, and is not shown; a catalog with such
// names is filtered unless it is said otherwise.
func TestCatalogHidesWhatOtherRoutesTake(t *testing.T) {
	up := catalogUpstream(t, []string{"public/a", "secret/x"}, nil)
	r, secret := recipeRoute(t, up.URL), recipeRoute(t, up.URL)
	secret.Path, secret.Rules = "/v2/secret/", []rules.Rule{readRule(t, "alice", "user alice", "/v2/secret/**")}
	tg := startGateway(t, nil, r, secret)
	for _, user := range []string{"pull", "alice"} {
		if got, _ := tg.listed(t, user, "/v2/_catalog"); !slices.Equal(got, []string{"public/a"}) {
			t.Errorf("%s sees %q", user, got)
		}
	}
}

// No answer with a list that nobody has looked at is passed on.
func TestListWithAnotherStatus(t *testing.T) {
	for _, status := range []string{"203 Non-Authoritative Information", "206 Partial Content", "201 Created", "302 Found"} {
		up := newCapture(t, "HTTP/1.1 "+status+"\r\nLocation: /elsewhere\r\nContent-Length: 27\r\n\r\n{\"repositories\":[\"secret\"]}")
		r := recipeRoute(t, up.url())
		r.Catalog = FilteredCatalog
		tg := startGateway(t, nil, r)
		for _, query := range []string{"", "?n=0"} {
			resp := tg.ask(t, "pull", "GET", "/v2/_catalog"+query, nil)
			if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 502 || strings.Contains(string(body), "secret") {
				t.Errorf("%s%s: status %d, %s", status, query, resp.StatusCode, body)
			}
		}
	}
}

// A rule about "/" is about no tags.
func TestTagsWithARuleForTheRoot(t *testing.T) {
	up := catalogUpstream(t, nil, []string{"1"})
	r := recipeRoute(t, up.URL)
	r.Path = "/"
	r.Rules = []rules.Rule{readRule(t, "front", "all granted", "/"), readRule(t, "rest", "valid-user", "/**")}
	tg := startGateway(t, nil, r)
	if resp := tg.ask(t, "pull", "GET", "/v2/app/tags/list?n=5", nil); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestWhatIsHeldTakesLittleMemory(t *testing.T) {
	m := newHeldMemory()
	m.left = 2 * heldStep
	a, b := m.lend(upstream.Client{User: "a"}), m.lend(upstream.Client{User: "b"})
	if err := a.keep(heldStep + 1); err != nil {
		t.Fatal(err)
	}
	if err := b.keep(1); err == nil {
		t.Error("two requests hold more than there is")
	}
	a.giveBack()
	b.giveBack()
	if left := m.left; left != 2*heldStep {
		t.Errorf("%d bytes are left", left)
	}
}
