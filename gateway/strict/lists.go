package strict

import (
	"net/http"
	"strings"
)

// ConnectionHas reports whether the Connection fields of h name token, which they
// do to have the field of that name removed on the way.
func ConnectionHas(h http.Header, token string) bool { return ListHas(h["Connection"], token) }

// ListHas reports whether the lines of a field that is a list of tokens have token.
func ListHas(lines []string, token string) bool {
	for _, line := range lines {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}
