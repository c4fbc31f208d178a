package assemble

import (
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
	"gatehouse/gateway/rules"
)

// registryRoot returns what [gateway.Route] has of the key registry.
func registryRoot(r config.Route) string {
	root, isPath := r.Registry.(string)
	if !isPath && r.Registry != nil {
		return rules.NoRegistry
	}
	return root
}

// registry returns where on the route at index i a registry is, and reports where none
// can be.
func (a *Assembly) registry(i int) string {
	r := a.Config.Routes[i]
	root := registryRoot(r)
	route := gateway.Route{Path: r.Path, Registry: root}.ForRules()
	if err := route.CheckRegistry(); err != nil {
		if rules.CheckPrefix(r.Path) == nil { // of which the rest is said already
			a.Report.Errorf(a.at(i, "registry"), "%v", err)
		}
		return rules.NoRegistry
	}
	return root
}
