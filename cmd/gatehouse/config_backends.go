package main

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend/spell"
)

// wrongMention says what is wrong with a backend called name being made of
// another, empty if nothing is.
func (c *Config) wrongMention(name string, m Mention) string {
	i := slices.Index(c.backendNames(), m.Name)
	switch {
	case m.Name == "":
		return "backend is missing: say which [[backend]] this is, such as backend = \"local\""
	case i < 0:
		return c.unknownBackend(m.Name)
	case m.Name == name:
		return fmt.Sprintf("the chain %q is in itself, and asking it would never end: take it out", name)
	case !c.isComposite(c.Backends[i]):
		return ""
	case c.leads(c.Backends[i], name, nil):
		return fmt.Sprintf("%q is a chain that leads back to this one, and asking it would never end: name other backends here", m.Name)
	}
	return fmt.Sprintf("%q is a chain itself, and a chain is made of other backends only: name the members of %q here, in their order", m.Name, m.Name)
}

// leads reports whether b is made of the backend called name, or of one that is.
func (c *Config) leads(b BackendConfig, name string, seen []string) bool {
	if slices.Contains(seen, b.Name()) {
		return false
	}
	return slices.ContainsFunc(c.mentions(b), func(m Mention) bool {
		i := slices.Index(c.backendNames(), m.Name)
		return m.Name == name || i >= 0 && c.leads(c.Backends[i], name, append(seen, b.Name()))
	})
}

// isComposite reports whether b is made of other backends.
func (c *Config) isComposite(b BackendConfig) bool { return c.kinds[b.Type()].Mentions != nil }

// mentions returns where b names other backends that it is made of.
func (c *Config) mentions(b BackendConfig) []Mention {
	if mentions := c.kinds[b.Type()].Mentions; mentions != nil {
		return mentions(b)
	}
	return nil
}

// sources returns the names of the backends that vouch for the users of the one
// called name: its own, or those of its members.
func (c *Config) sources(name string) []string {
	i := slices.Index(c.backendNames(), name)
	if i < 0 || !c.isComposite(c.Backends[i]) {
		return []string{name}
	}
	var members []string
	for _, m := range c.mentions(c.Backends[i]) {
		if m.Vouches {
			members = append(members, m.Name)
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
			used = append(used, m.Name)
		}
		if c.isComposite(b) && c.origin.isFlawed("backend", i) {
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

// isMentioned reports whether another backend is made of the one called name.
func (c *Config) isMentioned(name string) bool {
	return slices.ContainsFunc(c.Backends, func(b BackendConfig) bool {
		return slices.ContainsFunc(c.mentions(b), func(m Mention) bool { return m.Name == name })
	})
}
