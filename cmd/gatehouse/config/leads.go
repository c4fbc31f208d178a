package config

import (
	"fmt"
	"io"
	"log/slog"
	"reflect"

	"gatehouse/backend/shown"
)

// The two types below mark the keys of the configuration that lead to a secret: whose
// value may be the secret itself, pasted in the wrong place. Everything that quotes the
// configuration asks them, or prints a value of theirs, which does not print a secret:
// messages, the lines shown with them, JSON and logs. A new key of that sort needs its
// type and nothing else.

// Lead is the path of a file that holds a secret, the name of a variable of the
// environment or that of a credential. It always shows as [redacted]: a password looks
// like any of these.
type Lead string

// Reveal returns the path or name itself.
func (l Lead) Reveal() string { return string(l) }

// Format prints a placeholder for every verb.
func (l Lead) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, shown.Redacted) }

// MarshalText returns a placeholder.
func (l Lead) MarshalText() ([]byte, error) { return []byte(shown.Redacted), nil }

// LogValue returns a placeholder.
func (l Lead) LogValue() slog.Value { return slog.StringValue(shown.Redacted) }

// URL is where a server is. It shows as [redacted] where it may hold a password;
// see [shown.URL].
type URL string

// Reveal returns the URL itself.
func (u URL) Reveal() string { return string(u) }

// Format prints what may be shown of the URL.
func (u URL) Format(f fmt.State, verb rune) {
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), shown.URL(string(u)))
}

// MarshalText returns what may be shown of the URL.
func (u URL) MarshalText() ([]byte, error) { return []byte(shown.URL(string(u))), nil }

// LogValue returns what may be shown of the URL.
func (u URL) LogValue() slog.Value { return slog.StringValue(shown.URL(string(u))) }

// Revealed returns URLs themselves.
func Revealed(urls []URL) []string {
	texts := make([]string, len(urls))
	for i, u := range urls {
		texts[i] = u.Reveal()
	}
	return texts
}

// quotable returns text as it may be shown as the value of a key of type t, or as an
// item of a list of that type.
func quotable(t reflect.Type, text string) string {
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[Lead]():
		return shown.Redacted
	case reflect.TypeFor[URL]():
		return shown.URL(text)
	}
	return text
}

// typeBelow returns the type of the value that a table of type t has at key, nil if it
// has no such key. A key that several kinds of backend have is the one that leads to a
// secret, if there is one.
func (k Kinds) typeBelow(t reflect.Type, key string) reflect.Type {
	switch {
	case t == nil || t == reflect.TypeFor[[]any]():
		return t // of a requirement, whose keys are those of other requirements
	case t == reflect.TypeFor[[]Backend]():
		return k.typeBelowBackend(key)
	case t.Kind() == reflect.Slice:
		t = t.Elem()
	}
	if !isTable(t) {
		return nil
	}
	return Fields(t)[key].Type
}

func (k Kinds) typeBelowBackend(key string) reflect.Type {
	found := Fields(reflect.TypeFor[BackendKeys]())[key].Type
	for _, kind := range k {
		f, ok := Fields(kind.Keys)[key]
		if ok && (found == nil || f.Type == reflect.TypeFor[Lead]()) {
			found = f.Type
		}
	}
	return found
}

// holdsTables reports whether values of type t have keys.
func holdsTables(t reflect.Type) bool {
	return t == nil || isTable(t) || t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.String
}
