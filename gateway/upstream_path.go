package gateway

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"gatehouse/backend/shown"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/upstream"
)

// upstreamPath is where at an upstream the paths of a route begin: a registry at
// "/repository/docker" is asked for "/repository/docker/v2/…". Rules judge the paths
// that clients name, so that no two of these may become one at the upstream, and none
// may leave the base.
type upstreamPath struct {
	base string // canonical and escaped, without a slash at its end; empty: paths go as they are
	root string // of the registry; empty for none
	cut  string // what stands in it before the v2 segment, escaped
}

// CheckUpstreamURL returns what is wrong with the URL of an upstream of the route. Every
// upstream may have no path, or "/".
func (r Route) CheckUpstreamURL(raw string) error {
	_, _, err := r.upstreamAt(raw)
	return err
}

// upstreamAt reads the URL of an upstream of the route.
func (r Route) upstreamAt(raw string) (upstream.URL, upstreamPath, error) {
	u, err := upstream.ParseURL(raw)
	if err != nil {
		return u, upstreamPath{}, err
	}
	path, err := newUpstreamPath(u.Path, r.Path, r.ForRules().RegistryRoot())
	if err != nil {
		return u, path, fmt.Errorf("upstream %q: %w", shown.URL(raw), err)
	}
	return u, path, nil
}

// newUpstreamPath returns how the paths of a route are mapped to those of its upstream,
// whose URL has the escaped path.
func newUpstreamPath(path, routePath, root string) (upstreamPath, error) {
	base := strings.TrimSuffix(path, "/")
	if base == "" {
		return upstreamPath{}, nil
	}
	if base[0] != '/' {
		base = "/" + base
	}
	escaped, _, err := strict.ParsePath(base)
	switch {
	case err != nil || escaped != base:
		return upstreamPath{}, errors.New("its path is one that no request could have: write it without empty, \".\" or \"..\" segments, and percent-encoded where it has to be and nowhere else")
	case slices.Contains(strings.Split(base, "/"), "v2"):
		return upstreamPath{}, errors.New("its path has the segment v2: take that and what follows it out, since the path of a request is appended from its v2 segment on")
	}
	p := upstreamPath{base: base, root: root}
	if i := strings.LastIndex(root, oci.DefaultRoot); i > 0 {
		p.cut = strict.EscapePath(root[:i])
	}
	if p.cut != "" && (rules.Route{Path: routePath}).Meets(oci.DefaultRoot) {
		return upstreamPath{}, fmt.Errorf("with a path, it would be sent the same for a request below /v2/ as for one below %s, whatever the rules say of the two: let the route begin at a path that is not below /v2/, nor above it", root)
	}
	return p, nil
}

// appendTarget appends the target that the upstream is asked for.
func (p upstreamPath) appendTarget(b []byte, t strict.Target) []byte {
	text := t.String()
	if p.base == "" {
		return append(b, text...)
	}
	if _, ok := oci.Below(p.root, t.Path); ok {
		text = text[len(p.cut):]
	}
	return append(append(b, p.base...), text...)
}

// back returns what clients call a path at the upstream, with the query and the
// fragment that may follow it. It reports false for one that is not below the base,
// or that the gateway would not take from a client.
func (p upstreamPath) back(local string) (string, bool) {
	end := strings.IndexAny(local, "?#")
	if end < 0 {
		end = len(local)
	}
	if end == 0 || local[0] != '/' {
		return "", false
	}
	path, _, err := strict.ParsePath(local[:end])
	if err != nil {
		return "", false
	}
	inner, ok := strings.CutPrefix(path, p.base)
	switch {
	case !ok || inner != "" && inner[0] != '/':
		return "", false
	case inner == "":
		inner = "/"
	case inner == "/v2" || strings.HasPrefix(inner, "/v2/"):
		inner = p.cut + inner
	}
	return inner + local[end:], true
}

// backReference returns what clients call the place that ref, in an answer, leads to. A
// relative ref begins at asked, the target that the upstream was asked for. One to
// another host stays. It reports false as back does.
func (x *exchange) backReference(ref string, anyPort bool, asked string) (string, bool) {
	u, err := url.Parse(ref)
	switch {
	case err != nil:
		return "", false
	case u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https":
		return ref, true
	case u.Host != "" && !x.isHere(u, anyPort):
		return ref, true
	case u.Host != "":
		return x.route.path.back(behindAuthority(ref))
	case u.Scheme != "" || strings.HasPrefix(ref, "//"):
		return "", false // which some take for a path, and others for a host
	case ref == "" || ref[0] == '?' || ref[0] == '#':
		return ref, true
	case ref[0] == '/':
		return x.route.path.back(ref)
	}
	from, err := url.Parse(asked)
	if err != nil {
		return "", false
	}
	end := strings.IndexAny(ref+"?", "?#")
	return x.route.path.back(from.ResolveReference(&url.URL{Path: u.Path, RawPath: u.RawPath}).EscapedPath() + ref[end:])
}

// mapBack replaces the references of an answer, which begin at the base of the upstream,
// by those that clients know. It reports false if one leads to the same upstream outside
// the base: no client is sent there.
func (x *exchange) mapBack(a *upstream.Response) bool {
	if x.route.path.base == "" {
		return true
	}
	asked := string(x.route.path.appendTarget(nil, x.target))
	for _, name := range []string{"Location", "Content-Location"} {
		for i, v := range a.Header[name] {
			mapped, ok := x.backReference(v, x.hasCreated(a), asked)
			if !ok {
				return false
			}
			a.Header[name][i] = mapped
		}
	}
	for i, v := range a.Header["Link"] {
		mapped, ok := mapLinks(v, func(ref string) (string, bool) { return x.backReference(ref, false, asked) })
		if !ok {
			return false
		}
		a.Header["Link"][i] = mapped
	}
	for i, v := range a.Header["Set-Cookie"] {
		a.Header["Set-Cookie"][i] = x.route.path.backCookie(v)
	}
	return true
}

// backCookie makes the Path of a cookie one that clients know, or they would never send
// it back. One outside the base stays: it is for requests that never come here.
func (p upstreamPath) backCookie(cookie string) string {
	parts := strings.Split(cookie, ";")
	for i, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "path") {
			continue
		}
		if path, ok := p.back(strings.TrimSpace(value)); ok && !strings.ContainsAny(value, "?#") {
			parts[i+1] = name + "=" + path
		}
	}
	return strings.Join(parts, ";")
}
