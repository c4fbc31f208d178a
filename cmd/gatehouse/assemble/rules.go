package assemble

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
	"gatehouse/gateway/rules"
)

// rules returns the rules of the route at index i, which is route but for them.
func (a *Assembly) rules(i int, route gateway.Route) []rules.Rule {
	c := a.Config.Routes[i]
	if len(c.Rules) == 0 {
		a.missing("rule", "without a [[route.rule]] nobody is let in", "route", i)
		return nil
	}
	errs := len(a.Report)
	list := make([]rules.Rule, len(c.Rules))
	for j, r := range c.Rules {
		at := a.at(i, "rule", j)
		list[j] = rules.Rule{Name: r.Name, Methods: r.Methods, Paths: r.Paths, Position: fmt.Sprintf("%s:%d", at.Name, at.Line)}
		if at.Line == 0 {
			list[j].Position = at.Name
		}
		list[j].Require = a.requirement(i, j)
		a.checkRule(i, j, route, list[j])
		if err := rules.CheckNamedOnce(list, j); err != nil && r.Name != "" {
			a.Report.Errorf(a.at(i, "rule", j, "name"), "%v", err)
		}
	}
	unread := false // or a misspelt key would be warned of for what it leaves out
	for j, r := range list {
		unread = unread || r.Require == nil || a.Config.Origin.IsFlawed("route", i, "rule", j)
	}
	if len(a.Report) == errs && !unread {
		a.warnOfRules(i, route, list)
	}
	return list
}

// requirement reads the require of a rule, nil if it cannot.
func (a *Assembly) requirement(i, j int) rules.Requirement {
	items := a.Config.Routes[i].Rules[j].Require
	if items == nil {
		a.missing("require", "say who is let in, such as require = [\"valid-user\"]", "route", i, "rule", j)
		return nil
	}
	requirement, err := rules.ParseRequire(items)
	if err == nil {
		return requirement
	}
	first := len(a.Report)
	for _, err := range config.Leaves(err) {
		text := err.Error()
		a.Report.Errorf(a.at(i, append([]any{"rule", j}, requirePath(text)...)...), "%s", text)
	}
	a.Report.KeepPrivate(first)
	return nil
}

var requirePosition = regexp.MustCompile(`^require((?:\[\d+\]|\.[a-z]+)*): `)
var requireStep = regexp.MustCompile(`\[(\d+)\]|\.([a-z]+)`)

// requirePath returns the path of keys and indexes that an error of
// rules.ParseRequire begins with, such as require[1].all[0].
func requirePath(text string) []any {
	path := []any{"require"}
	position := requirePosition.FindStringSubmatch(text)
	if position == nil {
		return path
	}
	for _, step := range requireStep.FindAllStringSubmatch(position[1], -1) {
		if index, err := strconv.Atoi(step[1]); err == nil {
			path = append(path, index)
		} else {
			path = append(path, step[2])
		}
	}
	return path
}

// checkRule compiles a rule by itself, to tell its errors from those of others.
func (a *Assembly) checkRule(i, j int, route gateway.Route, r rules.Rule) {
	if r.Name == "" {
		a.missing("name", "logs and refusals call the rule by it, such as name = \"pull\"", "route", i, "rule", j)
		r.Name = "unnamed"
	}
	if r.Require == nil {
		// What is wrong with it is said already.
		r.Require, _ = rules.ParseRequire([]any{"all denied"})
	}
	r.Position = ""
	route.Rules = []rules.Rule{r}
	_, err := rules.NewPolicy(route.ForRules())
	if err == nil {
		return
	}
	for _, err := range config.Leaves(err) {
		for _, cause := range config.Leaves(errors.Unwrap(err)) {
			path := rulePath(r, cause.Error())
			a.Report.Errorf(a.at(i, append([]any{"rule", j}, path...)...), "%v", cause)
			if path[0] == "require" {
				a.Report.KeepPrivate(len(a.Report) - 1)
			}
		}
	}
}

// rulePath returns the path of the value that an error about a rule names.
func rulePath(r rules.Rule, text string) []any {
	key, list := "name", []string(nil)
	switch {
	case strings.HasPrefix(text, "method"):
		key, list = "methods", r.Methods
	case strings.HasPrefix(text, "path"):
		key, list = "paths", r.Paths
	case strings.HasPrefix(text, "user") || strings.HasPrefix(text, "group"):
		key = "require"
	}
	i := slices.IndexFunc(list, func(item string) bool { return strings.Contains(text, fmt.Sprintf("%q", item)) })
	return []any{key, i}
}

// warnOfRules reports what works as written and is likely not what was meant.
func (a *Assembly) warnOfRules(i int, route gateway.Route, list []rules.Rule) {
	route.Rules = list
	policy, err := rules.NewPolicy(route.ForRules())
	if err != nil {
		a.Report.Errorf(a.at(i), "%v", err)
		return
	}
	for _, w := range policy.Warnings() {
		if w.Rule == "" {
			a.Report.Warnf(a.at(i, "path"), "%s", w.Text)
			continue
		}
		j := slices.IndexFunc(list, func(r rules.Rule) bool { return r.Name == w.Rule })
		a.Report.Warnf(a.at(i, "rule", j), "rule %q: %s", w.Rule, w.Text)
	}
	a.checkQualifiers(i, list)
	a.checkGroupNames(i, list)
	a.warnOfGroups(i, list)
	a.warnOfNames(i, list)
	asks := func(r rules.Rule) bool { return len(rules.NamedGroups(r.Require)) > 0 }
	if route.GroupsHeader != "" && route.GroupsHeaderForm == gateway.GroupsNamed && !slices.ContainsFunc(list, asks) {
		a.Report.Warnf(a.at(i, "groups_header_form"), "no rule of the route names a group, so that groups_header is always empty: name those that the upstream is to be told of, or have it be \"short\"")
	}
}
