package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The password is asked for where somebody sits at a terminal, and nowhere else.
func TestDoctorAsksOnATerminal(t *testing.T) {
	dir := t.TempDir()
	table, stop, err := startDemoDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	config := filepath.Join(dir, "config.toml")
	text := fmt.Sprintf("listen = [\"127.0.0.1:0\"]\n[[backend]]\nname = \"users\"\ntype = \"ldap\"\npreset = \"openldap\"\nurls = [%q]\nca_file = %q\nuser_bases = [%q]\nbind_dn = %q\nbind_password_file = %q\n"+
		"[[route]]\npath = \"/\"\nbackend = \"users\"\nupstream = \"http://127.0.0.1:1\"\n[[route.rule]]\nname = \"all\"\nrequire = [\"valid-user\"]\n",
		table["urls"].([]any)[0], table["ca_file"], demoBase, demoAccount, table["bind_password_file"])
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args     []string
		terminal bool
		line     string
		prompts  string
		want     string
		code     int
	}{
		"right":                  {[]string{"--user", "alice"}, true, demoPassword, "Password of alice", "ok    users  user bind alice", 0},
		"wrong":                  {[]string{"--user", "alice"}, true, "wrong", "Password of alice", "FAIL  users  user bind alice", 1},
		"empty":                  {[]string{"--user", "alice"}, true, "", "Password of alice", "", 0},
		"no terminal":            {[]string{"--user", "alice"}, false, demoPassword, "", "", 0},
		"no user":                {nil, true, "", "", "", 0},
		"a file with the answer": {[]string{"--user", "alice", "--password-file", table["bind_password_file"].(string)}, true, "", "", "ok    users  user bind alice", 0},
	} {
		t.Run(name, func(t *testing.T) {
			user, program := terminal(t)
			y := &typist{terminal: user, lines: []string{tt.line}}
			std := stdio{in: strings.NewReader(tt.line + "\n"), out: &bytes.Buffer{}, err: y}
			if tt.terminal {
				std.in = program
			}
			var out bytes.Buffer
			std.out = &out
			code := run(t.Context(), append([]string{"doctor", "--config", config}, tt.args...), std)
			if code != tt.code || !strings.Contains(out.String(), tt.want) || tt.want == "" && strings.Contains(out.String(), "user bind") {
				t.Errorf("exit code %d, want %d and %q in\n%s", code, tt.code, tt.want, &out)
			}
			if got := y.prompts.String(); tt.prompts == "" && strings.Contains(got, "Password") || !strings.Contains(got, tt.prompts) {
				t.Errorf("got prompts %q, want %q", got, tt.prompts)
			}
		})
	}
}
