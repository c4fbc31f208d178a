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

// TestCIInstallsWhatTestsRun: what a test tells people to install, .ci/install installs, or
// .ci/long where a test runs only there. No test runs a program without telling, nor a line
// for a shell, in which programs are easily overlooked: commandLine looks for them.
func TestCIInstallsWhatTestsRun(t *testing.T) {
	t.Parallel()
	installed := strings.Fields(readFile(t, "../../.ci/install") + readFile(t, "../../.ci/long"))
	advice := regexp.MustCompile("(?:apt-get|go) install ([^\"`,\n]+)")
	run := regexp.MustCompile(`exec\.(?:LookPath|Command)\("([^"/]+)"`)
	line := regexp.MustCompile(`(?:exec\.Command\(|command\(t, )"sh", "-c", [a-z]`)
	everywhere := []string{"sh", "go", "nice"}
	lines := 0
	for name, text := range testSources(t) {
		if lines += len(line.FindAllString(text, -1)); lines > 1 {
			t.Errorf("%s, or a file before it, runs a line without commandLine", name)
		}
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

// TestPatternsOfTestsMatchSome: every test that a script, a comment or a page names to
// "go test" is there. go test itself says nothing of a pattern that matches none.
func TestPatternsOfTestsMatchSome(t *testing.T) {
	t.Parallel()
	texts := testSources(t)
	var names []string
	for _, text := range texts {
		for _, match := range regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)\w+)\(`).FindAllStringSubmatch(text, -1) {
			names = append(names, match[1])
		}
	}
	for _, folder := range []string{"../../.ci/*", "../../docs/*.md", "../../docs/*/*.md", "../../*.md", "../../bench/*.md"} {
		files, _ := filepath.Glob(folder)
		for _, file := range files {
			texts[file] = readFile(t, file)
		}
	}
	given := regexp.MustCompile(`go test [^\n]*|run_tests [^\n]*`)
	pattern := regexp.MustCompile(`-(?:run|bench|skip)[ =](?:'([^'\n]+)'|([^\s'"` + "`" + `]+))`)
	found := 0
	for name, text := range texts {
		for _, line := range given.FindAllString(text, -1) {
			for _, match := range pattern.FindAllStringSubmatch(line, -1) {
				for _, alternative := range alternatives(match[1] + match[2]) {
					found++
					if !slices.ContainsFunc(names, regexp.MustCompile(alternative).MatchString) {
						t.Errorf("%s: no test matches %s of %q", name, alternative, line)
					}
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("found %d patterns: this test looks for them in a wrong way", found)
	}
}

// alternatives returns the patterns that one pattern for names of tests, without those
// of subtests, has between bars; none for the pattern that is to match nothing.
func alternatives(pattern string) (each []string) {
	pattern, _, _ = strings.Cut(pattern, "/")
	if pattern == "^$" {
		return nil
	}
	before, inner, after := "", pattern, ""
	if open, end := strings.Index(pattern, "("), strings.LastIndex(pattern, ")"); open >= 0 && end > open {
		before, inner, after = pattern[:open], pattern[open+1:end], pattern[end+1:]
	}
	for _, one := range strings.Split(inner, "|") {
		each = append(each, before+one+after)
	}
	return each
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
