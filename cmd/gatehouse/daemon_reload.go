package main

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"gatehouse/backend/watch"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
)

// ReloadStatus says what came of reading the configuration, at the start and since.
type ReloadStatus struct {
	At   time.Time     // when it was read last
	Took time.Duration // to read it, to build what it describes and to put that into use
	Err  error         // why what was read last is not in use; nil if it is

	Hash  string    // of the configuration in use
	Since time.Time // when that was put into use

	Count    int // how often it was read, the start included
	Failures int // how often in vain
}

// reload reads the configuration and puts it into use, all of it or nothing.
func (d *daemon) reload(cause string) error {
	begin := time.Now()
	s := ReloadStatus{}
	if old := d.status.Load(); old != nil {
		s = *old
		defer notifyReload(d.log)()
	}
	a, err := d.replace()
	s.At, s.Took, s.Err = begin, time.Since(begin), err
	s.Count++
	if err == nil {
		s.Hash, s.Since = a.Config.Hash(), begin
	} else {
		s.Failures++
	}
	d.status.Store(&s)
	d.metrics.Reloaded(s.Hash, s.Took, err)
	d.tell(cause, s)
	return err
}

// tell puts into the log what came of a reload. Others tell of the start.
func (d *daemon) tell(cause string, s ReloadStatus) {
	switch {
	case s.Count == 1:
	case s.Err != nil:
		d.log.Error("configuration not reloaded; the old one stays in use", "cause", cause, "error", s.Err)
	default:
		d.log.Info("configuration reloaded", "cause", cause, "from", d.source.name, "hash", s.Hash, "took", s.Took)
	}
}

// replace reads the configuration, and returns what it comes to when that is in use.
func (d *daemon) replace() (a *assemble.Assembly, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	// What is known of a file is never newer than what is read of it: a change
	// between the two shows, and is read too.
	known := watch.SumsOf(d.namedFiles())
	defer func() { d.files.follow(known) }()
	c, err := d.source.load()
	if err != nil {
		return nil, err
	}
	named := c.NamedFiles(config.Every)
	for _, path := range named {
		if _, ok := known[path]; !ok {
			known[path] = watch.SumOf(path)
		}
	}
	defer func(old slog.Level) {
		if err != nil {
			d.level.Set(old)
		}
	}(d.level.Level())
	d.level.Set(levelOf(c.LogLevel))
	if a, err = assemble.Build(c, d.current.Load(), assemble.Surroundings{Log: d.log, Metrics: d.counting(c)}); err != nil {
		return nil, err
	}
	if err = d.use(a); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	// What is followed elsewhere would be read twice. After a failure it is watched
	// all the same: it may be what was wrong, and the next reload is due when it is
	// mended.
	watched := c.NamedFiles(config.Unfollowed)
	maps.DeleteFunc(known, func(path string, _ watch.Sum) bool { return !slices.Contains(watched, path) })
	return a, nil
}

// namedFiles returns the files that what is in use was made from.
func (d *daemon) namedFiles() []string {
	if a := d.current.Load(); a != nil {
		return a.Config.NamedFiles(config.Every)
	}
	if d.source.file != "" {
		return []string{d.source.file}
	}
	return nil
}

// use puts a in the place of what is in use. That is closed when the last request
// has ended which has to do with it.
func (d *daemon) use(a *assemble.Assembly) (err error) {
	if err := d.checkFixed(a.Config); err != nil {
		return err
	}
	if err := d.useOwnTokens(a); err != nil {
		return err
	}
	cfg := a.Gateway
	cfg.AccessOut = d.access
	audit, err := d.auditLog(a)
	if err != nil {
		return err
	}
	cfg.Audit, cfg.AuditRequired = audit, a.Config.AuditRequired
	cfg.Released = func() { go d.release(a) } // not at the cost of whose request was the last
	if d.gateway == nil {
		d.gateway, err = gateway.New(cfg)
	} else {
		err = d.gateway.Reload(cfg)
	}
	if err != nil {
		return errors.Join(err, d.closeAudit(audit))
	}
	d.open[a] = audit
	d.current.Store(a)
	d.metrics.SetBackends(a.BackendInfo())
	select {
	case d.renewed <- struct{}{}:
	default:
	}
	return nil
}

// release closes what only a has open.
func (d *daemon) release(a *assemble.Assembly) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.discard(a)
}

func (d *daemon) discard(a *assemble.Assembly) {
	audit := d.open[a]
	delete(d.open, a)
	if err := errors.Join(a.Close(), d.closeAudit(audit)); err != nil {
		d.log.Error("closing what a configuration had open", "error", err)
	}
}
