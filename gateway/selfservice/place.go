package selfservice

import (
	"net/http"
	"slices"
	"strings"
)

// Place is what a request to the page is about.
type Place struct {
	act string // empty for the page itself
	id  string // of a token
}

// What is done to one token.
const (
	revoke = "revoke"
	rotate = "rotate"
)

// At returns what a path is about, and whether it is one of the page at base. No page has an
// empty one.
func At(base, path string) (Place, bool) {
	rest, ok := strings.CutPrefix(path, base)
	if !ok || rest == "" || base == "" {
		return Place{}, ok && base != ""
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 3 || parts[0] != "" || parts[1] == "" || parts[2] != revoke && parts[2] != rotate {
		return Place{}, false
	}
	return Place{act: parts[2], id: parts[1]}, true
}

// Methods returns those that there are at l. What changes something is a POST.
func (l Place) Methods() []string {
	if l.act != "" {
		return []string{http.MethodPost}
	}
	return []string{http.MethodGet, http.MethodHead, http.MethodPost}
}

// Has reports whether a method is one of those.
func (l Place) Has(method string) bool { return slices.Contains(l.Methods(), method) }
