package gateway

import (
	"bytes"
	"errors"
)

var (
	errBareLF    = errors.New("line that ends in a bare LF")
	errFieldFold = errors.New("folded header field")
	errFieldName = errors.New("header field name that is no token")
	errFieldText = errors.New("control character in a header field")
)

// headEnd returns the length of the message head that buf begins with, its
// empty line included, or 0 if the head is not complete. scanned is how much of
// buf earlier calls have been through without finding an end.
//
// A bare LF ends a line for some servers and not for others (RFC 9112, section
// 2.2), which makes two readings of one message. It is refused.
func headEnd(buf []byte, scanned int) (int, error) {
	for {
		i := bytes.IndexByte(buf[scanned:], '\n')
		if i < 0 {
			return 0, nil
		}
		i += scanned
		if i == 0 || buf[i-1] != '\r' {
			return 0, errBareLF
		}
		if i == 1 || i >= 3 && buf[i-2] == '\n' {
			return i + 1, nil
		}
		scanned = i + 1
	}
}

// cutLine returns the first line of a complete head, without its CRLF, and what
// is behind it.
func cutLine[T string | []byte](head T) (line, rest T) {
	i := 0
	for head[i] != '\n' {
		i++
	}
	return head[:i-1], head[i+1:]
}

// parseField splits a field line into its name and its value without the blanks
// around it (RFC 9112, section 5). Folding is refused, as are blanks before the
// colon and control characters in the value: each has hidden one field from one
// of two servers in a row.
func parseField[T string | []byte](line T) (name, value T, err error) {
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
	if controlInLine(line[start:end]) {
		return name, value, errFieldText
	}
	return line[:colon], line[start:end], nil
}

// controlInLine reports whether text has a control character but a tab, which stands
// for a blank.
func controlInLine[T string | []byte](text T) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool { return s != "" && tokenBytes.containsAll(s) }

var tokenBytes = newByteSet(alphanumeric + "!#$%&'*+-.^_`|~")
