package gateway

import (
	"strings"

	"gatehouse/gateway/oci"
)

// rootOf returns the root of the registry that a route leads to, empty if it leads
// to none. A route that takes a part of the registry's paths alone, such as
// "/v2/team/", leads to one as well.
func rootOf(r Route) string {
	registry := place{path: strings.TrimSuffix(oci.DefaultRoot, "/")}
	taken := place{path: strings.TrimSuffix(r.Path, "/")}
	if taken.takes(registry.path) || registry.takes(taken.path) {
		return oci.DefaultRoot
	}
	return ""
}

// root returns the root of the registry that the request is for, as far as that is
// known: what comes to no route, or was refused before one was looked for, is taken
// for a request to a registry at the usual place.
func (x *exchange) root() string {
	if x.route == nil {
		return oci.DefaultRoot
	}
	return x.route.policy.registry
}

// atRegistry reports whether a path is below the root of the registry, or is one that
// some registry would take for one of an upload, whatever the configuration says.
func (p *Policy) atRegistry(path string) bool {
	_, below := oci.Below(p.registry, path)
	return below || oci.IsUpload(path)
}
