package config

import (
	"bytes"
	"reflect"
	"strings"

	"gatehouse/backend/shown"
)

// value reads a value of type t, nil for that of a key that is not known. It reports
// whether what follows can be read as well.
func (h *hider) value(t reflect.Type) bool {
	h.skip(" \t")
	switch from := h.pos; {
	case t == nil || t == reflect.TypeFor[Lead]():
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
	if strings.Contains(text, "://") || shown.HasUserinfo(text) || t != reflect.TypeFor[[]any]() && shown.HasLogin(text) {
		t = reflect.TypeFor[URL]()
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

// secret hides a value, which begins at from, and all that belongs to it.
func (h *hider) secret(from int) bool {
	ok := h.secretEnd()
	h.hide(from, shown.Redacted)
	return ok
}

// secretEnd reads a value of any type, and reports whether it has an end.
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
