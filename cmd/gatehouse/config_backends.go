package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"gatehouse/backend/spell"
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
	return known && !o.table("backend", i).flawed && a.checkMentions(i, b)
}

// checkMentions reports whether a backend can be made of those that it names.
func (a *assembly) checkMentions(i int, b BackendConfig) bool {
	mentions := a.config.mentions(b)
	sound := true
	for j, m := range mentions {
		text := a.config.wrongMention(b.Name(), m)
		if text == "" && slices.ContainsFunc(mentions[:j], func(e mention) bool { return e.name == m.name && e.vouches == m.vouches }) {
			text = fmt.Sprintf("%q is there twice, and the second would never be asked anything new: take one of them out", m.name)
		}
		if text != "" {
			sound = false
			a.report.errorf(a.config.origin.at(append([]any{"backend", i}, m.path...)...), "%s", text)
		}
	}
	return sound
}

// wrongMention says what is wrong with a backend called name being made of
// another, empty if nothing is.
func (c *Config) wrongMention(name string, m mention) string {
	i := slices.Index(c.backendNames(), m.name)
	switch {
	case m.name == "":
		return "backend is missing: say which [[backend]] this is, such as backend = \"local\""
	case i < 0:
		return c.unknownBackend(m.name)
	case m.name == name:
		return fmt.Sprintf("the chain %q is in itself, and asking it would never end: take it out", name)
	case !c.Backends[i].isComposite():
		return ""
	case c.leads(c.Backends[i], name, nil):
		return fmt.Sprintf("%q is a chain that leads back to this one, and asking it would never end: name other backends here", m.name)
	}
	return fmt.Sprintf("%q is a chain itself, and a chain is made of other backends only: name the members of %q here, in their order", m.name, m.name)
}

// leads reports whether b is made of the backend called name, or of one that is.
func (c *Config) leads(b BackendConfig, name string, seen []string) bool {
	if slices.Contains(seen, b.Name()) {
		return false
	}
	return slices.ContainsFunc(c.mentions(b), func(m mention) bool {
		i := slices.Index(c.backendNames(), m.name)
		return m.name == name || i >= 0 && c.leads(c.Backends[i], name, append(seen, b.Name()))
	})
}

// isComposite reports whether b is made of other backends.
func (b BackendConfig) isComposite() bool { return kinds[b.Type()].mentions != nil }

// mentions returns where b names other backends that it is made of.
func (c *Config) mentions(b BackendConfig) []mention {
	if mentions := kinds[b.Type()].mentions; mentions != nil {
		return mentions(b)
	}
	return nil
}

// sources returns the names of the backends that vouch for the users of the one
// called name: its own, or those of its members.
func (c *Config) sources(name string) []string {
	i := slices.Index(c.backendNames(), name)
	if i < 0 || !c.Backends[i].isComposite() {
		return []string{name}
	}
	var members []string
	for _, m := range c.mentions(c.Backends[i]) {
		if m.vouches {
			members = append(members, m.name)
		}
	}
	return members
}

// backendNames returns the names of all backends.
func (c *Config) backendNames() []string {
	var names []string
	for _, b := range c.Backends {
		names = append(names, b.Name())
	}
	return names
}

// unused reports whether nothing uses the backend called name. It says no where a
// backend is named that does not exist, or a list of them cannot be read: it may
// have been meant.
func (c *Config) unused(name string) bool {
	if len(c.Routes) == 0 {
		return false // which is an error, and reported
	}
	var used []string
	for _, r := range c.Routes {
		used = append(used, r.Backend)
	}
	for i, b := range c.Backends {
		for _, m := range c.mentions(b) {
			used = append(used, m.name)
		}
		if b.isComposite() && c.origin.table("backend", i).flawed {
			return false
		}
	}
	names := c.backendNames()
	return !slices.ContainsFunc(used, func(u string) bool { return u == name || !slices.Contains(names, u) })
}

// unknownBackend says that there is no backend of that name.
func (c *Config) unknownBackend(name string) string {
	names := c.backendNames()
	if len(names) == 0 {
		return fmt.Sprintf("there is no backend called %q: add a [[backend]] with that name", name)
	}
	return fmt.Sprintf("there is no backend called %q, only %s%s", name, strings.Join(names, ", "), spell.DidYouMean(name, names))
}

// checkRouteBackend checks that the backend of a route exists.
func (a *assembly) checkRouteBackend(i int, r RouteConfig) {
	names := a.config.backendNames()
	switch {
	case r.Backend == "":
		a.missing("backend", "say which [[backend]] checks the passwords", "route", i)
	case slices.Contains(names, ""):
		// It may be the one that has no name yet, which is said there.
	case len(names) == 0 && a.config.origin.table().table["backend"] != nil:
		// None of them could be read, which is said there.
	case !slices.Contains(names, r.Backend):
		a.report.errorf(a.at(i, "backend"), "%s", a.config.unknownBackend(r.Backend))
	}
}
