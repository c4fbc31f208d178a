package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gatehouse/backend/fault"
)

// errorPage returns docs/errors.md.
func errorPage() []byte {
	var b bytes.Buffer
	b.WriteString(`# Error codes

Every error that an administrator may meet has an error code that never changes its meaning. It is the attribute ` + "`code`" + ` in the log and the access record, the label of the metric
` + "`gatehouse_faults_total`" + `, and stands in the answers of ` + "`doctor`, `why`, `check` and `reload`" + `. Clients never see it: their answers have [registry error codes](troubleshooting.md#all-statuses). This page is made from the program.
`)
	for _, g := range fault.Catalogue() {
		fmt.Fprintf(&b, "\n## %s\n\n| code | reason | what it means | what to do |\n|---|---|---|---|\n", g.Title)
		for _, e := range g.Entries {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", e.Code, cmp.Or(string(e.Code.Reason()), "—"), sentence(e.Means), sentence(e.Do))
		}
	}
	return b.Bytes()
}

func TestReferenceOfErrorsIsCurrent(t *testing.T) {
	const path = "../../docs/errors.md"
	want := errorPage()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if !bytes.Equal(got, want) {
		t.Errorf("docs/errors.md is not what the program makes (%v): write it anew with\n\tgo test ./cmd/gatehouse -run TestReference -update", cmp.Or(err, fmt.Errorf("it differs")))
	}
}

// Every code in the catalogue is that of an error somewhere in the program, and every
// code of an error is in the catalogue.
func TestCodesAreThoseOfTheCatalogue(t *testing.T) {
	t.Parallel()
	known, used := map[string]bool{}, map[string]bool{}
	for _, g := range fault.Catalogue() {
		for _, e := range g.Entries {
			known[string(e.Code)] = true
		}
	}
	shape := regexp.MustCompile(`^[a-z]+(\.[a-z_]+)+$`)
	for _, f := range sources(t) {
		if f.test || strings.HasPrefix(f.path, "backend/fault/catalogue") {
			continue
		}
		for _, text := range literals(f.File) {
			used[text] = true
		}
		for _, code := range givenCodes(f.File) {
			if used[code] = true; !known[code] || !shape.MatchString(code) {
				t.Errorf("%s: the catalogue has no code %q", f.path, code)
			}
		}
	}
	for code := range known {
		// Those of connections are made of an area and the rest.
		area, rest, _ := strings.Cut(code, ".")
		if !used[code] && !(used[area] && used[rest]) {
			t.Errorf("no error has the code %s", code)
		}
	}
}

// literals returns the texts in a file.
func literals(f *ast.File) (texts []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				texts = append(texts, text)
			}
		}
		return true
	})
	return texts
}

// givenCodes returns the codes that a file gives to errors and to records of the log.
func givenCodes(f *ast.File) (codes []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		given := -1
		if name := selected(call.Fun); name == "With" || name == "Kind" {
			given = 0
		}
		for i, arg := range call.Args {
			if selected(arg) == "Attr" {
				given = i + 1
			}
		}
		if given >= 0 && given < len(call.Args) {
			if lit, ok := call.Args[given].(*ast.BasicLit); ok {
				code, _ := strconv.Unquote(lit.Value)
				codes = append(codes, code)
			}
		}
		return true
	})
	return codes
}

// selected returns NAME of an expression fault.NAME.
func selected(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if of, ok := s.X.(*ast.Ident); ok && of.Name == "fault" {
			return s.Sel.Name
		}
	}
	return ""
}
