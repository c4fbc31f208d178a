// Package snippet makes short strings that are soon forgotten, many in one piece of memory.
package snippet

import "strings"

// piece is how much memory is taken at once.
const piece = 4 << 10

// Pad makes strings, one after the other. As long as one of them is kept, so are its
// neighbours: who keeps a few of many keeps copies. One goroutine uses it.
type Pad struct {
	b     strings.Builder
	begin int
}

// Begin returns what a string of at most n bytes is to be written to.
func (p *Pad) Begin(n int) *strings.Builder {
	if p.b.Cap()-p.b.Len() < n {
		p.b = strings.Builder{}
		p.b.Grow(max(piece, n))
	}
	p.begin = p.b.Len()
	return &p.b
}

// Text returns what was written since Begin.
func (p *Pad) Text() string { return p.b.String()[p.begin:] }
