package config

import (
	"slices"
	"strings"
)

// A message about a configuration shows the line that it is about. The value of a key
// is shown only where the key is known to lead to no secret; see hider.go.

// hidden is a range of bytes that is not to be shown, with what stands in its place.
type hidden struct {
	from, to int
	instead  string
}

// line is a line of a configuration as it is shown.
type line struct {
	text  string
	parts []hidden
	begin int // offset of the line in the source
	raw   []byte
}

// shownLine returns the line that begins at an offset and has no newline in raw.
func (d *tomlFile) shownLine(begin int, raw []byte) line {
	l := line{begin: begin, raw: raw}
	for _, p := range d.hidden {
		if p.to <= begin || p.from >= begin+len(raw) {
			continue
		}
		p.from, p.to = max(p.from, begin)-begin, min(p.to, begin+len(raw))-begin
		l.parts = append(l.parts, p)
	}
	l.text, _ = l.upTo(len(raw))
	return l
}

// upTo returns what is shown of the first n bytes of the line, and whether the next one
// is hidden.
func (l line) upTo(n int) (text string, within bool) {
	var b strings.Builder
	at := 0
	for _, p := range l.parts {
		if p.from > n {
			break
		}
		b.Write(l.raw[at:p.from])
		if n < p.to {
			return b.String(), true
		}
		b.WriteString(p.instead)
		at = p.to
	}
	b.Write(l.raw[at:n])
	return b.String(), false
}

// isHidden reports whether the byte at offset is not to be shown, or ends what is not.
func (d *tomlFile) isHidden(offset int) bool {
	return slices.ContainsFunc(d.hidden, func(p hidden) bool { return p.from <= offset && offset <= p.to })
}
