package main

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/backend"
)

// surveyed is what a survey of a backend found.
type surveyed struct {
	backend string
	backend.Remark
}

// expectGroups tells every backend that can be surveyed which groups the rules name, so
// that it knows before the first login.
func (a *assembly) expectGroups() {
	for _, table := range a.config.Backends {
		if surveyor, ok := a.stack(table.Name()).leaf.(backend.Surveyor); ok {
			what := a.examination(table)
			surveyor.Expect(append(what.Groups, what.OptionalGroups...))
		}
	}
}

// survey has every backend that can say so find out on what logins and groups depend
// there. What it returns with an error is what could be found out.
func (a *assembly) survey(ctx context.Context) (all []surveyed, err error) {
	for _, table := range a.config.Backends {
		surveyor, ok := a.stack(table.Name()).leaf.(backend.Surveyor)
		if !ok {
			continue
		}
		what := a.examination(table)
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
