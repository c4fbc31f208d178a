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

// Place returns what a path is about, and whether it is one of the page. A page that is nil
// has no paths.
func (p *Page) Place(path string) (Place, bool) {
	if p == nil {
		return Place{}, false
	}
	rest, ok := strings.CutPrefix(path, p.path)
	if !ok || rest == "" {
		return Place{}, ok
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
