package gateway

import (
	"strings"

	"gatehouse/gateway/strict"
)

// opaqueType is the type of a body that nobody takes apart (RFC 9110, section 8.3).
const opaqueType = "application/octet-stream"

// hidesType reports whether the body of the request goes on as one of [opaqueType],
// whatever the client calls it. Registries read parameters from the query and from a
// form in the body, the form first. The gateway does not read bodies, so that a form
// could mount a layer that no rule has judged. A registry has no use for forms: its
// upstream gets none. The body itself goes on, because clients such as curl call every
// body a form.
//
// Upstreams differ in what they take for the type of a form. A type is kept only where
// none can: it is in a single field, in the one spelling, to the letter of the grammar.
// Some programs take a body without any type for a form, too.
func (x *exchange) hidesType() bool {
	if x.uploadOf == "" && !x.route.policy.AtRegistry(x.target.Path) {
		return false
	}
	h := x.r.Header
	for name := range h {
		if name != "Content-Type" && isContentType(name) {
			return true
		}
	}
	types := h["Content-Type"]
	switch {
	case len(types) == 0, strict.ConnectionHas(h, "Content-Type"): // which takes it out
		return x.r.ContentLength != 0
	case len(types) > 1:
		return true
	}
	return types[0] != opaqueType && (!isMediaType(types[0]) || mentionsForm(types[0]))
}

// isContentType reports whether some upstream takes a field for Content-Type.
func isContentType(name string) bool { return plainName(name) == "Content-Type" }

// isMediaType reports whether s is a media type by the grammar of RFC 9110, section
// 8.3.1. Programs differ in what they make of anything else.
func isMediaType(s string) bool {
	rest, ok := strict.CutToken(s)
	if !ok || !strings.HasPrefix(rest, "/") {
		return false
	}
	rest, ok = strict.CutToken(rest[1:])
	for ok {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return true
		}
		if rest[0] != ';' {
			return false
		}
		rest, ok = cutParameter(strings.TrimLeft(rest[1:], " \t"))
	}
	return false
}

// cutParameter cuts a parameter of a media type off, name="value", which may be
// missing.
func cutParameter(s string) (rest string, ok bool) {
	if s == "" || s[0] == ';' {
		return s, true
	}
	rest, ok = strict.CutToken(s)
	if !ok || !strings.HasPrefix(rest, "=") {
		return "", false
	}
	if rest = rest[1:]; !strings.HasPrefix(rest, `"`) {
		return strict.CutToken(rest)
	}
	return cutQuoted(rest[1:])
}

// cutQuoted cuts the rest of a quoted string off, with the quote that ends it.
func cutQuoted(s string) (rest string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[i+1:], true
		case c == '\\':
			i++
		case c < ' ' && c != '\t' || c > '~':
			return "", false
		}
	}
	return "", false
}

// formWords are in the names of the types of forms.
var formWords = []string{"urlencoded", "multipart", "form-data"}

// mentionsForm reports whether a media type has a word for forms anywhere in it. Some
// programs look no closer.
func mentionsForm(mediaType string) bool {
	for _, word := range formWords {
		for i := 0; i+len(word) <= len(mediaType); i++ {
			if strings.EqualFold(mediaType[i:i+len(word)], word) {
				return true
			}
		}
	}
	return false
}
