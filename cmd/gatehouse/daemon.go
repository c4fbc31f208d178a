package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"

	"gatehouse/backend/fault"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
	"gatehouse/gateway/record"
)

// daemon is a gateway that runs, and what it runs with. It follows its configuration:
// a signal, a command or a changed file has it read again.
type daemon struct {
	source  configSource
	log     *slog.Logger
	level   *slog.LevelVar // of log
	access  io.Writer
	metrics *gateway.Metrics
	gateway *gateway.Gateway
	files   *fileWatch
	own     *ownTokens // nil where there are none

	hangups chan os.Signal
	asked   chan chan<- error // for a reload, by those who wait for what comes of it
	stopped chan struct{}     // closed when there are no reloads any more
	renewed chan struct{}     // holds a token when another configuration is in use

	status  atomic.Pointer[ReloadStatus]
	current atomic.Pointer[assemble.Assembly] // in use

	mu   sync.Mutex                              // held while assemblies are made and closed
	open map[*assemble.Assembly]*record.AuditLog // what is open, with the audit log that it uses, nil for none
}

// configSource is where a configuration comes from, for as long as the program runs.
type configSource struct {
	name string // what people call it
	file string // empty if it is no file
	load func() (*config.Document, error)
}

// newDaemon makes a gateway of what source holds now. From then on SIGHUP does not
// end the program. The caller runs the gateway beside follow, and then closes.
func newDaemon(source configSource, diagnostics, access io.Writer) (*daemon, error) {
	level, version := new(slog.LevelVar), readVersion()
	metrics := gateway.NewMetrics(version.Version, version.Go)
	metrics.SetHashMemory(assemble.HashMemoryUse)
	d := &daemon{
		metrics: metrics,
		source:  source, access: access, level: level, log: newLog(diagnostics, level, metrics),
		hangups: make(chan os.Signal, 1), asked: make(chan chan<- error), stopped: make(chan struct{}),
		renewed: make(chan struct{}, 1),
		open:    map[*assemble.Assembly]*record.AuditLog{},
	}
	signal.Notify(d.hangups, syscall.SIGHUP)
	d.files = newFileWatch(d.log)
	if err := d.reload("start"); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// follow carries out reloads, one after the other, until ctx is done. Whatever asks
// for one during another has one more.
func (d *daemon) follow(ctx context.Context) {
	defer close(d.stopped)
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { d.files.run(ctx) })
	watching.Go(func() { d.watchNamesakes(ctx) })
	watching.Go(func() { d.keepTokens(ctx) })
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.hangups:
			d.reopenAudit()
			d.reload("SIGHUP")
		case answer := <-d.asked:
			err := d.reload("command")
			if err == nil {
				d.retry()
			}
			answer <- err
		case <-d.files.changed:
			d.reload("changed file")
		}
	}
}

// Reload has the configuration read again and returns what came of it. It fails too
// if ctx is done before its turn comes, or the gateway is about to end.
func (d *daemon) Reload(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case d.asked <- answer:
		return <-answer
	case <-d.stopped:
		return fault.With("reload.stopping", errors.New("reload: the gateway is stopping"))
	case <-ctx.Done():
		return fmt.Errorf("reload: waiting for the one that is under way: %w", ctx.Err())
	}
}

// Status returns what came of reading the configuration the last time.
func (d *daemon) Status() ReloadStatus { return *d.status.Load() }

// close closes what is open, after the gateway has ended or for want of one.
func (d *daemon) close() {
	signal.Stop(d.hangups)
	d.files.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	for a := range d.open {
		d.discard(a)
	}
	d.closeOwnTokens()
}
