package main

import (
	"bytes"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"

	"gatehouse/backend/owntoken"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
	"gatehouse/gateway/limits"
	"gatehouse/gateway/signing"
	"gatehouse/gateway/upstream"
)

// example is config.example.toml in a workspace that has the files it names.
func example(t testing.TB) (path string) {
	t.Helper()
	dir := workspace(t)
	text, err := os.ReadFile("../../config.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "config.toml")
	for from, to := range map[string]string{"cert.pem": "domain.crt", "key.pem": "domain.key", "users": "htpasswd", "groups": "groups"} {
		err = errors.Join(err, os.Rename(filepath.Join(dir, "files", from), filepath.Join(dir, to)))
	}
	if err := errors.Join(err, os.WriteFile(path, text, 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

func goodFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(workspace(t), "good/*.toml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata/good: %v", err)
	}
	return append(files, example(t))
}

func load(t testing.TB, path string) *config.Document {
	t.Helper()
	c, err := loadConfig(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGoodFilesMakeAGateway(t *testing.T) {
	for _, path := range goodFiles(t) {
		a, err := assemble.Build(load(t, path), nil, assemble.Surroundings{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if err := try(a.Gateway); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("%s: close: %v", path, err)
		}
	}
}

// The strict decoder sees what is written, viper what counts. Without variables
// and flags that is the same.
func TestOverlayOfNothingChangesNothing(t *testing.T) {
	for _, path := range goodFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		strict := config.Document{Settings: config.Defaults()}
		if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&strict); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if diff := cmp.Diff(strict.Settings, load(t, path).Settings); diff != "" {
			t.Errorf("%s: strict decoder (-) and overlay (+) differ:\n%s", path, diff)
		}
	}
}

func TestEveryKeyArrivesWhereItBelongs(t *testing.T) {
	dir := workspace(t)
	a, err := assemble.Build(load(t, filepath.Join(dir, "good/everything.toml")), nil, assemble.Surroundings{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	cfg := a.Gateway
	file := func(name string) string { return filepath.Join(dir, "files", name) }
	if got, want := a.OwnTokens(), (owntoken.Config{PerUser: 36, MaxTTL: 34 * time.Hour, RobotMaxTTL: 35 * time.Hour, AllowDNAnchor: true}); got != want || a.StorePath() != file("tokens.jsonl") {
		t.Errorf("tokens that accounts own: got %+v in %s, want %+v", got, a.StorePath(), want)
	}
	if _, err := os.Stat(file("tokens.jsonl")); err == nil {
		t.Error("the file of the tokens is made by more than the program that serves")
	}
	rules := cfg.Routes[0].Rules
	for i := range cfg.Routes {
		if cfg.Routes[i].Backend == nil {
			t.Errorf("route %d has no backend", i)
		}
		cfg.Routes[i].Backend, cfg.Routes[i].Rules = nil, nil
	}
	signer := cfg.Routes[2].UpstreamTokens
	if signer == nil || signer.Name() != (signing.Name{Issuer: "gate", Service: "signed"}) {
		t.Fatal("nothing signs tokens for the third route, or by another name")
	}
	cfg.Routes[2].UpstreamTokens = nil
	if cfg.Tokens == nil || cfg.Tokens.Keys == nil || cfg.Tokens.Revoked == nil {
		t.Fatal("there are no keys for tokens, or nothing keeps those that are revoked")
	}
	if err := cfg.Tokens.Revoked.RevokeAll(time.Now()); err != nil {
		t.Error(err)
	} else if _, err := os.Stat(file("token-state.json")); err != nil {
		t.Errorf("what was revoked is kept elsewhere: %v", err)
	}
	cfg.Log, cfg.Tokens.Keys, cfg.Tokens.Revoked = nil, nil, nil
	want := gateway.Config{
		Listen:            []string{"127.0.0.1:5043", "[::1]:5043", ":443"},
		TLS:               &gateway.TLS{CertFile: file("cert.pem"), KeyFile: file("key.pem")},
		InsecurePlaintext: true,
		AccessLog:         "combined",
		HealthPath:        "/-/healthz",
		Timeouts: gateway.Timeouts{
			Handshake: 11 * time.Second, Header: 12 * time.Second, Idle: 13 * time.Second, BodyIdle: 14 * time.Second,
			Connect: 15 * time.Second, Response: 16 * time.Second, UploadResponse: 17 * time.Second, Drain: 90 * time.Minute,
		},
		Limits: limits.Limits{
			Connections: 21, PerAddress: 22, Handshakes: 23, Streams: 24, HeadBytes: 8192, HeadFields: 25, BodyRate: 26, BodyWindow: 27 * time.Second,
			UpstreamConnections: 28, UpstreamPerClient: 29, UpstreamQueue: 30,
		},
		Tokens:         &gateway.Tokens{TTL: 31 * time.Minute, UploadGrace: 32 * time.Hour, IdentityTTL: 33 * time.Hour, SelfService: "/-/tokens"},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		ProxyProtocol:  true,
		Routes: []gateway.Route{{
			Hosts: []string{"registry.example"}, Path: "/v2/team", Registry: "/v2", Realm: "Team", Challenge: "bearer", TokenURL: "https://tokens.example/v2/token", Backends: []string{"Corp.Example"},
			UserHeader: "X-Remote-User", GroupsHeader: "X-Remote-Groups", GroupsHeaderForm: gateway.GroupsDN, GroupsHeaderBytes: 4096, OmitLongGroups: true,
			RemoveHeaders: []string{"X-Acme-*", "*-Acme-Id", "Cookie"}, KeepHeaders: []string{"X-Auth-Token", "X-Acme-Trace"},
			Upstream: upstream.Config{
				URL: "https://registry.internal:5000", CAFile: file("cert.pem"), ServerName: "registry",
				CertFile: file("cert.pem"), KeyFile: file("key.pem"),
				User: "gatehouse", Password: "password", IdleTimeout: 20 * time.Second,
			},
		}, {
			Hosts: []string{"apps.example", "*.apps.example"}, Path: "/", Realm: "Registry Authentication", Challenge: "basic", Backends: []string{"local"},
			ForwardAuthorization: true, ResponseHeaders: []string{"Strict-Transport-Security: max-age=31536000", "X-Frame-Options: DENY"},
			CORSOrigins: []string{"https://ui.example", "http://localhost:8080"},
			Upstream: upstream.Config{
				URL: "unix:" + filepath.Join(dir, "good/registry.sock"), IdleTimeout: 30 * time.Second,
				Timeouts: upstream.Timeouts{Connect: 35 * time.Second, Response: 36 * time.Minute, UploadResponse: 37 * time.Minute},
			},
		}, {
			Hosts: []string{"signed.example"}, Path: "/v2/", Realm: "Registry Authentication", Challenge: "basic", Backends: []string{"local"},
			Upstream: upstream.Config{URL: "http://127.0.0.1:5001", IdleTimeout: 30 * time.Second},
		}},
	}
	if diff := cmp.Diff(want, cfg, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("gateway.Config (-want +got):\n%s", diff)
	}
	if got, want := rules[0].Position, filepath.Join(dir, "good/everything.toml")+":99"; got != want {
		t.Errorf("position of the first rule: got %s, want %s", got, want)
	}
	if diff := cmp.Diff([]string{"/v2/team/*/manifests/*", "/v2/team/**"}, rules[0].Paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

func TestNotationsOfTOMLMeanTheSame(t *testing.T) {
	dir := workspace(t)
	a, b := load(t, filepath.Join(dir, "good/recipe.toml")), load(t, filepath.Join(dir, "good/inline.toml"))
	if diff := cmp.Diff(a.Settings, b.Settings); diff != "" {
		t.Errorf("settings (-tables +inline):\n%s", diff)
	}
	if diff := cmp.Diff(a.Backends, b.Backends); diff != "" {
		t.Errorf("backends (-tables +inline):\n%s", diff)
	}
	if diff := cmp.Diff(a.Routes, b.Routes); diff != "" {
		t.Errorf("routes (-tables +inline):\n%s", diff)
	}
}

func TestExampleShowsTheDefaults(t *testing.T) {
	got, want := load(t, example(t)), config.Defaults()
	want.TLS = config.TLS{CertFile: "domain.crt", KeyFile: "domain.key"}
	if diff := cmp.Diff(want, got.Settings); diff != "" {
		t.Errorf("settings of config.example.toml (-default +example):\n%s", diff)
	}
	if got := got.Routes[0].Realm; got != config.DefaultRealm {
		t.Errorf("realm: got %q, want the default %q", got, config.DefaultRealm)
	}
	if got := got.Routes[0].UpstreamIdleTimeout.Duration; got != config.DefaultUpstreamIdleTimeout {
		t.Errorf("upstream_idle_timeout: got %v, want the default %v", got, config.DefaultUpstreamIdleTimeout)
	}
}

// switchedOff matches a key or a table of config.example.toml that is commented out.
var switchedOff = regexp.MustCompile(`(?m)^(\s*)#([a-z_]+ = |\[[a-z_]+\])`)

func TestExampleNamesEveryKeyAndNoOther(t *testing.T) {
	path := example(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := switchedOff.ReplaceAll(text, []byte("$1$2"))
	c, err := assemble.Kinds().Parse(path, all, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Report.Err(); err != nil {
		t.Errorf("with all keys switched on:\n%v", err)
	}
	var root map[string]any
	if err := toml.Unmarshal(all, &root); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, "", root, config.Fields(reflect.TypeFor[config.Document]()))
	for i, table := range c.Backends {
		backend := maps.Clone(config.Fields(reflect.TypeFor[config.BackendKeys]()))
		maps.Copy(backend, config.Fields(assemble.Kinds()[table.Type()].Keys))
		wantKeys(t, "backend", root["backend"].([]any)[i].(map[string]any), backend)
	}
}

// wantKeys checks that table has all keys of known, and its tables theirs.
func wantKeys(t *testing.T, name string, table map[string]any, known map[string]reflect.StructField) {
	t.Helper()
	for key, f := range known {
		child, ok := table[key]
		full := strings.TrimPrefix(name+"."+key, ".")
		switch {
		case !ok:
			t.Errorf("config.example.toml does not show the key %s", full)
		case f.Type == reflect.TypeFor[[]config.Backend]():
		case isTable(f.Type):
			wantKeys(t, full, child.(map[string]any), config.Fields(f.Type))
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			wantKeys(t, full, child.([]any)[0].(map[string]any), config.Fields(f.Type.Elem()))
		}
	}
}

// Every field has a key, and every Duration and number its bounds: without them
// the schema would refuse any value.
func TestEveryFieldSaysWhatItMayBe(t *testing.T) {
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		for _, f := range config.Fields(typ) {
			bounded := f.Type == reflect.TypeFor[config.Duration]() || f.Type.Kind() == reflect.Int
			if bounded && (f.Tag.Get("min") == "" || f.Tag.Get("max") == "") {
				t.Errorf("%v.%s has no bounds", typ, f.Name)
			}
			if isTable(f.Type) {
				visit(f.Type)
			}
			if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
				visit(f.Type.Elem())
			}
		}
	}
	visit(reflect.TypeFor[config.Document]())
}
