package main

import (
	"go/ast"
	"slices"
	"testing"
)

// viper is for one file, and two of its methods for none: AutomaticEnv blanks tables, and
// WatchConfig shows files that are half written.
func TestOnlyTheOverlayKnowsViper(t *testing.T) {
	for _, f := range sources(t) {
		if slices.Contains(f.importPaths(), "github.com/spf13/viper") && f.path != "cmd/gatehouse/config/overlay.go" {
			t.Errorf("%s imports viper", f.path)
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && (s.Sel.Name == "AutomaticEnv" || s.Sel.Name == "WatchConfig") {
				t.Errorf("%s uses %s", f.path, s.Sel.Name)
			}
			return true
		})
	}
}
