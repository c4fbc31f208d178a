package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	type holder struct {
		S Secret
		P *Secret
	}
	s := Secret{"hunter2"}
	h := holder{s, &s}
	var b strings.Builder
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&b, format+"\n", s)
		fmt.Fprintf(&b, format+"\n", h)
		fmt.Fprintf(&b, format+"\n", []Secret{s})
		fmt.Fprintf(&b, format+"\n", map[string]Secret{"k": s})
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "secret", s, "holder", h)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "secret", s, "holder", h)
	if err := json.NewEncoder(&b).Encode(h); err != nil {
		t.Error(err)
	}
	if err := toml.NewEncoder(&b).Encode(h); err != nil {
		t.Error(err)
	}
	for _, form := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), fmt.Sprint([]byte("hunter2"))} {
		if strings.Contains(b.String(), form) {
			t.Errorf("the secret shows as %s in\n%s", form, b.String())
		}
	}
	if got := s.Reveal(); got != "hunter2" {
		t.Errorf("Reveal: got %q, want %q", got, "hunter2")
	}
}

func TestSecretComesFromExactlyOneSource(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	t.Setenv("SECRET_OF_TEST", "from variable")
	t.Setenv("EMPTY_OF_TEST", "")
	write := func(name, text string, mode os.FileMode) Lead {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return Lead(path)
	}
	file := write("file", "from file\n", 0o440)
	write("credential", "from credential\r\n", 0o400)
	for _, tc := range []struct {
		source SecretSource
		want   string // empty: an error
	}{
		{SecretSource{File: file}, "from file"},
		{SecretSource{Credential: "credential"}, "from credential"},
		{SecretSource{Variable: "SECRET_OF_TEST"}, "from variable"},
		{SecretSource{File: write("two newlines", " p\n\n", 0o600)}, " p\n"},
		{SecretSource{}, ""},
		{SecretSource{File: file, Variable: "SECRET_OF_TEST"}, ""},
		{SecretSource{File: file, Credential: "credential"}, ""},
		{SecretSource{Credential: "credential", Variable: "SECRET_OF_TEST"}, ""},
		{SecretSource{File: write("empty", "", 0o600)}, ""},
		{SecretSource{File: write("newline", "\n", 0o600)}, ""},
		{SecretSource{Variable: "EMPTY_OF_TEST"}, ""},
		{SecretSource{Variable: "ABSENT_OF_TEST"}, ""},
		{SecretSource{File: Lead(filepath.Join(dir, "absent"))}, ""},
		{SecretSource{Credential: "absent"}, ""},
		{SecretSource{Credential: Lead("../" + filepath.Base(dir) + "/credential")}, ""},
		{SecretSource{Credential: ".."}, ""},
		{SecretSource{File: write("readable", "x", 0o604)}, ""},
		{SecretSource{File: write("writable", "x", 0o620)}, ""},
		{SecretSource{File: Lead(dir)}, ""},
	} {
		got, err := tc.source.Read()
		if got.Reveal() != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%+v: got %q, %v, want %q", tc.source, got.Reveal(), err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "from ") {
			t.Errorf("%+v: the error shows the secret: %v", tc.source, err)
		}
	}
}

func TestCredentialNeedsItsDirectory(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := (SecretSource{Credential: "c"}).Read(); err == nil || !strings.Contains(err.Error(), "LoadCredential") {
		t.Errorf("got %v, want an error that says what to do", err)
	}
}
