package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	systemd "github.com/coreos/go-systemd/v22/daemon"

	"gatehouse/backend/fault"
	"gatehouse/gateway"
)

// What systemd and the program tell each other; sd_notify(3), sd_listen_fds(3).
// Without systemd nothing of it does anything.

// listen gives g the sockets that systemd holds for it, or else has it open the
// addresses of its configuration.
func listen(g *gateway.Gateway) error {
	inherited, err := activation.Listeners()
	switch {
	case err != nil:
		return fmt.Errorf("take the sockets of systemd: %w", err)
	case len(inherited) == 0:
		return g.Listen()
	case slices.Contains(inherited, net.Listener(nil)):
		return errors.New("take the sockets of systemd: one of them is no stream: the socket unit may have ListenStream= only")
	}
	return g.Inherit(inherited)
}

// notify tells systemd of a change of state.
func notify(log *slog.Logger, state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		log.Warn("telling systemd", fault.Attr, "systemd.notify", "state", state, "error", err)
	}
}

// notifyStopping tells that the program is about to end, for which it may take the
// time that running requests have.
func notifyStopping(log *slog.Logger) { notify(log, systemd.SdNotifyStopping) }

// notifyReload tells that a reload has begun, and returns what tells of its end.
func notifyReload(log *slog.Logger) (ended func()) {
	state := systemd.SdNotifyReloading
	if now := systemd.SdNotifyMonotonicUsec(); now != "" {
		state += "\n" + now // without which systemd would wait for another reload
	}
	notify(log, state)
	return func() { notify(log, systemd.SdNotifyReady) }
}

// superviseWith tells systemd that the program is ready, and from then on that it
// is alive, as often as the unit asks for, until the function that it returns is
// called.
func superviseWith(log *slog.Logger) (stop func()) {
	notify(log, systemd.SdNotifyReady)
	limit, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("reading the watchdog's limit from the environment", fault.Attr, "systemd.notify", "error", err)
	}
	if limit <= 0 {
		return func() {}
	}
	ticker := time.NewTicker(limit / 3)
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				notify(log, systemd.SdNotifyWatchdog)
			case <-ended:
				ticker.Stop()
				return
			}
		}
	}()
	return func() { close(ended) }
}
