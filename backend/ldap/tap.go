package ldap

import "net"

// tap lets a conn see what comes in, and what goes out, a request at a time.
type tap struct {
	net.Conn
	see  func([]byte) error
	note func([]byte)
}

// Write writes to the connection.
func (t *tap) Write(b []byte) (int, error) {
	t.note(b)
	return t.Conn.Write(b)
}

// Read reads from the connection, and fails where see does.
func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if seen := t.see(b[:n]); seen != nil {
		return 0, seen
	}
	return n, err
}

// The tags of what isBindResponse looks at; RFC 4511, section 4.2.2.
const (
	tagSequence     = 0x30
	tagInteger      = 0x02
	tagEnumerated   = 0x0a
	tagOctetString  = 0x04
	tagBindResponse = 0x61
)

// isBindResponse reports whether bytes are one answer to a bind, and nothing
// more, with a result code in it: one of no bytes would read as 0, which is
// success. It is no second decoder, since what it lets pass the library has to
// have understood, and takes no memory.
func isBindResponse(b []byte) bool {
	message, rest, ok := element(b, tagSequence)
	if !ok || len(rest) > 0 {
		return false
	}
	number, message, ok := element(message, tagInteger)
	if !ok || len(number) == 0 || number[0]&0x80 != 0 || len(number) == 1 && number[0] == 0 {
		return false // 0 and less is no answer to a request
	}
	result, _, ok := element(message, tagBindResponse)
	if !ok {
		return false
	}
	code, result, ok := element(result, tagEnumerated)
	if !ok || len(code) == 0 {
		return false
	}
	_, result, ok = element(result, tagOctetString) // the name
	if !ok {
		return false
	}
	_, _, ok = element(result, tagOctetString) // the diagnostic message
	return ok
}

// element returns the content of the element that b begins with, and what is
// behind it, if it has the given tag and, as RFC 4511, section 5.1, demands, a
// definite length.
func element(b []byte, tag byte) (content, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil, false
	}
	length, b := int(b[1]), b[2:]
	if length >= 0x80 {
		size := length & 0x7f
		if size == 0 || size > 4 || size > len(b) {
			return nil, nil, false
		}
		length = 0
		for _, digit := range b[:size] {
			length = length<<8 | int(digit)
		}
		b = b[size:]
	}
	if length > len(b) {
		return nil, nil, false
	}
	return b[:length], b[length:], true
}
