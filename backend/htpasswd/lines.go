package htpasswd

import (
	"errors"
	"fmt"
	"strings"
)

// blanks are the characters that C's isspace is true for, as Apache uses it.
const blanks = " \t\r\n\v\f"

// A list is of things for a message, of which there may be a million.
type list []string

// listMax bounds how many of them a message shows.
const listMax = 100

func (l *list) add(s string) { *l = append(*l, s) }

func (l list) join(separator string) string {
	if len(l) > listMax {
		return strings.Join(l[:listMax], separator) + fmt.Sprintf("%sand %d more", separator, len(l)-listMax)
	}
	return strings.Join(l, separator)
}

func (l list) err() error { return errors.New(l.join("\n")) }
