package listing

import (
	"cmp"
	"slices"
	"strings"
)

// order compares names as a registry may have ordered them.
type order func(a, b string) int

// orders are those of known registries: by the path of directories, where a slash comes
// before every other character; by bytes; and without regard to case, as the OCI
// distribution specification orders tags.
var orders = [...]order{byPath, bytesOrder: strings.Compare, byLetter}

const bytesOrder = 1

func byPath(a, b string) int {
	i := common(a, b)
	if i == len(a) || i == len(b) {
		return cmp.Compare(len(a), len(b))
	}
	switch x, y := a[i], b[i]; {
	case x == '/':
		return -1
	case y == '/':
		return 1
	default:
		return cmp.Compare(x, y)
	}
}

func byLetter(a, b string) int {
	for i := common(a, b); i < min(len(a), len(b)); i++ {
		if x, y := lower(a[i]), lower(b[i]); x != y {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// common returns how many bytes a and b begin with in common.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// sequence finds out in which order names come.
type sequence struct {
	first, last string
	begun       bool
	broken      [len(orders)]bool // by two of the names
}

func (s *sequence) add(name string) {
	if !s.begun {
		s.first = name
	} else {
		same := common(s.last, name) // which no order has to look at
		for i, compare := range orders {
			s.broken[i] = s.broken[i] || compare(s.last[same:], name[same:]) >= 0
		}
	}
	s.last, s.begun = name, true
}

// beginsBefore reports whether the first name comes before place, or at it, in every order that
// the names may have.
func (s *sequence) beginsBefore(place string) bool {
	for i, compare := range orders {
		if !s.broken[i] && compare(s.first, place) > 0 {
			return false
		}
	}
	return s.begun
}

// inBytes reports whether the names came in the order of bytes.
func (s *sequence) inBytes() bool { return !s.broken[bytesOrder] }

// order returns the one that all names came in. If there is none, sorted is false and it
// is the one that they are to be brought into.
func (s *sequence) order() (o order, sorted bool) {
	if i := slices.Index(s.broken[:], false); i >= 0 {
		return orders[i], true
	}
	return strings.Compare, false
}
