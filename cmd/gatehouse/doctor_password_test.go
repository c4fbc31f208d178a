package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// The password is asked for where somebody sits at a terminal, and nowhere else.
func TestDoctorAsksOnATerminal(t *testing.T) {
	place := demoPlace{dir: t.TempDir(), address: "127.0.0.1:0", admin: "127.0.0.1:0"}
	stop, err := startDemoDirectory(&place)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	succeed(t, place.writeKey())
	config := place.config()
	put(t, config, place.configText())
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
		"a file with the answer": {[]string{"--user", "alice", "--password-file", filepath.Join(place.dir, "ldap-password")}, true, "", "", "ok    users  user bind alice", 0},
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
