package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A line is shown as far as it can hold no secret.
func TestLinesShowNoValueThatMayLeadToASecret(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{`listen = [":1", "127.0.0.1:2"]`, `listen = [":1", "127.0.0.1:2"]`},
		{`listen = [":1"] # hunter2`, `listen = [":1"] `},
		{`listen = [":1"] hunter2`, `listen = [":1"] [redacted]`},
		{`listen = [":1", hunter2 too]`, `listen = [":1", [redacted]`},
		{`tls.key_file = "hunter2"`, `tls.key_file = [redacted]`},
		{`tls = { cert_file = "c.pem", key_file = "hunter2" }`, `tls = { cert_file = "c.pem", key_file = [redacted] }`},
		{`tls.key_file.hunter2 = 1`, `tls.key_file.[redacted] = [redacted]`},
		{`tls = "hunter2"`, `tls = [redacted]`},
		{`password = "hunter2"`, `password = [redacted]`},
		{`"listen" = ["x"]`, `"listen" = ["x"]`},
		{`hunter2`, `[redacted]`},
		{`"hunter2`, `[redacted]`},
		{`listen hunter2`, `listen [redacted]`},
		{`[tls] hunter2`, `[tls] [redacted]`},
		{`listen = ["https://u:hunter2@h"]`, `listen = [[redacted]]`},
		{`listen = [https://u:hunter2@h]`, `listen = [[redacted]`},
		{`listen = "https://us"er:hunter2@h`, `listen = [redacted]`},
		{`audit_log = """hunter2"""`, `audit_log = [redacted]`},
		{`audit_log = "hunter2`, `audit_log = [redacted]`},
		{`[[route]]`, `[[route]]`},
		{`route = [{ upstream = "http://127.0.0.1:5000", upstream_password_file = 'hunter2', path = "/" }]`, `route = [{ upstream = "http://127.0.0.1:5000", upstream_password_file = [redacted], path = "/" }]`},
		{`route = [{ upstream_password_env = "hun"ter2, path = "/" }]`, `route = [{ upstream_password_env = [redacted][redacted]`},
		{`route = [{ upstream = "unix:/run/registry" }]`, `route = [{ upstream = "unix:/run/registry" }]`},
		{`route = [{ upstream = "hunter2" }]`, `route = [{ upstream = [redacted] }]`},
		{`backend = [{ urls = ["ldaps://dc1.example:636", "ldaps://svc:hunter2@dc1"] }]`, `backend = [{ urls = ["ldaps://dc1.example:636", [redacted]] }]`},
		{`backend = [{ key_file = "hunter2" }]`, `backend = [{ key_file = [redacted] }]`},
		{`route = [{ rule = [{ require = [{ any = ["valid-user"] }] }] }]`, `route = [{ rule = [{ require = [{ any = ["valid-user"] }] }] }]`},
	} {
		d := tomlFile{source: []byte(tc.line), hidden: someKinds().hiddenParts([]byte(tc.line))}
		if got := d.start().source; got != "" {
			t.Errorf("the start of a document has the line %q", got)
		}
		if got := d.position(1, 1).source; got != tc.want {
			t.Errorf("%s\ngot  %s\nwant %s", tc.line, got, tc.want)
		}
	}
}

// What is hidden may go on in the lines below.
func TestHiddenValuesEndWhereTheyEnd(t *testing.T) {
	source := "listen = [\":1\"\ntls.key_file = \"hunter2\"\nlog_level = \"info\"\n" +
		"[tls]\nkey_file = [\n  \"hunter2\", # hunter2\n  { hunter2 = 1 },\n]\ncert_file = \"c.pem\"\nkey_file = \"\"\"\nhunter2\nhunter2"
	d := tomlFile{source: []byte(source), hidden: someKinds().hiddenParts([]byte(source))}
	var got []string
	for i := range strings.Count(source, "\n") + 1 {
		got = append(got, d.position(i+1, 1).source)
	}
	want := []string{`listen = [":1"`, `[redacted]`, `log_level = "info"`, `[tls]`, `key_file = [redacted]`, `[redacted]`, `[redacted]`, `[redacted]`, `cert_file = "c.pem"`, `key_file = [redacted]`, `[redacted]`, `[redacted]`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// someKinds returns a kind of backend whose keys lead to secrets and servers.
func someKinds() Kinds {
	return Kinds{"directory": {Keys: reflect.TypeFor[struct {
		URLs    []URL `toml:"urls"`
		KeyFile Lead  `toml:"key_file"`
	}]()}}
}
