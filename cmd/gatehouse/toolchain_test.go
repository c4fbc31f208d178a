package main

import (
	"strings"
	"testing"
)

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
