package config

import (
	"slices"
)

// isUndecodable reports whether n, or what stands in the list n, cannot be decoded. The
// tables in a list speak for themselves.
func (s *schema) isUndecodable(n *node) bool {
	return slices.ContainsFunc(s.undecodable, func(wrong *node) bool { return wrong == n || slices.Contains(n.items, wrong) })
}

// sound takes what cannot be decoded out of table, which has the values of n, so that all
// that is wrong with the rest can be said at once, too.
func (s *schema) sound(n *node, table map[string]any) {
	for key, child := range n.table {
		if s.isUndecodable(child) {
			delete(table, key)
			continue
		}
		if lower, ok := s.meant[child]; ok {
			table[lower] = table[key]
			delete(table, key)
			key = lower
		}
		switch value := table[key].(type) {
		case map[string]any:
			s.sound(child, value)
		case []any:
			for i, item := range value {
				if inner, ok := item.(map[string]any); ok && i < len(child.items) {
					s.sound(child.items[i], inner)
				}
			}
		}
	}
}
