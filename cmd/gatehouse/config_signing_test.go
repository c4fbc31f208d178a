package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/assemble"
)

const signingConfig = `
listen = ["127.0.0.1:0"]
[[backend]]
name = "local"
type = "htpasswd"
users_file = "files/users"
[[route]]
host = "one.example"
path = "/v2/"
upstream = "http://127.0.0.1:5001"
upstream_token_key_file = "files/KEY"
backend = "local"
rule = [{ name = "all", repositories = ["**"], require = ["valid-user"] }]
[[route]]
host = "two.example"
path = "/v2/"
upstream = "http://127.0.0.1:5002"
upstream_token_key_file = "files/token.pem"
upstream_token_service = "SERVICE"
backend = "local"
rule = [{ name = "all", repositories = ["**"], require = ["valid-user"] }]
`

// signingFile writes that configuration, with a key and the name of the second service.
func signingFile(t *testing.T, key, service string) string {
	t.Helper()
	path := filepath.Join(workspace(t), "signing.toml")
	put(t, path, strings.NewReplacer("KEY", key, "SERVICE", service).Replace(signingConfig))
	return path
}

func TestKeysForUpstreamsAreWarnedOf(t *testing.T) {
	for _, tt := range []struct{ key, service, want string }{
		{"token.pem", "two", ""},
		{"token.pem", "registry", "a token for the one is good at the other"},
		{"token-ending.pem", "registry", "ends on"},
		{"ed25519.pem", "two", "before version 3 do not know"},
	} {
		path := signingFile(t, tt.key, tt.service)
		writeEd25519(t, filepath.Join(filepath.Dir(path), "files/ed25519.pem"))
		c := load(t, path)
		a := assemble.Open(c, nil)
		errs, warnings := a.Report.Split()
		var texts []string
		for _, w := range warnings {
			texts = append(texts, w.Message)
		}
		got := strings.Join(texts, "\n")
		if len(errs) > 0 || !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s, %s: errors %v, warnings %q, want %q", tt.key, tt.service, errs, got, tt.want)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

func writeEd25519(t *testing.T, path string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))+string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// A reload goes on with the signer where its key and names are the same, and has another one
// where they are not. A key that is none is an error.
func TestSignersOutliveAReload(t *testing.T) {
	path := signingFile(t, "token.pem", "two")
	one := assemble.Open(load(t, path), nil)
	defer one.Close()
	same, err := assemble.Build(load(t, path), one, assemble.Surroundings{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	if one.Gateway.Routes[0].UpstreamTokens != same.Gateway.Routes[0].UpstreamTokens {
		t.Error("a reload made another signer of the same key")
	}
	keyFile := filepath.Join(filepath.Dir(path), "files/token.pem")
	ending, err := os.ReadFile(filepath.Join(filepath.Dir(path), "files/token-ending.pem"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, keyFile, string(ending))
	other, err := assemble.Build(load(t, path), same, assemble.Surroundings{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if one.Gateway.Routes[0].UpstreamTokens == other.Gateway.Routes[0].UpstreamTokens {
		t.Error("a reload went on with the old key")
	}
	put(t, keyFile, "none")
	if _, err := assemble.Build(load(t, path), other, assemble.Surroundings{Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "gatehouse token key --upstream") {
		t.Errorf("a key that is none: %v", err)
	}
}

// What is printed for the registry is the certificate and the names, and never the key.
func TestUpstreamConfigIsPrinted(t *testing.T) {
	path := signingFile(t, "token.pem", "two")
	printed := func(args ...string) (int, string) {
		var out strings.Builder
		code := run(t.Context(), append([]string{"token", "upstream-config", "--config", path}, args...), stdio{strings.NewReader(""), &out, &out})
		return code, out.String()
	}
	if code, out := printed(); code != 2 || !strings.Contains(out, "--route, of 1, 2") {
		t.Errorf("of several routes: %d, %s", code, out)
	}
	code, out := printed("--route", "2", "--bundle", "/x/y.pem")
	for _, want := range []string{`realm: "https://two.example/v2/token"`, `service: "two"`, `issuer: "gatehouse"`, `rootcertbundle: "/x/y.pem"`, "BEGIN CERTIFICATE"} {
		if code != 0 || !strings.Contains(out, want) || strings.Contains(out, "PRIVATE") {
			t.Errorf("%d, without %s or with the key:\n%s", code, want, out)
		}
	}
	if code, alone := printed("--route", "1", "--certificate"); code != 0 || !strings.HasPrefix(alone, "-----BEGIN CERTIFICATE") || !strings.HasSuffix(out, alone) {
		t.Errorf("the certificate alone: %d, %s", code, alone)
	}
	for _, route := range []string{"3", "-1"} {
		if code, out := printed("--route", route); code != 2 || !strings.Contains(out, "2 routes") {
			t.Errorf("--route %s: %d, %s", route, code, out)
		}
	}
}
