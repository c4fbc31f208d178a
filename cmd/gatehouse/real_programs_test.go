package main_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The tests in this file hold the scripts of .ci to what the tests of all packages need.

// TestEveryProgramIsInstalled says at once what a machine lacks.
func TestEveryProgramIsInstalled(t *testing.T) {
	needs(t, slices.Sorted(maps.Keys(programs))...)
}

// TestCIInstallsWhatTestsRun: what a test tells people to install, .ci/install installs,
// and no test runs a program without telling.
func TestCIInstallsWhatTestsRun(t *testing.T) {
	installed := strings.Fields(readFile(t, "../../.ci/install"))
	advice := regexp.MustCompile("(?:apt-get|go) install ([^\"`,\n]+)")
	run := regexp.MustCompile(`exec\.(?:LookPath|Command)\("([^"/]+)"`)
	everywhere := []string{"sh", "go", "htpasswd"} // the last with advice of its own
	for name, text := range testSources(t) {
		for _, match := range advice.FindAllStringSubmatch(text, -1) {
			for _, word := range strings.Fields(match[1]) {
				if !strings.HasPrefix(word, "-") && !slices.Contains(installed, word) {
					t.Errorf("%s needs %s, which .ci/install does not install", name, word)
				}
			}
		}
		for _, match := range run.FindAllStringSubmatch(text, -1) {
			if programs[match[1]] == "" && !slices.Contains(everywhere, match[1]) {
				t.Errorf("%s runs %s, which is not in the list of programs", name, match[1])
			}
		}
	}
}

// TestCIKnowsEverySize: a test that can be larger than it is every day runs at its full
// size in .ci/long.
func TestCIKnowsEverySize(t *testing.T) {
	long := readFile(t, "../../.ci/long")
	size := regexp.MustCompile(`Variable\s*= "(GATEHOUSE_TEST_\w+)"`)
	known := 0
	for name, text := range testSources(t) {
		for _, match := range size.FindAllStringSubmatch(text, -1) {
			if known++; !strings.Contains(long, "export "+match[1]+"=") {
				t.Errorf("%s: .ci/long does not set %s", name, match[1])
			}
		}
	}
	if known == 0 || known != strings.Count(long, "export ") {
		t.Errorf("tests have %d variables, .ci/long sets %d", known, strings.Count(long, "export "))
	}
}

// testSources returns the texts of all files with tests, by their paths.
func testSources(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, "_test.go") && filepath.Base(name) != "real_programs_test.go" {
			var text []byte
			text, err = fs.ReadFile(root, name)
			texts[name] = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}
