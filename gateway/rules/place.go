package rules

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend/fault"
)

// place is the path of an item: keys and indexes.
type place []any

// below returns the path of what stands at a key or index below p.
func (p place) below(step any) place { return append(slices.Clip(p), step) }

// inRequire returns err with the path of what stands at p, below require itself.
func (p place) inRequire(err error) error {
	if len(p) == 0 {
		return err
	}
	return fault.At(err, p[1:]...)
}

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
