package assemble

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gatehouse/backend"
)

// namesakes are the groups of a backend that share a name which a rule asks about.
type namesakes struct {
	backend, name string
	groups        []string
}

// String says so, and what to do.
func (n namesakes) String() string {
	return fmt.Sprintf("the rules ask about the group %q, and %d groups of the backend %q share the name: it counts for none of them, "+
		"so that nobody is let in by it, and \"not group\" keeps the members of all of them out; write the DN of the one that is meant: %s",
		n.name, len(n.groups), n.backend, strings.Join(n.groups, "; "))
}

// FindNamesakes has every backend that can find out which names of groups in the rules
// are shared. What it returns with an error is what could be found out.
func (a *Assembly) FindNamesakes(ctx context.Context) (all []namesakes, err error) {
	for _, table := range a.Config.Backends {
		finder, ok := a.Stack(table.Name()).Leaf.(backend.NamesakeFinder)
		if !ok {
			continue
		}
		what := a.Examination(table)
		names := append(what.Groups, what.OptionalGroups...)
		if failure := finder.FindNamesakes(ctx, names); failure != nil {
			err = errors.Join(err, fmt.Errorf("which groups share a name could not be found out: backend %q: %w", table.Name(), failure))
		}
		for _, name := range names {
			if groups := finder.Namesakes(table.Name(), name); len(groups) > 0 {
				all = append(all, namesakes{table.Name(), name, groups})
			}
		}
	}
	return all, err
}

// WarnOfNamesakes puts into the report what can be found out of names that are shared.
func (a *Assembly) WarnOfNamesakes(ctx context.Context) {
	all, err := a.FindNamesakes(ctx)
	for _, n := range all {
		i := slices.Index(a.Config.BackendNames(), n.backend)
		a.Report.Warnf(a.Config.Origin.At("backend", i, "name"), "%v", n)
	}
	surveyed, failure := a.Survey(ctx)
	for _, r := range surveyed {
		if i := slices.Index(a.Config.BackendNames(), r.Backend); r.Code != "" {
			a.Report.Warnf(a.Config.Origin.At("backend", i, "name"), "backend %q: %s; %s", r.Backend, r.Text, r.Advice)
		}
	}
	err = errors.Join(err, failure)
	if err != nil {
		a.Report.Warnf(a.Config.Origin.Start(), "%v", err)
	}
}
