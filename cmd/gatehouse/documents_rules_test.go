package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tableRows returns the rows of the table of a page whose head begins with the
// given cells, each as its cells.
func tableRows(t *testing.T, page string, head ...string) (rows [][]string) {
	t.Helper()
	lines := strings.Split(page, "\n")
	at := slices.IndexFunc(lines, func(line string) bool {
		return slices.Equal(rowCells(line)[:min(len(head), len(rowCells(line)))], head)
	})
	if at < 0 {
		t.Fatalf("no table begins with %q", head)
	}
	for _, line := range lines[at+2:] {
		if !strings.HasPrefix(line, "|") {
			break
		}
		rows = append(rows, rowCells(line))
	}
	if len(rows) == 0 {
		t.Fatalf("the table %q has no rows", head)
	}
	return rows
}

// rowCells takes a row apart at bars, but for those that are escaped.
func rowCells(line string) (cells []string) {
	line = strings.ReplaceAll(line, `\|`, "\x00")
	for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
		cells = append(cells, strings.TrimSpace(strings.ReplaceAll(cell, "\x00", "|")))
	}
	return cells
}

// codes returns what stands between backticks in a cell.
func codes(cell string) (list []string) {
	for _, match := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		list = append(list, match[1])
	}
	return list
}

// shownRule is a whole configuration with one rule and the tests of a table of it.
func shownRule(rule, tests string) string {
	return frameHead + frameLocal + frameCorp + frameChain + frameRoute + "[[route.rule]]\nname = \"shown\"\n" + rule + "\n" + tests
}

// columns are what a column of the table of requirements stands for.
var columns = []string{"", "user = \"local:bob\"\n", "user = \"local:alice\"\ngroups = [\"pusher\"]\n", "user = \"local:alice\"\ngroups = [\"pusher\"]\n"}

// Each requirement on the page of rules says of each client what the page says.
func TestRulesPageSaysWhoIsLetIn(t *testing.T) {
	t.Parallel()
	dir := documentFolder(t)
	expect := map[string]string{"yes": "allow", "401": "login", "403": "deny"}
	for _, row := range tableRows(t, readRoot(t, "docs/rules.md"), "`require`", "no login") {
		var tests strings.Builder
		for i, cell := range row[1:] {
			from := "10.1.2.3"
			if i == len(columns)-1 {
				from = "192.0.2.1"
			}
			fmt.Fprintf(&tests, "[[test]]\n%sfrom = %q\nrequest = \"PUT /v2/team/app/manifests/1\"\nexpect = %q\n", columns[i], from, expect[cell])
		}
		errs, _ := problemsOf(t, dir, shownRule("require = "+codes(row[0])[0], tests.String()))
		for _, p := range errs {
			t.Errorf("%s: %v", row[0], p)
		}
	}
}

func TestRulesPageSaysWhatIsRefused(t *testing.T) {
	t.Parallel()
	dir := documentFolder(t)
	for _, row := range tableRows(t, readRoot(t, "docs/rules.md"), "`require`", "why") {
		errs, _ := problemsOf(t, dir, shownRule("require = "+codes(row[0])[0], ""))
		if len(errs) == 0 {
			t.Errorf("%s is taken", row[0])
		}
	}
}

// Each item of the table of items is one that a rule can have.
func TestRulesPageListsItems(t *testing.T) {
	dir := documentFolder(t)
	for _, row := range tableRows(t, readRoot(t, "docs/rules.md"), "item", "who") {
		for _, item := range codes(row[0]) {
			item = strings.ReplaceAll(item, "…", `"group devs"`)
			if strings.Contains(row[1], "only inside `all`") {
				item = `{ all = ["valid-user", ` + item + `] }`
			}
			errs, _ := problemsOf(t, dir, shownRule("require = ["+item+"]", ""))
			for _, p := range errs {
				t.Errorf("%s: %v", item, p)
			}
		}
	}
}

// Patterns of repositories are those of the first table on the page. bob is who asks, or
// whoever the row names.
func TestRulesPageSaysWhatRepositoriesMatch(t *testing.T) {
	dir := documentFolder(t)
	for _, row := range tableRows(t, readRoot(t, "docs/rules.md"), "pattern", "matches") {
		name := "bob"
		if strings.Contains(row[1], "alice") {
			name = "alice"
		}
		var tests strings.Builder
		for i, expect := range []string{"allow", "deny"} {
			for _, repository := range codes(row[1+i]) {
				fmt.Fprintf(&tests, "[[test]]\nuser = \"local:%s\"\nrequest = \"DELETE /v2/%s/manifests/1\"\nexpect = %q\n", name, repository, expect)
			}
		}
		errs, _ := problemsOf(t, dir, shownRule(fmt.Sprintf("repositories = [%q]\nrequire = [\"valid-user\"]", codes(row[0])[0]), tests.String()))
		for _, p := range errs {
			t.Errorf("%s: %v", row[0], p)
		}
	}
}

// Each recipe on the page has tests, which are asked when the page is.
func TestRulesPageHoldsItsRecipes(t *testing.T) {
	_, recipes, _ := strings.Cut(readRoot(t, "docs/rules.md"), "## Recipes")
	recipes, _, _ = strings.Cut(recipes, "\n## ")
	list, _ := blocks(recipes)
	for _, b := range list {
		if !strings.Contains(b.text, `expect = "allow"`) || !strings.Contains(b.text, `expect = "deny"`) && !strings.Contains(b.text, `expect = "login"`) {
			t.Errorf("a recipe does not say what it allows and what it does not:\n%s", b.text)
		}
	}
	if len(list) < 5 {
		t.Errorf("%d recipes", len(list))
	}
}

func TestRulesPageSaysWhatPatternsMatch(t *testing.T) {
	dir := documentFolder(t)
	_, page, _ := strings.Cut(readRoot(t, "docs/rules.md"), "## methods and paths")
	for _, row := range tableRows(t, page, "pattern", "matches") {
		var tests strings.Builder
		for i, expect := range []string{"allow", "deny"} {
			for _, path := range codes(row[1+i]) {
				fmt.Fprintf(&tests, "[[test]]\nuser = \"local:bob\"\nrequest = \"DELETE %s\"\nexpect = %q\n", path, expect)
			}
		}
		errs, _ := problemsOf(t, dir, shownRule(fmt.Sprintf("paths = [%q]\nrequire = [\"valid-user\"]", codes(row[0])[0]), tests.String()))
		for _, p := range errs {
			t.Errorf("%s: %v", row[0], p)
		}
	}
}
