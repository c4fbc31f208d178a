package rules

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
	case r.Meets(oci.DefaultRoot):
		return oci.DefaultRoot
	}
	return ""
}

// Meets reports whether the route takes requests at or below path.
func (r Route) Meets(path string) bool {
	at, own := strings.TrimSuffix(path, "/"), strings.TrimSuffix(r.Path, "/")
	return Takes(own, at) || Takes(at, own)
}

// CheckRegistry reports why the route cannot lead to a registry where it is said to.
func (r Route) CheckRegistry() error {
	switch root := r.RegistryRoot(); {
	case root == "":
		return nil
	case CheckPrefix(root) != nil:
		return fmt.Errorf("registry %q: write the path that all requests to the registry begin with, such as \"/v2/\" or \"/nexus/v2/\"", r.Registry)
	case !oci.IsRoot(root):
		return fmt.Errorf("registry %q: the paths of a registry begin with a segment v2 behind any prefix: write %q", r.Registry, root+"v2/")
	case !r.Meets(root):
		return fmt.Errorf("registry %q: the route takes only what is below %s, and no request would come to the registry", r.Registry, r.Path)
	}
	return nil
}

// AtRegistry reports whether a path is below the root of the registry, or is one that
// some registry would take for one of an upload, whatever the configuration says.
func (p *Policy) AtRegistry(path string) bool {
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
	if r.methods == everyMethod || r.actions != 0 {
		return false
	}
	paths := r.paths
	if len(paths) == 0 {
		paths = []Pattern{p.prefix()}
	}
	root := slices.Collect(segments(p.registry))
	return slices.ContainsFunc(paths, func(q Pattern) bool {
		return p.registry == "" || !Pattern(append(slices.Clone(root), anySegments)).covers(q)
	})
}

// Describe puts what a request wants to do into words, for a refusal: "push to"
// and the repository, or words that stand alone.
func (p *Policy) Describe(req Request) (action, repository string) {
	e := oci.Parse(p.registry, req.Path)
	switch e.Action(req.Method) {
	case oci.ListCatalog:
		return "list all repositories", ""
	case oci.Pull:
		return "pull from", e.Repository
	case oci.Push:
		return "push to", e.Repository
	case oci.Delete:
		return "delete from", e.Repository
	}
	return req.Method + " " + req.Path, ""
}
