package main_test

import (
	"debug/buildinfo"
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every module that is linked into the program is named in the notices with its
// version and licence, and no other is.
func TestNoticesNameEveryLinkedModule(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../THIRD_PARTY_NOTICES")
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) == 0 {
		t.Fatal("the program says of no module that it is linked")
	}
	linked := map[string]bool{}
	for _, m := range info.Deps {
		entry := m.Path + " " + m.Version
		linked[entry] = true
		if !strings.Contains(string(text), "\n"+entry+"\n    Licence: ") {
			t.Errorf("THIRD_PARTY_NOTICES does not name %s", entry)
		}
	}
	for _, match := range regexp.MustCompile(`(?m)^(\S+\.\S+/\S+ v\S+)$`).FindAllStringSubmatch(string(text), -1) {
		if !linked[match[1]] {
			t.Errorf("THIRD_PARTY_NOTICES names %s, which is not linked", match[1])
		}
	}
}
