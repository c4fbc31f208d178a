package config

import (
	"slices"

	"github.com/pelletier/go-toml/v2"
)

// decodable returns the document without what cannot be decoded, so that all that is
// wrong with the rest can be said at once, too.
func (s *schema) decodable(source []byte) ([]byte, error) {
	if len(s.undecodable) == 0 {
		return source, nil
	}
	var all map[string]any
	if err := toml.Unmarshal(source, &all); err != nil {
		return nil, s.report.Err()
	}
	s.sound(s.doc.root, all)
	sound, err := toml.Marshal(all)
	if err != nil {
		return nil, s.report.Err()
	}
	return sound, nil
}

// isUndecodable reports whether n, or what stands in the list n, cannot be decoded. The
// tables in a list speak for themselves.
func (s *schema) isUndecodable(n *node) bool {
	return slices.ContainsFunc(s.undecodable, func(wrong *node) bool { return wrong == n || slices.Contains(n.items, wrong) })
}

// sound takes what cannot be decoded out of table, which has the values of n.
func (s *schema) sound(n *node, table map[string]any) {
	for key, child := range n.table {
		if s.isUndecodable(child) {
			delete(table, key)
			continue
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
