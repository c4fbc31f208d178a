package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
)

// The reference of the configuration is made from the structs that it is read
// into: their tags say what a value may be and their comments what it means. To
// write it anew:
//
//	go test ./cmd/gatehouse -run TestReference -update
var update = flag.Bool("update", false, "write docs/config.md and docs/config.schema.json")

// referenceKey is what the reference says of one key.
type referenceKey struct {
	name    string
	field   reflect.StructField
	meaning string
	value   string // the one in config.example.toml: the default where there is one
}

// referenceTable is what the reference says of one table.
type referenceTable struct {
	heading, meaning string
	keys             []referenceKey
	lists            bool // there may be several
	kind             string
}

// reference makes the pages.
type reference struct {
	t        *testing.T
	comments map[string]string // of "Type.Field"
	example  map[string]any
	tables   []referenceTable
}

func newReference(t *testing.T) *reference {
	t.Helper()
	path := example(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := &reference{t: t, comments: fieldComments(t)}
	if err := toml.Unmarshal(switchedOff.ReplaceAll(text, []byte("$1$2")), &r.example); err != nil {
		t.Fatal(err)
	}
	r.add(referenceTable{heading: "Top level", meaning: "These stand before the first table."}, reflect.TypeFor[config.Document](), r.example)
	return r
}

// fieldComments returns the comments of all structs of the commands.
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	comments := map[string]string{}
	for _, file := range sources(t) {
		if !below(file.dir, "cmd/gatehouse") || file.test {
			continue
		}
		ast.Inspect(file.File, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, name := range f.Names {
						comments[spec.Name.Name+"."+name.Name] = oneLine(f.Doc.Text() + f.Comment.Text())
					}
				}
			}
			return true
		})
	}
	return comments
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// add enters a table and those inside it, in the order of their fields.
func (r *reference) add(table referenceTable, typ reflect.Type, shown map[string]any) {
	at := len(r.tables)
	r.tables = append(r.tables, table)
	for _, f := range reflect.VisibleFields(typ) {
		name := f.Tag.Get("toml")
		if name == "" {
			continue
		}
		value := shown[name]
		if value == nil {
			r.t.Fatalf("config.example.toml does not show %s %s", table.heading, name)
		}
		k := referenceKey{name: name, field: f, meaning: r.meaning(typ, f)}
		switch {
		case f.Type == reflect.TypeFor[[]config.Backend]():
			r.addBackends(k)
		case isTable(f.Type):
			r.add(referenceTable{heading: strings.TrimPrefix(table.path()+"."+name, "."), meaning: k.meaning}, f.Type, value.(map[string]any))
		case isTables(f.Type):
			r.add(referenceTable{heading: strings.TrimPrefix(table.path()+"."+name, "."), meaning: k.meaning, lists: true}, f.Type.Elem(), value.([]any)[0].(map[string]any))
		default:
			k.value = exampleText(value)
			r.tables[at].keys = append(r.tables[at].keys, k)
		}
	}
}

// path returns the key of the table, empty for the document.
func (t referenceTable) path() string {
	if t.heading == "Top level" {
		return ""
	}
	return t.heading
}

// isTable reports whether values of t are tables.
func isTable(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[config.Duration]()
}

func isTables(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && isTable(t.Elem())
}

// addBackends enters a table for each kind of backend.
func (r *reference) addBackends(k referenceKey) {
	r.add(referenceTable{heading: "backend", meaning: k.meaning, lists: true}, reflect.TypeFor[config.BackendKeys](), r.exampleBackend(func(map[string]any) bool { return true }))
	for _, kind := range slices.Sorted(maps.Keys(assemble.Kinds())) {
		r.add(referenceTable{
			heading: "backend", meaning: fmt.Sprintf("The keys that one with `type = %q` has besides.", kind),
			lists: true, kind: kind,
		}, assemble.Kinds()[kind].Keys, r.exampleBackend(func(table map[string]any) bool { return table["type"] == kind }))
	}
}

// meaning returns the comment of a field, which the struct itself or one that is
// embedded in it has.
func (r *reference) meaning(typ reflect.Type, f reflect.StructField) string {
	owner := typ
	for _, i := range f.Index[:len(f.Index)-1] {
		owner = owner.Field(i).Type
	}
	text := r.comments[owner.Name()+"."+f.Name]
	if text == "" {
		r.t.Errorf("%s.%s has no comment to say what the key %s means", owner.Name(), f.Name, f.Tag.Get("toml"))
	}
	return text
}

// exampleBackend returns the first backend of the example that is one of those wanted.
func (r *reference) exampleBackend(wanted func(map[string]any) bool) map[string]any {
	for _, table := range r.example["backend"].([]any) {
		if wanted(table.(map[string]any)) {
			return table.(map[string]any)
		}
	}
	r.t.Fatal("config.example.toml lacks a kind of backend")
	return nil
}

// exampleText returns a value as TOML has it.
func exampleText(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case []any:
		var items []string
		for _, item := range v {
			items = append(items, exampleText(item))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		var pairs []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			pairs = append(pairs, key+" = "+exampleText(v[key]))
		}
		return "{ " + strings.Join(pairs, ", ") + " }"
	}
	return fmt.Sprint(value)
}

// bounds says what the value of a field may be.
func bounds(f reflect.StructField) string {
	switch {
	case f.Tag.Get("oneof") != "":
		var words []string
		for _, word := range strings.Fields(f.Tag.Get("oneof")) {
			words = append(words, fmt.Sprintf("`%q`", word))
		}
		return strings.Join(words, ", ")
	case f.Type == reflect.TypeFor[config.Duration]():
		return fmt.Sprintf("duration, %s to %s", f.Tag.Get("min"), f.Tag.Get("max"))
	case f.Type.Kind() == reflect.Int:
		return fmt.Sprintf("number, %s to %s", f.Tag.Get("min"), f.Tag.Get("max"))
	case f.Type.Kind() == reflect.Bool || f.Type == reflect.TypeFor[*bool]():
		return "`true`, `false`"
	case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.String:
		return "list of strings"
	case f.Type.Kind() == reflect.Slice:
		return "list"
	}
	return "string"
}

// markdown returns docs/config.md.
func (r *reference) markdown() []byte {
	var b bytes.Buffer
	b.WriteString(`# Configuration reference

Every key of the configuration file. This page is made from the program; [config.example.toml](../config.example.toml) shows the same as a file with comments,
and [config.schema.json](config.schema.json) tells it to editors. The column "in the example file" holds the value there.
A key that stands behind ` + "`#`" + ` there is not set, and the value is one that it may have. The values of all other keys before ` + "`[[backend]]`, except those of `[tls]`" + `, are the defaults.

Relative paths are relative to the file. A duration is a string with a unit: ` + "`\"500ms\"`, `\"30s\"`, `\"5m\"`, `\"1h30m\"`, `\"14d\"`" + `. An unknown key is an error. No message shows the value of a key that is unknown
or leads to a secret (keys of private keys, and those of passwords), nor of a URL that may have a password in it.
`)
	for _, table := range r.tables {
		if len(table.keys) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| key | may be | in the example file | what it is |\n|---|---|---|---|\n", table.title(), sentence(table.meaning))
		for _, k := range table.keys {
			fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s%s |\n", k.name, bounds(k.field), k.value, sentence(k.meaning), otherWays(strings.TrimPrefix(table.path()+"."+k.name, ".")))
		}
	}
	return b.Bytes()
}

// title returns the heading as TOML writes the table.
func (t referenceTable) title() string {
	switch {
	case t.path() == "":
		return t.heading
	case t.kind != "":
		return fmt.Sprintf("[[%s]] with type = %q", t.heading, t.kind)
	case t.lists:
		return "[[" + t.heading + "]]"
	}
	return "[" + t.heading + "]"
}

// sentence returns text with a capital at its head and a full stop at its end.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(strings.ReplaceAll(text[1:], "|", `\|`), ".") + "."
}

// otherWays says how else a setting can be made.
func otherWays(key string) string {
	for _, o := range config.Overlays() {
		if o.Key == key {
			return fmt.Sprintf(" Also: `--%s`, `%s`.", o.Flag, o.Variable)
		}
	}
	return ""
}

func TestReferenceIsCurrent(t *testing.T) {
	t.Parallel()
	r := newReference(t)
	for name, want := range map[string][]byte{"config.md": r.markdown(), "config.schema.json": r.schema()} {
		path := filepath.Join("../../docs", name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if !bytes.Equal(got, want) {
			t.Errorf("docs/%s is not what the program makes (%v): write it anew with\n\tgo test ./cmd/gatehouse -run TestReference -update", name, cmp.Or(err, fmt.Errorf("it differs")))
		}
	}
}
