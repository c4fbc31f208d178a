package main

import (
	"fmt"
	"go/doc"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What stands around the packages in docs/architecture.md.
const (
	packagesBegin = "<!-- packages -->\n"
	packagesEnd   = "<!-- end of packages -->\n"
)

// packageTable returns the table of all packages, each with the first sentence of its
// documentation.
func packageTable(t *testing.T) string {
	t.Helper()
	synopses := map[string]string{}
	for _, file := range sources(t) {
		if file.Doc == nil || file.test {
			continue
		}
		text := new(doc.Package).Synopsis(file.Doc.Text())
		if strings.HasPrefix(text, "Package ") || strings.HasPrefix(text, "Command ") {
			synopses[file.dir] = text
		}
	}
	var b strings.Builder
	b.WriteString("| package | what it is |\n|---|---|\n")
	for _, dir := range slices.Sorted(maps.Keys(synopses)) {
		_, rest, _ := strings.Cut(synopses[dir], " ") // the word package or command
		_, rest, _ = strings.Cut(rest, " ")           // its name
		fmt.Fprintf(&b, "| [%s](../%s) | %s |\n", dir, dir, strings.ReplaceAll(rest, "|", `\|`))
	}
	return b.String()
}

func TestArchitectureListsPackages(t *testing.T) {
	t.Parallel()
	path := filepath.Join(root, "docs/architecture.md")
	page := readRoot(t, "docs/architecture.md")
	before, rest, begins := strings.Cut(page, packagesBegin)
	_, after, ends := strings.Cut(rest, packagesEnd)
	if !begins || !ends {
		t.Fatalf("docs/architecture.md has no %q and %q", packagesBegin, packagesEnd)
	}
	want := before + packagesBegin + packageTable(t) + packagesEnd + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if page != want {
		t.Error("docs/architecture.md does not list the packages as they are: write it anew with\n\tgo test ./cmd/gatehouse -run TestArchitecture -update")
	}
}
