package htpasswd

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"gatehouse/backend"
)

// users is the content of a users file.
type users struct {
	hashes   map[string]string // by name
	dearest  hash              // what every refusal has to cost
	memory   int               // the most that a hash takes
	memoryAt string            // where that is, in the form FILE:LINE
	warnings []string
}

// hash returns the hash of the user of that name, nil if there is none.
func (u *users) hash(name string) hash {
	text, ok := u.hashes[name]
	if !ok {
		return nil
	}
	h, err := parseHash(text)
	if err != nil {
		return locked{} // unreachable: it did parse when the file was read
	}
	return h
}

// mark returns what tells one line of a user from a later one, from which nothing of the
// line can be had.
func (u *users) mark(name string) string {
	sum := sha256.Sum256([]byte(u.hashes[name]))
	return "line:" + base64.RawStdEncoding.EncodeToString(sum[:12])
}

// identity returns whom the line of a name is about. The anchor is of the name and the hash:
// a file has nothing else by which one user of a name can be told from a later one.
func (u *users) identity(name string) backend.Identity {
	sum := sha256.Sum256([]byte(name + "\x00" + u.hashes[name]))
	return backend.Identity{User: name, Handle: u.mark(name), Anchor: "sha256:" + hex.EncodeToString(sum[:])}
}

// parseUsers reads a file as Apache's mod_authn_file does: NAME:HASH, further
// fields ignored, and of two lines for one name the first counts. It is
// stricter where Apache lets nobody in by the line and says nothing: there, and
// where a line could be read in two ways, the whole file is refused. The error
// lists all such lines, in the form FILE:LINE. Names are judged by check, if it is not
// nil.
func parseUsers(file, text string, check func(name string) error) (*users, error) {
	u := &usersParser{
		file:  file,
		check: check,
		users: users{hashes: make(map[string]string, strings.Count(text, "\n")+1), dearest: locked{}},
	}
	text = strings.TrimPrefix(text, byteOrderMark)
	for line := range strings.Lines(text) {
		u.number++
		u.line(line)
	}
	switch {
	case len(u.bad) > 0:
		return nil, u.bad.err()
	case len(u.hashes) == 0:
		return nil, fmt.Errorf("%s: there is no user in it", file)
	}
	u.warn()
	return &u.users, nil
}

type usersParser struct {
	users
	file       string
	check      func(name string) error // of names; may be nil
	number     int                     // of the line
	bad        list
	legacy     int
	duplicates list
	nameless   list
}

func (u *usersParser) line(line string) {
	entry := strings.Trim(line, blanks)
	var err error
	switch {
	case strings.IndexByte(entry, 0) >= 0:
		err = errors.New("there is a NUL in it")
	case strings.HasSuffix(entry, `\`):
		err = errors.New("it ends in a backslash, by which Apache joins it with the next line; write it as one line")
	case entry == "" || entry[0] == '#':
	default:
		err = u.entry(line, !strings.HasSuffix(line, "\n"))
	}
	if err != nil {
		u.bad.add(fmt.Sprintf("%s:%d: %v", u.file, u.number, err))
	}
}

// entry reads a line that has a user. The last line of a file may lack its
// line feed, but then it may also have been cut off.
func (u *usersParser) entry(line string, unfinished bool) error {
	l := cutLine(line)
	name, text := l.Name, l.Hash
	switch {
	case !strings.Contains(line, ":"):
		return errors.New("there is no colon in it; want NAME:HASH")
	case name == "":
		return errors.New("the name is empty")
	case unfinished && text+l.After == "":
		return fmt.Errorf("user %q: it ends before the hash", name)
	}
	h, err := parseHash(text)
	if err != nil {
		return fmt.Errorf("user %s: %w; set a new one with gatehouse passwd", printable(name), err)
	}
	if _, ok := h.(argon2id); ok && unfinished {
		return fmt.Errorf("user %q: a line feed is missing; a hash of this kind has no fixed length and may be cut off", name)
	}
	if _, ok := u.hashes[name]; ok {
		u.duplicates.add(fmt.Sprintf("%q in line %d", name, u.number))
		return nil
	}
	u.hashes[name] = text
	if u.check != nil {
		if err := u.check(name); err != nil {
			u.nameless.add(fmt.Sprintf("%s:%d: %q (%v)", u.file, u.number, name, err))
		}
	}
	if h.cost(0) > u.dearest.cost(0) || isLocked(u.dearest) {
		u.dearest = h
	}
	if h.memory() > u.memory {
		u.memory, u.memoryAt = h.memory(), fmt.Sprintf("%s:%d", u.file, u.number)
	}
	if h.legacy() {
		u.legacy++
	}
	return nil
}

// printable is name in quotes, unless name and hash were swapped.
func printable(name string) string {
	if strings.HasPrefix(name, "$") || strings.HasPrefix(name, "{") {
		return "(a hash where the name should be)"
	}
	return fmt.Sprintf("%q", name)
}

func (u *usersParser) warn() {
	if u.legacy > 0 {
		u.warnings = append(u.warnings, fmt.Sprintf("%d passwords have a hash that is quick to guess from ({SHA}, $apr1$ or $1$); set them again with gatehouse passwd", u.legacy))
	}
	if len(u.nameless) > 0 {
		u.warnings = append(u.warnings, "users who can never log in, as no login can have the name: "+u.nameless.join(", "))
	}
	if len(u.duplicates) > 0 {
		u.warnings = append(u.warnings, "users with more than one line, of which the first counts: "+u.duplicates.join(", "))
	}
}
