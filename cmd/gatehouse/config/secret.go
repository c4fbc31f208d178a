package config

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
	"gatehouse/backend/watch"
)

// Secret is a password or the like. However it is printed, logged or encoded, it
// shows as [redacted].
type Secret struct{ value string }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return s.value }

// String returns a placeholder.
func (s Secret) String() string { return shown.Redacted }

// Format prints a placeholder for every verb: String would not be asked for %d.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, shown.Redacted) }

// MarshalText returns a placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(shown.Redacted), nil }

// LogValue returns a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(shown.Redacted) }

// SecretSource says where a secret is. Exactly one field is set; there is none
// for the secret itself, so that a configuration can be shown to others.
type SecretSource struct {
	Name       string // of the key that the fields' keys begin with
	File       Lead   // path of a file
	Credential Lead   // name of a systemd credential
	Variable   Lead   // name of a variable of the environment
}

// IsSet reports whether any source is named.
func (s SecretSource) IsSet() bool { return s.Key() != "" }

// Key returns the key in which the source is named, empty if there is none.
func (s SecretSource) Key() string {
	switch {
	case s.File != "":
		return s.Name + "_file"
	case s.Credential != "":
		return s.Name + "_credential"
	case s.Variable != "":
		return s.Name + "_env"
	}
	return ""
}

// Read returns the secret, without the newline that editors put at its end. The path of an
// error is the key in which the source is named; see [fault.Path].
func (s SecretSource) Read() (Secret, error) {
	text, err := s.open()
	if err != nil {
		return Secret{}, s.about(err)
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if text == "" {
		return Secret{}, s.about(fmt.Errorf("%s: the secret is empty: an empty password would be no password", s.Name))
	}
	return Secret{text}, nil
}

// about returns err with its code and the key that it is about.
func (s SecretSource) about(err error) error {
	err = fault.With("config.secret", err)
	if key := s.Key(); key != "" {
		return fault.At(err, key)
	}
	return err
}

func (s SecretSource) open() (string, error) {
	n := 0
	for _, source := range []Lead{s.File, s.Credential, s.Variable} {
		if source != "" {
			n++
		}
	}
	switch {
	case n == 0:
		return "", fmt.Errorf("%s: no source: set one of %[1]s_file, %[1]s_credential and %[1]s_env", s.Name)
	case n > 1:
		return "", fmt.Errorf("%s: more than one source: set only one of %[1]s_file, %[1]s_credential and %[1]s_env", s.Name)
	case s.Variable != "":
		return s.variable()
	case s.Credential != "":
		return s.credential()
	}
	text, err := ReadSecret(s.File)
	if err != nil {
		return "", fmt.Errorf("%s_file wants the path of a file with the secret in it, and that file cannot be used: %w", s.Name, err)
	}
	return text, nil
}

func (s SecretSource) variable() (string, error) {
	text, ok := os.LookupEnv(s.Variable.Reveal())
	if !ok {
		return "", fmt.Errorf("%s_env wants the name of a variable of the environment, and there is none of the name given: set it, or use %[1]s_file", s.Name)
	}
	return text, nil
}

// credential reads what systemd passes to a service with LoadCredential=; see
// systemd.exec(5).
func (s SecretSource) credential() (string, error) {
	name := s.Credential.Reveal()
	if name != filepath.Base(name) || name == ".." || name == "." {
		return "", fmt.Errorf("%s_credential wants the name of a credential, not a path", s.Name)
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", fmt.Errorf("%s_credential wants the name of a credential, and $CREDENTIALS_DIRECTORY is not set: run under systemd with LoadCredential=NAME:PATH, or use %[1]s_file", s.Name)
	}
	text, err := ReadSecret(Lead(filepath.Join(dir, name)))
	if err != nil {
		return "", fmt.Errorf("%s_credential wants the name of a credential, and the one given cannot be used: %w", s.Name, err)
	}
	return text, nil
}

// ReadSecret reads a file that holds a secret. Its errors do not name the file: what
// should be its path may be the secret.
func ReadSecret(path Lead) (string, error) {
	text, _, err := watch.Read(path.Reveal(), watch.Limits{MaxSize: 64 << 10, Secret: true})
	return text, err
}
