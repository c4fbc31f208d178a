package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/backend/ldap/ldaptest"
)

// newPatient starts a directory and returns what runs commands with a
// configuration for it. No password may show in what they print.
func newPatient(t *testing.T) (s *ldaptest.Server, dir string, run func(args ...string) (stdout, stderr string, code int)) {
	t.Helper()
	s, dir = newDirectory(t), t.TempDir()
	writeFile(t, filepath.Join(dir, "ca.pem"), s.CA().PEM(), 0o644)
	writeFile(t, filepath.Join(dir, "ldap-password"), []byte("svc-5ecret\n"), 0o600)
	writeFile(t, filepath.Join(dir, "password"), []byte(pullerPassword), 0o600)
	writeFile(t, filepath.Join(dir, "users"), []byte("x:*\n"), 0o600)
	config := filepath.Join(dir, "config.toml")
	writeFile(t, config, []byte(strings.NewReplacer("@URL@", s.URL("ldaps"), "@UPSTREAM@", "http://127.0.0.1:5000", "@DIR@/httpd.htpasswd", "users").Replace(directoryConfig)), 0o644)
	return s, dir, func(args ...string) (string, string, int) {
		t.Helper()
		var stdout, stderr strings.Builder
		cmd := command(t, binary(t), append(args, "--config", config)...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run() // the exit code tells
		for _, secret := range []string{"svc-5ecret", pullerPassword} {
			if strings.Contains(stdout.String()+stderr.String(), secret) {
				t.Errorf("there is a password in\n%s\n%s", &stdout, &stderr)
			}
		}
		return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
	}
}

func TestDoctorExaminesADirectory(t *testing.T) {
	t.Parallel()
	s, dir, run := newPatient(t)
	stdout, _, code := run("doctor", "-v", "--user", puller, "--password-file", filepath.Join(dir, "password"))
	for _, want := range []string{
		"ok    corp  TCP ldaps://127.0.0.1:", "warn  corp  TLS ldaps://127.0.0.1:", "days left", "ok    corp  service bind uid=svc,dc=corp,dc=example",
		"ok    corp  group of a rule pusher", "ok    corp  group of a rule cn=pusher,dc=corp,dc=example", "ok    corp  group of a rule pullers",
		"ok    corp  user bind " + puller, "p95", "$ LDAPTLS_CACERT=", " -b dc=corp,dc=example -s sub '(&(objectClass=person)(uid=testuser))'",
	} {
		if code != 0 || !strings.Contains(unwrapped(stdout), unwrapped(want)) {
			t.Errorf("exit code %d, want %q in\n%s", code, want, stdout)
		}
	}
	for _, args := range [][]string{{"--backend", "local"}, {"--backend", "absent"}, {"-o", "xml"}, {"--password-file", "x"}, {"--user", "x", "--password-file", "absent"}} {
		if _, stderr, code := run(append([]string{"doctor"}, args...)...); code != 2 {
			t.Errorf("%q: exit code %d, want 2\n%s", args, code, stderr)
		}
	}
	s.Stop()
	if stdout, stderr, code := run("doctor"); code != 1 || !strings.Contains(stdout, "code ldap.tcp.refused\n") || !strings.Contains(stdout, "-> check the port") || !strings.Contains(stderr, "1 step failed") {
		t.Errorf("without a server: exit code %d\n%s\n%s", code, stdout, stderr)
	}
}

func TestDoctorWritesForMachines(t *testing.T) {
	t.Parallel()
	_, _, run := newPatient(t)
	stdout, _, code := run("doctor", "--user", "nobody", "-o", "json")
	var result struct {
		OK    bool
		Steps []struct {
			Backend, Step, Command, Advice, Code string
			OK                                   bool
			Seconds                              float64
		}
	}
	if err := json.Unmarshal([]byte(stdout), &result); err != nil || code != 1 || result.OK || len(result.Steps) < 8 {
		t.Errorf("exit code %d, %v\n%s", code, err, stdout)
	}
	for _, s := range result.Steps {
		if s.Backend != "corp" || s.Step == "" || s.Command == "" || s.Seconds <= 0 || s.OK == (s.Step == "user") || !s.OK && (s.Advice == "" || s.Code != "ldap.user.unknown") {
			t.Errorf("got %+v", s)
		}
	}
}

// Whoever asks about somebody without the password is told that it expires soon.
func TestCLI2CommandsSayWhenAPasswordExpires(t *testing.T) {
	t.Parallel()
	s, dir, run := newPatient(t)
	config := filepath.Join(dir, "config.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, config, []byte(strings.Replace(string(text), "preset = ", "warn_password_expiry = \"14d\"\npreset = ", 1)), 0o644)
	end := time.Now().Add(5 * 24 * time.Hour).UTC()
	if err := s.Set(ldaptest.Entry{DN: "uid=" + puller + "," + directoryBase, Password: pullerPassword, Attributes: map[string][]string{
		"objectClass": {"person"}, "uid": {puller}, "passwordExpirationTime": {end.Format("20060102150405Z")},
	}}); err != nil {
		t.Fatal(err)
	}
	moment := end.Truncate(time.Minute).Format(time.RFC3339)
	for args, want := range map[string]string{
		"whoami " + puller:                                   "password expires on " + moment + "\n",
		"whoami -o json " + puller:                           `"password_expires": "` + moment + `"`,
		"can-i pull pullers/x --live --as " + puller:         "; the password of testuser expires on " + moment + "\n",
		"can-i -o json pull pullers/x --live --as " + puller: `"password_expires": "` + moment + `"`,
		"explain GET /v2/pullers/x --live --user " + puller:  "the password of testuser expires on " + moment + "\n",
		"doctor --user " + puller:                            "its password expires on " + moment,
	} {
		if stdout, stderr, code := run(strings.Fields(args)...); code != 0 || !strings.Contains(unwrapped(stdout), unwrapped(want)) {
			t.Errorf("%s: exit code %d, want %q in\n%s%s", args, code, want, stdout, stderr)
		}
	}
	if stdout, _, code := run("whoami", pusher); code != 0 || strings.Contains(stdout, "expires") {
		t.Errorf("a password that does not expire: exit code %d\n%s", code, stdout)
	}
}

func TestWhoamiSaysWhy(t *testing.T) {
	t.Parallel()
	s, _, run := newPatient(t)
	stdout, stderr, code := run("whoami", strings.ToUpper(pusher))
	for _, want := range []string{
		"user     testuserpush\n", "entry    uid=testuserpush,dc=corp,dc=example\n", "pusher; team",
		"why      cn=team,dc=corp,dc=example (team)\n", "why      cn=team,dc=corp,dc=example -> cn=pusher,dc=corp,dc=example (pusher)\n",
	} {
		if code != 0 || stderr != "" || !strings.Contains(stdout, want) {
			t.Errorf("exit code %d, %s, want %q in\n%s", code, stderr, want, stdout)
		}
	}
	stdout, _, code = run("whoami", puller, "-o", "json")
	var people []struct {
		Backend, User, Entry string
		Found                bool
		Groups               []string
		Why                  []struct{ Group string }
	}
	if err := json.Unmarshal([]byte(stdout), &people); err != nil || code != 0 || len(people) != 2 || people[1].Found || people[0].User != puller || len(people[0].Why) != 1 || people[0].Groups[0] != "pullers" {
		t.Errorf("exit code %d, %v\n%s", code, err, stdout)
	}
	if _, stderr, code := run("whoami", "nobody"); code != 1 || !strings.Contains(stderr, "unknown user") {
		t.Errorf("unknown user: exit code %d\n%s", code, stderr)
	}
	for _, args := range [][]string{{}, {""}, {"x", "--backend", "absent"}, {"x", "-o", "xml"}} {
		if _, stderr, code := run(append([]string{"whoami"}, args...)...); code != 2 {
			t.Errorf("%q: exit code %d, want 2\n%s", args, code, stderr)
		}
	}
	s.Stop()
	if _, stderr, code := run("whoami", puller); code != 4 {
		t.Errorf("without a server: exit code %d, want 4\n%s", code, stderr)
	}
}
