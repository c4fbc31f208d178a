package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"gatehouse/cmd/gatehouse/explain"
)

// What machines are given is written down, to the last key.
func TestEveryKeyOfExplanationsIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/explain.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ.PkgPath() != reflect.TypeFor[explain.Result]().PkgPath() || seen[typ] {
			return
		}
		seen[typ] = true
		for _, f := range reflect.VisibleFields(typ) {
			if !f.IsExported() {
				continue
			}
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !strings.Contains(string(text), "`"+key+"`") {
				t.Errorf("docs/explain.md does not tell of the key %q of %v", key, typ)
			}
			visit(f.Type)
		}
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[explain.Result](), reflect.TypeFor[explain.Refusal](), reflect.TypeFor[explain.Short](), reflect.TypeFor[explain.Row]()} {
		visit(typ)
	}
	for _, verb := range explain.Verbs() {
		if !strings.Contains(string(text), "\n| `"+verb) {
			t.Errorf("docs/explain.md does not tell of the operation %s", verb)
		}
	}
}
