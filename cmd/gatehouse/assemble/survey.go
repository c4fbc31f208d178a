package assemble

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/backend"
)

// surveyed is what a survey of a backend found.
type surveyed struct {
	Backend string
	backend.Remark
}

// expectGroups tells every backend that can be surveyed which groups the rules name, so
// that it knows before the first login.
func (a *Assembly) expectGroups() {
	for _, table := range a.Config.Backends {
		if surveyor, ok := a.Stack(table.Name()).Leaf.(backend.Surveyor); ok {
			what := a.Examination(table)
			surveyor.Expect(append(what.Groups, what.OptionalGroups...))
		}
	}
}

// Survey has every backend that can say so find out on what logins and groups depend
// there. What it returns with an error is what could be found out.
func (a *Assembly) Survey(ctx context.Context) (all []surveyed, err error) {
	for _, table := range a.Config.Backends {
		surveyor, ok := a.Stack(table.Name()).Leaf.(backend.Surveyor)
		if !ok {
			continue
		}
		what := a.Examination(table)
		remarks, failure := surveyor.Survey(ctx, append(what.Groups, what.OptionalGroups...))
		for _, r := range remarks {
			all = append(all, surveyed{table.Name(), r})
		}
		if failure != nil {
			err = errors.Join(err, fmt.Errorf("what the backend %q has of users and groups could not be found out: %w", table.Name(), failure))
		}
	}
	return all, err
}
