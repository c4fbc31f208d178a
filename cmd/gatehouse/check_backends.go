package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// checkBackend reports whether a [[backend]] can be opened at all.
func (a *assembly) checkBackend(i int, b BackendConfig) bool {
	o := a.config.origin
	name := b.Name()
	if name == "" {
		a.missing("name", "routes need one to refer to this backend, such as name = \"local\"", "backend", i)
		return false
	}
	at := o.at("backend", i, "name")
	if a.config.unused(name) {
		a.report.errorf(at, "no route and no chain uses the backend %q: take it out, or name it in a [[route]]", name)
	}
	// A rule may say "user NAME-OF-BACKEND:alice".
	if strings.ContainsAny(name, ": \"") || strings.ContainsFunc(name, unicode.IsControl) {
		a.report.errorf(at, "the name %q has a colon, a blank or a quote in it, so that rules could not name users of this backend", name)
		return false
	}
	if _, taken := a.stacks[name]; taken {
		a.report.errorf(at, "another backend is called %q too: names must differ, or a route would mean either", name)
		return false
	}
	a.stacks[name] = &stack{}
	_, known := kinds[b.Type()]
	return known && !o.isFlawed("backend", i) && a.checkMentions(i, b)
}

// checkMentions reports whether a backend can be made of those that it names.
func (a *assembly) checkMentions(i int, b BackendConfig) bool {
	mentions := a.config.mentions(b)
	sound := true
	for j, m := range mentions {
		text := a.config.wrongMention(b.Name(), m)
		if text == "" && slices.ContainsFunc(mentions[:j], func(e Mention) bool { return e.Name == m.Name && e.Vouches == m.Vouches }) {
			text = fmt.Sprintf("%q is there twice, and the second would never be asked anything new: take one of them out", m.Name)
		}
		if text != "" {
			sound = false
			a.report.errorf(a.config.origin.at(append([]any{"backend", i}, m.Path...)...), "%s", text)
		}
	}
	return sound
}

// checkRouteBackend checks that the backend of a route exists.
func (a *assembly) checkRouteBackend(i int, r RouteConfig) {
	names := a.config.backendNames()
	switch {
	case r.Backend == "":
		a.missing("backend", "say which [[backend]] checks the passwords", "route", i)
	case slices.Contains(names, ""):
		// It may be the one that has no name yet, which is said there.
	case len(names) == 0 && a.config.origin.has("backend"):
		// None of them could be read, which is said there.
	case !slices.Contains(names, r.Backend):
		a.report.errorf(a.at(i, "backend"), "%s", a.config.unknownBackend(r.Backend))
	}
}
