package strict

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gatehouse/backend/shown"
)

// HasOneReading reports whether s is the only spelling of what it shows: valid
// UTF-8 (which has no overlong forms), unchanged by NFKC, so that no upstream or
// directory can normalise it into something else (a full-width slash, a Kelvin
// sign, a decomposed letter), and made of visible characters alone. Of the
// blanks only the ASCII space counts as visible.
func HasOneReading(s string) bool {
	return utf8.ValidString(s) &&
		norm.NFKC.IsNormalString(s) &&
		strings.IndexFunc(s, shown.Invisible) < 0
}

// HasControl reports whether s holds a C0 or C1 control character or DEL. Bytes
// that are not UTF-8 are none.
func HasControl(s string) bool {
	return strings.IndexFunc(s, unicode.IsControl) >= 0
}
