package gateway

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/gateway/rules"
)

// OPTIONS with Max-Forwards says how many servers may pass it on (RFC 9110, section
// 7.6.2). The last of them answers, after the rules have decided like about any other
// request; the others count themselves.
func TestHTTP1MaxForwards(t *testing.T) {
	up := newUpstreamLog(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Upstream", strings.Join(r.Header["Max-Forwards"], "|"))
	})
	route := recipeRoute(t, up.URL)
	route.Rules = append(route.Rules, rules.Rule{Name: "options", Methods: []string{"OPTIONS"}, Paths: everyPath, Require: mustRequire(t, "group pusher")})
	for _, change := range []func(*Config){nil, withTLS(t)} {
		tg := startGateway(t, change, route)
		client := tg.client(t)
		for _, tt := range []struct {
			user, method string
			hops         []string
			status       int
			upstream     string // what it got; "-" if it was not asked
		}{
			{"push", "OPTIONS", []string{"0"}, 200, "-"},
			{"push", "OPTIONS", []string{"00"}, 200, "-"},
			{"push", "OPTIONS", []string{"1"}, 200, "0"},
			{"push", "OPTIONS", []string{"10"}, 200, "9"},
			{"push", "OPTIONS", []string{"99999999999999999999"}, 200, "4294967294"},
			{"push", "OPTIONS", nil, 200, ""},
			{"pull", "OPTIONS", []string{"0"}, 403, "-"},
			{"", "OPTIONS", []string{"0"}, 401, "-"},
			{"push", "OPTIONS", []string{"-1"}, 400, "-"},
			{"push", "OPTIONS", []string{"+1"}, 400, "-"},
			{"push", "OPTIONS", []string{"1, 0"}, 400, "-"},
			{"push", "OPTIONS", []string{""}, 400, "-"},
			{"push", "OPTIONS", []string{"1", "1"}, 400, "-"},
			{"push", "GET", []string{"0"}, 200, "0"}, // where it means nothing
			{"push", "GET", []string{"x"}, 200, "x"},
		} {
			r, _ := http.NewRequest(tt.method, tg.url("/v2/x"), nil)
			if tt.user != "" {
				r.Header.Set("Authorization", basic(tt.user))
			}
			r.Header["Max-Forwards"] = tt.hops
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body := text(t, resp)
			got := "-"
			if lines := resp.Header["X-Upstream"]; lines != nil {
				got = lines[0]
			}
			if resp.StatusCode != tt.status || got != tt.upstream {
				t.Errorf("%s: %s by %q with Max-Forwards %q: status %d, the upstream got %q; want %d and %q", resp.Proto, tt.method, tt.user, tt.hops, resp.StatusCode, got, tt.status, tt.upstream)
			}
			if answeredHere := tt.status == 200 && tt.upstream == "-"; answeredHere &&
				(body != "" || resp.Header.Get("Allow") != rules.AllMethods || resp.Header.Get("Content-Length") != "0" || resp.Header.Get("X-Request-Id") == "") {
				t.Errorf("%s: the answer is %v %q", resp.Proto, resp.Header, body)
			}
		}
	}
}
