package gateway

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// familyMembers are names of fields that no upstream may get from a client, at least
// one of each family.
var familyMembers = []string{
	"X-Remote-User", "X-Remote-Anything", "Remote-User", "Remote-Email", "Remote-Anything", "X-Webauth-User", "X-Webauth-Role", "X-Auth-Request-User",
	"X-Auth-Username", "X-Auth-Token", "X-Authenticated-User", "X-Authenticated-Groups", "X-User", "X-Groups",
	"X-Forwarded", "X-Forwarded-For", "X-Forwarded-User", "X-Forwarded-Groups", "X-Forwarded-Access-Token", "X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert", "X-Forwardedfor",
	"X-Original-Forwarded-For", "Forwarded-For", "X-Proxy-Forwarded-For", "Forwarded",
	"Client-Ip", "X-Client-Ip", "True-Client-Ip", "X-Cluster-Client-Ip", "Fastly-Client-Ip", "Proxy-Client-Ip", "X-Azure-Clientip", "X-Real-Ip", "My-Real-Ip", "Xreal-Ip",
	"Ssl-Client-Cert", "Ssl-Client-Verify", "X-Ssl-Client-Dn", "X-Ssl-Cert", "Client-Cert", "Client-Cert-Chain", "Wl-Proxy-Client-Cert",
	"X-Amzn-Oidc-Identity", "X-Amzn-Oidc-Data", "X-Amzn-Mtls-Clientcert", "X-Goog-Authenticated-User-Email", "X-Goog-Authenticated-User-Id", "X-Goog-Iap-Jwt-Assertion",
	"X-Ms-Client-Principal", "X-Ms-Client-Principal-Name", "X-Ms-Token-Aad-Id-Token", "Cf-Access-Jwt-Assertion", "Cf-Access-Authenticated-User-Email", "Cf-Connecting-Ip",
	"Tailscale-User-Login", "Tailscale-User-Name", "X-Authentik-Username", "X-Pomerium-Jwt-Assertion", "X-Consumer-Username", "Oidc-Claim-Sub",
	"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "X-Method", "X-Forwarded-Method", "X-Original-Method",
	"X-Original-Url", "X-Original-Uri", "X-Original-Host", "X-Rewrite-Url", "X-Rewrite-Uri", "X-Override-Url", "X-Forwarded-Uri", "X-Forwarded-Path", "X-Forwarded-Host", "X-Host",
	"Sec-Websocket-Key", "X-Request-Id", "Idempotency-Key", "Proxy", "X-Envoy-Original-Path",
}

// spellings returns name as some upstreams read it for the same.
func spellings(name string) []string {
	var all []string
	for _, separator := range []string{"-", "_", ".", "~"} {
		all = append(all, strings.ReplaceAll(name, "-", separator))
	}
	all = append(all, strings.Replace(name, "-", "_", 1))
	for _, s := range slices.Clone(all) {
		all = append(all, strings.ToUpper(s), strings.ToLower(s))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// passes sends a request with the fields to tg, over both protocols, and returns the
// head that arrived upstream over each.
func (tg *testGateway) passes(t *testing.T, up *capture, fields ...string) (heads map[string]string) {
	t.Helper()
	heads = map[string]string{}
	before := len(up.text())
	lines := []string{"GET /v2/x HTTP/1.1", "Host: localhost", "Authorization: " + basic("push")}
	w := tg.dial(t)
	w.send(t, strings.Join(append(lines, fields...), "\r\n")+"\r\n\r\n")
	if resp := w.answer(t, "GET"); resp.StatusCode != 200 {
		t.Fatalf("HTTP/1.1: status %d: %s", resp.StatusCode, text(t, resp))
	}
	w.Close()
	heads["HTTP/1.1"] = up.text()[before:]
	before = len(up.text())
	list := []string{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/v2/x", "authorization", basic("push")}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		list = append(list, strings.ToLower(name), value)
	}
	h := dialH2(t, tg)
	h.request(true, list...)
	if got := h.outcome(); got != "200" {
		t.Fatalf("HTTP/2: %s", got)
	}
	h.conn.Close()
	heads["HTTP/2"] = up.text()[before:]
	return heads
}

// manyFields is a gateway with TLS that takes requests of very many fields.
func manyFields(t *testing.T) func(*Config) {
	return func(c *Config) {
		withTLS(t)(c)
		c.Limits.HeadFields, c.Limits.HeadBytes = 10000, 1<<20
	}
}

func TestFamiliesOfFieldsNeverReachAnUpstream(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, manyFields(t), recipeRoute(t, up.url()))
	var fields []string
	for _, name := range familyMembers {
		for _, s := range spellings(name) {
			fields = append(fields, s+": spoofed as "+s)
		}
	}
	for part := range slices.Chunk(fields, 300) { // which also fit into what a client of HTTP/2 may send at once
		for protocol, head := range tg.passes(t, up, part...) {
			for line := range strings.Lines(head) {
				if strings.Contains(line, "spoofed") {
					t.Errorf("%s: the upstream got %q", protocol, line)
				}
			}
		}
	}
}

func TestFieldsOfNoFamilyArrive(t *testing.T) {
	up := newCapture(t)
	tg := startGateway(t, withTLS(t), recipeRoute(t, up.url()))
	names := []string{"Accept", "User-Agent", "Cookie", "Range", "X-Requested-With", "X-Meta-Author", "Docker-Upload-Uuid", "X-Remoteness", "Authentication", "X-Registry-Auth", "Origin", "Via"}
	var fields []string
	for _, name := range names {
		fields = append(fields, name+": sent")
	}
	for protocol, head := range tg.passes(t, up, fields...) {
		for _, name := range names {
			if !strings.Contains(head, "\r\n"+name+": sent\r\n") {
				t.Errorf("%s: %s did not arrive", protocol, name)
			}
		}
	}
}

func TestRouteRemovesAndKeepsFields(t *testing.T) {
	up := newCapture(t)
	route := recipeRoute(t, up.url())
	route.RemoveHeaders = []string{"x-acme-*", "*-Acme-Id", "Cookie"}
	route.KeepHeaders = []string{"x-auth-token", "X-Acme-Trace", "X-Plain"}
	tg := startGateway(t, manyFields(t), route)
	want := map[string]bool{"X-Auth-Token": true, "X-Acme-Trace": true, "X-Plain": true, "Accept": true}
	var fields []string
	for _, name := range []string{"X-Auth-Token", "X-Acme-Trace", "X-Plain"} {
		for _, s := range spellings(name) {
			if !strings.EqualFold(s, name) {
				fields = append(fields, s+": spoofed")
			}
		}
	}
	for _, name := range []string{"X-Acme-Role", "X_Acme_Role", "X-Acme-Trace2", "Y-Acme-Id", "Y.acme.id", "Cookie", "X-Auth-User", "X-Auth-Token", "X-Acme-Trace", "X-Plain", "Accept"} {
		fields = append(fields, name+": from "+name)
	}
	for protocol, head := range tg.passes(t, up, fields...) {
		if strings.Contains(head, "spoofed") {
			t.Errorf("%s: another spelling of a kept name arrived: %q", protocol, head)
		}
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			if value != "spoofed" && strings.Contains(head, "\r\n"+name+": "+value+"\r\n") != want[name] {
				t.Errorf("%s: %s arrived: %v, want %v", protocol, name, !want[name], want[name])
			}
		}
	}
}

func TestNamesOfRemovedAndKeptFieldsAreChecked(t *testing.T) {
	keep := func(names ...string) Route { return Route{KeepHeaders: names} }
	remove := func(names ...string) Route { return Route{RemoveHeaders: names} }
	bad := []Route{
		keep("X-Auth-*"), keep("*"), keep(""), keep("X_Auth_Token"), keep("X.Auth.Token"), keep("X Auth"), keep("X-Auth-Token\r\nX"), keep("*-Real-Ip"),
		keep("X-Auth-Token", "Connection"), keep("keep-alive"), keep("Proxy-Connection"), keep("Proxy-Authorization"), keep("TE"), keep("Trailer"), keep("Upgrade"), keep("HTTP2-Settings"),
		keep("Transfer-Encoding"), keep("content-length"), keep("Host"), keep("Expect"), keep("Sec-WebSocket-Key"),
		keep("Authorization"), keep("X-Request-ID"), keep("X-Forwarded-For"), keep("x-forwarded-host"), keep("X-FORWARDED-PROTO"), keep("Forwarded"),
		keep("X-HTTP-Method-Override"), keep("X-Original-URL"), keep("X-Rewrite-URL"), keep("Idempotency-Key"), keep("Proxy"),
		{UserHeader: "X-Remote-User", KeepHeaders: []string{"x-remote-user"}}, {GroupsHeader: "X-Team", KeepHeaders: []string{"X-Team"}},
		remove("*"), remove(""), remove("X-*-Id"), remove("**"), remove("X_Acme"), remove("*-"), remove("X-Request-Id"), remove("X-Forwarded-For"), remove("host"), remove("Authorization"),
		{UserHeader: "X-Acme-User", RemoveHeaders: []string{"X-Acme-User"}},
		{RemoveHeaders: []string{"X-Acme-User"}, KeepHeaders: []string{"x-acme-user"}},
		{UserHeader: "X_Team"}, {GroupsHeader: "Content-Type"}, {UserHeader: "X-Forwarded-For"}, {UserHeader: "Upgrade"}, {UserHeader: "X-HTTP-Method-Override"},
	}
	for _, r := range bad {
		if err := r.checkHeaders(); err == nil {
			t.Errorf("keep %q, remove %q, user %q, groups %q: no error", r.KeepHeaders, r.RemoveHeaders, r.UserHeader, r.GroupsHeader)
		}
	}
	good := []Route{
		{}, keep("X-Auth-Token", "X-Real-Ip", "X-Forwarded-Port", "X-Remote-User"), remove("X-*", "*-Id", "Cookie", "Accept-Encoding"),
		{UserHeader: "X-Remote-User", GroupsHeader: "X-Forwarded-Groups", KeepHeaders: []string{"X-Forwarded-User"}, RemoveHeaders: []string{"X-Forwarded-*"}},
	}
	for _, r := range good {
		if err := r.checkHeaders(); err != nil {
			t.Errorf("keep %q, remove %q: %v", r.KeepHeaders, r.RemoveHeaders, err)
		}
	}
	up := newCapture(t)
	route := recipeRoute(t, up.url())
	route.KeepHeaders = []string{"Authorization"}
	if _, err := New(Config{Listen: []string{"127.0.0.1:0"}, Routes: []Route{route}}); err == nil {
		t.Error("a gateway begins that keeps Authorization")
	}
}

// The guide names every family.
func TestGuideNamesTheFamilies(t *testing.T) {
	guide, err := os.ReadFile("../docs/headers.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Concat(hopFields, ownFields, secondPlaces, claims) {
		if !strings.Contains(string(guide), "`"+name+"`") {
			t.Errorf("docs/headers.md does not name %s", name)
		}
	}
}

func BenchmarkDrops(b *testing.B) {
	f := newFieldFilter(Route{RemoveHeaders: []string{"X-Acme-*"}, KeepHeaders: []string{"X-Auth-Token"}})
	names := []string{"Accept", "User-Agent", "Host", "Authorization", "Accept-Encoding", "X-Forwarded-For", "Content-Type", "X-Meta"}
	b.ReportAllocs()
	for b.Loop() {
		for _, name := range names {
			f.drops(name)
		}
	}
}
