package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
)

// router finds the route of a request. Of the routes that take it, one that names
// its host goes before one with a wildcard for it, and that before one for any
// host; among these the longest path counts.
type router struct {
	exact    map[string][]place // by host
	wildcard map[string][]place // by what follows the first label: ".b.example"
	any      []place
}

// place is where a route stands at a host. Those of one host are in order, the
// longest path first.
type place struct {
	path  string // without a slash at its end, so that "" is everything
	index int    // of the route
}

// newRouter refuses routes of which none or more than one could be meant.
func newRouter(routes []Route) (*router, error) {
	if len(routes) == 0 {
		return nil, errors.New("there are no routes: add at least one [[route]]")
	}
	r := &router{exact: map[string][]place{}, wildcard: map[string][]place{}}
	var errs []error
	taken := Places{}
	for i, route := range routes {
		if err := errors.Join(r.add(route, i), taken.Take(route)); err != nil {
			errs = append(errs, fmt.Errorf("route %d: %w", i+1, err))
		}
	}
	return r, errors.Join(errs...)
}

func (r *router) add(route Route, index int) error {
	if err := rules.CheckPrefix(route.Path); err != nil {
		return err
	}
	p := place{path: strings.TrimSuffix(route.Path, "/"), index: index}
	if route.Hosts == nil {
		r.any = withPlace(r.any, p)
		return nil
	}
	if len(route.Hosts) == 0 {
		return ErrNoHosts
	}
	var errs []error
	for i, host := range route.Hosts {
		if err := route.CheckHost(i); err != nil {
			errs = append(errs, err)
			continue
		}
		at, key := r.exact, host
		if parent, ok := strings.CutPrefix(host, "*"); ok {
			at, key = r.wildcard, parent
		}
		at[key] = withPlace(at[key], p)
	}
	return errors.Join(errs...)
}

// withPlace returns the places of a host with p among them.
func withPlace(places []place, p place) []place {
	i, _ := slices.BinarySearchFunc(places, p, func(a, b place) int {
		return cmp.Or(cmp.Compare(len(b.path), len(a.path)), cmp.Compare(a.path, b.path))
	})
	return slices.Insert(places, i, p)
}

// Places are the pairs of a host and a path that routes have taken. No two routes may
// have one: nobody could say which of them a request is for.
type Places map[struct{ host, path string }]bool

// Take takes the places of r, and reports the first of them that another route has.
func (p Places) Take(r Route) error {
	hosts := slices.Compact(slices.Sorted(slices.Values(r.Hosts)))
	if hosts == nil {
		hosts = []string{""}
	}
	var err error
	for _, host := range hosts {
		at := struct{ host, path string }{host, strings.TrimSuffix(r.Path, "/")}
		switch {
		case p[at] && host == "":
			err = fmt.Errorf("another route has the same hosts (any) and path %q: make it one route with all the rules", r.Path)
		case p[at]:
			err = cmp.Or(err, fmt.Errorf("another route has the same host %q and path %q: make it one route with all the rules", host, r.Path))
		}
		p[at] = true
	}
	return err
}

// Lists of a [Route] that are there and empty.
var (
	// ErrNoHosts says that there is no host.
	ErrNoHosts = errors.New("hosts is an empty list: name a host, or leave the key out for any")
	// ErrNoOrigins says that there is no origin.
	ErrNoOrigins = errors.New("cors_origins is an empty list: name an origin, or leave the key out")
)

// CheckHost reports why the name at index i cannot be in r.Hosts.
func (r Route) CheckHost(i int) error {
	host := r.Hosts[i]
	if err := CheckOnce(r.Hosts, i, fmt.Sprintf("host %q", host), nil); err != nil {
		return err
	}
	return CheckHostPattern(host)
}

// CheckOnce reports why the item at index i of a list cannot stand there, if an earlier one
// is the same: equal to it where same is nil. What is how the message calls it.
func CheckOnce(list []string, i int, what string, same func(a, b string) bool) error {
	if same == nil {
		same = func(a, b string) bool { return a == b }
	}
	if slices.ContainsFunc(list[:i], func(earlier string) bool { return same(earlier, list[i]) }) {
		return fmt.Errorf("%s is in the list twice: take one out", what)
	}
	return nil
}

// CheckHostPattern refuses what no request's host can match as a name in
// [Route].Hosts. A * stands for one label, and only for the whole first one.
func CheckHostPattern(pattern string) error {
	name, wildcard := strings.CutPrefix(pattern, "*.")
	host, err := strict.ParseHost(name)
	switch {
	case pattern == "*":
		return errors.New("host \"*\": leave the key out for any host")
	case strings.Contains(name, "*"):
		return fmt.Errorf("host %q: a * stands for one label, and only for all of the first one, as in \"*.apps.example\"", pattern)
	case err != nil || host != name:
		return fmt.Errorf("host %q can match nothing: write the bare name in lower case, without a port and without a dot at its end", pattern)
	case wildcard && (strict.LooksNumeric(name) || strings.HasPrefix(name, "[")):
		return fmt.Errorf("host %q: an address has no labels that a * could stand for", pattern)
	}
	return nil
}

// lookup returns the index of the route that takes requests for path at host,
// both canonical, or -1.
func (r *router) lookup(host, path string) int {
	for p := range r.places(host) {
		if rules.Takes(p.path, path) {
			return p.index
		}
	}
	return -1
}

// takesAll reports whether all requests to a host at or below path go the way of one
// route. It may say no where they do.
func (r *router) takesAll(host, path string, index int) bool {
	path = strings.TrimSuffix(path, "/")
	for p := range r.places(host) {
		switch {
		case rules.Takes(p.path, path):
			return p.index == index
		case p.index != index && rules.Takes(path, p.path):
			return false
		}
	}
	return false
}

// places yields what may take a request to a host, in the order in which it does.
func (r *router) places(host string) iter.Seq[place] {
	return func(yield func(place) bool) {
		for _, places := range [...][]place{r.exact[host], r.wildcard[parentOf(host)], r.any} {
			for _, p := range places {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// namesHosts reports whether any route is for some hosts alone.
func (r *router) namesHosts() bool { return len(r.exact)+len(r.wildcard) > 0 }

// serves reports whether anything is served for a host, which is canonical.
func (r *router) serves(host string) bool {
	return len(r.exact[host])+len(r.wildcard[parentOf(host)])+len(r.any) > 0
}

// parentOf returns host without its first label: ".b.example" of "a.b.example".
func parentOf(host string) string {
	i := strings.IndexByte(host, '.')
	if i < 0 {
		return ""
	}
	return host[i:]
}
