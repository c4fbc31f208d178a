package rules

import (
	"fmt"
	"slices"
	"strings"
)

// place is the path of an item: keys and indexes.
type place []any

// below returns the path of what stands at a key or index below p.
func (p place) below(step any) place { return append(slices.Clip(p), step) }

// String returns the path as in require[1].all[0].
func (p place) String() string {
	text := ""
	for _, step := range p {
		if index, ok := step.(int); ok {
			text += fmt.Sprintf("[%d]", index)
		} else {
			text += fmt.Sprintf(".%v", step)
		}
	}
	return strings.TrimPrefix(text, ".")
}
