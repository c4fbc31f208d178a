package assemble

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend"
	"gatehouse/cmd/gatehouse/config"
)

// guardedConfig has a directory that two routes use, one of them in a chain.
const guardedConfig = `
listen = ["127.0.0.1:0"]
[cache]
negative_ttl = "20s"
[flood]
source_per_minute = 30
[[backend]]
name = "corp"
type = "ldap"
preset = "openldap"
urls = ["ldaps://127.0.0.1:1"]
user_bases = ["dc=corp,dc=example"]
max_failures = 4
failure_window = "45m"
[[backend]]
name = "local"
type = "htpasswd"
users_file = "users"
[[backend]]
name = "everyone"
type = "chain"
member = [{ backend = "corp" }, { backend = "local" }]
[[route]]
path = "/v2/"
backend = "everyone"
upstream = "http://127.0.0.1:1"
  [[route.rule]]
  name = "all"
  require = ["valid-user"]
[[route]]
path = "/corp/"
backend = "corp"
upstream = "http://127.0.0.1:1"
  [[route.rule]]
  name = "all"
  require = ["valid-user"]
`

// assembleText assembles a configuration after another, which may be nil.
func assembleText(t *testing.T, dir, text string, before *Assembly) *Assembly {
	t.Helper()
	path := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Kinds().Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Build(c, before, Surroundings{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func guardedDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte("bob:*\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDirectoryHasOneShieldWhereverItIsUsed(t *testing.T) {
	a := assembleText(t, guardedDir(t), guardedConfig, nil)
	if got := a.having(hasShield); !slices.Equal(got, []string{"corp"}) {
		t.Fatalf("got shields of %v, want one, of corp", got)
	}
	if got := a.having(hasFlood); !slices.Equal(got, served) {
		t.Errorf("got flood controls of %v, want one for each backend that a route uses", got)
	}
	got, err := shieldConfig(a.Config, a.Config.Backends[0])
	want := backend.ShieldConfig{MaxFailures: 4, FailureWindow: 45 * time.Minute, NegativeTTL: 20 * time.Second, Timeout: 10 * time.Second}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, ok := a.Stack("corp").Leaf.(backend.Guarded); !ok {
		t.Error("what is examined is not the bare backend")
	}
}

// A directory that is opened anew, as when its certificates change, has the same
// accounts: a stranger must not have more guesses by that.
func TestReloadKeepsWhatAShieldHasCounted(t *testing.T) {
	dir := guardedDir(t)
	a := assembleText(t, dir, guardedConfig, nil)
	for change, same := range map[string]bool{
		`"20s"|"25s"`:            true, // of the cache
		"= 30|= 40":              true, // of the flood control
		`"/corp/"|"/other/"`:     true,
		"max_failures = 4|":      false,
		"dc=corp,dc=example|o=x": false,
	} {
		old, new, _ := strings.Cut(change, "|")
		b := assembleText(t, dir, strings.ReplaceAll(guardedConfig, old, new), a)
		if shields, floods := b.having(hasShield), b.having(hasFlood); !slices.Equal(shields, []string{"corp"}) || !slices.Equal(floods, served) {
			t.Errorf("%s: got shields of %v and flood controls of %v", change, shields, floods)
		}
		if got := a.Stack("corp").Shield == b.Stack("corp").Shield; got != same {
			t.Errorf("%s: it is the same shield: %t, want %t", change, got, same)
		}
		// They have one ledger, whose settings are those of the last.
		want, err := shieldConfig(b.Config, b.Config.Backends[0])
		want.MaxFailures, want.Size = max(want.MaxFailures, 2), 100_000
		if got := a.Stack("corp").Shield.Config(); got != want || err != nil {
			t.Errorf("%s: the shield before is made from %+v, want %+v (%v)", change, got, want, err)
		}
	}
}

func TestFloodControlCanBeSwitchedOff(t *testing.T) {
	a := assembleText(t, guardedDir(t), strings.Replace(guardedConfig, "source_per_minute = 30", "enabled = false", 1), nil)
	if got := a.having(hasFlood); got != nil {
		t.Errorf("got flood controls of %v, want none", got)
	}
	if got := a.having(hasCache); !slices.Equal(got, served) {
		t.Errorf("got caches of %v, want those of %v", got, served)
	}
}

func TestKeysOfTheFloodControlArrive(t *testing.T) {
	c, err := Kinds().Load("../testdata/good/everything.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Flood{Enabled: true, SourcePerMinute: 31, SourceBurst: 32, TotalPerSecond: 33, TotalBurst: 34}
	if c.Flood != want {
		t.Errorf("got %+v, want %+v", c.Flood, want)
	}
}
