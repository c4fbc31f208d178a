package ldap

import (
	"fmt"
	"slices"

	"gatehouse/backend/fault"
)

// numbers makes sure that what comes in on a connection is about a request that waits
// for its answer. The library passes messages with another number over, so that a search
// whose entries have a wrong one would have found nothing.
type numbers struct {
	open   []int64 // requests without an answer yet
	head   []byte  // of the message that is coming in
	left   int     // bytes of its content that are to come
	opaque bool    // what comes in is no LDAP; the library says so
}

// headMax is more than a message takes before its content, with its number.
const headMax = 20

// note takes the number of a request.
func (n *numbers) note(request []byte) {
	if _, number, _, ok := head(request); ok {
		n.open = append(n.open, number)
	}
}

// The tags of the answers that are the last to a request; RFC 4511, section 4.
const (
	tagSearchDone       = 0x65
	tagExtendedResponse = 0x78
)

// answered notes a message about a request, and reports whether there is such a request.
// What a server says by itself has the number 0, and is an extended response; RFC 4511,
// section 4.4. The library drops anything else with that number as it does this.
func (n *numbers) answered(number int64, tag byte) bool {
	i := slices.Index(n.open, number)
	if i >= 0 && (tag == tagSearchDone || tag == tagBindResponse || tag == tagExtendedResponse) {
		n.open = slices.Delete(n.open, i, i+1)
	}
	return i >= 0 || number == 0 && tag == tagExtendedResponse
}

// check fails for the beginning of a message about a request that waits for no answer.
func (n *numbers) check(b []byte) error {
	for len(b) > 0 && !n.opaque {
		if n.left > 0 {
			part := min(n.left, len(b))
			n.left, b = n.left-part, b[part:]
			continue
		}
		n.head, b = append(n.head, b[0]), b[1:]
		size, number, tag, ok := head(n.head)
		switch {
		case !ok:
			n.opaque = n.head[0] != tagSequence || len(n.head) >= headMax
			continue
		case !n.answered(number, tag):
			return fault.With("ldap.protocol", fmt.Errorf("the server answers a request %d, which waits for no answer", number))
		}
		n.left, n.head = size-len(n.head), n.head[:0]
		n.opaque = n.left < 0
	}
	return nil
}

// head returns how long a message is that begins with b, its number, and the tag of what
// it is, if so much of it is there; RFC 4511, section 4.1.1.
func head(b []byte) (size int, number int64, tag byte, ok bool) {
	if len(b) < 5 || b[0] != tagSequence {
		return 0, 0, 0, false
	}
	size, at := int(b[1]), 2
	if size >= 0x80 {
		digits := size & 0x7f
		if digits == 0 || digits > 4 || len(b) < at+digits {
			return 0, 0, 0, false
		}
		size = 0
		for _, digit := range b[at : at+digits] {
			size = size<<8 | int(digit)
		}
		at += digits
	}
	if len(b) < at+2 || b[at] != tagInteger || b[at+1] == 0 || b[at+1] > 8 || len(b) <= at+2+int(b[at+1]) {
		return 0, 0, 0, false
	}
	op := at + 2 + int(b[at+1])
	for i, digit := range b[at+2 : op] {
		if i == 0 && digit >= 0x80 {
			number = -1
		}
		number = number<<8 | int64(digit)
	}
	return at + size, number, b[op], true
}
