package gateway

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/gateway/rules"
	"gatehouse/gateway/upstream"
)

// FuzzAppendField checks that no value can begin a field of its own.
func FuzzAppendField(f *testing.F) {
	f.Add("X-A", "b")
	f.Add("X-A", "b\r\nX-Remote-User: admin")
	f.Add("X-A\r\nX-B", "c\n")
	f.Add("X-A", "\x00")
	f.Fuzz(func(t *testing.T, name, value string) {
		b := appendField([]byte("GET / HTTP/1.1\r\nHost: a\r\n"), name, value)
		if strings.Count(string(b), "\r\n") > 3 || strings.Count(string(b), "\n") != strings.Count(string(b), "\r") {
			t.Errorf("%q, %q: %q", name, value, b)
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(b) + "\r\n")))
		if err == nil && len(r.Header) > 1 {
			t.Errorf("%q, %q: fields %q", name, value, r.Header)
		}
	})
}

// FuzzLocalReference checks that a rewritten reference stays at the host.
func FuzzLocalReference(f *testing.F) {
	for _, seed := range []string{
		"http://registry:5000/v2/", "//registry:5000/x", "http://registry:5000//evil/x", "http://registry:5000", "https://evil/x", "http://gateway.test?x", `http://registry:5000/\evil`,
		"http://a@registry:5000/x", "http:///x", "/x", "",
	} {
		f.Add(seed)
	}
	x := &exchange{r: &http.Request{Host: "gateway.test"}, route: &route{policy: &rules.Policy{}, upstream: &upstream.Pool{Authority: "registry:5000"}}, conn: &clientConn{}}
	x.host = "gateway.test"
	f.Fuzz(func(t *testing.T, ref string) {
		local := x.localReference(ref, true)
		if local == ref {
			return
		}
		u, err := url.Parse(local)
		if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(local, "/") || strings.HasPrefix(local, "//") || strings.HasPrefix(local, `/\`) {
			t.Errorf("%q became %q", ref, local)
		}
		if !strings.HasSuffix(ref, strings.TrimPrefix(local, "/")) {
			t.Errorf("%q became %q, which is no part of it", ref, local)
		}
	})
}

func TestPlainNameMapsAliases(t *testing.T) {
	for name, want := range map[string]string{
		"X-Remote-User": "X-Remote-User", "x_remote_user": "X-Remote-User", "X.Remote.User": "X-Remote-User", "X!REMOTE~USER": "X-Remote-User", "": "",
	} {
		if got := plainName(http.CanonicalHeaderKey(name)); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
