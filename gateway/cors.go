package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"

	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/upstream"
)

// origins are the pages on other hosts whose scripts a browser lets read the answers
// of a route, and send it what a form cannot; see the Fetch standard, section 3.3 (the
// CORS protocol). Nil is for a route that leaves all of that to its upstream.
//
// A browser adds the credentials that it has to what such a script sends. An origin is
// therefore named in full or not at all.
type origins map[string]bool

const (
	corsPrefix      = "Access-Control-"
	allowOrigin     = "Access-Control-Allow-Origin"
	requestedMethod = "Access-Control-Request-Method"
)

var schemePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*$`)

// What every answer to a page tells the browser. Exposed are the fields that clients
// of registries read and that a script would not see otherwise.
var (
	withCredentials = []string{"true"}
	exposedFields   = []string{strings.Join([]string{
		"Accept-Ranges", "Content-Range", "Docker-Content-Digest", apiVersion, "Docker-Upload-Uuid", "Etag", "Link", "Location",
		"Oci-Chunk-Min-Length", "Oci-Filters-Applied", "Oci-Subject", "Range", "Retry-After", "Warning", "Www-Authenticate", "X-Request-Id",
	}, ", ")}
	allowedMethods = []string{rules.AllMethods}
	preflightAge   = []string{"600"} // seconds; an origin that is taken off the list may ask for so long
)

// CheckOrigin reports why the origin at index i cannot be in r.CORSOrigins.
func (r Route) CheckOrigin(i int) error {
	text := r.CORSOrigins[i]
	scheme, authority, ok := strings.Cut(text, "://")
	host, err := strict.ParseHost(authority)
	switch {
	case text == "null":
		return errors.New(`the origin "null" is that of every local file and every page in a sandbox: name the pages that are meant, such as "https://ui.example"`)
	case strings.Contains(text, "*"):
		return fmt.Errorf("origin %q: a page of a listed origin can do whatever the user who looks at it may: name each origin in full, without *", text)
	case !ok || err != nil || !schemePattern.MatchString(scheme):
		return fmt.Errorf("%q is not an origin: write scheme, host and perhaps a port, without a path, such as \"https://ui.example\"", text)
	}
	if err := CheckOnce(r.CORSOrigins, i, "the origin "+text, nil); err != nil {
		return err
	}
	sent := strings.ToLower(scheme) + "://" + host
	if _, port, err := net.SplitHostPort(authority); err == nil && port != upstream.DefaultPort(strings.ToLower(scheme)) {
		sent += ":" + port
	}
	if sent != text {
		return fmt.Errorf("origin %q: browsers spell it %q: write it so", text, sent)
	}
	return nil
}

func (r Route) origins() (origins, error) {
	if r.CORSOrigins == nil {
		return nil, nil
	}
	if len(r.CORSOrigins) == 0 {
		return nil, ErrNoOrigins
	}
	o := make(origins, len(r.CORSOrigins))
	var errs []error
	for i, text := range r.CORSOrigins {
		errs = append(errs, r.CheckOrigin(i))
		o[text] = true
	}
	return o, errors.Join(errs...)
}

// preflight reports whether a browser asks, before it sends what a script of a listed
// origin wants, whether it may.
func (o origins) preflight(method string, h http.Header) bool {
	return method == http.MethodOptions && only(h[requestedMethod]) != "" && o[only(h["Origin"])]
}

// answerPreflight answers a preflight in the place of the upstream. It carries no
// credentials, so that no rule about users could let it pass, and what it tells is
// the list of methods and the fields that the browser has named itself: the request
// that follows is judged as any other.
func (x *exchange) answerPreflight() *problem {
	if !x.route.origins.preflight(x.r.Method, x.r.Header) {
		return nil
	}
	x.answered, x.status = true, http.StatusNoContent
	x.endIfUnread()
	h := x.w.Header()
	x.stamp(h)
	h["Access-Control-Allow-Methods"] = allowedMethods
	h["Access-Control-Max-Age"] = preflightAge
	if fields := only(x.r.Header["Access-Control-Request-Headers"]); fields != "" && strict.IsTokenList(fields) {
		h["Access-Control-Allow-Headers"] = []string{fields}
	}
	if x.conn.http1 != nil && x.upload != nil {
		h.Set("Connection", "close") // nobody reads the body, which no browser sends
	}
	x.pace.Step()
	x.w.WriteHeader(x.status)
	x.settleUpload()
	return nil
}

// only returns the one value of a field, empty if there are none or several.
func only(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// withoutCORS takes out of h what would let a page read the answer.
func withoutCORS(h http.Header) {
	for name := range h {
		if strings.HasPrefix(plainName(name), corsPrefix) {
			delete(h, name)
		}
	}
}

// share sets the fields by which a browser lets the page that asked read the answer. A
// cache must not give the answer for one page to another, whichever page it was.
func (o origins) share(h http.Header, origin string) {
	if o == nil {
		return
	}
	if !strict.ListHas(h["Vary"], "Origin") && !strict.ListHas(h["Vary"], "*") {
		h["Vary"] = append(h["Vary"], "Origin")
	}
	if o[origin] {
		h[allowOrigin] = []string{origin}
		h["Access-Control-Allow-Credentials"] = withCredentials
		h["Access-Control-Expose-Headers"] = exposedFields
	}
}
