package assemble

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway/rules"
)

// checkBackend reports whether a [[backend]] can be opened at all.
func (a *Assembly) checkBackend(i int, b config.Backend) bool {
	o := a.Config.Origin
	name := b.Name()
	if name == "" {
		a.missing("name", "routes need one to refer to this backend, such as name = \"local\"", "backend", i)
		return false
	}
	at := o.At("backend", i, "name")
	if a.Config.Unused(name) {
		a.Report.Errorf(at, "no route and no chain uses the backend %q: take it out, or name it in a [[route]]", name)
	}
	// A rule may say "user NAME-OF-BACKEND:alice".
	if strings.ContainsAny(name, ": \"") || strings.ContainsFunc(name, unicode.IsControl) {
		a.Report.Errorf(at, "the name %q has a colon, a blank or a quote in it, so that rules could not name users of this backend", name)
		return false
	}
	if name == rules.RobotSource {
		a.Report.Errorf(at, "no backend can be called %q: in rules that is the source of robots, which log in with tokens alone", name)
		return false
	}
	if _, taken := a.stacks[name]; taken {
		a.Report.Errorf(at, "another backend is called %q too: names must differ, or a route would mean either", name)
		return false
	}
	a.stacks[name] = &Stack{}
	_, known := kinds[b.Type()]
	return known && !o.IsFlawed("backend", i) && a.checkMentions(i, b)
}

// checkMentions reports whether a backend can be made of those that it names.
func (a *Assembly) checkMentions(i int, b config.Backend) bool {
	mentions := a.Config.Mentions(b)
	sound := true
	for j, m := range mentions {
		text := a.Config.WrongMention(b.Name(), m)
		if text == "" && slices.ContainsFunc(mentions[:j], func(e config.Mention) bool { return e.Name == m.Name && e.Vouches == m.Vouches }) {
			text = fmt.Sprintf("%q is there twice, and the second would never be asked anything new: take one of them out", m.Name)
		}
		if text != "" {
			sound = false
			a.Report.Errorf(a.Config.Origin.At(append([]any{"backend", i}, m.Path...)...), "%s", text)
		}
	}
	return sound
}

// checkRouteBackend checks that the backend of a route exists.
func (a *Assembly) checkRouteBackend(i int, r config.Route) {
	names := a.Config.BackendNames()
	switch {
	case r.Backend == "":
		a.missing("backend", "say which [[backend]] checks the passwords", "route", i)
	case slices.Contains(names, ""):
		// It may be the one that has no name yet, which is said there.
	case len(names) == 0 && a.Config.Origin.Has("backend"):
		// None of them could be read, which is said there.
	case !slices.Contains(names, r.Backend):
		a.Report.Errorf(a.at(i, "backend"), "%s", a.Config.UnknownBackend(r.Backend))
	}
}
