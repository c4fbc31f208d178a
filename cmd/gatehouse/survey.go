package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"gatehouse/backend"
	"gatehouse/backend/fault"
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

// tellSurvey puts into the log what a survey finds and was not told before. It returns
// what could not be found out.
func (d *daemon) tellSurvey(ctx context.Context, told map[string]bool) error {
	ctx, cancel := context.WithTimeout(ctx, namesakesTimeout)
	defer cancel()
	all, err := d.current.Load().survey(ctx)
	if err != nil {
		d.log.Info("directory", "problem", err)
	}
	for _, r := range all {
		if told[r.backend+": "+r.Text] {
			continue
		}
		told[r.backend+": "+r.Text] = true
		level, more := slog.LevelInfo, []any{"backend", r.backend, "about", r.Subject, "found", r.Text}
		if r.Code != "" {
			level, more = slog.LevelWarn, append(more, fault.Attr, string(r.Code))
		}
		if r.Advice != "" {
			more = append(more, "advice", r.Advice)
		}
		d.log.Log(ctx, level, "directory", more...)
	}
	return err
}
