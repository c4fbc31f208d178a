package rules

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Warning is something in a route's rules that works as written and is likely
// not what was meant.
type Warning struct {
	Rule     string // name; empty for the route itself
	Position string // of the rule, as configured
	Text     string
}

// Warnings returns what somebody should look at before using the policy.
func (p *Policy) Warnings() []Warning {
	var list []Warning
	for _, text := range p.unclaimed(Rule{Paths: []string{p.route.Path}}) {
		list = append(list, Warning{Text: text})
	}
	unbound, left, kept := false, maxOwnersTried, maxKeptTried
	names := p.keptNames()
	for i := range p.route.Rules {
		r := &p.rules[i]
		for _, text := range slices.Concat(p.hidden(i), p.anonymous(r), p.unreachable(r), p.short(r), p.names(r), p.unclaimed(r.Rule), p.owners(i, &left), p.namesakesOf(r), p.unkept(i, names[i], &kept)) {
			list = append(list, Warning{Rule: r.Name, Position: r.Position, Text: text})
		}
		if !unbound && p.bindsNoMethod(r) {
			unbound = true // and so are those of the rules behind it
			list = append(list, Warning{Rule: r.Name, Position: r.Position, Text: methodsBindNothing})
		}
	}
	return list
}

// anonymous warns of a rule that lets in whoever has not logged in. Clients send
// a password only after a 401, and a registry's clients ask for it at its root. Nothing
// is said of what these clients never ask for, nor where they are asked for tokens.
func (p *Policy) anonymous(r *rule) []string {
	if p.route.Bearer || !p.concernsRegistry(r) || !r.admitsStrangers() {
		return nil
	}
	if p.opensLogin(r) {
		return []string{"it lets requests to " + p.registry + ` through without a login: there "docker login" takes any password for good, and docker never sends one`}
	}
	return []string{"it lets requests through without a login: clients that log in at all send no password here, and with Basic authentication docker cannot both pull without a login and push with one; with challenge = \"bearer\" it can"}
}

// concernsRegistry reports whether a client of the registry may make a request that r is
// about.
func (p *Policy) concernsRegistry(r *rule) bool {
	if p.registry == "" || r.actions != 0 {
		return r.actions != 0
	}
	if r.methods&^methodBit("OPTIONS") == 0 {
		return false
	}
	root := slices.Collect(segments(p.registry))
	return len(r.paths) == 0 || slices.ContainsFunc(r.paths, func(q Pattern) bool { return q.meets(root) })
}

// opensLogin reports whether r lets strangers pass where clients log in.
func (p *Policy) opensLogin(r *rule) bool {
	return slices.ContainsFunc(r.sources(), func(source netip.Addr) bool {
		q := p.read(Request{Method: http.MethodGet, Path: p.registry, Source: source})
		deciding, verdict := p.judge(&q, &Subject{})
		return deciding == r && verdict == Allowed
	})
}

// admitsStrangers reports whether somebody who has not logged in meets the requirement,
// from any address.
func (r *rule) admitsStrangers() bool {
	return slices.ContainsFunc(r.sources(), func(source netip.Addr) bool {
		return r.require.eval(Request{Source: source}, Subject{}) == Allowed
	})
}

// sources returns each address that the rule names, and one that it need not name.
func (r *rule) sources() []netip.Addr {
	list := []netip.Addr{netip.IPv6Unspecified()}
	leaves(r.require, func(leaf Requirement) {
		if n, ok := leaf.(network); ok {
			list = append(list, n.Addr())
		}
	})
	return list
}

// prefix returns the path of the route, which takes what is at and below it.
func (p *Policy) prefix() Pattern {
	return slices.Collect(segments(p.route.Path))
}

// unreachable warns of paths and repositories that the route never takes.
func (p *Policy) unreachable(r *rule) []string {
	prefix := p.prefix()
	var texts []string
	for _, q := range r.paths {
		if !q.meets(prefix) {
			texts = append(texts, fmt.Sprintf("its path %s matches nothing: the route takes only what is below %s", q, prefix))
		}
	}
	for i, q := range r.repositories {
		if !Pattern(p.pathOf(q)).meets(prefix) {
			texts = append(texts, fmt.Sprintf("its repositories %s match nothing: the route takes only what is below %s", r.Repositories[i], prefix))
		}
	}
	return texts
}

// short warns of paths that no client of the registry asks for.
func (p *Policy) short(r *rule) []string {
	var texts []string
	for _, s := range p.shortPaths(r) {
		texts = append(texts, s.String())
	}
	return texts
}

// names warns of users and groups that more than one backend of a chain may
// know, and of what looks like the name of a backend and is none.
func (p *Policy) names(r *rule) []string {
	var texts []string
	leaves(r.require, func(leaf Requirement) {
		n, ok := leaf.(principal)
		if !ok || n.source != "" {
			return
		}
		if qualifier, _, ok := strings.Cut(n.name, ":"); ok && n.kind == userKind {
			texts = append(texts, fmt.Sprintf("%s matches nobody: user names have no colon, and no backend of the route is called %q", n, qualifier))
		} else if len(p.route.Backends) > 1 {
			texts = append(texts, fmt.Sprintf("%s means that name in each of the backends %s; write %s if one of them is meant",
				n, strings.Join(p.route.Backends, ", "), principal{kind: n.kind, source: p.route.Backends[0], name: n.name}))
		}
	})
	return texts
}
