package gateway

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// hasOneReading reports whether s is the only spelling of what it shows: valid
// UTF-8 (which has no overlong forms), unchanged by NFKC, so that no upstream or
// directory can normalise it into something else (a full-width slash, a Kelvin
// sign, a decomposed letter), and made of visible characters alone. Of the
// blanks only the ASCII space counts as visible.
func hasOneReading(s string) bool {
	return utf8.ValidString(s) &&
		norm.NFKC.IsNormalString(s) &&
		strings.IndexFunc(s, invisible) < 0
}

// invisible is true for control and format characters (zero-width, bidirectional,
// soft hyphen), for blanks other than the space, for what Unicode leaves without
// a meaning, and for the letters and marks that renderers are told to ignore.
func invisible(r rune) bool {
	return !unicode.IsPrint(r) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// hasControl reports whether s holds a C0 or C1 control character or DEL. Bytes
// that are not UTF-8 are none.
func hasControl(s string) bool {
	return strings.IndexFunc(s, unicode.IsControl) >= 0
}
