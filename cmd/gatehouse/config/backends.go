package config

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend/spell"
)

// WrongMention says what is wrong with a backend called name being made of
// another, empty if nothing is.
func (c *Document) WrongMention(name string, m Mention) string {
	i := slices.Index(c.BackendNames(), m.Name)
	switch {
	case m.Name == "":
		return "backend is missing: say which [[backend]] this is, such as backend = \"local\""
	case i < 0:
		return c.UnknownBackend(m.Name)
	case m.Name == name:
		return fmt.Sprintf("the chain %q is in itself, and asking it would never end: take it out", name)
	case !c.IsComposite(c.Backends[i]):
		return ""
	case c.leads(c.Backends[i], name, nil):
		return fmt.Sprintf("%q is a chain that leads back to this one, and asking it would never end: name other backends here", m.Name)
	}
	return fmt.Sprintf("%q is a chain itself, and a chain is made of other backends only: name the members of %q here, in their order", m.Name, m.Name)
}

// leads reports whether b is made of the backend called name, or of one that is.
func (c *Document) leads(b Backend, name string, seen []string) bool {
	if slices.Contains(seen, b.Name()) {
		return false
	}
	return slices.ContainsFunc(c.Mentions(b), func(m Mention) bool {
		i := slices.Index(c.BackendNames(), m.Name)
		return m.Name == name || i >= 0 && c.leads(c.Backends[i], name, append(seen, b.Name()))
	})
}

// IsComposite reports whether b is made of other backends.
func (c *Document) IsComposite(b Backend) bool { return c.kinds[b.Type()].Mentions != nil }

// Mentions returns where b names other backends that it is made of.
func (c *Document) Mentions(b Backend) []Mention {
	if mentions := c.kinds[b.Type()].Mentions; mentions != nil {
		return mentions(b)
	}
	return nil
}

// Sources returns the names of the backends that vouch for the users of the one
// called name: its own, or those of its members.
func (c *Document) Sources(name string) []string {
	i := slices.Index(c.BackendNames(), name)
	if i < 0 || !c.IsComposite(c.Backends[i]) {
		return []string{name}
	}
	var members []string
	for _, m := range c.Mentions(c.Backends[i]) {
		if m.Vouches {
			members = append(members, m.Name)
		}
	}
	return members
}

// BackendNames returns the names of all backends.
func (c *Document) BackendNames() []string {
	var names []string
	for _, b := range c.Backends {
		names = append(names, b.Name())
	}
	return names
}

// Unused reports whether nothing uses the backend called name. It says no where a
// backend is named that does not exist, or a list of them cannot be read: it may
// have been meant.
func (c *Document) Unused(name string) bool {
	if len(c.Routes) == 0 {
		return false // which is an error, and reported
	}
	var used []string
	for _, r := range c.Routes {
		used = append(used, r.Backend)
	}
	for i, b := range c.Backends {
		for _, m := range c.Mentions(b) {
			used = append(used, m.Name)
		}
		if c.IsComposite(b) && c.Origin.IsFlawed("backend", i) {
			return false
		}
	}
	names := c.BackendNames()
	return !slices.ContainsFunc(used, func(u string) bool { return u == name || !slices.Contains(names, u) })
}

// UnknownBackend says that there is no backend of that name.
func (c *Document) UnknownBackend(name string) string {
	names := c.BackendNames()
	if len(names) == 0 {
		return fmt.Sprintf("there is no backend called %q: add a [[backend]] with that name", name)
	}
	return fmt.Sprintf("there is no backend called %q, only %s%s", name, strings.Join(names, ", "), spell.DidYouMean(name, names))
}

// IsMentioned reports whether another backend is made of the one called name.
func (c *Document) IsMentioned(name string) bool {
	return slices.ContainsFunc(c.Backends, func(b Backend) bool {
		return slices.ContainsFunc(c.Mentions(b), func(m Mention) bool { return m.Name == name })
	})
}
