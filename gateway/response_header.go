package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// managedAnswer are the answer fields that a route has no say in: they belong to one
// connection, say what the body is or where it is, or are the gateway's own words.
var managedAnswer = newFamilies(hopFields, []string{
	"Accept-Ranges", "Access-Control-*", "Age", "Allow", "Alt-Svc", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length",
	"Content-Location", "Content-Range", "Content-Type", "Date", "Docker-*", "Etag", "Last-Modified", "Link", "Location",
	"Oci-*", "Range", "Refresh", "Retry-After", "Set-Cookie", "Vary", "Www-Authenticate", "X-Request-Id",
})

// CheckResponseHeader reports why the line at index i cannot be in r.ResponseHeaders.
func (r Route) CheckResponseHeader(i int) error {
	name, value := cutResponseHeader(r.ResponseHeaders[i])
	switch plain := plainOf(name); {
	case !exactField.MatchString(name) || value == "":
		return fmt.Errorf("%q is not a header: write its name, a colon and the value, such as \"Strict-Transport-Security: max-age=31536000\"", r.ResponseHeaders[i])
	case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }):
		return fmt.Errorf("the value of %s has a character in it that no header may carry: write visible characters of ASCII and blanks", name)
	case managedAnswer.has(plain) || r.tellsUser(plain):
		return fmt.Errorf("the header %s is one that the gateway or the service behind it sets for each answer: take it out", name)
	}
	return CheckOnce(r.ResponseHeaders, i, "the header "+name, func(a, b string) bool {
		first, _ := cutResponseHeader(a)
		second, _ := cutResponseHeader(b)
		return strings.EqualFold(first, second)
	})
}

func cutResponseHeader(line string) (name, value string) {
	name, value, _ = strings.Cut(line, ":")
	return name, strings.Trim(value, " \t")
}

// responseHeader returns the fields that answers on the route get, nil for none.
func (r Route) responseHeader() (http.Header, error) {
	if len(r.ResponseHeaders) == 0 {
		return nil, nil
	}
	all := make(http.Header, len(r.ResponseHeaders))
	var errs []error
	for i, line := range r.ResponseHeaders {
		errs = append(errs, r.CheckResponseHeader(i))
		name, value := cutResponseHeader(line)
		all[http.CanonicalHeaderKey(name)] = []string{value}
	}
	return all, errors.Join(errs...)
}
