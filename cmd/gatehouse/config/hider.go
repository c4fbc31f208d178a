package config

import (
	"bytes"
	"reflect"
	"strings"

	"gatehouse/backend/shown"
)

// The parser cannot tell where in a configuration values are, because the file may be
// none that it understands. The hider takes any text, and hides what it does not
// understand; hider_values.go has the half of it that is about values.

// hiddenParts returns the parts of a configuration that are not to be shown, in order.
func (k Kinds) hiddenParts(source []byte) []hidden {
	h := hider{kinds: k, source: source, table: reflect.TypeFor[Document]()}
	for h.pos < len(source) {
		h.statement()
		h.hideRest()
		h.pos++ // of the newline
	}
	return h.parts
}

// hider reads a configuration.
type hider struct {
	kinds  Kinds
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
		h.table, _ = h.keys(reflect.TypeFor[Document]())
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
		t = h.kinds.typeBelow(t, key)
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

// separated reports whether one of the bytes in ends follows. If not, what follows may
// be more of the value.
func (h *hider) separated(ends string) bool {
	h.skip(" \t\r")
	return strings.IndexByte(ends, h.peek()) >= 0
}
