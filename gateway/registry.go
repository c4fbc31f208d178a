package gateway

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/gateway/oci"
)

// NoRegistry is the [Route.Registry] of a route that leads to none.
const NoRegistry = "none"

// RegistryRoot returns the root of the registry that a route leads to, empty if it
// leads to none. A route that takes a part of the registry's paths alone, such as
// "/v2/team/", leads to one as well.
func (r Route) RegistryRoot() string {
	switch {
	case r.Registry == NoRegistry:
		return ""
	case r.Registry != "":
		return strings.TrimSuffix(r.Registry, "/") + "/"
	case r.meets(oci.DefaultRoot):
		return oci.DefaultRoot
	}
	return ""
}

// meets reports whether the route takes requests at or below path.
func (r Route) meets(path string) bool {
	at := place{path: strings.TrimSuffix(path, "/")}
	own := place{path: strings.TrimSuffix(r.Path, "/")}
	return own.takes(at.path) || at.takes(own.path)
}

// CheckRegistry reports why the route cannot lead to a registry where it is said to.
func (r Route) CheckRegistry() error {
	switch root := r.RegistryRoot(); {
	case root == "":
		return nil
	case (Route{Path: root}).CheckPath() != nil:
		return fmt.Errorf("registry %q: write the path that all requests to the registry begin with, such as \"/v2/\" or \"/nexus/v2/\"", r.Registry)
	case !oci.IsRoot(root):
		return fmt.Errorf("registry %q: the paths of a registry begin with a segment v2 behind any prefix: write %q", r.Registry, root+"v2/")
	case !r.meets(root):
		return fmt.Errorf("registry %q: the route takes only what is below %s, and no request would come to the registry", r.Registry, r.Path)
	}
	return nil
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

// unclaimed warns of paths that look like those of a registry, where the configuration
// does not say whether the route leads to one there.
func (p *Policy) unclaimed(r Rule) []string {
	var texts []string
	for _, path := range r.Paths {
		before, _, ok := strings.Cut(strings.TrimSuffix(path, "/")+"/", oci.DefaultRoot)
		if root := before + oci.DefaultRoot; ok && p.route.Registry == "" && root != p.registry {
			texts = append(texts, fmt.Sprintf("the path %s looks like one of a registry, which would need its own rules for mounts and forms: write registry = %q in the route, or registry = false if there is none", path, root))
		}
	}
	return texts
}

const methodsBindNothing = "its methods do not bind an upstream that takes another method from a parameter such as _method, in the query or in a form: " +
	"requests to a registry have none, others keep theirs"

// bindsNoMethod reports whether a rule tells methods apart for requests to something
// else than a registry.
func (p *Policy) bindsNoMethod(r *rule) bool {
	if r.methods == everyMethod {
		return false
	}
	paths := r.paths
	if len(paths) == 0 {
		paths = []pattern{p.prefix()}
	}
	root := slices.Collect(segments(p.registry))
	return slices.ContainsFunc(paths, func(q pattern) bool {
		return p.registry == "" || !pattern(append(slices.Clone(root), anySegments)).covers(q)
	})
}
