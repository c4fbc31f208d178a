package strict

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	errUserBlank   Error = "user name: empty, or blanks at an edge or doubled"
	errUserControl Error = "user name: control character"
	errUserText    Error = "user name: not in canonical Unicode form"
	errUserScripts Error = "user name: alphabets mixed in one word"
	errUserColon   Error = "user name: colon, which would end it"
)

// UserName returns the name about which backends are asked where somebody types name,
// or why none is ever asked.
func UserName(name string) (string, error) {
	switch {
	case len(name) > maxCredential:
		return "", errBasicLength
	case strings.Contains(name, ":"):
		return "", errUserColon
	}
	name = composed(name)
	return name, checkUserName(name)
}

// composed returns a name in which letters and their marks are apart, as macOS sends
// it, in the form that everybody else sends (NFC). What is in neither form stays as it
// is, to be refused: a name with a Kelvin sign is no other spelling of one with a K.
func composed(name string) string {
	if isASCII(name) || norm.NFC.IsNormalString(name) || !norm.NFD.IsNormalString(name) {
		return name
	}
	return norm.NFC.String(name)
}

// checkUserName refuses names that a backend could take for another one:
// directories ignore insignificant blanks (RFC 4518, section 2.6.1) and normalise
// what they compare, so that each spelling would have a cache entry and a count of
// wrong passwords of its own.
func checkUserName(name string) error {
	if name == "" || strings.HasPrefix(name, " ") || strings.HasSuffix(name, " ") || strings.Contains(name, "  ") {
		return errUserBlank
	}
	switch {
	case HasControl(name):
		return errUserControl
	case isASCII(name):
		return nil
	case !HasOneReading(name), strings.IndexFunc(name, foldsToASCII) >= 0:
		return errUserText
	case mixesAlphabets(name):
		return errUserScripts
	}
	return nil
}

// foldsToASCII is true for letters such as the dotless i, which turn into an
// ASCII letter when a directory ignores case.
func foldsToASCII(r rune) bool {
	return r >= utf8.RuneSelf &&
		(unicode.ToUpper(r) < utf8.RuneSelf || unicode.ToLower(r) < utf8.RuneSelf)
}

// mixesAlphabets finds words with letters of more than one of the alphabets that
// look alike: "admin" with a Cyrillic a. Different words may differ, as in
// "иван@corp.example".
func mixesAlphabets(name string) bool {
	var alphabet *unicode.RangeTable
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) {
			alphabet = nil
			continue
		}
		for _, table := range []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee} {
			if !unicode.Is(table, r) {
				continue
			}
			if alphabet != nil && alphabet != table {
				return true
			}
			alphabet = table
		}
	}
	return false
}

// CheckUserName reports why nobody comes to be known by name in a login.
func CheckUserName(name string) error {
	typed, err := UserName(name)
	if err == nil && typed != name {
		err = fmt.Errorf("logins have it in composed form (NFC): %q", typed)
	}
	return err
}
