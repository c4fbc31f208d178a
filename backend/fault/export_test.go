package fault

import (
	"maps"
	"slices"
)

// RowOf returns the row of the table of reasons that holds for a code.
func RowOf(c Code) (Code, bool) { return rowOf(c) }

// Rows returns all rows of the table of reasons.
func Rows() []Code { return slices.Collect(maps.Keys(reasons)) }
