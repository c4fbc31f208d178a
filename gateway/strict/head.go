package strict

import (
	"bytes"
	"errors"
)

// ErrBareLF is the error for a head with a line that a bare LF ends.
var ErrBareLF = errors.New("line that ends in a bare LF")

var (
	errFieldFold = errors.New("folded header field")
	errFieldName = errors.New("header field name that is no token")
	errFieldText = errors.New("control character in a header field")
)

// HeadEnd returns the length of the message head that buf begins with, its
// empty line included, or 0 if the head is not complete. scanned is how much of
// buf earlier calls have been through without finding an end.
//
// A bare LF ends a line for some servers and not for others (RFC 9112, section
// 2.2), which makes two readings of one message. It is refused.
func HeadEnd(buf []byte, scanned int) (int, error) {
	for {
		i := bytes.IndexByte(buf[scanned:], '\n')
		if i < 0 {
			return 0, nil
		}
		i += scanned
		if i == 0 || buf[i-1] != '\r' {
			return 0, ErrBareLF
		}
		if i == 1 || i >= 3 && buf[i-2] == '\n' {
			return i + 1, nil
		}
		scanned = i + 1
	}
}

// CutLine returns the first line of a complete head, without its CRLF, and what
// is behind it.
func CutLine[T string | []byte](head T) (line, rest T) {
	i := 0
	for head[i] != '\n' {
		i++
	}
	return head[:i-1], head[i+1:]
}

// ParseField splits a field line into its name and its value without the blanks
// around it (RFC 9112, section 5). Folding is refused, as are blanks before the
// colon and control characters in the value: each has hidden one field from one
// of two servers in a row.
func ParseField[T string | []byte](line T) (name, value T, err error) {
	if line[0] == ' ' || line[0] == '\t' {
		return name, value, errFieldFold
	}
	colon := 0
	for colon < len(line) && tokenBytes[line[colon]] {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return name, value, errFieldName
	}
	start, end := colon+1, len(line)
	for start < end && (line[start] == ' ' || line[start] == '\t') {
		start++
	}
	for start < end && (line[end-1] == ' ' || line[end-1] == '\t') {
		end--
	}
	if ControlInLine(line[start:end]) {
		return name, value, errFieldText
	}
	return line[:colon], line[start:end], nil
}

// ControlInLine reports whether text has a control character but a tab, which stands
// for a blank.
func ControlInLine[T string | []byte](text T) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}

// IsToken reports whether s is a token (RFC 9110, section 5.6.2).
func IsToken(s string) bool { return s != "" && tokenBytes.containsAll(s) }

// IsTokenList reports whether s has no bytes but those of a list of tokens, such as the
// names of fields (RFC 9110, section 5.6.1).
func IsTokenList(s string) bool { return listBytes.containsAll(s) }

const tokenChars = alphanumeric + "!#$%&'*+-.^_`|~"

var (
	tokenBytes = newByteSet(tokenChars)
	listBytes  = newByteSet(tokenChars + ", ")
)

// CutToken cuts the token off that s begins with.
func CutToken(s string) (rest string, ok bool) {
	i := 0
	for i < len(s) && tokenBytes[s[i]] {
		i++
	}
	return s[i:], i > 0
}
