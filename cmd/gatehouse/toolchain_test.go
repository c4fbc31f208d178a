package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What this repository builds is built with the release that go.mod names, and so does
// not warn of itself.
func TestToolchainIsTheSameEverywhere(t *testing.T) {
	find := func(name, pattern string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		match := regexp.MustCompile("(?m)" + pattern).FindSubmatch(text)
		if match == nil {
			t.Fatalf("%s: nothing matches %s", name, pattern)
		}
		return string(match[1])
	}
	release := find("go.mod", `^toolchain (go\S+)$`)
	if said := toolchainWarning(release); said != "" {
		t.Errorf("go.mod: %s: %s", release, said)
	}
	if image := find("Dockerfile", `^FROM golang:(\S+) AS build$`); "go"+image != release {
		t.Errorf("the Dockerfile builds with go%s, go.mod has %s", image, release)
	}
	for _, script := range []string{".ci/environment", "deploy/deb/build"} {
		find(script, `GOTOOLCHAIN=.*(\$1 == "toolchain").* go\.mod\)`)
	}
}

func TestToolchainWarning(t *testing.T) {
	for release, warn := range map[string]bool{
		"go1.26.8": true, "go1.26": true, "go1.26rc1": true, "go1.25.99": true, "go1.26.9 X:jsonv2": true,
		"go1.26.10": false, "go1.26.11": false, "go1.27rc1": false, "go1.27": false, "go1.26.10 X:jsonv2": false,
		"devel go1.28-abcdef": false, "": false,
	} {
		got := toolchainWarning(release)
		if (got != "") != warn {
			t.Errorf("%q: got %q, want a warning: %v", release, got, warn)
		}
		if name, _, _ := strings.Cut(release, " "); warn && !strings.Contains(got, name) {
			t.Errorf("%q: the warning does not name the release: %s", release, got)
		}
	}
}
