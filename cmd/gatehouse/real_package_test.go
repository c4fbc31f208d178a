package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// unpacked builds the Debian package and returns the folder of its contents.
func unpacked(t *testing.T) string {
	t.Helper()
	needs(t, "awk", "bash", "dpkg-deb", "nfpm")
	dir := t.TempDir()
	output(t, exec.Command("../../deploy/deb/build", dir, "1.2.3"))
	found, err := filepath.Glob(filepath.Join(dir, "gatehouse_1.2.3_*.deb"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the package is not where it was to be put: %v, %v", found, err)
	}
	output(t, exec.Command("dpkg-deb", "--raw-extract", found[0], filepath.Join(dir, "root")))
	return filepath.Join(dir, "root")
}

// output returns what a command prints, and ends the test if it fails.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, text)
	}
	return string(text)
}

func TestPackageHoldsWhatAnInstallationNeeds(t *testing.T) {
	root := unpacked(t)
	for path, same := range map[string]string{
		"etc/gatehouse/config.toml":                   "config.example.toml",
		"usr/lib/systemd/system/gatehouse.service":    "deploy/systemd/gatehouse.service",
		"usr/lib/systemd/system/gatehouse.socket":     "deploy/systemd/gatehouse.socket",
		"usr/lib/sysusers.d/gatehouse.conf":           "deploy/systemd/gatehouse.sysusers",
		"usr/share/doc/gatehouse/README.md":           "README.md",
		"usr/share/doc/gatehouse/THIRD_PARTY_NOTICES": "THIRD_PARTY_NOTICES",
	} {
		got, err := os.ReadFile(filepath.Join(root, path))
		want, wantErr := os.ReadFile(filepath.Join("../..", same))
		if err != nil || wantErr != nil || string(got) != string(want) {
			t.Errorf("/%s is not %s: %v, %v", path, same, err, wantErr)
		}
	}
	conffiles, err := os.ReadFile(filepath.Join(root, "DEBIAN/conffiles"))
	if err != nil || strings.TrimSpace(string(conffiles)) != "/etc/gatehouse/config.toml" {
		t.Errorf("files that an update leaves alone: got %q, %v, want the configuration", conffiles, err)
	}
	if got := output(t, exec.Command(filepath.Join(root, "usr/bin/gatehouse"), "version")); !strings.HasPrefix(got, "gatehouse ") {
		t.Errorf("the program in the package: got %q", got)
	}
}

// Nothing may serve with the configuration of the package, which is an example.
func TestPackageStartsNothing(t *testing.T) {
	root := unpacked(t)
	if wants, _ := filepath.Glob(filepath.Join(root, "*/systemd/system/*.wants/*")); len(wants) > 0 {
		t.Errorf("the package enables %q", wants)
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		text, err := os.ReadFile(filepath.Join(root, "DEBIAN", script))
		if err != nil {
			t.Fatal(err)
		}
		commands := regexp.MustCompile(`(?m)^\s*echo .*$`).ReplaceAllString(string(text), "")
		if bad := regexp.MustCompile(`systemctl (enable|start|restart|reenable)\b`).FindString(commands); bad != "" {
			t.Errorf("%s runs %q", script, bad)
		}
		output(t, exec.Command("sh", "-n", filepath.Join(root, "DEBIAN", script)))
	}
	cmd := exec.Command(filepath.Join(root, "usr/bin/gatehouse"), "check")
	cmd.Env = append(os.Environ(), "GATEHOUSE_CONFIG="+filepath.Join(root, "etc/gatehouse/config.toml"))
	if text, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("the example passes the check before the unit's start, without a certificate or users:\n%s", text)
	}
}

// An update must not end half-way because the configuration was removed, which the
// package manager allows, or is one that the new program does not start with.
func TestPackageIsUpdatedWithoutItsConfiguration(t *testing.T) {
	if _, err := os.Stat("/etc/gatehouse/config.toml"); err == nil {
		t.Fatal("gatehouse is installed on this machine: the test would not show anything")
	}
	dir := t.TempDir()
	for name, script := range map[string]string{
		"systemd-sysusers": "exit 0",
		"chgrp":            `shift; for file; do [ -e "$file" ] || exit 1; done`,
		"systemctl":        `[ "$1" != try-restart ]`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"configure"}, {"configure", "1.0"}} {
		cmd := exec.Command("/bin/sh", append([]string{"../../deploy/deb/postinst"}, args...)...)
		cmd.Env = []string{"PATH=" + dir}
		output(t, cmd)
	}
}

// maxExposure is the most that systemd may find open in the unit, of 10.
const maxExposure = 2.0

func TestUnitIsAcceptedAndSandboxed(t *testing.T) {
	needs(t, "systemd-analyze")
	const unit = "../../deploy/systemd/gatehouse.service"
	text := output(t, exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", unit))
	found := regexp.MustCompile(`exposure level for gatehouse.service: ([0-9.]+)`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("systemd-analyze does not say how exposed the unit is:\n%s", text)
	}
	if exposure, err := strconv.ParseFloat(found[1], 64); err != nil || exposure > maxExposure {
		t.Errorf("exposure: got %s, want at most %v\n%s", found[1], maxExposure, text)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "gatehouse")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gatehouse.service", "gatehouse.socket"} {
		content, err := os.ReadFile(filepath.Join("../../deploy/systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		installed := strings.ReplaceAll(string(content), "/usr/bin/gatehouse", program)
		installed = regexp.MustCompile(`(?m)^Documentation=.*\n`).ReplaceAllString(installed, "")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(installed), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"gatehouse.service", "gatehouse.socket"} {
		said := output(t, exec.Command("systemd-analyze", "verify", "--man=no", filepath.Join(dir, name)))
		complaints := slices.DeleteFunc(strings.Split(strings.TrimSpace(said), "\n"), func(line string) bool {
			// Other units of the machine, and a version that is older than the unit.
			return !strings.Contains(line, dir) || strings.Contains(line, "service type, ignoring: notify-reload")
		})
		if len(complaints) > 0 {
			t.Errorf("%s: %s", name, strings.Join(complaints, "\n"))
		}
	}
}
