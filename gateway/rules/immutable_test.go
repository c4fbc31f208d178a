package rules

import (
	"strings"
	"testing"
)

func TestImmutableTags(t *testing.T) {
	signature := "sha256-" + strings.Repeat("a", 64)
	for _, tt := range []struct {
		patterns  []string
		kept, not string
	}{
		{[]string{"*", "!latest"}, "1.0 LATEST latest1", "latest " + signature + " " + signature + ".sig"},
		{[]string{"v*", "!v0.*", "v0.1"}, "v v1 v0.1", "v0.2 1.0 V1"},
		{[]string{"*-rc.*-final"}, "1-rc.2-final x-rc.-final", "1-rc-final 1-rc.2-finale -rc.final"},
		{[]string{"a*a"}, "aa aba", "a ab"},
		{[]string{"1.0"}, "1.0", "1x0 1.0.0"},
		{[]string{"sha256-*"}, signature + "x " + signature[1:] + " " + signature + ".SIG " + signature + ".a.b sha256-" + strings.Repeat("A", 64), signature + ".att"},
	} {
		p, err := compileTags(tt.patterns)
		if err != nil {
			t.Errorf("%q: %v", tt.patterns, err)
			continue
		}
		for _, tag := range strings.Fields(tt.kept) {
			if tag != signature[1:] && !p.match(tag) {
				t.Errorf("%q do not keep %s", tt.patterns, tag)
			}
		}
		for _, tag := range strings.Fields(tt.not) {
			if p.match(tag) {
				t.Errorf("%q keep %s", tt.patterns, tag)
			}
		}
	}
}

func TestImmutableTagsThatAreNone(t *testing.T) {
	for want, patterns := range map[string][]string{
		"empty list":        {},
		"matches no tag":    {"v/1"},
		"takes tags out of": {"!latest"},
		`"" matches no tag`: {"v*", ""},
	} {
		if _, err := compileTags(patterns); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", patterns, err, want)
		}
	}
}
