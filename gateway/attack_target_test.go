package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Targets that the gateway and an upstream could read in two ways. None is cleaned
// and passed on: each has got around the rules of some proxy.
func TestTargetsWithTwoReadingsAreRefused(t *testing.T) {
	t.Parallel()
	var attacks []attack
	for name, targets := range map[string][]string{
		"dot segments":         {"/v2/public/../private/x/manifests/1", "/v2/./private/x", "/v2/private/.", "/v2/private/..", "/.", "/.."},
		"encoded dots":         {"/v2/public/%2e%2e/private/x", "/v2/public/%2E./x", "/v2/public/.%2e/x", "/%2e/v2/..", "/v2/a%2eb"},
		"empty segments":       {"//v2//private/x", "/v2/private//x", "/v2/private//", "//", "//evil.example/v2/"},
		"encoded slashes":      {"/v2%2fprivate%2Fx", "/v2/private%2Fx"},
		"double encoding":      {"/v2/%252e%252e/private", "/v2/%25252e/x"},
		"backslashes":          {`/v2/public\..\private`, "/v2/public%5c..%5Cprivate"},
		"path parameters":      {"/v2/private;a=b/x", "/v2/public/..;/private", "/v2/private%3bx"},
		"NUL":                  {"/v2/private%00/x", "/v2/private\x00/x"},
		"control characters":   {"/v2/%01", "/v2/%1f", "/v2/%7f", "/v2/%0d%0aX", "/v2/a\x01b", "/v2/a\tb", "/v2/a\x7fb"},
		"hidden delimiters":    {"/v2/private%3fx", "/v2/private%23x", "/v2/private%26x"},
		"fragments":            {"/v2/private#x", "/v2/?a#b"},
		"raw and invalid UTF8": {"/v2/priv\xc3\xa4te", "/v2/\xff", "/v2/%ff"},
		"overlong UTF-8":       {"/v2/%c0%af", "/v2/%e0%80%af", "/v2/%c0%ae%c0%ae/x"},
		"Unicode look-alikes":  {"/v2/%ef%bc%8fx", "/v2/%e2%80%a4", "/v2/e%cc%81", "/v2/%c5%bf", "/v2/%e2%84%aa", "/v2/a%e2%80%8bb"},
		"broken escapes":       {"/v2/%zz", "/v2/%2", "/v2/%", "/v2/?a=%zz"},
		"other forms":          {"*", "v2/", "http://localhost", "ftp://localhost/v2/", "localhost:80", "?x", "http:///v2/", "http:/v2/"},
		"absolute form, two hosts": {
			"http://evil.example/v2/", "https://evil.example/v2/", "http://localhost.evil.example/v2/", "http://user@localhost/v2/", "http://localhost:81/v2/",
		},
		"query": {"/v2/?a=1;b=2", "/v2/?a=%00", "/v2/?a=%0a", "/v2/?a=%ff", "/v2/?a=\xc3\xa4", "/v2/?" + strings.Repeat("a&", 1001)},
	} {
		for _, target := range targets {
			attacks = append(attacks, attack{fmt.Sprintf("%s %.40q", name, target), head("GET " + target + " HTTP/1.1"), 400})
		}
	}
	attacks = append(attacks,
		attack{"asterisk form of OPTIONS", head("OPTIONS * HTTP/1.1"), 400},
		attack{"blank in the target", head("GET /v2/ private HTTP/1.1"), 400},
	)
	expectRefused(t, attacks)
}

func TestOverlongRequestsAreRefusedBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprintf("X-%d: y", i)
	}
	expectRefused(t, []attack{
		{"target of 9 KiB", head("GET /" + strings.Repeat("a", 9<<10) + " HTTP/1.1"), 414},
		{"target of 64 KiB", head("GET /" + strings.Repeat("a", 64<<10) + " HTTP/1.1"), 414},
		{"target of 1 MiB", head("GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1"), 414},
		{"line without an end", strings.Repeat("G", 20<<10), 414},
		{"10,000 segments", head("GET " + strings.Repeat("/a", 10000) + " HTTP/1.1"), 414},
		{"too many fields", head("GET /v2/ HTTP/1.1", many...), 431},
		{"10,000 fields", head("GET /v2/ HTTP/1.1", strings.Repeat("X: y\r\n", 10000)+"X: y"), 431},
		{"one huge field", head("GET /v2/ HTTP/1.1", "X: "+strings.Repeat("y", 8<<20)), 431},
		{"huge cookies", head("GET /v2/ HTTP/1.1", strings.Repeat("Cookie: "+strings.Repeat("c", 4<<10)+"\r\n", 99)+"X: y"), 431},
		{"huge credentials", head("GET /v2/ HTTP/1.1", "X-Authorization: Basic "+strings.Repeat("QUFB", 256<<10)), 431},
	})
}

// What is forwarded is written anew from what was judged.
func TestTargetsOfOneReadingArriveInCanonicalForm(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, nil, recipeRoute(t, up.url()))
	state := "_state=" + strings.Repeat("aZ09-_", 33) + "=="
	for target, want := range map[string]string{
		"/v2/app/tags/list":                         "/v2/app/tags/list",
		"/v2/%70rivate/x":                           "/v2/private/x",
		"/%76%32/":                                  "/v2/",
		"/v2":                                       "/v2",
		"/v2/?":                                     "/v2/",
		"/v2/_catalog?n=2&last=a%2Fb":               "/v2/_catalog?n=2&last=a%2Fb",
		"/v2/app/blobs/uploads/1?" + state:          "/v2/app/blobs/uploads/1?" + state,
		"/v2/app/blobs/uploads/1?a+b=%2b&c=&d":      "/v2/app/blobs/uploads/1?a+b=%2B&c=&d",
		"http://localhost/v2/app/tags/list?n=1":     "/v2/app/tags/list?n=1",
		"HTTP://LOCALHOST/v2/":                      "/v2/",
		"/v2/app/manifests/sha256:0123456789abcdef": "/v2/app/manifests/sha256:0123456789abcdef",
	} {
		w := tg.dial(t)
		w.send(t, head("GET "+target+" HTTP/1.1"))
		if resp := w.answer(t, "GET"); resp.StatusCode != 200 {
			t.Errorf("%s: status %d: %s", target, resp.StatusCode, text(t, resp))
			continue
		}
		if r := up.last(t); r.RequestURI != want || !strings.EqualFold(r.Host, "localhost") {
			t.Errorf("%s: the upstream was asked for %q at %q, want %q", target, r.RequestURI, r.Host, want)
		}
	}
}

func TestMalformedHostsAreRefused(t *testing.T) {
	t.Parallel()
	var attacks []attack
	for _, host := range []string{
		"", "evil;proto=https,for=x", "a b", "a/b", "a\\b", "a@b", "a?b", "a#b", "[::1%25x]", "[::1", "::1", "a:b", "a:0", "a:65536", "a:+80", "a:080",
		"a..b", ".a", "a,b", "a%41", "127.1", "0x7f.1", "010.0.0.1", "h\xc3\xb6st", "a\"b", strings.Repeat("a", 64), strings.Repeat("a.", 130) + "a",
	} {
		attacks = append(attacks, attack{fmt.Sprintf("host %.30q", host), "GET /v2/ HTTP/1.1\r\nHost: " + host + "\r\n\r\n", 400})
	}
	for name, request := range map[string]string{
		"no Host":                  "GET /v2/ HTTP/1.1\r\nAccept: */*\r\n\r\n",
		"no field at all":          "GET /v2/ HTTP/1.1\r\n\r\n",
		"absolute form, HTTP/1.0":  "GET http://localhost/v2/ HTTP/1.0\r\nAccept: */*\r\n\r\n",
		"two Hosts":                "GET /v2/ HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
		"the same Host twice":      "GET /v2/ HTTP/1.1\r\nHost: localhost\r\nhOST: localhost\r\n\r\n",
		"absolute form, no Host":   "GET http://localhost/v2/ HTTP/1.1\r\nAccept: */*\r\n\r\n",
		"absolute form, odd Host":  "GET http://localhost/v2/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"absolute form, two Hosts": "GET http://localhost/v2/ HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
	} {
		attacks = append(attacks, attack{name, request, 400})
	}
	expectRefused(t, attacks)
}

// Every spelling of a host comes to the rules of that host, and of no other.
func TestHostsInAnySpellingComeToTheirRoute(t *testing.T) {
	named, other := newCapture(t), newCapture(t)
	forHost := recipeRoute(t, named.url())
	forHost.Hosts = []string{"registry.test", "*.apps.test"}
	tg := startGateway(t, nil, forHost, recipeRoute(t, other.url()))
	for host, up := range map[string]*capture{
		"registry.test": named, "REGISTRY.test": named, "registry.test:5000": named, "registry.test.": named, "Registry.Test.:443": named,
		"a.apps.test": named, "A.APPS.test.:5000": named, "apps.test": other, "a.b.apps.test": other, "aapps.test": other, "a.apps.test.evil": other,
		"other.test": other, "registry.test.evil": other, "[::1]:80": other, "127.0.0.1": other,
	} {
		before, _, _ := up.counts()
		w := tg.dial(t)
		w.send(t, "GET /v2/ HTTP/1.1\r\nHost: "+host+"\r\nAuthorization: "+basic("pull")+"\r\n\r\n")
		w.answer(t, "GET")
		if after, _, _ := up.counts(); after != before+1 {
			t.Errorf("host %q came to the wrong route", host)
		}
	}
}

// Every name of a route comes to it, over both protocols.
func TestSeveralHostsOfARoute(t *testing.T) {
	for proto, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		up := newCapture(t)
		route := recipeRoute(t, up.url())
		route.Hosts = []string{"registry.test", "*.apps.test"}
		tg := startGateway(t, change, route)
		for host, want := range map[string]int{"registry.test": 200, "b.apps.test:443": 200, "apps.test": 404, "c.b.apps.test": 404} {
			r, err := http.NewRequest("GET", tg.url("/v2/"), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			r.Header.Set("Authorization", basic("pull"))
			resp, err := tg.client(t).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != want || resp.Proto != proto {
				t.Errorf("%s: host %q: status %d over %s, want %d", proto, host, resp.StatusCode, resp.Proto, want)
			}
		}
	}
}
