package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// document returns the text of a page, by its path below the root.
func document(t *testing.T, name string) string {
	t.Helper()
	return readFile(t, filepath.Join("../..", name))
}

// fenced returns the blocks of a text in Markdown that are in a language.
func fenced(text, language string) []string {
	var blocks []string
	for _, match := range regexp.MustCompile("(?s)(?:^|\n)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}

// reader types what the README says, in the folder of the recipe and with
// addresses that are free.
type reader struct {
	dir    string
	recipe recipe
	demo   string // address of the demo, once it runs
}

// readmeCommand is a command of the README, by how it begins, and its proof.
type readmeCommand struct {
	begin string
	prove func(*reader, *testing.T, string)
}

var readmeCommands = []readmeCommand{
	{"go run ./cmd/gatehouse demo", (*reader).startDemo},
	{"go test ./...", func(*reader, *testing.T, string) {}},                       // that is this test
	{"CGO_ENABLED=0 go build -trimpath ./cmd/gatehouse", (*reader).packageExists}, // and not once more
	{"curl ", (*reader).curl},
	{"gatehouse serve ", (*reader).serve},
	{"gatehouse ", (*reader).run},
}

// TestReadmeDoesWhatItSays types every command of the README in its order.
func TestReadmeDoesWhatItSays(t *testing.T) {
	t.Parallel()
	text := document(t, "README.md")
	config := fenced(text, "toml") // of which commands use the first
	if len(config) == 0 {
		t.Fatal("the README has no configuration")
	}
	recipe := newRecipe(t)
	r := &reader{dir: recipe.dir, recipe: recipe}
	writeFile(t, filepath.Join(r.dir, "config.toml"), []byte(config[0]), 0o644)
	writeFile(t, filepath.Join(r.dir, "password"), []byte("a password of ci-bot\n"), 0o600)
	for _, block := range fenced(text, "sh") {
		for line := range strings.Lines(block) {
			line = strings.TrimSuffix(line, "\n")
			i := slices.IndexFunc(readmeCommands, func(c readmeCommand) bool { return strings.HasPrefix(line, c.begin) })
			if i < 0 {
				t.Errorf("nothing proves %q", line)
				continue
			}
			readmeCommands[i].prove(r, t, line)
		}
	}
}

// startDemo starts the demo on an address that is free in place of its own.
func (r *reader) startDemo(t *testing.T, _ string) {
	r.demo = freeAddr(t)
	start(t, command(t, binary(t), "demo", "--listen", r.demo)).listening(t, r.demo)
}

// packageExists checks the package that the line builds to be there: the tests
// have built it, in their own way.
func (r *reader) packageExists(t *testing.T, line string) {
	folder := line[strings.LastIndexByte(line, ' ')+1:]
	if _, err := os.Stat(filepath.Join("../..", folder, "main.go")); err != nil {
		t.Errorf("%s: %v", line, err)
	}
}

// curl asks the demo. The comment of the line begins with the status.
func (r *reader) curl(t *testing.T, line string) {
	asked, comment, _ := strings.Cut(line, "#")
	want, _, _ := strings.Cut(strings.TrimSpace(comment), ":")
	if r.demo == "" || !strings.Contains(asked, "127.0.0.1:5000") {
		t.Fatalf("%s: it does not ask the demo", line)
	}
	t.Run(want, func(t *testing.T) {
		output := r.shell(t, strings.ReplaceAll(asked, "127.0.0.1:5000", r.demo))
		if status := strings.Fields(output + " - -")[1]; status != want {
			t.Errorf("%s\nanswered\n%s", line, output)
		}
	})
}

// serve starts a gateway in front of a service that takes everything, and asks it
// for what the users of the recipe may and may not do.
func (r *reader) serve(t *testing.T, line string) {
	addr := freeAddr(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer upstream.Close()
	here := strings.NewReplacer(":5043", addr, "http://registry:5000", upstream.URL)
	config := filepath.Join(r.dir, "config.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, config, []byte(here.Replace(string(text))), 0o644)
	cmd := command(t, binary(t), strings.Fields(here.Replace(line))[1:]...)
	cmd.Dir = r.dir
	f := front{start(t, cmd), addr, r.recipe.certificate}
	f.listening(t, addr)
	for _, act := range []struct {
		method, path, user, password string
		want                         int
	}{
		{"GET", "manifests/1", "", "", http.StatusUnauthorized},
		{"GET", "manifests/1", puller, pullerPassword, http.StatusOK},
		{"POST", "blobs/uploads/", puller, pullerPassword, http.StatusForbidden},
		{"POST", "blobs/uploads/", pusher, pusherPassword, http.StatusOK},
	} {
		if resp, body := f.request(t, act.method, "/v2/team/app/"+act.path, act.user, act.password); resp.StatusCode != act.want {
			t.Errorf("%s\n%s as %q: %s, want %d\n%s", line, act.method, act.user, resp.Status, act.want, body)
		}
	}
	f.stop()
	writeFile(t, config, text, 0o644)
}

// run runs a command of the program that ends by itself.
func (r *reader) run(t *testing.T, line string) {
	r.shell(t, strings.Replace(line, "gatehouse", binary(t), 1))
}

// shell runs a line that has to succeed, and returns its output.
func (r *reader) shell(t *testing.T, line string) string {
	t.Helper()
	cmd := commandLine(t, line)
	cmd.Dir = r.dir
	var diagnostics strings.Builder
	cmd.Stderr = &diagnostics
	output, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v\n%s%s", line, err, output, diagnostics.String())
	}
	return string(output)
}

// TestTroubleshootingListsEveryStatus compares the table of the page with what the
// gateway can answer by itself.
func TestTroubleshootingListsEveryStatus(t *testing.T) {
	statuses, codes := gatewayAnswers(t)
	listedStatuses, listedCodes := map[int]bool{}, map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| ([0-9, ]+) \\| `([A-Z_]+)` \\|").FindAllStringSubmatch(document(t, "docs/troubleshooting.md"), -1) {
		for text := range strings.SplitSeq(row[1], ",") {
			status, err := strconv.Atoi(strings.TrimSpace(text))
			if err != nil || listedStatuses[status] {
				t.Errorf("the table lists %q wrongly or twice", text)
			}
			listedStatuses[status] = true
		}
		listedCodes[row[2]] = true
	}
	for status := range statuses {
		if !listedStatuses[status] {
			t.Errorf("the gateway answers %d, and the page does not list it", status)
		}
	}
	for status := range listedStatuses {
		if !statuses[status] {
			t.Errorf("the page lists %d, which the gateway never answers", status)
		}
	}
	if got, want := fmt.Sprint(listedCodes), fmt.Sprint(codes); got != want {
		t.Errorf("the page lists the codes %s, the gateway has %s", got, want)
	}
}

// gatewayAnswers reads out of the gateway's source which statuses and codes its
// problems have.
func gatewayAnswers(t *testing.T) (statuses map[int]bool, codes map[string]bool) {
	t.Helper()
	statuses, codes = map[int]bool{}, map[string]bool{}
	files, err := filepath.Glob("../../gateway/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr: // problem{status: …}
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "status" {
					addStatus(statuses, n.Value)
				}
			case *ast.AssignStmt: // p.status = …
				if field, ok := n.Lhs[0].(*ast.SelectorExpr); ok && field.Sel.Name == "status" {
					addStatus(statuses, n.Rhs[0])
				}
			case *ast.ValueSpec: // const codeDenied = "DENIED"
				if code, ok := constantCode(n); ok {
					codes[code] = true
				}
			}
			return true
		})
	}
	if len(statuses) == 0 || len(codes) == 0 {
		t.Fatalf("found statuses %v and codes %v", statuses, codes)
	}
	return statuses, codes
}

func constantCode(spec *ast.ValueSpec) (string, bool) {
	if !strings.HasPrefix(spec.Names[0].Name, "code") || len(spec.Values) != 1 {
		return "", false
	}
	literal, ok := spec.Values[0].(*ast.BasicLit)
	if !ok {
		return "", false
	}
	code, err := strconv.Unquote(literal.Value)
	return code, err == nil
}

// addStatus adds the status that http.StatusX stands for.
func addStatus(statuses map[int]bool, e ast.Expr) {
	constant, ok := e.(*ast.SelectorExpr)
	if !ok || !strings.HasPrefix(constant.Sel.Name, "Status") {
		return
	}
	for status := 400; status < 600; status++ {
		text := http.StatusText(status) // of many there is none
		if name := "Status" + strings.NewReplacer(" ", "", "-", "", "'", "").Replace(text); text != "" && name == constant.Sel.Name {
			statuses[status] = true
		}
	}
}
