package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
)

// newServeCommand returns "gatehouse serve".
func newServeCommand() *cobra.Command {
	var quick struct{ upstream, users, groups string }
	cmd := &cobra.Command{
		Use:     "serve [FILE]",
		Aliases: []string{"run"},
		Short:   "Run the gateway",
		Long: `Run the gateway until it gets SIGTERM or SIGINT. It then accepts no new
connections and lets running uploads finish, for as long as the setting drain
says; a second signal ends it at once.

The configuration is read again when it changes, when a file that it names changes,
at SIGHUP, and by "gatehouse reload". All of it is put into use at once. Requests
that run already end under the old configuration. After an error the old
configuration stays in use, and the log says why. Four changes need a restart:
other addresses to listen on, the change between TLS and plain HTTP, [admin], and
another store_file. SIGHUP also opens the audit log anew.

With --upstream and --users it needs no configuration file: every user of the
password file may pull, and the members of the group "pusher" may push.`,
		Example: `  gatehouse serve --config /etc/gatehouse/config.toml
  gatehouse serve --listen 127.0.0.1:5043 --upstream http://127.0.0.1:5000 --users htpasswd --groups groups`,
		Args: configArg,
		RunE: func(cmd *cobra.Command, _ []string) error {
			source, err := serveSource(cmd, quick.upstream, quick.users, quick.groups)
			if err != nil {
				return &exitError{2, err}
			}
			return serve(cmd, source)
		},
	}
	config.AddFlags(cmd.Flags())
	cmd.Flags().StringVar(&quick.upstream, "upstream", "", "without a configuration file: the registry, as http://HOST:PORT, https://HOST:PORT or unix:/PATH")
	cmd.Flags().StringVar(&quick.users, "users", "", "without a configuration file: the password file (htpasswd)")
	cmd.Flags().StringVar(&quick.groups, "groups", "", "without a configuration file: the group file; without it nobody may push")
	return cmd
}

// serveSource returns where the configuration comes from: what these flags say, or a
// file. It stays the same file while the program runs, whichever there are later.
func serveSource(cmd *cobra.Command, upstream, users, groups string) (configSource, error) {
	if upstream == "" && users == "" && groups == "" {
		path, err := config.Find(configFlag(cmd))
		return configSource{path, path, func() (*config.Document, error) { return loadConfig(path, cmd.Flags()) }}, err
	}
	switch {
	case configFlag(cmd) != "":
		return configSource{}, errors.New("--upstream, --users and --groups stand in place of a configuration file: give either these or --config")
	case upstream == "" || users == "":
		return configSource{}, errors.New("without a configuration file serve needs both --upstream and --users")
	}
	load := func() (*config.Document, error) { return quickConfig(upstream, users, groups, cmd.Flags()) }
	return configSource{name: "the command line", load: load}, nil
}

// serve runs the gateway that source describes until a signal comes.
func serve(cmd *cobra.Command, source configSource) error {
	d, err := newDaemon(source, cmd.ErrOrStderr(), cmd.OutOrStdout())
	if err != nil {
		return &exitError{2, err}
	}
	defer d.close()
	d.log.Info("configuration", "from", source.name, "hash", d.Status().Hash)
	if text := readVersion().Warning; text != "" {
		d.log.Warn(text)
	}
	stopAdmin, err := d.startAdmin()
	if err != nil {
		d.gateway.Close()
		return &exitError{1, err}
	}
	defer stopAdmin() // after the gateway has ended, of which it tells
	return runGateway(cmd.Context(), d.gateway, d.log, d.follow)
}

// runGateway serves until ctx is done or a signal comes, and has beside run in the
// meantime, until its context is done. A second signal ends running requests.
func runGateway(ctx context.Context, g *gateway.Gateway, log *slog.Logger, beside func(context.Context)) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	if err := listen(g); err != nil {
		g.Close()
		return &exitError{1, err}
	}
	log.Info("serving", "addresses", strings.Join(addresses(g), " "))
	defer superviseWith(log)()
	ctx, stop := context.WithCancel(ctx)
	var besides sync.WaitGroup
	defer besides.Wait()
	defer stop()
	besides.Go(func() { beside(ctx) })
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for _, act := range []func(){stop, g.Close} {
			select {
			case s := <-signals:
				log.Info("stopping", "signal", s.String())
				notifyStopping(log)
				act()
			case <-ended:
				return
			}
		}
	}()
	if err := g.Serve(ctx); err != nil {
		return &exitError{1, fmt.Errorf("serve: %w", err)}
	}
	log.Info("stopped")
	return nil
}

func addresses(g interface{ Addrs() []net.Addr }) []string {
	var list []string
	for _, a := range g.Addrs() {
		list = append(list, a.String())
	}
	return list
}

// newLog returns a log for people who run the program, on w. It tells metrics of the
// faults that come up in it.
func newLog(w io.Writer, level slog.Leveler, metrics *gateway.Metrics) *slog.Logger {
	text := slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutUserinfo})
	return slog.New(fault.NewHandler(text, metrics.CountFault))
}

// withoutUserinfo leaves the user parts of URLs out of what is logged.
func withoutUserinfo(_ []string, a slog.Attr) slog.Attr {
	if err, ok := a.Value.Any().(error); ok {
		a.Value = slog.StringValue(err.Error())
	}
	if a.Value.Kind() == slog.KindString {
		a.Value = slog.StringValue(shown.WithoutUserinfo(a.Value.String()))
	}
	return a
}

// levelOf returns the level that log_level names.
func levelOf(name string) slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(name)); err != nil {
		return slog.LevelInfo
	}
	return l
}
