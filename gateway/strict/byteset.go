package strict

import "unicode/utf8"

// byteSet is a set of bytes, which for the grammars of HTTP are characters.
type byteSet [256]bool

func newByteSet(chars string) *byteSet {
	var s byteSet
	for i := range len(chars) {
		s[chars[i]] = true
	}
	return &s
}

func (s *byteSet) containsAll(text string) bool {
	for i := range len(text) {
		if !s[text[i]] {
			return false
		}
	}
	return true
}

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// controls returns the control characters of ASCII.
func controls() string {
	chars := []byte{0x7f}
	for c := range byte(' ') {
		chars = append(chars, c)
	}
	return string(chars)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
