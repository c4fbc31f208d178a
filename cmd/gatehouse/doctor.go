package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/backend"
)

// newDoctorCommand returns "gatehouse doctor".
func newDoctorCommand() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out step by step why a directory does not let users in",
		Long: `Try what a login takes with every directory of the configuration, one step after
the other: names, connections, encryption, the kind of server, the service
account, the bases, and with --user a user with the groups. Every step says how
long it took, and a failed one what to do about it.

With --password-file the password of the user is tried, once: a wrong one counts
toward locking the account.

The exit code is 0 if all steps went well, 1 if one did not, and 2 if there is no
configuration that can be used.`,
		Example: `  gatehouse doctor --config config.toml
  gatehouse doctor --config config.toml --user alice`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	cmd.Flags().StringVar(&o.backend, "backend", "", "the name of the backend to look at (default all that have something to say)")
	cmd.Flags().StringVar(&o.user, "user", "", "a user to look for, as typed into a login")
	cmd.Flags().StringVar(&o.passwordFile, "password-file", "", "a file with the password of the user, to be tried once")
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "output format: text or json")
	return cmd
}

type doctorOptions struct {
	backend, user, passwordFile, output string

	steps []string // that are printed if they went well; empty: all
}

// finding is a step as doctor prints it with -o json.
type finding struct {
	Backend string  `json:"backend"`
	Step    string  `json:"step"`
	Subject string  `json:"subject"`
	OK      bool    `json:"ok"`
	Text    string  `json:"text,omitempty"`
	Advice  string  `json:"advice,omitempty"`
	Seconds float64 `json:"seconds"`
}

func (o doctorOptions) run(cmd *cobra.Command) error {
	if o.output != "text" && o.output != "json" {
		return &exitError{2, fmt.Errorf("unknown output format %q: write -o text or -o json", o.output)}
	}
	password, err := o.password()
	if err != nil {
		return &exitError{2, err}
	}
	path, err := findConfig(configFlag(cmd))
	if err != nil {
		return &exitError{2, err}
	}
	c, err := loadConfig(path, nil)
	if err != nil {
		return &exitError{2, err}
	}
	asked, failed, err := o.examine(cmd.Context(), c, password, printer(cmd.OutOrStdout(), o.output))
	switch {
	case err != nil:
		return &exitError{2, err}
	case asked == 0:
		return &exitError{2, fmt.Errorf("%s: there is no such backend, or none that can be examined", path)}
	case failed > 0:
		return &exitError{1, fmt.Errorf("%s: %d steps failed", path, failed)}
	}
	return nil
}

func (o doctorOptions) password() (string, error) {
	if o.passwordFile == "" {
		return "", nil
	}
	if o.user == "" {
		return "", errors.New("--password-file needs --user")
	}
	password, err := secretSource{Name: "password", File: o.passwordFile}.read()
	return password.Reveal(), err
}

// examine has each backend examine itself, and counts them and what failed.
func (o doctorOptions) examine(ctx context.Context, c *Config, password string, show func(finding)) (asked, failed int, err error) {
	a := c.assemble(slog.New(slog.DiscardHandler))
	defer a.close()
	if err := a.report.err(); err != nil {
		return 0, 0, err
	}
	for _, table := range c.Backends {
		examiner, ok := a.bare[table.Name()].(backend.Examiner)
		if !ok || o.backend != "" && o.backend != table.Name() {
			continue
		}
		asked++
		examiner.Examine(ctx, o.user, password, func(f backend.Finding) {
			if f.Failed {
				failed++
			}
			if out := (finding{table.Name(), f.Step, f.Subject, !f.Failed, f.Text, f.Advice, f.Took.Seconds()}); o.shows(out) {
				show(out)
			}
		})
	}
	return asked, failed, nil
}

// printer returns what prints findings: lines for people, or a JSON object a line.
func printer(out io.Writer, format string) func(finding) {
	if format == "json" {
		encoder := json.NewEncoder(out)
		return func(f finding) { encoder.Encode(f) }
	}
	return func(f finding) {
		mark := "ok  "
		if !f.OK {
			mark = "FAIL"
		}
		took := time.Duration(f.Seconds * float64(time.Second)).Round(100 * time.Microsecond)
		fmt.Fprintf(out, "%s  %s  %s %s  (%v)\n", mark, f.Backend, f.Step, f.Subject, took)
		for _, text := range []string{f.Text, strings.Join(strings.Fields("-> "+f.Advice), " ")} {
			if text != "" && text != "->" {
				fmt.Fprintf(out, "      %s\n", printable(text))
			}
		}
	}
}
