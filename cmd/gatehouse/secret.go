package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"gatehouse/backend/fault"
	"gatehouse/backend/watch"
)

// Secret is a password or the like. However it is printed, logged or encoded, it
// shows as [redacted].
type Secret struct{ value string }

const redacted = "[redacted]"

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return s.value }

// String returns a placeholder.
func (s Secret) String() string { return redacted }

// Format prints a placeholder for every verb: String would not be asked for %d.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns a placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// secretSource says where a secret is. Exactly one field is set; there is none
// for the secret itself, so that a configuration can be shown to others.
type secretSource struct {
	Name       string // of the key that the fields' keys begin with
	File       string // path of a file
	Credential string // name of a systemd credential
	Variable   string // name of a variable of the environment
}

// isSet reports whether any source is named.
func (s secretSource) isSet() bool { return s.File != "" || s.Credential != "" || s.Variable != "" }

// read returns the secret, without the newline that editors put at its end.
func (s secretSource) read() (Secret, error) {
	text, err := s.open()
	if err != nil {
		return Secret{}, fault.With("config.secret", err)
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if text == "" {
		return Secret{}, fault.With("config.secret", fmt.Errorf("%s: the secret is empty: an empty password would be no password", s.Name))
	}
	return Secret{text}, nil
}

func (s secretSource) open() (string, error) {
	n := 0
	for _, source := range []string{s.File, s.Credential, s.Variable} {
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
	default:
		return readSecret(s.File)
	}
}

func (s secretSource) variable() (string, error) {
	text, ok := os.LookupEnv(s.Variable)
	if !ok {
		return "", fmt.Errorf("%s_env: the environment has no variable %s: set it, or use %[1]s_file", s.Name, s.Variable)
	}
	return text, nil
}

// credential reads what systemd passes to a service with LoadCredential=; see
// systemd.exec(5).
func (s secretSource) credential() (string, error) {
	if s.Credential != filepath.Base(s.Credential) || s.Credential == ".." || s.Credential == "." {
		return "", fmt.Errorf("%s_credential: want the name of a credential, not a path", s.Name)
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", fmt.Errorf("%s_credential: $CREDENTIALS_DIRECTORY is not set: run under systemd with LoadCredential=%s:PATH, or use %[1]s_file", s.Name, s.Credential)
	}
	return readSecret(filepath.Join(dir, s.Credential))
}

// readSecret reads a file that holds a secret.
func readSecret(path string) (string, error) {
	text, _, err := watch.Read(path, watch.Limits{MaxSize: 64 << 10, Secret: true})
	return text, err
}
