package rules

import "strings"

// WhatIsClosed says what rules without paths are no longer about, and what to do about
// it. It says nothing where there are no such rules, or where another one is about
// extensions, so that somebody has thought of them.
func (p *Policy) WhatIsClosed() string {
	var names []string
	for i := range p.route.Rules {
		r := &p.rules[i]
		switch {
		case r.actions&extensionBit != 0, p.namesExtensions(r):
			return ""
		case r.actions == 0 && len(r.paths) == 0 && p.concernsRegistry(r) && r.require != everybody(false):
			names = append(names, r.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	path := p.registry + "_oci/ext/discover"
	what := "what the OCI distribution specification does not have below " + p.registry + ", such as the extension " + path + ", is denied"
	if !p.places {
		what = "extensions of the registry, such as " + path + ", are denied"
	}
	return what + ": rules without paths (" + strings.Join(quoted(names), ", ") + `) are not about it; where somebody needs it, add a rule with actions = ["extension"] or with the path in paths; ` +
		`where nobody does, a [[test]] with request = "GET ` + path + `" and expect = "deny" holds it, and this is not said again`
}

// isLikeExtension reports whether a path may belong to an extension: one of their segments
// begins with an underscore.
func isLikeExtension(path string) bool { return strings.Contains(path, "/_") }

// namesExtensions reports whether a path of r is one that only the registry knows.
func (p *Policy) namesExtensions(r *rule) bool {
	for _, q := range r.paths {
		if rest, below := p.belowRoot(q); below && len(rest) > 0 && (strings.HasPrefix(rest[0], "_") && rest[0] != "_catalog" || rest[0] == anySegments) {
			return true
		}
	}
	return false
}

// IsClosed reports whether only rules that name path, or extensions, may be about it.
func (p *Policy) IsClosed(path string) bool {
	q := p.read(Request{Path: path})
	return q.closed
}
