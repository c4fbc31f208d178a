package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gatehouse/cmd/gatehouse/assemble"
)

// The tests in this file hold the shape of the repository: what may import what,
// what a package shows of itself, and how long things may get. Each list below is
// all that there may be; what is new is added to it with its reason.

// module is the path that imports of this module begin with.
const module = "gatehouse/"

// packages lists every package with what it may import of this module, also in
// its tests where these are part of the package.
var packages = map[string][]string{
	"backend":          {"backend/fault", "backend/memory", "internal/testkit"},
	"backend/fault":    {},
	"backend/idle":     {},
	"backend/memory":   {},
	"backend/owntoken": {"backend", "backend/fault"},
	"backend/shown":    {},
	"backend/spell":    {},
	"backend/watch":    {"backend/fault", "internal/testkit"},
	"backend/chain":    {"backend"},
	"backend/htpasswd": {"backend", "backend/fault", "backend/watch", "internal/testkit"},
	"backend/ldap":     {"backend", "backend/fault", "backend/idle", "backend/memory", "backend/shown", "backend/spell", "backend/watch", "backend/ldap/ldaptest", "internal/testkit"},
	"gateway":          {"backend", "backend/fault", "backend/memory", "backend/owntoken", "backend/shown", "backend/watch", "gateway/flow", "gateway/limits", "gateway/listing", "gateway/oci", "gateway/record", "gateway/rules", "gateway/selfservice", "gateway/signing", "gateway/sockets", "gateway/strict", "gateway/tally", "gateway/token", "gateway/upstream", "internal/testkit"},
	"gateway/flow":     {},
	"gateway/limits":   {"backend/memory", "gateway/flow", "gateway/upstream"},
	"gateway/listing":  {"backend/fault", "gateway/snippet"},
	"gateway/oci":      {},
	"gateway/record":   {"backend/fault", "backend/shown", "internal/testkit"},
	"gateway/rules":    {"backend", "backend/fault", "backend/spell", "gateway/oci", "gateway/snippet", "gateway/strict"},
	"gateway/signing":  {"backend/fault"},

	"gateway/selfservice": {"backend", "backend/owntoken", "backend/shown", "gateway/rules", "gateway/strict"},

	"gateway/snippet":  {},
	"gateway/sockets":  {"gateway/limits", "gateway/strict", "gateway/tally", "gateway/upstream"},
	"gateway/strict":   {"backend/shown"},
	"gateway/tally":    {},
	"gateway/token":    {"backend", "backend/fault", "backend/watch", "gateway/oci", "internal/testkit"},
	"gateway/upstream": {"backend/fault", "backend/idle", "backend/shown", "backend/watch", "gateway/flow", "gateway/strict", "gateway/tally", "internal/testkit"},
	"gateway/admin":    {"backend", "backend/fault", "backend/memory", "backend/owntoken", "backend/shown", "gateway", "gateway/strict", "internal/testkit"},
	"cmd/gatehouse":    {"cmd/gatehouse/assemble", "cmd/gatehouse/config", "cmd/gatehouse/explain", "backend", "backend/fault", "backend/memory", "backend/owntoken", "backend/shown", "backend/spell", "backend/watch", "backend/htpasswd", "backend/ldap/ldaptest", "gateway", "gateway/admin", "gateway/limits", "gateway/record", "gateway/rules", "gateway/signing", "gateway/strict", "gateway/token", "gateway/upstream", "internal/testkit"},
	"internal/testkit": {},

	"cmd/gatehouse/assemble": {"backend", "backend/chain", "backend/fault", "backend/htpasswd", "backend/ldap", "backend/owntoken", "backend/spell", "backend/watch", "cmd/gatehouse/config", "cmd/gatehouse/explain", "gateway", "gateway/limits", "gateway/record", "gateway/rules", "gateway/signing", "gateway/strict", "gateway/token", "gateway/upstream", "backend/ldap/ldaptest"},
	"cmd/gatehouse/explain":  {"backend", "backend/fault", "backend/shown", "backend/spell", "gateway", "gateway/oci", "gateway/rules", "gateway/strict"},
	"cmd/gatehouse/config":   {"backend/fault", "backend/shown", "backend/spell", "backend/watch"},
	"bench":                  {},
	"bench/times":            {},

	"backend/ldap/ldaptest": {},
}

// backendPackages are the packages that are backends.
var backendPackages = []string{"backend/chain", "backend/htpasswd", "backend/ldap"}

// forbidden are imports that a folder and those below it do without.
var forbidden = map[string][]string{
	"backend": {"net/http", "github.com/spf13/viper", "github.com/spf13/cobra", "github.com/pelletier/go-toml/v2"},
	"gateway": {"github.com/spf13/viper", "github.com/spf13/cobra", "github.com/pelletier/go-toml/v2"},
}

// requirements are the modules that this one is written against, each with what
// it is for.
var requirements = map[string]string{
	"github.com/coreos/go-systemd/v22":         "sockets that systemd holds, and what it is told",
	"github.com/fsnotify/fsnotify":             "word from the kernel that a configuration has changed",
	"github.com/go-asn1-ber/asn1-ber":          "the encoding of LDAP, where the library below does not look",
	"github.com/go-crypt/x":                    "yescrypt and SHA-crypt hashes of password files",
	"github.com/go-jose/go-jose/v4":            "tokens that registries verify, signed, and the names of their keys",
	"github.com/go-ldap/ldap/v3":               "requests to directories and their answers",
	"github.com/go-viper/mapstructure/v2":      "viper's decoder, which has to be told to convert nothing",
	"github.com/go-json-experiment/json":       "lists of registries, read token by token",
	"github.com/google/go-cmp":                 "differences of structures in tests",
	"github.com/google/go-containerregistry":   "the registry of the demo",
	"github.com/hashicorp/golang-lru/v2":       "the lists of the credential cache, and others that forget what is oldest",
	"github.com/pelletier/go-toml/v2":          "configuration files, with the place of every value",
	"github.com/pires/go-proxyproto":           "the address of the client, as load balancers put it before what it sends",
	"github.com/santhosh-tekuri/jsonschema/v6": "the schema of the configuration, judged in a test",
	"github.com/prometheus/client_golang":      "metrics, counted and shown as Prometheus reads them",
	"github.com/spf13/cobra":                   "subcommands",
	"github.com/spf13/pflag":                   "their flags, which viper reads",
	"github.com/spf13/viper":                   "defaults, file, environment and flags, one over the other",
	"go.yaml.in/yaml/v3":                       "the example for containers, in a test",
	"golang.org/x/crypto":                      "bcrypt and argon2id",
	"golang.org/x/net":                         "HTTP/2 frames that no client sends, in tests",
	"golang.org/x/sync":                        "equal questions asked once; groups of goroutines",
	"golang.org/x/term":                        "passwords typed without an echo",
	"golang.org/x/text":                        "Unicode normal forms of names and paths",
}

// rootEntries are the files and folders at the root of the repository.
var rootEntries = []string{
	".ci", ".dockerignore", ".gitignore", "CONTRIBUTING.md", "Dockerfile", "LICENSE", "README.md", "SECURITY.md", "THIRD_PARTY_NOTICES",
	"backend", "bench", "cmd", "config.example.toml", "deploy", "docs", "gateway", "go.mod", "go.sum", "internal",
}

// Bounds of what a reader has to keep in mind at once.
const (
	maxFunctionLines = 50
	maxFileLines     = 300
	maxParameters    = 4 // besides the context
	maxBackendLines  = 130
)

const root = "../.."

// sourceFile is a parsed file of Go.
type sourceFile struct {
	*ast.File
	dir, path string // below the root
	test      bool
}

var fileSet = token.NewFileSet()

// sources returns all Go files of the repository. They are read once for all tests,
// none of which changes them.
func sources(t *testing.T) []sourceFile {
	t.Helper()
	files, err := parsedSources()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no Go files found")
	}
	return files
}

var parsedSources = sync.OnceValues(func() (files []sourceFile, err error) {
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata"):
			return fs.SkipDir
		case path.Ext(name) != ".go":
			return nil
		}
		file, err := parser.ParseFile(fileSet, filepath.Join(root, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		files = append(files, sourceFile{file, path.Dir(name), name, strings.HasSuffix(name, "_test.go")})
		return err
	})
	return files, err
})

// importPaths returns what a file imports.
func (f sourceFile) importPaths() []string {
	var paths []string
	for _, spec := range f.Imports {
		text, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, text)
	}
	return paths
}

// external reports whether f is a test from outside its package, which may use
// what the package itself must not.
func (f sourceFile) external() bool { return strings.HasSuffix(f.Name.Name, "_test") }

// below reports whether the folder dir is top or in it.
func below(dir, top string) bool { return dir == top || strings.HasPrefix(dir, top+"/") }

func TestImportsGoOneWay(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		allowed, listed := packages[f.dir]
		if !listed {
			t.Errorf("%s: the package %s is not in the list of packages", f.path, f.dir)
		}
		for _, imported := range f.importPaths() {
			own, isOwn := strings.CutPrefix(imported, module)
			if isOwn && !f.external() && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s, which %s must not know", f.path, own, f.dir)
			}
			if own == "internal/testkit" && !f.test {
				t.Errorf("%s imports %s, which is for tests", f.path, own)
			}
			for dir, bad := range forbidden {
				if below(f.dir, dir) && !f.test && slices.Contains(bad, imported) {
					t.Errorf("%s imports %s, which no package in %s may", f.path, imported, dir)
				}
			}
		}
	}
}

// The core and the cache treat every kind of backend the same: they cannot name
// one.
func TestCoreNamesNoKindOfBackend(t *testing.T) {
	t.Parallel()
	kind := regexp.MustCompile(`(?i)htpasswd|ldap`)
	for _, f := range sources(t) {
		if f.test || f.dir != "gateway" && f.dir != "backend" {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			text := ""
			switch n := n.(type) {
			case *ast.Ident:
				text = n.Name
			case *ast.BasicLit:
				text = n.Value
			}
			if kind.MatchString(text) {
				t.Errorf("%s: %s names a kind of backend", fileSet.Position(n.Pos()), text)
			}
			return true
		})
	}
}

// shownBesides are names that a backend shows besides those that all of them have.
var shownBesides = map[string][]string{
	"backend/htpasswd": {
		"Memory", "NewMemory", // which all files share
		"BcryptCostMax", "BcryptInput", "FileMax", "Line", "Lines", // for the command that edits files
	},
	"backend/chain": {"Lender", "Member"}, // what its Config is made of
}

func TestBackendsShowTheSameThreeNames(t *testing.T) {
	t.Parallel()
	exported := map[string][]string{}
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		for name, d := range exportedNames(f.File) {
			if !d.method {
				exported[f.dir] = append(exported[f.dir], name)
			}
		}
	}
	for _, dir := range backendPackages {
		slices.Sort(exported[dir])
		want := append([]string{"Backend", "Config", "New"}, shownBesides[dir]...)
		if slices.Sort(want); !slices.Equal(exported[dir], want) {
			t.Errorf("%s exports %v, want %v", dir, exported[dir], want)
		}
	}
}

func TestRequirementsAreArguedFor(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, f := range sources(t) {
		for _, imported := range f.importPaths() {
			if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
				continue
			}
			listed := false
			for name := range requirements {
				if below(imported, name) {
					listed, used[name] = true, true
				}
			}
			if !listed {
				t.Errorf("%s imports %s, of a module that is not in the list of requirements", f.path, imported)
			}
		}
	}
	for name := range requirements {
		if !used[name] {
			t.Errorf("%s is in the list of requirements, and nothing imports it", name)
		}
	}
}

func TestRootHoldsNothingElse(t *testing.T) {
	ignored, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		if name != ".git" && !slices.Contains(rootEntries, name) && !strings.Contains("\n"+string(ignored), "\n/"+name+"\n") {
			t.Errorf("%s is not in the list of what stands at the root", name)
		}
	}
}

func TestFunctionsAndFilesStayShort(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		if n := fileSet.File(f.FileStart).LineCount(); n > maxFileLines {
			t.Errorf("%s has %d lines, more than %d", f.path, n, maxFileLines)
		} else if f.path == "backend/backend.go" && n > maxBackendLines {
			t.Errorf("%s, which says what a backend is, has %d lines, more than %d", f.path, n, maxBackendLines)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			at := fileSet.Position(fn.Pos())
			if n := fileSet.Position(fn.End()).Line - at.Line + 1; n > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, more than %d", at, fn.Name.Name, n, maxFunctionLines)
			}
			if n := parameters(fn.Type); n > maxParameters {
				t.Errorf("%s: %s has %d parameters, more than %d", at, fn.Name.Name, n, maxParameters)
			}
			if fn.Name.Name == "init" && fn.Recv == nil {
				t.Errorf("%s: init runs whether anybody wants it or not; call a function", at)
			}
		}
	}
}

// parameters counts the parameters of a function but for a context.
func parameters(fn *ast.FuncType) int {
	n := fn.Params.NumFields()
	if n > 0 {
		if s, ok := fn.Params.List[0].Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Context" {
			n--
		}
	}
	return n
}

func TestEveryPackageIsDocumentedOnce(t *testing.T) {
	t.Parallel()
	docs := map[string][]string{}
	for _, f := range sources(t) {
		if f.Doc != nil && !f.test {
			docs[f.dir] = append(docs[f.dir], f.path)
			if text := f.Doc.Text(); !strings.HasPrefix(text, "Package "+f.Name.Name+" ") && !strings.HasPrefix(text, "Command ") {
				t.Errorf("%s: the package documentation begins with %.40q", f.path, text)
			}
		}
	}
	for dir := range packages {
		if len(docs[dir]) != 1 {
			t.Errorf("package %s: want its documentation in one file, it is in %v", dir, docs[dir])
		}
	}
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		for name, d := range exportedNames(f.File) {
			words := regexp.MustCompile(`^(?:(?:A|An|The) )?` + regexp.QuoteMeta(d.ident) + `\b`)
			if !words.MatchString(d.doc) {
				t.Errorf("%s: the comment of %s begins with %.40q, not with the name", f.path, name, d.doc)
			}
		}
	}
}

// declared is an exported name as it was declared.
type declared struct {
	ident, doc string
	method     bool
}

// exportedNames returns the exported names of a file, with the methods of its
// exported types as Type.Method.
func exportedNames(f *ast.File) map[string]declared {
	names := map[string]declared{}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			receiver := receiverName(d)
			if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver)) {
				names[strings.TrimPrefix(receiver+"."+d.Name.Name, ".")] = declared{d.Name.Name, d.Doc.Text(), d.Recv != nil}
			}
		case *ast.GenDecl:
			maps.Copy(names, exportedSpecs(d))
		}
	}
	return names
}

// receiverName returns the name of the type that fn is a method of.
func receiverName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return ""
	}
	return typeName(fn.Recv.List[0].Type)
}

// exportedSpecs returns the exported types, variables and constants of a
// declaration. In a group each may have its comment above it, or behind it, where
// it need not repeat the name.
func exportedSpecs(d *ast.GenDecl) map[string]declared {
	names := map[string]declared{}
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() {
				names[s.Name.Name] = declared{ident: s.Name.Name, doc: comment(d, s.Name, s.Doc, s.Comment)}
			}
		case *ast.ValueSpec:
			for _, n := range s.Names {
				if n.IsExported() {
					names[n.Name] = declared{ident: n.Name, doc: comment(d, n, s.Doc, s.Comment)}
				}
			}
		}
	}
	return names
}

func comment(d *ast.GenDecl, name *ast.Ident, above, behind *ast.CommentGroup) string {
	switch {
	case above != nil:
		return above.Text()
	case d.Lparen.IsValid() && behind != nil:
		return name.Name + " " + behind.Text()
	}
	return d.Doc.Text()
}

// Every kind of backend, and everything that wraps one, has a row in the table
// that holds them all to one contract; every kind has its example.
func TestEveryBackendIsHeldToTheContract(t *testing.T) {
	t.Parallel()
	rows := conformanceRows(t)
	example, err := os.ReadFile(filepath.Join(root, "config.example.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range slices.Sorted(maps.Keys(assemble.Kinds())) {
		if !slices.Contains(rows, kind) {
			t.Errorf("the kind of backend %q has no row in the conformance table", kind)
		}
		if !strings.Contains(string(example), "\ntype = "+strconv.Quote(kind)) {
			t.Errorf("the kind of backend %q has no block in config.example.toml", kind)
		}
	}
	decorators := 0
	backends := backendTypes(t)
	for _, f := range sources(t) {
		if f.dir != "backend" || f.test {
			continue
		}
		for name := range exportedNames(f.File) {
			fn := function(f.File, name)
			if fn == nil || !wrapsBackend(fn, backends) {
				continue
			}
			decorators++
			if row := strings.ToLower(strings.TrimPrefix(name, "New")); !slices.Contains(rows, row) {
				t.Errorf("what %s makes has no row %q in the conformance table", name, row)
			}
		}
	}
	if decorators == 0 {
		t.Error("found no function that wraps a backend")
	}
}

// conformanceRows returns the names of the rows of the conformance table.
func conformanceRows(t *testing.T) []string {
	t.Helper()
	var rows []string
	for _, f := range sources(t) {
		if f.path != "backend/conformance_test.go" {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || spec.Names[0].Name != "conformance" || len(spec.Values) != 1 {
				return true
			}
			for _, row := range spec.Values[0].(*ast.CompositeLit).Elts {
				name, _ := strconv.Unquote(row.(*ast.CompositeLit).Elts[0].(*ast.BasicLit).Value)
				rows = append(rows, name)
			}
			return false
		})
	}
	if len(rows) == 0 {
		t.Fatal("found no rows of the conformance table")
	}
	return rows
}

// function returns the function of that name, nil if there is none.
func function(f *ast.File, name string) *ast.FuncDecl {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == name {
			return fn
		}
	}
	return nil
}

// backendTypes returns the names of the types of package backend that are backends.
func backendTypes(t *testing.T) []string {
	types := []string{"Backend"}
	for _, f := range sources(t) {
		if f.dir != "backend" || f.test {
			continue
		}
		for name := range exportedNames(f.File) {
			if typ, ok := strings.CutSuffix(name, ".Authenticate"); ok {
				types = append(types, typ)
			}
		}
	}
	return types
}

// wrapsBackend reports whether a function of package backend makes one of the
// types of backends from a Backend.
func wrapsBackend(fn *ast.FuncDecl, types []string) bool {
	takes := slices.ContainsFunc(fn.Type.Params.List, func(p *ast.Field) bool { return typeName(p.Type) == "Backend" })
	return takes && fn.Type.Results != nil && slices.Contains(types, typeName(fn.Type.Results.List[0].Type))
}

// typeName returns the name of a type of the package itself, or of what such a
// pointer points to, and nothing for others.
func typeName(typ ast.Expr) string {
	switch typ := typ.(type) {
	case *ast.Ident:
		return typ.Name
	case *ast.StarExpr:
		return typeName(typ.X)
	case *ast.IndexExpr:
		return typeName(typ.X)
	case *ast.IndexListExpr:
		return typeName(typ.X)
	}
	return ""
}
