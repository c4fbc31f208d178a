package gateway

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"gatehouse/backend"
)

// guarded returns a route whose backend lets so many logins fail, behind a cache
// or not.
func guarded(t *testing.T, failures int, cached bool) Route {
	t.Helper()
	var b backend.Backend
	b, err := backend.NewFlood(everyone, backend.FloodConfig{PerSource: 1, SourceBurst: failures})
	if err == nil && cached {
		b, err = backend.NewCache(b, backend.CacheConfig{})
	}
	if err != nil {
		t.Fatal(err)
	}
	r := recipeRoute(t, newCapture(t).url())
	r.Backend = b
	return r
}

func TestTooManyFailuresAreToldToWait(t *testing.T) {
	tg := startGateway(t, nil, guarded(t, 2, true))
	w := tg.dial(t)
	ask := func(method, pair string) *http.Response {
		w.send(t, method+" /v2/app/manifests/1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: "+basicOf(pair)+"\r\n\r\n")
		return w.answer(t, method)
	}
	ask("GET", "pull:pull-secret") // is remembered
	ask("GET", "pull:a")
	ask("GET", "nobody:a")
	bodies := map[string]bool{}
	for _, pair := range []string{"push:push-secret", "push:wrong", "nobody:wrong", "nobody-else:wrong"} {
		resp := ask("GET", pair)
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusTooManyRequests {
			t.Fatalf("%s: status %d, want 429", pair, resp.StatusCode)
		}
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || s < 5 || s > 70 {
			t.Errorf("%s: Retry-After %q", pair, resp.Header.Get("Retry-After"))
		}
		if resp.Header.Get("WWW-Authenticate") != "" || resp.Close {
			t.Errorf("%s: got %v", pair, resp.Header)
		}
		bodies[strings.ReplaceAll(string(body), resp.Header.Get("X-Request-Id"), "")] = true
		var told struct {
			Errors []struct{ Code, Message string }
		}
		if err := json.Unmarshal(body, &told); err != nil || len(told.Errors) != 1 || told.Errors[0].Code != "TOOMANYREQUESTS" {
			t.Errorf("%s: body %s", pair, body)
		}
	}
	if len(bodies) != 1 {
		t.Errorf("answers differ by name: %v", bodies)
	}
	if resp := ask("HEAD", "push:push-secret"); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Errorf("HEAD: %s with Retry-After %q", resp.Status, resp.Header.Get("Retry-After"))
	}
	if resp := ask("GET", "pull:pull-secret"); resp.StatusCode != http.StatusOK {
		t.Errorf("a user who is remembered: status %d, want 200", resp.StatusCode)
	}
	if strings.Contains(tg.log.String(), "level=ERROR") {
		t.Errorf("the log takes it for a failure:\n%s", tg.log.String())
	}
}

// Requests of one connection go by its address, not by what they say of theirs.
func TestThrottledSourceIsTheConnection(t *testing.T) {
	tg := startGateway(t, nil, guarded(t, 1, false))
	for i, want := range []int{401, 429, 429} {
		resp := tg.get1(t, "GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 192.0.2."+strconv.Itoa(i)+
			"\r\nForwarded: for=192.0.2."+strconv.Itoa(i)+"\r\nAuthorization: "+basicOf("pull:a"+strconv.Itoa(i))+"\r\n\r\n")
		if resp.StatusCode != want {
			t.Errorf("request %d: status %d, want %d", i, resp.StatusCode, want)
		}
	}
}

func TestAccessRecordSaysWhatTheCacheDid(t *testing.T) {
	tg := startGateway(t, nil, guarded(t, 100, true))
	for _, pair := range []string{"pull:pull-secret", "pull:pull-secret", "pull:a", "pull:a"} {
		tg.get1(t, "GET /v2/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: "+basicOf(pair)+"\r\n\r\n")
	}
	tg.get1(t, "GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
	for i, r := range tg.records(t, 5) {
		if want := []any{"miss", "hit", "miss", "negative", nil}[i]; r["cache"] != want {
			t.Errorf("record %d: cache %v, want %v", i, r["cache"], want)
		}
	}
}

// cutOff has groups that a cache goes on with in an outage.
type cutOff struct{ people }

func (c cutOff) Groups(ctx context.Context, id backend.Identity) ([]string, error) {
	if call := backend.CallOf(ctx); call != nil {
		call.Cache = backend.CacheStale
	}
	return c.people.Groups(ctx, id)
}

// They may be older than they should although the login is not.
func TestAccessRecordSaysThatGroupsAreStale(t *testing.T) {
	r := recipeRoute(t, newCapture(t).url())
	r.Backend = cutOff{everyone}
	tg := startGateway(t, nil, r)
	tg.get1(t, "PUT /v2/app/manifests/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nAuthorization: "+basicOf("push:push-secret")+"\r\n\r\n")
	if r := tg.records(t, 1)[0]; r["cache"] != "stale" || r["status"] != 200.0 {
		t.Errorf("got cache %v with status %v, want stale", r["cache"], r["status"])
	}
}

// witness notes who asks.
type witness struct {
	people
	source *string
}

func (w witness) Authenticate(ctx context.Context, user, password string) (backend.Identity, error) {
	*w.source = backend.CallOf(ctx).Source.String()
	return w.people.Authenticate(ctx, user, password)
}

func TestBackendLearnsTheAddressOfTheClient(t *testing.T) {
	var source string
	r := recipeRoute(t, newCapture(t).url())
	r.Backend = witness{everyone, &source}
	tg := startGateway(t, nil, r)
	if resp := tg.do(t, "pull", "GET", "/v2/", nil); resp.StatusCode != http.StatusOK || source != "127.0.0.1" {
		t.Errorf("got %s and source %q, want 127.0.0.1", resp.Status, source)
	}
}
