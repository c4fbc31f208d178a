package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"gatehouse/gateway"
)

// newServeCommand returns "gatehouse serve".
func newServeCommand() *cobra.Command {
	var quick struct{ upstream, users, groups string }
	cmd := &cobra.Command{
		Use:     "serve",
		Aliases: []string{"run"},
		Short:   "Run the gateway",
		Long: `Run the gateway until it gets SIGTERM or SIGINT. It then accepts no new
connections and lets running uploads finish, for as long as the setting drain
says; a second signal ends it at once. SIGHUP changes nothing: password files,
group files and certificates are read again when they change, and other settings
need a restart.

With --upstream and --users it needs no configuration file: every user of the
password file may pull, and the members of the group "pusher" may push.`,
		Example: `  gatehouse serve --config /etc/gatehouse/config.toml
  gatehouse serve --listen 127.0.0.1:5043 --upstream http://127.0.0.1:5000 --users htpasswd --groups groups`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, from, err := serveConfig(cmd, quick.upstream, quick.users, quick.groups)
			if err != nil {
				return &exitError{2, err}
			}
			return serve(cmd, c, from)
		},
	}
	addConfigFlags(cmd.Flags())
	cmd.Flags().StringVar(&quick.upstream, "upstream", "", "without a configuration file: the registry, as http://HOST:PORT, https://HOST:PORT or unix:/PATH")
	cmd.Flags().StringVar(&quick.users, "users", "", "without a configuration file: the password file (htpasswd)")
	cmd.Flags().StringVar(&quick.groups, "groups", "", "without a configuration file: the group file; without it nobody may push")
	return cmd
}

// serveConfig returns the configuration and where it comes from.
func serveConfig(cmd *cobra.Command, upstream, users, groups string) (c *Config, from string, err error) {
	if upstream == "" && users == "" && groups == "" {
		path, err := findConfig(configFlag(cmd))
		if err != nil {
			return nil, "", err
		}
		c, err := loadConfig(path, cmd.Flags())
		return c, path, err
	}
	switch {
	case configFlag(cmd) != "":
		return nil, "", errors.New("--upstream, --users and --groups stand in place of a configuration file: give either these or --config")
	case upstream == "" || users == "":
		return nil, "", errors.New("without a configuration file serve needs both --upstream and --users")
	}
	c, err = quickConfig(upstream, users, groups, cmd.Flags())
	return c, "the command line", err
}

// serve runs the gateway that c describes until a signal comes.
func serve(cmd *cobra.Command, c *Config, from string) error {
	log := newLog(cmd.ErrOrStderr(), c.LogLevel)
	cfg, closeBackends, err := c.build(log)
	if err != nil {
		return &exitError{2, err}
	}
	defer closeBackends()
	cfg.AccessOut = cmd.OutOrStdout()
	g, err := gateway.New(cfg)
	if err != nil {
		return &exitError{2, err}
	}
	log.Info("configuration", "from", from)
	if text := readVersion().Warning; text != "" {
		log.Warn(text)
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	surviveHangups(ctx, log)
	return runGateway(ctx, g, log)
}

// surviveHangups keeps SIGHUP from ending the program until ctx is done. Log
// rotation and reloads that were written for other servers send it, and without
// this it would cut off every upload.
func surviveHangups(ctx context.Context, log *slog.Logger) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hangups)
		for {
			select {
			case <-hangups:
				log.Info("nothing to do for SIGHUP: changed password files, group files and certificates are read without it, and other settings need a restart")
			case <-ctx.Done():
				return
			}
		}
	}()
}

// runGateway serves until ctx is done or a signal comes. A second signal ends
// running requests.
func runGateway(ctx context.Context, g *gateway.Gateway, log *slog.Logger) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	if err := g.Listen(); err != nil {
		g.Close()
		return &exitError{1, err}
	}
	log.Info("serving", "addresses", strings.Join(addresses(g), " "))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for _, act := range []func(){stop, g.Close} {
			select {
			case s := <-signals:
				log.Info("stopping", "signal", s.String())
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

func addresses(g *gateway.Gateway) []string {
	var list []string
	for _, a := range g.Addrs() {
		list = append(list, a.String())
	}
	return list
}

// newLog returns a log for people who run the program, on w.
func newLog(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l}))
}
