package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
)

// minimal is a configuration that is complete, with more lines before it.
func minimal(lines string) string {
	return lines + `
[[backend]]
name = "local"
type = "htpasswd"
users_file = "users"
[[route]]
path = "/v2/"
upstream = "http://127.0.0.1:5000"
backend = "local"
[[route.rule]]
name = "all"
require = ["valid-user"]
`
}

func parse(t *testing.T, text string, flags *pflag.FlagSet) *config.Document {
	t.Helper()
	c, err := assemble.Kinds().Parse("config.toml", []byte(text), flags)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// viper lower-cases keys and splits them at dots. What people choose is a value.
func TestNamesKeepTheirCaseAndDots(t *testing.T) {
	c := load(t, filepath.Join(workspace(t), "good/everything.toml"))
	if got, want := c.Backends[0].Name(), "Corp.Example"; got != want {
		t.Errorf("backend: got %q, want %q", got, want)
	}
	want := []any{`user "CN=Alice,OU=Team,DC=corp"`}
	if diff := cmp.Diff(want, c.Routes[0].Rules[1].Require); diff != "" {
		t.Errorf("require (-want +got):\n%s", diff)
	}
}

func TestByteOrderMarkIsIgnored(t *testing.T) {
	if c := parse(t, minimal("\ufeffdrain = \"1m\""), nil); len(c.Report) > 0 || c.Drain.Duration != time.Minute {
		t.Errorf("got drain = %v and %v, want 1m", c.Drain, c.Report)
	}
}

// The same for the keys of a backend.
func TestKeysOfABackendAreNotConverted(t *testing.T) {
	for name, table := range map[string]config.Backend{
		"unknown key":            {"users_file": "u", "urls": "x"},
		"key of another case":    {"users_file": "u", "Users_Files": "x"},
		"number for string":      {"users_file": int64(1)},
		"list for string":        {"users_file": []any{"u"}},
		"true for string":        {"users_file": true},
		"list of one for string": {"users_file": []any{"u"}, "groups_file": "g"},
	} {
		table["name"], table["type"] = "local", "htpasswd"
		if keys, err := config.Decode[struct {
			UsersFile  string `toml:"users_file"`
			GroupsFile string `toml:"groups_file"`
		}](table); err == nil {
			t.Errorf("%s: %v was accepted as %+v", name, table, keys)
		}
	}
}

func TestVariableCountsForAKeyThatTheFileLacks(t *testing.T) {
	t.Setenv("GATEHOUSE_DRAIN", "7m")
	t.Setenv("GATEHOUSE_LISTEN", "127.0.0.1:1, [::1]:2")
	t.Setenv("GATEHOUSE_INSECURE_PLAINTEXT", "true")
	t.Setenv("GATEHOUSE_TLS_CERT_FILE", "cert.pem")
	c := parse(t, minimal(""), nil)
	if err := c.Report.Err(); err != nil {
		t.Fatal(err)
	}
	want := config.Defaults()
	want.Drain.Duration = 7 * 60e9
	want.Listen = []string{"127.0.0.1:1", "[::1]:2"}
	want.InsecurePlaintext = true
	want.TLS.CertFile = "cert.pem"
	if diff := cmp.Diff(want, c.Settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestFlagsBeatVariablesBeatTheFileBeatsDefaults(t *testing.T) {
	t.Setenv("GATEHOUSE_DRAIN", "2m")
	t.Setenv("GATEHOUSE_ACCESS_LOG", "common")
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	config.AddFlags(flags)
	if err := flags.Parse([]string{"--drain=3m", "--listen=127.0.0.1:1,127.0.0.1:2", "--insecure-plaintext", "--cert=c", "--key=k"}); err != nil {
		t.Fatal(err)
	}
	c := parse(t, minimal("drain = \"1m\"\naccess_log = \"off\"\nlog_level = \"warn\""), flags)
	if err := c.Report.Err(); err != nil {
		t.Fatal(err)
	}
	want := config.Defaults()
	want.Drain.Duration = 3 * 60e9
	want.AccessLog = "common"
	want.LogLevel = "warn"
	want.Listen = []string{"127.0.0.1:1", "127.0.0.1:2"}
	want.InsecurePlaintext = true
	want.TLS = config.TLS{CertFile: "c", KeyFile: "k"}
	if diff := cmp.Diff(want, c.Settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// With AutomaticEnv, GATEHOUSE_TLS=1 blanks the whole table without an error.
func TestUnknownVariableIsAnErrorAndChangesNothing(t *testing.T) {
	for variable, hint := range map[string]string{
		"GATEHOUSE_LISEN":        `did you mean "GATEHOUSE_LISTEN"?`,
		"GATEHOUSE_TLS":          "unknown variable",
		"GATEHOUSE_CACHE":        "unknown variable",
		"GATEHOUSE_ROUTE_0_PATH": "unknown variable",
		"GATEHOUSE_listen":       `did you mean "GATEHOUSE_LISTEN"?`,
	} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, "1")
			c := parse(t, minimal("[tls]\ncert_file = \"c\"\nkey_file = \"k\""), nil)
			errs, _ := c.Report.Split()
			if len(errs) != 1 || errs[0].Place.String() != variable || !strings.Contains(errs[0].Message, hint) {
				t.Errorf("got %v, want one error at %s that says %s", errs, variable, hint)
			}
		})
	}
}

func TestVariablesThatAreNotSettings(t *testing.T) {
	for _, tc := range []struct {
		variable, value string
		warn            bool
	}{
		{"GATEHOUSE_CONFIG", "/etc/gatehouse/config.toml", false},
		{"GATEHOUSE_TEST_ANYTHING", "1", false},
		{"GATEHOUSE_UPSTREAM_PASSWORD", "named in the file below", false},
		{"GATEHOUSE_LISTEN", "", false},
		{"GATEHOUSE_SERVICE_HOST", "10.0.0.1", true},
		{"GATEHOUSE_SERVICE_PORT", "443", true},
		{"GATEHOUSE_SERVICE_PORT_HTTPS", "443", true},
		{"GATEHOUSE_PORT", "tcp://10.0.0.1:443", true},
		{"GATEHOUSE_PORT_443_TCP", "tcp://10.0.0.1:443", true},
		{"GATEHOUSE_PORT_443_TCP_ADDR", "10.0.0.1", true},
		{"GATEHOUSE_LDAP_PORT_389_UDP_PROTO", "udp", true},
	} {
		t.Run(tc.variable, func(t *testing.T) {
			t.Setenv(tc.variable, tc.value)
			text := strings.Replace(minimal(""), "[[route.rule]]", "upstream_password_env = \"GATEHOUSE_UPSTREAM_PASSWORD\"\n[[route.rule]]", 1)
			c := parse(t, text, nil)
			errs, warnings := c.Report.Split()
			if len(errs) > 0 || tc.warn != (len(warnings) == 1) {
				t.Errorf("got errors %v and warnings %v, want no error and a warning: %v", errs, warnings, tc.warn)
			}
			if diff := cmp.Diff(config.Defaults(), c.Settings); diff != "" {
				t.Errorf("settings (-default +got):\n%s", diff)
			}
		})
	}
}

func TestBadValueOfVariableOrFlagIsNamed(t *testing.T) {
	t.Setenv("GATEHOUSE_DRAIN", "5")
	t.Setenv("GATEHOUSE_INSECURE_PLAINTEXT", "yes")
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	config.AddFlags(flags)
	if err := flags.Parse([]string{"--access-log=apache", "--log-level=loud"}); err != nil {
		t.Fatal(err)
	}
	errs, _ := parse(t, minimal(""), flags).Report.Split()
	got := map[string]bool{}
	for _, p := range errs {
		got[p.Place.String()] = true
	}
	want := map[string]bool{"GATEHOUSE_DRAIN": true, "GATEHOUSE_INSECURE_PLAINTEXT": true, "--access-log": true, "--log-level": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("places of errors (-want +got):\n%s", diff)
	}
}

// A path in the file is relative to it, one from a flag or variable is not.
func TestFilesAreRelativeToWhereTheyAreNamed(t *testing.T) {
	t.Setenv("GATEHOUSE_TLS_KEY_FILE", "key.pem")
	c, err := assemble.Kinds().Parse("/etc/gatehouse/config.toml", []byte(minimal("[tls]\ncert_file = \"cert.pem\"")), nil)
	if err != nil {
		t.Fatal(err)
	}
	files := assemble.Open(c, nil).Gateway.TLS
	if files == nil || files.CertFile != "/etc/gatehouse/cert.pem" || files.KeyFile != "key.pem" {
		t.Errorf("got %+v, want /etc/gatehouse/cert.pem and key.pem", files)
	}
}
