package gateway

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
)

const testBase = "/repository/docker"

// escapes reports whether some server could read a target as one outside the base.
func escapes(target, base string) bool {
	text, _, _ := strings.Cut(target, "?")
	if strings.Contains(text, "://") {
		return true
	}
	for range 4 {
		plain := strings.ReplaceAll(text, `\`, "/")
		segments := strings.Split(plain, "/")
		for i, s := range segments {
			segments[i], _, _ = strings.Cut(s, ";")
		}
		for _, reading := range []string{plain, strings.Join(segments, "/")} {
			if clean := path.Clean(reading); clean != base && !strings.HasPrefix(clean, base+"/") {
				return true
			}
		}
		decoded, err := url.PathUnescape(text)
		if err != nil || decoded == text {
			break
		}
		text = decoded
	}
	return strings.ContainsAny(text, "\r\n\x00")
}

var hostileParts = strings.Fields(`v2 v2 v2 team app blobs uploads manifests tags list _catalog 1 a.b repository docker dockerx
	.. . %2e%2e %2E. .%2e ..; ..%3b a;b %2f ..%2f %5c ..\ %00 %0a %25 %252e%252e %252f %76%32 V2 %C3%BC %C0%AE @ ~ : a%20b http:// //evil ...`)

// hostileTarget makes a request target of parts that mean something to somebody.
func hostileTarget(r *rand.Rand) string {
	var b strings.Builder
	switch r.IntN(12) {
	case 0:
		b.WriteString("http://localhost")
	case 1:
		b.WriteString("/v2/team/app/blobs/uploads")
	}
	good := r.IntN(3) > 0
	for range 1 + r.IntN(6) {
		b.WriteByte('/')
		if good {
			b.WriteString(hostileParts[r.IntN(15)])
		} else {
			b.WriteString(hostileParts[r.IntN(len(hostileParts))])
		}
	}
	if r.IntN(4) == 0 {
		b.WriteByte('/')
	}
	from := []string{"team/app", "private/x", "..%2F..%2Fother", "../../other", "%2e%2e/x", "a//b", "/v2/x", "team%2Fapp"}[r.IntN(8)]
	switch r.IntN(5) {
	case 0:
		b.WriteString("?mount=" + layer + "&from=" + from)
	case 1:
		b.WriteString("?from=" + from + "&x=/../..")
	case 2:
		b.WriteString("?digest=" + layer)
	}
	return b.String()
}

// targetsVariable is the number of targets that
// TestNothingOutsideTheUpstreamsPathIsReached makes, where the part of them that an
// ordinary run takes is not enough:
//
//	GATEHOUSE_TEST_TARGETS=100000 go test -v -run TestNothingOutside ./gateway
const targetsVariable = "GATEHOUSE_TEST_TARGETS"

// Of many targets, mounts among them, none reaches anything outside the upstream's
// path, however it is read, and the upstream is asked for what the rules have judged.
func TestNothingOutsideTheUpstreamsPathIsReached(t *testing.T) {
	var mu sync.Mutex
	reached, outside := 0, []string(nil)
	up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
		mu.Lock()
		reached++
		if escapes(r.RequestURI, testBase) {
			outside = append(outside, r.RequestURI)
		}
		mu.Unlock()
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		return true
	})
	route := recipeRoute(t, up.url()+testBase)
	route.Path = "/"
	route.Rules = []rules.Rule{{Name: "all", Paths: everyPath, Require: mustRequire(t, "valid-user")}}
	tg := startGateway(t, func(c *Config) { c.AccessLog = "off" }, route)
	random := rand.New(rand.NewPCG(1, 2))
	w := tg.dial(t)
	sent, accepted, taken := 0, 0, 0
	count := 20_000
	if n, err := strconv.Atoi(os.Getenv(targetsVariable)); err == nil {
		count = n
	}
	for i := range count {
		target, method := hostileTarget(random), []string{"GET", "POST"}[random.IntN(2)]
		parsed, err := strict.ParseTarget(target)
		if err == nil {
			accepted++
			mu.Lock()
			if asked := string(tg.sites.current().routes[0].path.appendTarget(nil, parsed)); escapes(asked, testBase) {
				outside = append(outside, asked)
			}
			mu.Unlock()
		}
		if err != nil && i%50 != 0 || err == nil && i%5 != 0 {
			continue // all are judged; a part of them goes all the way, to show that it is so
		}
		sent++
		if _, err := fmt.Fprintf(w, "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\nContent-Length: 0\r\n\r\n", method, target, basic("push")); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(w.br, nil)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		io.Copy(io.Discard, resp.Body)
		switch {
		case resp.StatusCode == 200:
			taken++
		case resp.Close:
			w.Close()
			w = tg.dial(t)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, target := range outside[:min(len(outside), 10)] {
		t.Errorf("the upstream was asked for %q", target)
	}
	if reached != taken || taken < count/20 || accepted < count/5 {
		t.Errorf("of %d targets sent, %d were taken and %d reached the upstream; %d could be", sent, taken, reached, accepted)
	}
}

// The path of a request is appended, for a registry from its v2 segment on, and no two
// paths become one.
func TestPathOfTheUpstreamIsPrepended(t *testing.T) {
	for _, tt := range []struct{ path, routePath, root, target, want string }{
		{"", "/", "/v2/", "/v2/x?a=b", "/v2/x?a=b"},
		{"/", "/", "/v2/", "/v2/x?a=b", "/v2/x?a=b"},
		{"/", "/nexus/", "/nexus/v2/", "/nexus/v2/x", "/nexus/v2/x"},
		{testBase, "/v2/", "/v2/", "/v2/", testBase + "/v2/"},
		{testBase + "/", "/v2/", "/v2/", "/v2", testBase + "/v2"},
		{testBase, "/", "/v2/", "/ui/x?y", testBase + "/ui/x?y"},
		{testBase, "/apps/", "", "/apps/x", testBase + "/apps/x"},
		{testBase, "/nexus/", "/nexus/v2/", "/nexus/v2/team/app/tags/list?n=1", testBase + "/v2/team/app/tags/list?n=1"},
		{testBase, "/nexus/", "/nexus/v2/", "/nexus/v2", testBase + "/v2"},
		{testBase, "/nexus/", "/nexus/v2/", "/nexus/v2x", testBase + "/nexus/v2x"},
		{testBase, "/n x/", "/n x/v2/", "/n%20x/v2/a", testBase + "/v2/a"},
		{"/a%20b", "/v2/", "/v2/", "/v2/", "/a%20b/v2/"},
	} {
		p, err := newUpstreamPath(tt.path, tt.routePath, tt.root)
		if err != nil {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		target, err := strict.ParseTarget(tt.target)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(p.appendTarget(nil, target)); got != tt.want {
			t.Errorf("%+v: got %q", tt, got)
		}
		if back, ok := p.back(tt.want); p.base != "" && (!ok || back != tt.target) {
			t.Errorf("%+v: back it is %q, %v", tt, back, ok)
		}
	}
	for _, tt := range []struct{ path, routePath, root, want string }{
		{"/v2", "/v2/", "/v2/", "segment v2"},
		{"/a/v2/b", "/", "/v2/", "segment v2"},
		{"/%76%32", "/", "/v2/", "no request"},
		{"/a/../b", "/", "/v2/", "no request"},
		{"/a//b", "/", "/v2/", "no request"},
		{"/%2e%2e/b", "/", "/v2/", "no request"},
		{"/a%2fb", "/", "/v2/", "no request"},
		{"/a;b", "/", "/v2/", "no request"},
		{"/a", "/", "/nexus/v2/", "whatever the rules say"},
		{"/a", "/v2/b/", "/v2/b/v2/", "whatever the rules say"}, // "/v2/b/x" and "/v2/b/v2/b/x"
	} {
		if _, err := newUpstreamPath(tt.path, tt.routePath, tt.root); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// What leads to the upstream's own authority is mapped back from its path, or refused
// with 502 and passed on to nobody; what leads to other hosts stays.
func TestReferencesOfAnUpstreamWithAPathAreMappedBack(t *testing.T) {
	for proto, change := range map[string]func(*Config){"HTTP/1.1": nil, "HTTP/2.0": withTLS(t)} {
		var field, value string
		up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
			fmt.Fprintf(c, "HTTP/1.1 202 Accepted\r\n%s: %s\r\nContent-Length: 0\r\n\r\n", field, value)
			return true
		})
		tg := startGateway(t, change, recipeRoute(t, up.url()+testBase+"/"))
		upHost := strings.TrimPrefix(up.url(), "http://")
		const refused = "refused"
		for ref, want := range map[string]string{
			testBase + "/v2/x/blobs/uploads/1?_state=a%2Fb": "/v2/x/blobs/uploads/1?_state=a%2Fb",
			up.url() + testBase + "/v2/x":                   "/v2/x",
			"//" + upHost + testBase + "/v2/x#f":            "/v2/x#f",
			"https://" + tg.addr + testBase + "/v2/x":       "/v2/x",
			up.url() + testBase:                             "/",
			testBase + "/ui/":                               "/ui/",
			"../blobs/uploads/2":                            "/v2/x/blobs/uploads/2",
			"3?y":                                           "/v2/x/manifests/3?y",
			"?last=a":                                       "?last=a",
			"https://s3.example/bucket/v2/x":                "https://s3.example/bucket/v2/x",
			"https://s3.example/../x":                       "https://s3.example/../x",

			"/v2/x":                             refused,
			"/":                                 refused,
			up.url():                            refused,
			up.url() + "/":                      refused,
			up.url() + "/v2/x":                  refused,
			up.url() + "?x":                     refused,
			"//" + upHost + "/repository/other": refused,
			"http://u:p@" + upHost + "/other":   refused,
			"http://" + tg.addr + "/other":      refused,
			"/repository":                       refused,
			testBase + "x/v2/":                  refused,
			"/Repository/docker/v2/":            refused,
			testBase + "/../other":              refused,
			testBase + "/v2/../../other":        refused,
			testBase + "/%2e%2e/other":          refused,
			testBase + "/..%2fother":            refused,
			testBase + `/..\other`:              refused,
			testBase + `\..\other`:              refused,
			testBase + "/..;/other":             refused,
			testBase + "//other":                refused,
			up.url() + testBase + "/../other":   refused,
			"../../../../../other":              refused,
			"../../../../other":                 refused,
			"..%2f..%2f..%2f..%2fother":         refused,
			`..\..\..\other`:                    refused,
			"http:/other":                       refused,
			"http:other":                        refused,
			"///other":                          refused,
			"/\t/other":                         refused,
			"http://[::1/x":                     refused,
			"%zz":                               refused,
		} {
			for _, field = range []string{"Location", "Link", "Content-Location"} {
				want := want
				if value = ref; field == "Link" {
					const first = "<https://s3.example/y>; rel=first, <"
					value = first + ref + `>; rel="next"`
					if want != refused {
						want = first + want + `>; rel="next"`
					}
				}
				resp := tg.do(t, "push", "PUT", "/v2/x/manifests/1", nil)
				got := resp.Header.Get(field)
				switch {
				case resp.Proto != proto:
					t.Fatalf("over %s, want %s", resp.Proto, proto)
				case want == refused && (resp.StatusCode != 502 || got != ""):
					t.Errorf("%s: %s: %s: status %d, passed on as %q", proto, field, value, resp.StatusCode, got)
				case want != refused && (resp.StatusCode != 202 || got != want):
					t.Errorf("%s: %s: %s: status %d, %q, want %q", proto, field, value, resp.StatusCode, got, want)
				}
			}
		}
	}
}

// No mark of punctuation that is out of place hides a target of a Link field.
func TestEveryTargetOfALinkFieldIsMapped(t *testing.T) {
	for field, want := range map[string]string{
		`<a>; rel=next`:              `<A>; rel=next`,
		`<a>; rel=first, <b>; rel=x`: `<A>; rel=first, <B>; rel=x`,
		`>, <a>; rel=next`:           `>, <A>; rel=next`,
		`<a>; title=">", <b>`:        `<A>; title=">", <B>`,
		`<a`:                         `<A`,
		`<a>, <b`:                    `<A>, <B`,
		`a; rel=next`:                `a; rel=next`,
		``:                           ``,
	} {
		if got, ok := mapLinks(field, func(ref string) (string, bool) { return strings.ToUpper(ref), true }); got != want || !ok {
			t.Errorf("%q: %q, %v, want %q", field, got, ok, want)
		}
		if _, ok := mapLinks(field, func(string) (string, bool) { return "", false }); ok == strings.Contains(field, "<") {
			t.Errorf("%q: %v where no target may be told", field, ok)
		}
	}
}

// A cookie for the upstream's path is one for what clients call it; others stay.
func TestCookiesOfAnUpstreamWithAPath(t *testing.T) {
	p, err := newUpstreamPath(testBase, "/nexus/", "/nexus/v2/")
	if err != nil {
		t.Fatal(err)
	}
	for cookie, want := range map[string]string{
		"a=b; Path=" + testBase + "; Secure":       "a=b; Path=/; Secure",
		"a=b; path=" + testBase + "/":              "a=b; path=/",
		"a=b;PATH=" + testBase + "/v2/x; HttpOnly": "a=b;PATH=/nexus/v2/x; HttpOnly",
		"a=path=" + testBase:                       "a=path=" + testBase,
		"a=b; Path=/other":                         "a=b; Path=/other",
		"a=b; Path=" + testBase + "/../x":          "a=b; Path=" + testBase + "/../x",
		"a=b; Path=/":                              "a=b; Path=/",
		"a=b":                                      "a=b",
	} {
		if got := p.backCookie(cookie); got != want {
			t.Errorf("%q: %q, want %q", cookie, got, want)
		}
	}
}
