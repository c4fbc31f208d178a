package main_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

func TestDoctorExaminesADirectory(t *testing.T) {
	s := newDirectory(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "ca.pem"), s.CA().PEM(), 0o644)
	writeFile(t, filepath.Join(dir, "ldap-password"), []byte("svc-5ecret\n"), 0o600)
	writeFile(t, filepath.Join(dir, "password"), []byte(pullerPassword), 0o600)
	text := strings.NewReplacer("@URL@", s.URL("ldaps"), "@UPSTREAM@", "http://127.0.0.1:5000", "users_file = \"@DIR@/httpd.htpasswd\"", "users_file = \"users\"").Replace(directoryConfig)
	writeFile(t, filepath.Join(dir, "users"), []byte("x:*\n"), 0o600)
	config := filepath.Join(dir, "config.toml")
	writeFile(t, config, []byte(text), 0o644)
	run := func(name string, args ...string) (string, int) {
		cmd := command(t, binary(t), append([]string{name, "--config", config}, args...)...)
		output, _ := cmd.CombinedOutput()
		if strings.Contains(string(output), "svc-5ecret") || strings.Contains(string(output), pullerPassword) {
			t.Errorf("there is a password in\n%s", output)
		}
		return string(output), cmd.ProcessState.ExitCode()
	}
	doctor := func(args ...string) (string, int) { return run("doctor", args...) }
	output, code := run("whoami", strings.ToUpper(pusher))
	for _, want := range []string{`user "testuserpush"`, "pusher; team", "cn=team,dc=corp,dc=example -> cn=pusher,dc=corp,dc=example"} {
		if code != 0 || !strings.Contains(output, want) {
			t.Errorf("whoami: exit code %d, want %q in\n%s", code, want, output)
		}
	}
	if output, code := run("whoami", "nobody"); code != 1 || !strings.Contains(output, "unknown user") {
		t.Errorf("whoami nobody: exit code %d\n%s", code, output)
	}
	if output, code := doctor("--user", puller, "--password-file", filepath.Join(dir, "password")); code != 0 || !strings.Contains(output, "ok    corp  password "+puller) {
		t.Errorf("exit code %d\n%s", code, output)
	}
	output, code = doctor("--user", "nobody", "-o", "json")
	first, _, _ := strings.Cut(output, "\n")
	var finding struct{ Backend, Step string }
	if err := json.Unmarshal([]byte(first), &finding); err != nil || finding.Backend != "corp" || finding.Step != "connection" || code != 1 {
		t.Errorf("exit code %d, %+v, %v\n%s", code, finding, err, output)
	}
	for _, args := range [][]string{{"--backend", "local"}, {"--backend", "absent"}, {"-o", "xml"}, {"--password-file", "x"}} {
		if output, code := doctor(args...); code != 2 {
			t.Errorf("%q: exit code %d, want 2\n%s", args, code, output)
		}
	}
	s.Stop()
	if output, code := doctor(); code != 1 || !strings.Contains(output, "-> check the port") {
		t.Errorf("without a server: exit code %d\n%s", code, output)
	}
}
