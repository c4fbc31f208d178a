package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gatehouse/gateway"
)

// rules returns the rules of the route at index i, which is route but for them.
func (a *assembly) rules(i int, route gateway.Route) []gateway.Rule {
	c := a.config.Routes[i]
	if len(c.Rules) == 0 {
		a.missing("rule", "without a [[route.rule]] nobody is let in", "route", i)
		return nil
	}
	errs := len(a.report)
	rules := make([]gateway.Rule, len(c.Rules))
	for j, r := range c.Rules {
		at := a.at(i, "rule", j)
		rules[j] = gateway.Rule{Name: r.Name, Methods: r.Methods, Paths: r.Paths, Position: fmt.Sprintf("%s:%d", at.Name, at.Line)}
		if at.Line == 0 {
			rules[j].Position = at.Name
		}
		rules[j].Require = a.requirement(i, j)
		a.checkRule(i, j, route, rules[j])
		if err := (gateway.Route{Rules: rules}).CheckRuleIsNamedOnce(j); err != nil && r.Name != "" {
			a.report.errorf(a.at(i, "rule", j, "name"), "%v", err)
		}
	}
	unread := false // or a misspelt key would be warned of for what it leaves out
	for j, r := range rules {
		unread = unread || r.Require == nil || a.config.origin.table("route", i, "rule", j).flawed
	}
	if len(a.report) == errs && !unread {
		a.warnOfRules(i, route, rules)
	}
	return rules
}

// requirement reads the require of a rule, nil if it cannot.
func (a *assembly) requirement(i, j int) gateway.Requirement {
	items := a.config.Routes[i].Rules[j].Require
	if items == nil {
		a.missing("require", "say who is let in, such as require = [\"valid-user\"]", "route", i, "rule", j)
		return nil
	}
	requirement, err := gateway.ParseRequire(items)
	if err == nil {
		return requirement
	}
	first := len(a.report)
	for _, err := range leaves(err) {
		text := err.Error()
		a.report.errorf(a.at(i, append([]any{"rule", j}, requirePath(text)...)...), "%s", text)
	}
	a.report.keepPrivate(first)
	return nil
}

var requirePosition = regexp.MustCompile(`^require((?:\[\d+\]|\.[a-z]+)*): `)
var requireStep = regexp.MustCompile(`\[(\d+)\]|\.([a-z]+)`)

// requirePath returns the path of keys and indexes that an error of
// gateway.ParseRequire begins with, such as require[1].all[0].
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
func (a *assembly) checkRule(i, j int, route gateway.Route, r gateway.Rule) {
	if r.Name == "" {
		a.missing("name", "logs and refusals call the rule by it, such as name = \"pull\"", "route", i, "rule", j)
		r.Name = "unnamed"
	}
	if r.Require == nil {
		// What is wrong with it is said already.
		r.Require, _ = gateway.ParseRequire([]any{"all denied"})
	}
	r.Position = ""
	route.Rules = []gateway.Rule{r}
	_, err := gateway.NewPolicy(route)
	if err == nil {
		return
	}
	for _, err := range leaves(err) {
		for _, cause := range leaves(errors.Unwrap(err)) {
			path := rulePath(r, cause.Error())
			a.report.errorf(a.at(i, append([]any{"rule", j}, path...)...), "%v", cause)
			if path[0] == "require" {
				a.report.keepPrivate(len(a.report) - 1)
			}
		}
	}
}

// rulePath returns the path of the value that an error about a rule names.
func rulePath(r gateway.Rule, text string) []any {
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
func (a *assembly) warnOfRules(i int, route gateway.Route, rules []gateway.Rule) {
	route.Rules = rules
	policy, err := gateway.NewPolicy(route)
	if err != nil {
		a.report.errorf(a.at(i), "%v", err)
		return
	}
	for _, w := range policy.Warnings() {
		if w.Rule == "" {
			a.report.warnf(a.at(i, "path"), "%s", w.Text)
			continue
		}
		j := slices.IndexFunc(rules, func(r gateway.Rule) bool { return r.Name == w.Rule })
		a.report.warnf(a.at(i, "rule", j), "rule %q: %s", w.Rule, w.Text)
	}
	a.checkQualifiers(i, rules)
	a.checkGroupNames(i, rules)
	a.warnOfGroups(i, rules)
	a.warnOfNames(i, rules)
	asks := func(r gateway.Rule) bool { return len(gateway.NamedGroups(r.Require)) > 0 }
	if route.GroupsHeader != "" && route.GroupsHeaderForm == gateway.GroupsNamed && !slices.ContainsFunc(rules, asks) {
		a.report.warnf(a.at(i, "groups_header_form"), "no rule of the route names a group, so that groups_header is always empty: name those that the upstream is to be told of, or have it be \"short\"")
	}
}
