package main

import (
	"context"
	"errors"
	"gatehouse/backend/fault"
	"log/slog"
	"time"
)

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
	all, err := d.current.Load().FindNamesakes(ctx)
	if err != nil {
		d.log.Info("rules", "problem", err)
	}
	for _, n := range all {
		d.log.Warn("rules", "problem", n.String(), fault.Attr, "groups.ambiguous")
	}
	return err
}

// tellSurvey puts into the log what a survey finds and was not told before. It returns
// what could not be found out.
func (d *daemon) tellSurvey(ctx context.Context, told map[string]bool) error {
	ctx, cancel := context.WithTimeout(ctx, namesakesTimeout)
	defer cancel()
	all, err := d.current.Load().Survey(ctx)
	if err != nil {
		d.log.Info("directory", "problem", err)
	}
	for _, r := range all {
		if told[r.Backend+": "+r.Text] {
			continue
		}
		told[r.Backend+": "+r.Text] = true
		level, more := slog.LevelInfo, []any{"backend", r.Backend, "about", r.Subject, "found", r.Text}
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
