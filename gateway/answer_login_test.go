package gateway

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// An application's own 401, such as to a form, is passed on. One that asks for a
// login is not, and no answer of whatever status carries a challenge to a client,
// unless the upstream gets the credentials all the same.
func TestREG2LoginsOfAnUpstream(t *testing.T) {
	t.Parallel()
	const body = `{"message":"wrong password in the form"}`
	for _, tt := range []struct {
		status  string
		fields  string
		forward bool
		want    int
	}{
		{"401 Unauthorized", "", false, 401},
		{"401 Unauthorized", "Set-Cookie: a=b\r\n", false, 401},
		{"401 Unauthorized", "WWW-Authenticate: Basic realm=\"theirs\"\r\n", false, 502},
		{"401 Unauthorized", "www-authenticate: Negotiate\r\n", false, 502},
		{"401 Unauthorized", "WWW-Authenticate: Bearer realm=\"https://evil.example/\"\r\n", false, 502},
		{"401 Unauthorized", "WWW-Authenticate: X-Unknown-Scheme\r\nWWW-Authenticate: Basic\r\n", false, 502},
		{"401 Unauthorized", "WWW-Authenticate:\r\n", false, 502},
		{"401 Unauthorized", "WWW_Authenticate: Basic\r\n", false, 502},
		{"401 Unauthorized", "Connection: WWW-Authenticate\r\nWWW-Authenticate: Basic\r\n", false, 502},
		{"401 Unauthorized", "WWW-Authenticate: Basic realm=\"theirs\"\r\n", true, 401},
		{"401 Unauthorized", "", true, 401},
		{"407 Proxy Authentication Required", "", false, 502},
		{"407 Proxy Authentication Required", "Proxy-Authenticate: Basic\r\n", false, 502},
		{"407 Proxy Authentication Required", "Proxy-Authenticate: Basic\r\n", true, 502},
		{"200 OK", "WWW-Authenticate: Basic\r\n", false, 200},
		{"403 Forbidden", "WWW-Authenticate: Basic\r\nwww.authenticate: Basic\r\n", false, 403},
		{"403 Forbidden", "WWW-Authenticate: Basic\r\n", true, 403},
		{"404 Not Found", "Proxy-Authenticate: Basic\r\n", true, 404},
	} {
		up := newUpstreamScript(t, func(c net.Conn, r *http.Request) bool {
			io.WriteString(c, "HTTP/1.1 "+tt.status+"\r\n"+tt.fields+"Content-Length: 40\r\n\r\n"+body)
			return true
		})
		for _, change := range []func(*Config){nil, withTLS(t)} {
			route := recipeRoute(t, up.url())
			route.ForwardAuthorization = tt.forward
			tg := startGateway(t, change, route)
			resp := tg.do(t, "pull", "GET", "/v2/form", nil)
			got := text(t, resp)
			if resp.StatusCode != tt.want || (resp.StatusCode == 502) == (got == body) {
				t.Errorf("%s: %s with %q, forwarded %v: status %d, body %q, want %d", resp.Proto, tt.status, tt.fields, tt.forward, resp.StatusCode, got, tt.want)
			}
			for name := range resp.Header {
				challenge := strings.HasSuffix(plainName(name), "-Authenticate")
				if challenge && !(tt.forward && name == challengeField) {
					t.Errorf("%s: %s with %q, forwarded %v: %s reached the client", resp.Proto, tt.status, tt.fields, tt.forward, name)
				}
			}
			if tt.forward && strings.HasPrefix(tt.fields, "WWW-") && resp.Header.Get(challengeField) == "" {
				t.Errorf("%s: %s with %q: no challenge reached the client", resp.Proto, tt.status, tt.fields)
			}
			record := tg.records(t, 1)[0]
			if cause, _ := record["cause"].(string); tt.want == 502 && (record["code"] != "upstream.answer.login" || !strings.Contains(cause, tt.status[:3])) {
				t.Errorf("%s: %s: access record %v", resp.Proto, tt.status, record)
			}
		}
	}
}
