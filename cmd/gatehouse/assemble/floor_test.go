package assemble

import (
	"slices"
	"strings"
	"testing"

	"gatehouse/backend"
)

// What a floor has learnt of a slow directory outlives a reload that does not
// concern it, and a route never gets one that is before another cache.
func TestReloadKeepsWhatAFloorHasLearnt(t *testing.T) {
	dir := guardedDir(t)
	a := assembleText(t, dir, guardedConfig, nil)
	if got := a.having(hasFloor); !slices.Equal(got, served) || a.Gateway.Routes[0].Backend != backend.Backend(a.Stack("everyone").floor) {
		t.Fatalf("got floors of %v, want one for each backend that a route uses, in front of all else", got)
	}
	const refusals = "[refusals]\nfloor = \"120ms\"\n[cache]"
	for change, kept := range map[string]bool{
		`"/corp/"|"/other/"`:         true,
		`"20s"|"25s"`:                false, // of the cache
		"[cache]|" + refusals:        false,
		"max_failures = 4|":          false,
		"dc=corp,dc=example\"|o=x\"": false,
	} {
		old, new, _ := strings.Cut(change, "|")
		b := assembleText(t, dir, strings.ReplaceAll(guardedConfig, old, new), a)
		if got := b.having(hasFloor); !slices.Equal(got, served) {
			t.Errorf("%s: got floors of %v", change, got)
		}
		if got := a.Stack("corp").floor == b.Stack("corp").floor; got != kept {
			t.Errorf("%s: kept is %t, want %t", change, got, kept)
		}
	}
}

func TestRefusalsNeedNotBeHeld(t *testing.T) {
	a := assembleText(t, guardedDir(t), strings.Replace(guardedConfig, "[cache]", "[refusals]\nfloor = \"0s\"\n[cache]", 1), nil)
	if got := a.having(hasFloor); got != nil || a.Gateway.Routes[0].Backend != backend.Backend(a.Stack("everyone").Cache) {
		t.Errorf("got floors of %v, want none", got)
	}
}
