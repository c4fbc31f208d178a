package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/fault"
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

// findNamesakes has every backend that can find out which names of groups in the rules
// are shared. What it returns with an error is what could be found out.
func (a *assembly) findNamesakes(ctx context.Context) (all []namesakes, err error) {
	for _, table := range a.config.Backends {
		finder, ok := a.stack(table.Name()).leaf.(backend.NamesakeFinder)
		if !ok {
			continue
		}
		what := a.examination(table)
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

// warnOfNamesakes puts into the report what can be found out of names that are shared.
func (a *assembly) warnOfNamesakes(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, namesakesTimeout)
	defer cancel()
	all, err := a.findNamesakes(ctx)
	for _, n := range all {
		i := slices.Index(a.config.BackendNames(), n.backend)
		a.report.Warnf(a.config.Origin.At("backend", i, "name"), "%v", n)
	}
	surveyed, failure := a.survey(ctx)
	for _, r := range surveyed {
		if i := slices.Index(a.config.BackendNames(), r.backend); r.Code != "" {
			a.report.Warnf(a.config.Origin.At("backend", i, "name"), "backend %q: %s; %s", r.backend, r.Text, r.Advice)
		}
	}
	err = errors.Join(err, failure)
	if err != nil {
		a.report.Warnf(a.config.Origin.Start(), "%v", err)
	}
}

// namesakesEvery is how often a gateway that runs looks for groups that share a name:
// one that is made later takes the name from the one that a rule means.
const namesakesEvery = time.Hour

// How soon it looks again after a look that failed, at first and at most.
const (
	namesakesRetry    = 10 * time.Second
	namesakesRetryMax = 5 * time.Minute
)

// nextLook returns how long it is until the next look after some that failed.
func nextLook(failures int) time.Duration {
	if failures == 0 {
		return namesakesEvery
	}
	return min(namesakesRetry<<min(failures-1, 10), namesakesRetryMax)
}

// namesakesTimeout bounds a look.
const namesakesTimeout = time.Minute

// watchNamesakes says in the log which names of groups in the rules are shared, and what
// a survey of the backends finds, of each configuration and once in a while, until ctx is
// done. A look that fails is repeated soon.
func (d *daemon) watchNamesakes(ctx context.Context) {
	told, failures := map[string]bool{}, 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(nextLook(failures)):
		case <-d.renewed:
			clear(told)
			failures = 0
		}
		failures++
		if errors.Join(d.tellNamesakes(ctx), d.tellSurvey(ctx, told)) == nil {
			failures = 0
		}
	}
}

func (d *daemon) tellNamesakes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, namesakesTimeout)
	defer cancel()
	// A backend that is closed meanwhile gives no answer.
	all, err := d.current.Load().findNamesakes(ctx)
	if err != nil {
		d.log.Info("rules", "problem", err)
	}
	for _, n := range all {
		d.log.Warn("rules", "problem", n.String(), fault.Attr, "groups.ambiguous")
	}
	return err
}
