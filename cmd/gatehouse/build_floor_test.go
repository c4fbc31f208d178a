package main

import (
	"strings"
	"testing"

	"gatehouse/backend"
)

// What a floor has learnt of a slow directory outlives a reload that does not
// concern it, and a route never gets one that is before another cache.
func TestReloadKeepsWhatAFloorHasLearnt(t *testing.T) {
	dir := guardedDir(t)
	a := assembleText(t, dir, guardedConfig, nil)
	if len(a.floors) != 2 || a.gateway.Routes[0].Backend != backend.Backend(a.floors["everyone"]) {
		t.Fatalf("got floors %v, want one for each backend that a route uses, in front of all else", a.floors)
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
		if len(b.floors) != 2 || b.floors["corp"] == nil {
			t.Errorf("%s: got floors %v", change, b.floors)
		}
		if got := a.floors["corp"] == b.floors["corp"]; got != kept {
			t.Errorf("%s: kept is %t, want %t", change, got, kept)
		}
	}
}

func TestRefusalsNeedNotBeHeld(t *testing.T) {
	a := assembleText(t, guardedDir(t), strings.Replace(guardedConfig, "[cache]", "[refusals]\nfloor = \"0s\"\n[cache]", 1), nil)
	if len(a.floors) != 0 || a.gateway.Routes[0].Backend != backend.Backend(a.caches["everyone"]) {
		t.Errorf("got floors %v, want none", a.floors)
	}
}
