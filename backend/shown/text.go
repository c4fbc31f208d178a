package shown

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Invisible reports whether r is a control or format character (zero-width,
// bidirectional, soft hyphen), a blank other than the space, what Unicode leaves
// without a meaning, or one of the letters and marks that renderers are told to
// ignore.
func Invisible(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return !unicode.IsPrint(r) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Text returns s as it may stand in a line of text: invisible characters as \uXXXX
// (two of these beyond the Basic Multilingual Plane), and bytes that are not UTF-8 as
// \xXX.
func Text(s string) string {
	if isPlain(s) {
		return s
	}
	return string(appendText(make([]byte, 0, len(s)+16), s, nothing))
}

// Lines is Text for text of several lines, which stay what they are.
func Lines(s string) string {
	if isPlain(s) {
		return s
	}
	return string(appendText(make([]byte, 0, len(s)+16), s, func(r rune) bool { return r == '\n' }))
}

func nothing(rune) bool { return false }

// isPlain reports whether s is of visible ASCII characters alone.
func isPlain[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// appendText appends s, in which the invisible characters may stay that keep says.
func appendText[T string | []byte](b []byte, s T, keep func(rune) bool) []byte {
	for i := 0; i < len(s); {
		if c := s[i]; c >= ' ' && c < 0x7f {
			b = append(b, c)
			i++
			continue
		}
		r, size := utf8.DecodeRune([]byte(s[i:min(i+utf8.UTFMax, len(s))]))
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, '\\', 'x', hexDigits[s[i]>>4], hexDigits[s[i]&15])
		case Invisible(r) && !keep(r):
			b = appendEscape(b, r)
		default:
			b = append(b, s[i:i+size]...)
		}
		i += size
	}
	return b
}

const hexDigits = "0123456789abcdef"

// appendEscape appends r as JSON escapes it.
func appendEscape(b []byte, r rune) []byte {
	if r > 0xffff {
		high, low := utf16.EncodeRune(r)
		return appendEscape(appendEscape(b, high), low)
	}
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// AppendJSON appends s as a string of JSON, which decodes to s again. Only bytes that
// are not UTF-8, of which JSON has none, become U+FFFD.
func AppendJSON(b []byte, s string) []byte {
	b = append(b, '"')
	begin := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[begin:i]...)
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		if r == utf8.RuneError && size == 1 {
			b = append(b, `\ufffd`...)
		} else {
			b = appendJSONRune(b, r)
		}
		i += size
		begin = i
	}
	return append(append(b, s[begin:]...), '"')
}

func appendJSONRune(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	if Invisible(r) {
		return appendEscape(b, r)
	}
	return utf8.AppendRune(b, r)
}

// JSON returns encoded, which is JSON, with the invisible characters in its strings
// escaped. It means the same.
func JSON(encoded []byte) []byte {
	for _, c := range encoded {
		if c >= 0x7f {
			return appendText(make([]byte, 0, len(encoded)+16), encoded, isLayout)
		}
	}
	return encoded
}

// isLayout is true for what makes lines and columns.
func isLayout(r rune) bool { return r == '\n' || r == '\t' }

// Row returns a row for a [text/tabwriter.Writer]. No cell of it can make another one.
func Row(cells []string) string {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = Text(cell)
	}
	return strings.Join(texts, "\t")
}
