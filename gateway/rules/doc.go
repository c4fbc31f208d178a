// Package rules decides who may do what: it compiles the access rules of a route and
// judges requests by them. A decision looks at its arguments alone and has no effect.
//
//	policy.go         the decision about a request: begin here
//	route.go          what rules are made from
//	rule.go           their compiled form
//	require.go        the conditions of a rule, which require_parse.go reads
//	verdict.go        what a condition says where not everything is known
//	pattern.go        paths with wildcards
//	method.go         the methods that a rule may be about
//	names.go          users and groups as each backend spells them
//	registry.go       where on a route a registry is
//	mount.go          what whoever mounts a blob must be allowed to read
//	params.go         parameters that a registry would read and no rule has judged
//	trace.go          why a decision is what it is, and remedy.go what would change it
//	warning.go        what works as it is written and is likely not meant
//
// The package imports backend, for names and groups and no kind of backend, strict for
// the form of paths, and oci for those of a registry.
package rules
