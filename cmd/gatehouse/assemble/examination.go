package assemble

import (
	"gatehouse/backend"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway/rules"
	"slices"
)

// Examination returns what the configuration says that a backend has to be able
// to do.
func (a *Assembly) Examination(table config.Backend) backend.Examination {
	var what backend.Examination
	if s := a.Stack(table.Name()).Shield; s != nil {
		what.MaxFailures, what.FailureWindow = s.Config().MaxFailures, s.Config().FailureWindow
	}
	for i, r := range a.Config.Routes {
		alone := r.Backend == table.Name()
		if !alone && !a.isPart(table.Name(), r.Backend) {
			continue
		}
		policy, err := rules.NewPolicy(a.Gateway.Routes[i].ForRules())
		if err != nil {
			continue // which assemble has reported
		}
		what.Groups = append(what.Groups, policy.GroupsOf(table.Name())...)
		if alone {
			what.Groups = append(what.Groups, policy.GroupsOf("")...)
		} else { // another part may have them
			what.OptionalGroups = append(what.OptionalGroups, policy.GroupsOf("")...)
		}
	}
	what.Groups, what.OptionalGroups = distinct(what.Groups, nil), distinct(what.OptionalGroups, what.Groups)
	return what
}

// distinct returns names in order, each once and without those in others.
func distinct(names, others []string) []string {
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(others, name) })
	slices.Sort(names)
	return slices.Compact(names)
}

// isPart reports whether the backend called whole is made of the one called part.
func (a *Assembly) isPart(part, whole string) bool {
	i := slices.Index(a.Config.BackendNames(), whole)
	if i < 0 {
		return false
	}
	table := a.Config.Backends[i]
	return slices.ContainsFunc(a.Config.Mentions(table), func(m config.Mention) bool { return m.Name == part })
}
