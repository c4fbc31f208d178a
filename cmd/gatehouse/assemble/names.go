package assemble

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"gatehouse/backend"
	"gatehouse/backend/spell"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/strict"
)

// maxStrangers bounds how many members of groups are named that are no users.
const maxStrangers = 20

// EachRoster opens those backends of c that have all their users and groups in files, and
// no other: no server is asked, and no password is read. It calls visit with each that can
// be opened, and closes all.
func EachRoster(c *config.Document, visit func(backend.Roster)) {
	a := newAssembly(c, nil)
	defer a.Close()
	for i, table := range c.Backends {
		if !kinds[table.Type()].listed || !a.checkBackend(i, table) {
			continue
		}
		a.openBackend(i, Surroundings{Log: slog.New(slog.DiscardHandler)})
		if r, ok := a.Stack(table.Name()).Leaf.(backend.Roster); ok {
			visit(r)
		}
	}
}

// warnOfNames reports users and groups in the rules of the route at index i that nobody
// can be, or be in.
func (a *Assembly) warnOfNames(i int, list []rules.Rule) {
	for j, r := range list {
		for k, item := range a.Config.Routes[i].Rules[j].Require {
			// An item of a good list is good by itself.
			requirement, err := rules.ParseRequire([]any{item})
			if err != nil {
				continue
			}
			for _, text := range a.deadNames(i, rules.Names(requirement)) {
				a.Report.Warnf(a.at(i, "rule", j, "require", k), "rule %q: %s", r.Name, text)
			}
		}
	}
}

// deadNames says what is wrong with those of names that nobody can have on the route at
// index i. The names are those of one item of a requirement.
func (a *Assembly) deadNames(i int, names []rules.Name) (texts []string) {
	for j, n := range names {
		if !n.Group && strings.HasPrefix(n.Name, rules.RobotSource+":") {
			continue
		}
		source, name := a.qualified(i, n)
		text := a.impossible(source, n, name)
		if known, ok := a.rosterOf(i, source, n.Group); text == "" && ok && !slices.Contains(known, a.spelled(i, source, n.Group, name)) {
			text = a.unlisted(i, source, n, name)
			if next := j + 1; n.Group && next < len(names) && !slices.Contains(known, names[next].Name) {
				text += fmt.Sprintf("; if it is one name, put that in double quotes: 'group \"%s %s\"'", name, names[next].Name)
			}
		}
		if text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// qualified takes the name of a backend of the route off the name n.
func (a *Assembly) qualified(i int, n rules.Name) (source, name string) {
	if source, name, ok := strings.Cut(n.Name, ":"); ok && slices.Contains(a.Config.Sources(a.Config.Routes[i].Backend), source) {
		return source, name
	}
	return "", n.Name
}

// spelled returns name as the backends of the route at index i spell it.
func (a *Assembly) spelled(i int, source string, group bool, name string) string {
	spelling := backend.Extend(a.Stack(a.Config.Routes[i].Backend).named).Spelling(source)
	if group {
		return spelling.CanonicalGroup(name)
	}
	return spelling.CanonicalUser(name)
}

// Spellings returns the names by which the backends know somebody who logs in as user, or
// why nobody does.
func (a *Assembly) Spellings(user string) ([]string, error) {
	user, err := strict.UserName(user)
	if err != nil {
		return nil, fmt.Errorf("no login can have the name: %w", err)
	}
	names := []string{user} // as a backend knew it that has gone meanwhile
	for _, name := range a.Config.BackendNames() {
		if b := a.Named(name); b != nil {
			names = append(names, backend.Extend(b).CanonicalUser(user))
		}
	}
	return names, nil
}

// impossible says why nobody has the name of n, whatever the backends know.
func (a *Assembly) impossible(source string, n rules.Name, name string) string {
	if strings.HasPrefix(name, "$") {
		return fmt.Sprintf("%s is taken literally: nothing is put in place of what begins with $", n)
	}
	if n.Group || strings.Contains(name, ":") { // which is warned of as a wrong qualifier
		return ""
	}
	if err := strict.CheckUserName(name); err != nil {
		return fmt.Sprintf("%s matches nobody: no login can have the name (%v)", n, err)
	}
	if backend.ReadsAsDN(name) && strings.Contains(name, ",") {
		return fmt.Sprintf("%s matches nobody: users are called what they type, and not by their DN", n)
	}
	return ""
}

// unlisted says that no backend of the route at index i lists the name of n, and what
// was probably meant.
func (a *Assembly) unlisted(i int, source string, n rules.Name, name string) string {
	what, other, article := "user", "group", "nobody is called so"
	if n.Group {
		what, other, article = "group", "user", "nobody is in such a group"
	}
	text := fmt.Sprintf("%s matches nobody: %s in the files of the backend %q", n, article, a.Config.Routes[i].Backend)
	if others, ok := a.rosterOf(i, source, !n.Group); ok && slices.Contains(others, a.spelled(i, source, !n.Group, name)) {
		return text + fmt.Sprintf(", but there is a %s of that name: write %s", other, rules.Name{Group: !n.Group, Name: n.Name})
	}
	known, _ := a.rosterOf(i, source, n.Group)
	if hint := spell.DidYouMean(name, known); hint != "" {
		return text + hint
	}
	return text + fmt.Sprintf("; make the %s, or take it out of the rule", what)
}

// rosterOf returns the names of all users or groups that the backends of the route at
// index i know: of the one called source, or of all if it is empty. It fails where one
// of them cannot list them, or knows no groups at all, which is reported elsewhere.
func (a *Assembly) rosterOf(i int, source string, groups bool) (names []string, ok bool) {
	for _, name := range a.asked(a.Config.Routes[i].Backend, source, groups) {
		b, isRoster := a.Stack(name).Leaf.(backend.Roster)
		switch {
		case !isRoster:
			return nil, false
		case groups:
			names = append(names, b.GroupNames()...)
		default:
			names = append(names, b.UserNames()...)
		}
	}
	return names, len(names) > 0
}

// asked returns the names of the backends that the one called name asks for users of
// source, or for groups of these.
func (a *Assembly) asked(name, source string, groups bool) []string {
	i := slices.Index(a.Config.BackendNames(), name)
	if i < 0 || !a.Config.IsComposite(a.Config.Backends[i]) {
		return []string{name}
	}
	var list []string
	for _, m := range a.Config.Mentions(a.Config.Backends[i]) {
		if m.Vouches && (source == "" || m.Name == source) || groups && !m.Vouches {
			list = append(list, m.Name)
		}
	}
	return list
}

// InFiles reports whether all users and groups of the backend called name are in
// files.
func (a *Assembly) InFiles(name string) bool {
	return !slices.ContainsFunc(a.asked(name, "", true), func(part string) bool {
		_, ok := a.Stack(part).Leaf.(backend.Roster)
		return !ok
	})
}

// warnOfStrangers reports members of groups that are no users. Of backends in a chain
// nothing is said: their groups may be for the users of another.
func (a *Assembly) warnOfStrangers() {
	c := a.Config
	for i, table := range c.Backends {
		b, ok := a.Stack(table.Name()).Leaf.(backend.Roster)
		if !ok || c.IsMentioned(table.Name()) {
			continue
		}
		names := b.Strangers()
		if len(names) == 0 {
			continue
		}
		users := b.UserNames()
		var shown []string
		for _, name := range names[:min(len(names), maxStrangers)] {
			shown = append(shown, fmt.Sprintf("%q%s", name, strings.TrimPrefix(spell.DidYouMean(name, users), ";")))
		}
		if more := len(names) - len(shown); more > 0 {
			shown = append(shown, fmt.Sprintf("and %d more", more))
		}
		a.Report.Warnf(c.Origin.At("backend", i, "groups_file"), "members of groups for whom the users file has no line: %s", strings.Join(shown, ", "))
	}
}
