package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// router finds the route of a request.
type router struct {
	places []place // the most specific first
}

// place is where a route stands.
type place struct {
	host  string // empty for any
	path  string // without a slash at its end, so that "" is everything
	index int    // of the route
}

// newRouter refuses routes of which none or more than one could be meant.
func newRouter(routes []Route) (*router, error) {
	if len(routes) == 0 {
		return nil, errors.New("there are no routes: add at least one [[route]]")
	}
	var r router
	var errs []error
	for i, route := range routes {
		p := place{host: route.Host, path: strings.TrimSuffix(route.Path, "/"), index: i}
		if err := r.check(p, route); err != nil {
			errs = append(errs, fmt.Errorf("route %d: %w", i+1, err))
		}
		r.places = append(r.places, p)
	}
	slices.SortFunc(r.places, moreSpecific)
	return &r, errors.Join(errs...)
}

func (r *router) check(p place, route Route) error {
	if err := checkPattern(route.Path); err != nil {
		return fmt.Errorf("path %q: %w", route.Path, err)
	}
	if strings.Contains(route.Path, "*") {
		return fmt.Errorf("path %q: it is a prefix and takes everything below it already: leave the * out", route.Path)
	}
	if p.host != "" {
		if host, err := canonicalHost(p.host); err != nil || host != p.host {
			return fmt.Errorf("host %q: write the bare name in lower case, without a port and without a dot at its end", p.host)
		}
	}
	if slices.ContainsFunc(r.places, func(q place) bool { return q.host == p.host && q.path == p.path }) {
		return fmt.Errorf("another route has the same host %q and path %q: make it one route with all the rules", route.Host, route.Path)
	}
	return nil
}

// moreSpecific orders routes of a host before those of any, and longer paths
// before shorter ones.
func moreSpecific(a, b place) int {
	if (a.host == "") != (b.host == "") {
		return cmp.Compare(b.host, a.host)
	}
	return cmp.Compare(len(b.path), len(a.path))
}

// lookup returns the index of the route that takes requests for path at host,
// both canonical, or -1.
func (r *router) lookup(host, path string) int {
	for _, p := range r.places {
		if (p.host == "" || p.host == host) && p.takes(path) {
			return p.index
		}
	}
	return -1
}

// takes compares whole segments: "/v2" is not the beginning of "/v2x".
func (p place) takes(path string) bool {
	rest, ok := strings.CutPrefix(path, p.path)
	return ok && (rest == "" || rest[0] == '/')
}
