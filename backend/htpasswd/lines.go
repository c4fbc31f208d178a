package htpasswd

import (
	"errors"
	"fmt"
	"iter"
	"strings"
)

// blanks are the characters that C's isspace is true for, as Apache uses it.
const blanks = " \t\r\n\v\f"

// A Line is a line of a users file, cut where it may be changed. The parts put together
// are the line, byte for byte.
type Line struct {
	Before string // blanks and a byte order mark
	Name   string // empty if the line has no user
	Hash   string // which may be malformed
	After  string // further fields, and the end of the line
}

// Lines yields the lines of a users file. It takes a byte order mark off each line and
// not off the first alone: whoever removes the line before makes it the first.
func Lines(text string) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		for line := range strings.Lines(text) {
			rest := strings.TrimPrefix(line, byteOrderMark)
			l := cutLine(rest)
			l.Before = line[:len(line)-len(rest)] + l.Before
			if !yield(l) {
				return
			}
		}
	}
}

// String returns the line.
func (l Line) String() string {
	if l.Name == "" {
		return l.Before + l.After
	}
	return l.Before + l.Name + ":" + l.Hash + l.After
}

const byteOrderMark = "\ufeff"

// cutLine cuts a line without a byte order mark. Comments and lines without a name or a
// colon have no user.
func cutLine(line string) Line {
	rest := strings.TrimLeft(line, blanks)
	name, fields, ok := strings.Cut(rest, ":")
	if !ok || name == "" || name[0] == '#' {
		return Line{After: line}
	}
	hash, _, _ := strings.Cut(fields, ":")
	hash = strings.TrimRight(hash, blanks)
	return Line{line[:len(line)-len(rest)], name, hash, fields[len(hash):]}
}

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
