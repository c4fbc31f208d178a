package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
)

// workspace copies testdata to a folder of its own, with modes that do not
// depend on who checked it out, and adds certificates. The folder bad, in which most
// of the files are, comes along if a test asks for it.
func workspace(t testing.TB, more ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	err := fs.WalkDir(os.DirFS("testdata"), ".", func(path string, entry fs.DirEntry, err error) error {
		target := filepath.Join(dir, path)
		if path == "bad" && !slices.Contains(more, path) {
			return fs.SkipDir
		}
		if err != nil || entry.IsDir() {
			return errors.Join(err, os.MkdirAll(target, 0o700))
		}
		text, err := os.ReadFile(filepath.Join("testdata", path))
		return errors.Join(err, os.WriteFile(target, text, 0o600))
	})
	if err != nil {
		t.Fatal(err)
	}
	key, other := newKey(t), newKey(t)
	writePEM(t, filepath.Join(dir, "files/key.pem"), "PRIVATE KEY", marshalKey(t, key))
	writePEM(t, filepath.Join(dir, "files/other-key.pem"), "PRIVATE KEY", marshalKey(t, other))
	now := time.Now()
	for name, ends := range map[string]time.Time{"token": now.AddDate(1, 0, 0), "token-ending": now.AddDate(0, 0, 50), "token-ended": now.AddDate(0, 0, -1)} {
		writeTokenKey(t, filepath.Join(dir, "files", name+".pem"), key, selfSigned(t, key, ends))
	}
	writeTokenKey(t, filepath.Join(dir, "files/token-mixed.pem"), other, selfSigned(t, key, now.AddDate(1, 0, 0)))
	writePEM(t, filepath.Join(dir, "files/cert.pem"), "CERTIFICATE", selfSigned(t, key, now.AddDate(1, 0, 0)))
	writePEM(t, filepath.Join(dir, "files/expiring.pem"), "CERTIFICATE", selfSigned(t, key, now.AddDate(0, 0, 7)))
	writePEM(t, filepath.Join(dir, "files/expired.pem"), "CERTIFICATE", selfSigned(t, key, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
	return dir
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func marshalKey(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func selfSigned(t testing.TB, key *ecdsa.PrivateKey, end time.Time) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "registry.example"},
		DNSNames:     []string{"registry.example"},
		NotBefore:    end.AddDate(-2, 0, 0),
		NotAfter:     end,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeTokenKey writes a key and a certificate into one file.
func writeTokenKey(t testing.TB, path string, key *ecdsa.PrivateKey, certificate []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: marshalKey(t, key)})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// badFiles returns the files of testdata/bad in a workspace.
func badFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(workspace(t, "bad"), "bad/*.toml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata/bad: %v", err)
	}
	return files
}

// problems returns everything that is said about the configuration at path.
func problems(t *testing.T, path string) (errs, warnings config.Report) {
	t.Helper()
	c, err := loadConfig(path, nil)
	if refused := (*config.Error)(nil); errors.As(err, &refused) {
		return refused.Errors, refused.Warnings
	} else if err != nil {
		t.Fatal(err)
	}
	a := assemble.Open(c, nil)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	return a.Report.Split()
}

// Each file of testdata/bad has one mistake. Its first line says the error from
// LINE:COLUMN on; where another package words it, as far as …
func TestEveryMistakeIsReportedWithItsPlace(t *testing.T) {
	t.Parallel()
	for _, path := range badFiles(t) {
		dir := filepath.Dir(filepath.Dir(path))
		t.Run(strings.TrimSuffix(filepath.Base(path), ".toml"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			line, _, _ := strings.Cut(string(text), "\n")
			want, ok := strings.CutPrefix(line, "# want: ")
			if !ok {
				t.Fatalf("first line is %q, want one that begins with %q", line, "# want: ")
			}
			errs, _ := problems(t, path)
			if len(errs) != 1 {
				t.Fatalf("got %d errors, want 1:\n%v", len(errs), &config.Error{Errors: errs})
			}
			got := strings.TrimPrefix(errs[0].String(), path+":")
			got = strings.ReplaceAll(got, filepath.Dir(path)+"/", "")
			got = strings.ReplaceAll(got, dir+"/", "")
			want, isPrefix := strings.CutSuffix(want, " …")
			if got != want && !(isPrefix && strings.HasPrefix(got, want)) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
