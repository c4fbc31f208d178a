package assemble

import (
	"slices"
	"strings"

	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway/rules"
)

// Notes returns what is worth knowing of a configuration that is good as it is. Nobody has
// to change anything because of it.
func (a *Assembly) Notes() config.Report {
	var notes config.Report
	for i, route := range a.Gateway.Routes {
		policy, err := rules.NewPolicy(route.ForRules())
		if err != nil {
			continue // which is in the report
		}
		if text := policy.WhatIsClosed(); text != "" && !a.holdsClosed(policy) {
			notes.Warnf(a.at(i, "path"), "%s", text)
		}
	}
	a.noteOwnTokens(&notes)
	return notes
}

// holdsClosed reports whether a test asks for a path that is closed.
func (a *Assembly) holdsClosed(policy *rules.Policy) bool {
	return slices.ContainsFunc(a.Config.Tests, func(t config.Test) bool {
		words := strings.Fields(t.Request)
		return len(words) == 2 && policy.IsClosed(words[1])
	})
}
