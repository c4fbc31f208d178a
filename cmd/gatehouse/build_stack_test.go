package main

import (
	"maps"
	"slices"
)

// The names of those backends that have a layer, in order.
func (a *assembly) having(layer func(s *stack) bool) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(a.stacks)) {
		if layer(a.stacks[name]) {
			names = append(names, name)
		}
	}
	return names
}

func hasShield(s *stack) bool { return s.shield != nil }
func hasFlood(s *stack) bool  { return s.flood != nil }
func hasCache(s *stack) bool  { return s.cache != nil }
func hasFloor(s *stack) bool  { return s.floor != nil }

// served are the backends that the routes of guardedConfig use.
var served = []string{"corp", "everyone"}
