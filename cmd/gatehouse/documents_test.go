package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// The tests in the files documents*_test.go hold every page of the repository to
// what it says: its links, its configurations, its commands and some of its tables.

// pages returns the text of every page, by its path below the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case path.Ext(name) == ".md":
			texts[name] = readRoot(t, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(texts) < 10 {
		t.Fatalf("found %d pages", len(texts))
	}
	return texts
}

// block is a part of a page between fences.
type block struct {
	language, text string
}

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// blocks returns the parts of a page between fences, and the rest of it.
func blocks(page string) (list []block, prose string) {
	for _, match := range fence.FindAllStringSubmatch(page, -1) {
		list = append(list, block{match[1], match[2]})
	}
	return list, fence.ReplaceAllString(page, "")
}

// Readers and tests tell by its fences what a block is.
func TestBlocksOfPagesHaveALanguage(t *testing.T) {
	for name, text := range pages(t) {
		list, prose := blocks(text)
		for _, b := range list {
			if b.language == "" {
				t.Errorf("%s: a block has no language:\n%s", name, b.text)
			}
		}
		for line := range strings.Lines(prose) {
			if strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "```") {
				t.Errorf("%s: %q is code without a fence around it", name, line)
			}
		}
	}
}

var (
	pageLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	slugless = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
)

// anchors returns what links to the headings of a page end in.
func anchors(page string) (list []string) {
	_, prose := blocks(page)
	for _, match := range heading.FindAllStringSubmatch(prose, -1) {
		list = append(list, strings.ReplaceAll(slugless.ReplaceAllString(strings.ToLower(match[1]), ""), " ", "-"))
	}
	return list
}

func TestLinksOfPagesLeadSomewhere(t *testing.T) {
	all := pages(t)
	for name, text := range all {
		_, prose := blocks(text)
		for _, match := range pageLink.FindAllStringSubmatch(prose, -1) {
			file, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			target := path.Join(path.Dir(name), file)
			if file == "" {
				target = name
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: the link %s: %v", name, match[1], err)
			} else if anchor != "" && !slices.Contains(anchors(all[target]), anchor) {
				t.Errorf("%s: the link %s: %s has no such heading", name, match[1], target)
			}
		}
	}
}

// Every page is found from the README.
func TestPagesAreLinked(t *testing.T) {
	all := pages(t)
	found := map[string]bool{}
	var follow func(string)
	follow = func(name string) {
		if found[name] || all[name] == "" {
			return
		}
		found[name] = true
		for _, match := range pageLink.FindAllStringSubmatch(all[name], -1) {
			file, _, _ := strings.Cut(match[1], "#")
			follow(path.Join(path.Dir(name), file))
		}
	}
	follow("README.md")
	for name := range all {
		if !found[name] {
			t.Errorf("no link leads from README.md to %s", name)
		}
	}
}

// The first page is short, and begins with what anybody can type.
func TestReadmeIsShort(t *testing.T) {
	text := readRoot(t, "README.md")
	if lines := strings.Count(text, "\n"); lines > 120 {
		t.Errorf("the README has %d lines, more than 120", lines)
	}
	if want := "```sh\ngo run ./cmd/gatehouse demo\ngo test ./...\n"; !strings.Contains(text, want) || strings.Index(text, "```sh\n") != strings.Index(text, want) {
		t.Errorf("the first commands of the README are not\n%s", want)
	}
}

// strangers are the programs of others that pages call.
var strangers = []string{
	"apt-get", "curl", "deploy/deb/build", "docker", "editor", "go", "gofmt", "samba-tool", "skopeo", "systemctl", "umask",
}

var inlineCommand = regexp.MustCompile("`gatehouse ([a-z][^`]*)`")

// Every command of gatehouse that a page names exists, with its flags.
func TestCommandsInPagesExist(t *testing.T) {
	t.Parallel()
	for name, text := range pages(t) {
		list, prose := blocks(text)
		for _, match := range inlineCommand.FindAllStringSubmatch(prose, -1) {
			if err := tryCommand(strings.NewReplacer("[", "", "]", "").Replace(match[1]), false); err != nil {
				t.Errorf("%s: `gatehouse %s`: %v", name, match[1], err)
			}
		}
		for _, b := range list {
			if b.language == "sh" {
				tryLines(t, name, b.text)
			}
		}
	}
}

// tryLines looks at the lines of a block, each of which is a command.
func tryLines(t *testing.T, page, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		command, _, _ := strings.Cut(strings.TrimSpace(line), " #")
		for _, redirection := range []string{" < ", " > ", " >> "} {
			command, _, _ = strings.Cut(command, redirection)
		}
		program, args, _ := strings.Cut(strings.TrimSpace(command), " ")
		if program == "gatehouse" {
			if err := tryCommand(args, true); err != nil {
				t.Errorf("%s: %s%v", page, line, err)
			}
			continue
		}
		program = strings.TrimPrefix(program, "sudo ")
		if !slices.Contains(strangers, program) && program != "sudo" && !strings.HasPrefix(program, "CGO_ENABLED=") {
			t.Errorf("%s: %snothing is known of the program %s", page, line, program)
		}
	}
}

// tryCommand finds the command in a line and parses its flags, and counts its
// arguments where they are all there.
func tryCommand(line string, whole bool) error {
	root := newRootCommand()
	command, rest, err := root.Find(shellWords(line))
	if err != nil {
		return err
	}
	if command == root {
		return cobra.NoArgs(root, rest)
	}
	if err := command.ParseFlags(rest); err != nil || !whole {
		return err
	}
	return command.ValidateArgs(command.Flags().Args())
}

// shellWords takes a line apart at blanks outside of quotes.
func shellWords(line string) (words []string) {
	for _, match := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		words = append(words, match[1]+match[2]+match[3])
	}
	return words
}
