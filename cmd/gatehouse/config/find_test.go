package config

import (
	"os"
	"strings"
	"testing"
)

func TestFindConfig(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("GATEHOUSE_CONFIG", "")
	_, err := searchConfig("", "./config.toml", "./etc/config.toml")
	for _, place := range []string{"--config", "$GATEHOUSE_CONFIG", "./config.toml", "./etc/config.toml"} {
		if err == nil || !strings.Contains(err.Error(), place) {
			t.Errorf("without any configuration: got %v, want an error that names %s", err, place)
		}
	}
	if err := os.WriteFile("config.toml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ flag, variable, want string }{
		{"", "", "./config.toml"},
		{"", "variable.toml", "variable.toml"},
		{"flag.toml", "variable.toml", "flag.toml"},
	} {
		t.Setenv("GATEHOUSE_CONFIG", tc.variable)
		if got, err := Find(tc.flag); got != tc.want || err != nil {
			t.Errorf("flag %q, variable %q: got %q, %v, want %q", tc.flag, tc.variable, got, err, tc.want)
		}
	}
}

// Whoever cannot read ./config.toml must not run with the one in /etc instead.
func TestFindConfigStopsAtAFileThatCannotBeRead(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("GATEHOUSE_CONFIG", "")
	if err := os.Symlink("config.toml", "config.toml"); err != nil { // a loop
		t.Fatal(err)
	}
	if got, err := searchConfig("", "config.toml", "other.toml"); got != "config.toml" || err != nil {
		t.Errorf("got %q, %v, want config.toml", got, err)
	}
	if _, err := (Kinds{}).Load("config.toml", nil); err == nil {
		t.Error("a link to itself was loaded")
	}
}
