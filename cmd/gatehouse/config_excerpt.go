package main

import (
	"bytes"
	"reflect"
	"slices"
	"strings"

	"gatehouse/backend/shown"
)

// A message about a configuration shows the line that it is about. The value of a key
// is shown only where the key is known to lead to no secret. The parser cannot tell
// where values are, because the file may be none that it understands; hence a reader
// that takes any text, and hides what it does not understand.

// hidden is a range of bytes that is not to be shown, with what stands in its place.
type hidden struct {
	from, to int
	instead  string
}

// hiddenParts returns the parts of a configuration that are not to be shown, in order.
func hiddenParts(source []byte) []hidden {
	h := hider{source: source, table: reflect.TypeFor[Config]()}
	for h.pos < len(source) {
		h.statement()
		h.hideRest()
		h.pos++ // of the newline
	}
	return h.parts
}

// hider reads a configuration.
type hider struct {
	source []byte
	pos    int
	table  reflect.Type // of the last header
	parts  []hidden
}

// peek returns the next byte, a newline at the end.
func (h *hider) peek() byte {
	if h.pos >= len(h.source) {
		return '\n'
	}
	return h.source[h.pos]
}

func (h *hider) skip(chars string) {
	for h.pos < len(h.source) && strings.IndexByte(chars, h.source[h.pos]) >= 0 {
		h.pos++
	}
}

// lineEnd returns where the line ends, without its newline.
func (h *hider) lineEnd() int {
	if i := bytes.IndexByte(h.source[h.pos:], '\n'); i >= 0 {
		return h.pos + i
	}
	return len(h.source)
}

// hide hides what begins at from, up to the position.
func (h *hider) hide(from int, instead string) {
	if from < h.pos {
		h.parts = append(h.parts, hidden{from, h.pos, instead})
	}
}

// hideRest hides the rest of the line: a comment, in which there may be anything, or
// what does not belong there.
func (h *hider) hideRest() {
	h.skip(" \t\r")
	from, instead := h.pos, shown.Redacted
	if h.peek() == '#' {
		instead = ""
	}
	h.pos = h.lineEnd()
	h.hide(from, instead)
}

// statement reads a header or an assignment, or nothing.
func (h *hider) statement() {
	switch h.skip(" \t\r"); h.peek() {
	case '\n', '#':
	case '[':
		h.skip("[")
		h.table, _ = h.keys(reflect.TypeFor[Config]())
		h.skip("]")
	default:
		h.assignment(h.table)
	}
}

// assignment reads KEY = VALUE in a table of type t. It reports whether it has been
// understood; the rest of the line is to be hidden if it has not.
func (h *hider) assignment(t reflect.Type) bool {
	from, parts := h.pos, len(h.parts)
	t, ok := h.keys(t)
	if !ok || h.peek() != '=' {
		if t == nil { // not even a key that is known
			h.pos, h.parts = from, h.parts[:parts]
		}
		return false
	}
	h.pos++
	return h.value(t)
}

// keys reads a key, which may be dotted, in a table of type t and returns the type of
// its value. What is below a key that has no keys is hidden.
func (h *hider) keys(t reflect.Type) (reflect.Type, bool) {
	for {
		h.skip(" \t")
		from := h.pos
		key, ok := h.key()
		if !ok {
			return nil, false
		}
		if !holdsTables(t) {
			h.hide(from, shown.Redacted)
		}
		t = typeBelow(t, key)
		if h.skip(" \t"); h.peek() != '.' {
			return t, true
		}
		h.pos++
	}
}

// key reads one part of a key.
func (h *hider) key() (string, bool) {
	from := h.pos
	if c := h.peek(); c == '"' || c == '\'' {
		closed := h.quoted()
		return strings.Trim(string(h.source[from:h.pos]), string(c)), closed
	}
	h.skip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
	return string(h.source[from:h.pos]), h.pos > from
}

// quoted reads a string in one line and reports whether it ends there.
func (h *hider) quoted() bool {
	quote, end := h.peek(), h.lineEnd()
	for h.pos++; h.pos < end; h.pos++ {
		switch c := h.source[h.pos]; {
		case c == quote:
			h.pos++
			return true
		case c == '\\' && quote == '"':
			h.pos++
		}
	}
	h.pos = end
	return false
}

// value reads a value of type t, nil for that of a key that is not known. It reports
// whether what follows can be read as well.
func (h *hider) value(t reflect.Type) bool {
	h.skip(" \t")
	secret := t == nil || t == reflect.TypeFor[lead]()
	switch from := h.pos; {
	case secret:
		return h.secret(from)
	case h.multiline():
		h.hide(from, shown.Redacted)
		return true
	case h.peek() == '[':
		return h.list(t)
	case h.peek() == '{':
		return h.inlineTable(t)
	default:
		return h.scalar(from, t)
	}
}

// scalar reads a value in one line, and hides it unless it may be shown as one of type
// t. What is not in quotes though it should be has no end that could be relied on.
func (h *hider) scalar(from int, t reflect.Type) bool {
	ok := true
	if c := h.peek(); c == '"' || c == '\'' {
		ok = h.quoted()
	} else {
		h.bare()
		ok = !bytes.Contains(h.source[from:h.pos], []byte("://"))
	}
	text := strings.Trim(string(h.source[from:h.pos]), `"'`)
	if strings.Contains(text, "://") {
		t = reflect.TypeFor[serverURL]()
	}
	end := h.pos
	if ok = ok && h.separated(",]}#\n"); ok {
		h.pos = end
	} else {
		h.pos = h.lineEnd()
	}
	if !ok || isTable(t) || quotable(t, text) != text {
		h.hide(from, shown.Redacted)
	}
	return ok
}

// bare reads a value without quotes.
func (h *hider) bare() {
	for h.pos < len(h.source) && strings.IndexByte(",]}# \t\r\n", h.source[h.pos]) < 0 {
		h.pos++
	}
}

// multiline reads a string in three quotes, if there is one. One that does not end
// ends with the file.
func (h *hider) multiline() bool {
	for _, quotes := range []string{`"""`, `'''`} {
		if !bytes.HasPrefix(h.source[h.pos:], []byte(quotes)) {
			continue
		}
		h.pos += len(quotes)
		if i := bytes.Index(h.source[h.pos:], []byte(quotes)); i >= 0 {
			h.pos += i + len(quotes)
			h.skip(quotes[:1]) // of which two more may stand at the end
		} else {
			h.pos = len(h.source)
		}
		return true
	}
	return false
}

// list reads a list whose items have the type of the items of t.
func (h *hider) list(t reflect.Type) bool {
	for h.pos++; h.pos < len(h.source); {
		switch h.skip(" \t\r\n,"); h.peek() {
		case '#':
			h.hideRest()
		case ']':
			h.pos++
			return true
		default:
			if !h.value(t) || !h.separated(",]#\n") {
				return false
			}
		}
	}
	return true
}

// inlineTable reads a table in braces whose type is that of the items of t, if t is one
// of lists.
func (h *hider) inlineTable(t reflect.Type) bool {
	h.pos++
	for {
		switch h.skip(" \t,"); h.peek() {
		case '}':
			h.pos++
			return true
		case '\n', '\r', '#':
			return false
		}
		if !h.assignment(t) || !h.separated(",}") {
			return false
		}
	}
}

// separated reports whether one of the bytes in ends follows. If not, what follows may
// be more of the value.
func (h *hider) separated(ends string) bool {
	h.skip(" \t\r")
	return strings.IndexByte(ends, h.peek()) >= 0
}

// secret hides a value, which begins at from, and all that belongs to it.
func (h *hider) secret(from int) bool {
	ok := h.secretEnd()
	h.hide(from, shown.Redacted)
	return ok
}

func (h *hider) secretEnd() bool {
	depth := 0
	for h.pos < len(h.source) {
		switch c := h.peek(); {
		case h.multiline():
		case c == '"' || c == '\'':
			if !h.quoted() {
				return false
			}
		case c == '[' || c == '{':
			depth++
			h.pos++
		case depth > 0 && c == '#':
			h.pos = h.lineEnd()
		case depth > 0 && (c == ']' || c == '}'):
			depth--
			h.pos++
		case depth > 0:
			h.pos++
		default:
			h.bare()
		}
		if depth == 0 {
			return true
		}
	}
	return true
}

// line is a line of a configuration as it is shown.
type line struct {
	text  string
	parts []hidden
	begin int // offset of the line in the source
	raw   []byte
}

// shownLine returns the line that begins at an offset and has no newline in raw.
func (d *document) shownLine(begin int, raw []byte) line {
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
func (d *document) isHidden(offset int) bool {
	return slices.ContainsFunc(d.hidden, func(p hidden) bool { return p.from <= offset && offset <= p.to })
}
