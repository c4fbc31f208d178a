package gateway

import (
	"maps"
	"net/http"
	"net/url"
	"strings"

	"gatehouse/gateway/oci"
	"gatehouse/gateway/strict"
	"gatehouse/gateway/upstream"
)

// apiVersion is the field by which registry clients of the first years know the
// protocol.
const apiVersion = "Docker-Distribution-Api-Version"

// stamp sets the fields that every answer of the gateway has, its own and those
// of an upstream. What is about the one answer is set after it.
func (x *exchange) stamp(h http.Header) {
	if x.route != nil {
		maps.Copy(h, x.route.responseHeader)
		x.route.origins.share(h, only(x.r.Header["Origin"]))
	}
	h["X-Request-Id"] = []string{x.id}
	if x.pageAt != nil {
		withoutCORS(h)
	}
	if warning := x.own.warning(x.start); warning != "" {
		h.Add("Warning", warning)
	}
	if x.forRegistry() {
		h[apiVersion] = []string{"registry/2.0"}
	}
}

// forRegistry reports whether the request is for a registry, as far as that can be
// told of one that was refused before its target was read.
func (x *exchange) forRegistry() bool {
	path := x.target.Path
	if path == "" {
		path, _, _ = strings.Cut(x.r.RequestURI, "?")
	}
	_, ok := oci.Below(x.root(), path)
	return ok
}

// challengeField is the one by which an upstream asks for a login.
const challengeField = "Www-Authenticate"

// asksForLogin reports whether an answer with these fields asks for a login, in any spelling.
func asksForLogin(answer http.Header) bool {
	for name := range answer {
		if plainName(name) == challengeField {
			return true
		}
	}
	return false
}

// copyHeader passes the fields of an upstream's answer on to the client.
func (x *exchange) copyHeader(to http.Header, a *upstream.Response) {
	for name, values := range a.Header {
		plain := plainName(name)
		switch {
		case hopByHop.has(plain), plain == "Alt-Svc", plain == x.route.userHeader, plain == x.route.groups.name, strict.ConnectionHas(a.Header, name):
			continue // Alt-Svc would lead clients around the gateway
		case plain == challengeField && !x.route.forwardAuthorization:
			continue // a client that answers it sends the password to the upstream
		case x.route.origins != nil && strings.HasPrefix(plain, corsPrefix):
			continue // what the upstream thinks of the page that asks
		case name == "Location", name == "Content-Location":
			for i, v := range values {
				values[i] = x.localReference(v, x.hasCreated(a))
				if name == "Location" {
					x.noteUpload(a, values[i])
				}
			}
		case name == "Link":
			for i, v := range values {
				values[i] = x.localLinks(v)
			}
		}
		to[name] = values
	}
	if to["Content-Type"] == nil {
		to["Content-Type"] = nil // net/http would guess one, by which a layer might become a page
	}
	x.stamp(to)
}

// hasCreated reports whether the answer is that of a registry which has just created
// something, or will. It is at that registry and nowhere else, where a redirection
// may lead to another service.
func (x *exchange) hasCreated(a *upstream.Response) bool {
	return (a.Status == http.StatusCreated || a.Status == http.StatusAccepted) && x.forRegistry()
}

// localReference turns a URL that leads here into its path, or a client would go around
// the gateway. Such a URL names the upstream, or the host and port that the client asked.
// With anyPort it may name that host and any port, since a registry that is told its
// public name (http.host) knows neither the scheme nor the port of the gateway. Other
// URLs, such as those of an object store, stay.
func (x *exchange) localReference(ref string, anyPort bool) string {
	u, err := url.Parse(ref)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "" {
		return ref
	}
	if !x.isHere(u, anyPort) {
		return ref
	}
	local := behindAuthority(ref)
	if strings.HasPrefix(local, "//") || strings.HasPrefix(local, `/\`) {
		return ref // by itself it would name a host, the second to browsers
	}
	return local
}

// behindAuthority returns what a URL that names a host has behind that, as a path.
func behindAuthority(ref string) string {
	_, rest, _ := strings.Cut(ref, "//")
	switch i := strings.IndexAny(rest, "/?#"); {
	case i < 0:
		return "/"
	case rest[i] == '/':
		return rest[i:]
	default:
		return "/" + rest[i:]
	}
}

// isHere reports whether a URL names the upstream, or the host that the client asked.
func (x *exchange) isHere(u *url.URL, anyPort bool) bool {
	return sameAuthority(u, x.route.upstream.Authority) || sameAuthority(u, x.r.Host) || anyPort && sameHost(u, x.host)
}

// sameAuthority compares the host and port of u with an authority, which may lack
// the port where it is a default one.
func sameAuthority(u *url.URL, authority string) bool {
	strip := func(a string) string {
		a = strings.ToLower(a)
		return strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(strings.Replace(a, ".:", ":", 1), ":443"), ":80"), ".")
	}
	return authority != "" && strip(u.Host) == strip(authority)
}

// sameHost compares the host of u with a canonical one.
func sameHost(u *url.URL, host string) bool {
	named, err := strict.ParseHost(u.Host)
	return err == nil && named == host
}

// localLinks does what localReference does for the targets of a Link field.
func (x *exchange) localLinks(field string) string {
	mapped, _ := mapLinks(field, func(ref string) (string, bool) { return x.localReference(ref, false), true })
	return mapped
}

// mapLinks replaces the targets of a Link field (RFC 8288), which stand in angle
// brackets, by what to returns for them. It reports false where to does for
// one. A target without an end goes on to the end of the field.
func mapLinks(field string, to func(ref string) (string, bool)) (string, bool) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(field, "<")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		ref, behind, ends := strings.Cut(rest, ">")
		mapped, ok := to(ref)
		if !ok {
			return "", false
		}
		b.WriteString("<" + mapped)
		if !ends {
			return b.String(), true
		}
		b.WriteByte('>')
		field = behind
	}
}
