package backend

import "strings"

// PasswordMax is the length in bytes of the longest password that is checked. It bounds
// the work that one guess can make. RFC 4513 sets no bound for directories.
const PasswordMax = 1 << 10

// CanBePassword reports whether anybody's password could be this one. An empty one must
// never come to a directory: RFC 4513, section 5.1.2, lets a server answer success to it
// whoever the user is. A NUL ends a password in some of the programs behind this one.
func CanBePassword(password string) bool {
	return password != "" && len(password) <= PasswordMax && strings.IndexByte(password, 0) < 0
}
