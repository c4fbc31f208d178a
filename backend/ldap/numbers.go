package ldap

import (
	"fmt"

	"gatehouse/backend/fault"
)

// numbers makes sure that what comes in on a connection is about the request that was
// sent last: there is one at a time. The library passes messages with another number
// over, so that a search whose entries have a wrong one would have found nothing.
type numbers struct {
	sent   int64
	head   []byte // of the message that is coming in
	left   int    // bytes of its content that are to come
	opaque bool   // what comes in is no LDAP; the library says so
}

// headMax is more than a message takes before its content, with its number.
const headMax = 16

// note takes the number of a request.
func (n *numbers) note(request []byte) {
	if _, number, ok := head(request); ok {
		n.sent = number
	}
}

// check fails for the beginning of a message about another request than the last.
func (n *numbers) check(b []byte) error {
	for len(b) > 0 && !n.opaque {
		if n.left > 0 {
			part := min(n.left, len(b))
			n.left, b = n.left-part, b[part:]
			continue
		}
		n.head, b = append(n.head, b[0]), b[1:]
		size, number, ok := head(n.head)
		switch {
		case !ok:
			n.opaque = n.head[0] != tagSequence || len(n.head) >= headMax
			continue
		case number != n.sent && number != 0: // 0 is what a server says by itself
			return fault.With("ldap.protocol", fmt.Errorf("the server answers the request %d, and %d was sent", number, n.sent))
		}
		n.left, n.head = size-len(n.head), n.head[:0]
		n.opaque = n.left < 0
	}
	return nil
}

// head returns how long a message is that begins with b, and its number, if so much of
// it is there; RFC 4511, section 4.1.1.
func head(b []byte) (size int, number int64, ok bool) {
	if len(b) < 5 || b[0] != tagSequence {
		return 0, 0, false
	}
	size, at := int(b[1]), 2
	if size >= 0x80 {
		digits := size & 0x7f
		if digits == 0 || digits > 4 || len(b) < at+digits {
			return 0, 0, false
		}
		size = 0
		for _, digit := range b[at : at+digits] {
			size = size<<8 | int(digit)
		}
		at += digits
	}
	if len(b) < at+2 || b[at] != tagInteger || b[at+1] == 0 || b[at+1] > 8 || len(b) < at+2+int(b[at+1]) {
		return 0, 0, false
	}
	for i, digit := range b[at+2 : at+2+int(b[at+1])] {
		if i == 0 && digit >= 0x80 {
			number = -1
		}
		number = number<<8 | int64(digit)
	}
	return at + size, number, true
}
