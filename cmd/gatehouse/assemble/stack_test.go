package assemble

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/backend/ldap/ldaptest"

	"maps"
	"slices"
)

// The names of those backends that have a layer, in order.
func (a *Assembly) having(layer func(s *Stack) bool) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(a.stacks)) {
		if layer(a.stacks[name]) {
			names = append(names, name)
		}
	}
	return names
}

func hasShield(s *Stack) bool { return s.Shield != nil }
func hasFlood(s *Stack) bool  { return s.flood != nil }
func hasCache(s *Stack) bool  { return s.Cache != nil }
func hasFloor(s *Stack) bool  { return s.floor != nil }

// served are the backends that the routes of guardedConfig use.
var served = []string{"corp", "everyone"}

// A backend that a reload goes on with follows its files itself. One that cannot be used
// is told to whoever asks for the reload, and not to the log alone.
func TestReloadIsRefusedForFilesThatBackendsFollow(t *testing.T) {
	dir := guardedDir(t)
	authority, err := ldaptest.NewAuthority("corp CA")
	if err != nil {
		t.Fatal(err)
	}
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "ca.pem"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(authority.PEM())
	before := assembleText(t, dir, strings.Replace(guardedConfig, "preset =", "ca_file = \"ca.pem\"\npreset =", 1), nil)
	again := func() error {
		a, err := Build(before.Config, before, Surroundings{Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			defer a.Close()
			if a.Stack("corp").Leaf != before.Stack("corp").Leaf {
				t.Error("the backend was opened anew")
			}
		}
		return err
	}
	if err := again(); err != nil {
		t.Error(err)
	}
	write([]byte("none"))
	if err := again(); err == nil || !strings.Contains(err.Error(), "ca_file: ") {
		t.Errorf("with a broken ca_file: %v", err)
	}
}

// Whoever ends the tokens of a user types the name as people log in with it.
func TestSpellingsOfAUser(t *testing.T) {
	a := assembleText(t, guardedDir(t), strings.Replace(guardedConfig, "preset =", "domains = [\"corp.example\", \"CORP\"]\npreset =", 1), nil)
	for typed, name := range map[string]string{"CORP\\Alice": "alice", "Alice@corp.example": "alice", "e\u0301mile": "\u00e9mile", "OTHER\\alice": "other\\alice"} {
		if got, err := a.Spellings(typed); err != nil || !slices.Contains(got, name) {
			t.Errorf("%q: got %q, %v, want %q among them", typed, got, err, name)
		}
	}
	for _, typed := range []string{"", " alice", "a:b", "a\x00", "\xff", strings.Repeat("a", 2000)} {
		if got, err := a.Spellings(typed); err == nil {
			t.Errorf("%q: got %q", typed, got)
		}
	}
}
