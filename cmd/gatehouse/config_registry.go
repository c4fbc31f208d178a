package main

import (
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"gatehouse/gateway"
	"gatehouse/gateway/rules"
)

// registry returns what [gateway.Route] has of the key.
func (r RouteConfig) registry() string {
	root, isPath := r.Registry.(string)
	if !isPath && r.Registry != nil {
		return rules.NoRegistry
	}
	return root
}

// registry returns where on the route at index i a registry is, and reports where none
// can be.
func (a *assembly) registry(i int) string {
	r := a.config.Routes[i]
	root := r.registry()
	route := gateway.Route{Path: r.Path, Registry: root}.ForRules()
	if err := route.CheckRegistry(); err != nil {
		if rules.CheckPrefix(r.Path) == nil { // of which the rest is said already
			a.report.errorf(a.at(i, "registry"), "%v", err)
		}
		return rules.NoRegistry
	}
	return root
}

// pathOrFalse checks the path of something that may be missing. No word says that it
// is: "none" in quotes would be a path that is wrong.
func (s *schema) pathOrFalse(n *node, f reflect.StructField) {
	if n.kind == unstable.String && strings.HasPrefix(n.text, "/") || n.kind == unstable.Bool && n.text == "false" {
		return
	}
	s.wrong(n, "%s: want a path in quotes, such as \"/v2/\", or false without quotes", f.Tag.Get("toml"))
}
