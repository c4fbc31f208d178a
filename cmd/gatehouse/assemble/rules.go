package assemble

import (
	"errors"
	"fmt"
	"slices"

	"gatehouse/backend/fault"
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
		list[j] = rules.Rule{
			Name: r.Name, Methods: r.Methods, Paths: r.Paths, Repositories: r.Repositories, Actions: r.Actions, ImmutableTags: r.ImmutableTags,
			Position: fmt.Sprintf("%s:%d", at.Name, at.Line),
		}
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

// immutableTags returns those of the route at index i, none if something is wrong with them.
func (a *Assembly) immutableTags(i int) []string {
	patterns := a.Config.Routes[i].ImmutableTags
	if err := rules.CheckImmutableTags(patterns); err != nil {
		a.Report.Add(err, a.Config.Origin, []any{"route", i}, "immutable_tags")
		return nil
	}
	return patterns
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
	a.Report.Add(err, a.Config.Origin, []any{"route", i, "rule", j}, "require")
	a.Report.KeepPrivate(first)
	return nil
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
	for _, err := range fault.Leaves(rules.CheckRule(r, route.ForRules())) {
		first := len(a.Report)
		if two := new(rules.TwoWays); errors.As(err, &two) {
			err = fmt.Errorf("rule %q: %w", r.Name, err) // which one line of it does not show
		}
		a.Report.Add(err, a.Config.Origin, []any{"route", i, "rule", j}, "name")
		if path := fault.Path(err); len(path) > 0 && path[0] == "require" {
			a.Report.KeepPrivate(first)
		}
	}
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
