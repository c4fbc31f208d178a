package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/backend/owntoken"
	"gatehouse/backend/shown"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway"
)

// newCheckCommand returns "gatehouse check".
func newCheckCommand() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Print everything that is wrong with a configuration",
		Long: `Read the configuration and all files that it names, as serve would, and print
everything that is wrong with them. Each line has the place (FILE:LINE:COLUMN),
what is wrong, why, and what to do. With --live the directories are asked, too,
which names of groups in the rules are shared by several groups. Without it nothing
is sent over the network.

With --suggest it prints, as TOML, the rules of each route by repositories and
actions where their methods and paths say something of a registry. It makes up
10,000 requests, and asks the rules as they are and as they would be. A rule stays
as it is where that changes an answer, or where there is no other way to say it;
a comment has the reason.

The exit code is 0 if the configuration is good, 1 if there are errors, and 2 if
it could not be read. Warnings count with --strict only.`,
		Example: "  gatehouse check --config /etc/gatehouse/config.toml\n  gatehouse check --suggest --config /etc/gatehouse/config.toml",
		Args:    configArg,
		RunE: func(cmd *cobra.Command, _ []string) error {
			result, err := o.check(cmd.Context(), configFlag(cmd))
			if err != nil {
				return &exitError{2, err}
			}
			if err := o.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), result); err != nil {
				return err
			}
			if !result.OK {
				return &exitError{1, fmt.Errorf("%s: %s", result.File, result.Summary)}
			}
			return nil
		},
	}
	outputFlag(cmd.Flags(), &o.output, "output format: text or json")
	cmd.Flags().BoolVar(&o.live, "live", false, "ask the directories about the groups that rules name")
	cmd.Flags().BoolVar(&o.suggest, "suggest", false, "print the rules by repositories and actions, where that makes no difference")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "count what the configuration is warned of as errors")
	return cmd
}

type checkOptions struct {
	output  outputFormat
	strict  bool
	live    bool
	suggest bool
}

// checkResult is what check prints with -o json.
type checkResult struct {
	File     string        `json:"file"`
	OK       bool          `json:"ok"`
	Summary  string        `json:"summary"`
	Errors   config.Report `json:"errors"`
	Warnings config.Report `json:"warnings"`
	Notes    config.Report `json:"notes,omitempty"` // what is good as it is, and worth knowing

	Suggestions []suggestion `json:"suggestions,omitempty"` // with --suggest, of a good configuration
}

// check checks the configuration that flag names, or the one of the usual place.
// It fails if there is none that can be read.
func (o checkOptions) check(ctx context.Context, flag string) (checkResult, error) {
	path, err := config.Find(flag)
	if err != nil {
		return checkResult{}, err
	}
	r := checkResult{File: path, Errors: config.Report{}, Warnings: config.Report{}}
	c, err := loadConfig(path, nil)
	var refused *config.Error
	switch {
	case errors.As(err, &refused):
		r.Errors = append(r.Errors, refused.Errors...)
		r.Warnings = append(r.Warnings, refused.Warnings...)
	case err != nil:
		return checkResult{}, err
	default:
		a := assemble.Open(c, nil)
		if a.Report.Err() == nil {
			if err := try(a.Gateway); err != nil {
				a.Report.Errorf(c.Origin.Start(), "%v", err)
			}
		}
		if o.live && a.Report.Err() == nil {
			o.ask(ctx, a)
		}
		errs, warnings := a.Report.Split()
		r.Errors, r.Warnings = append(r.Errors, errs...), append(r.Warnings, warnings...)
		r.Summary, r.Notes = summary(c), a.Notes()
		if o.suggest && len(errs) == 0 {
			if r.Suggestions, err = suggestions(a); err != nil {
				return checkResult{}, errors.Join(err, a.Close())
			}
		}
		if err := a.Close(); err != nil {
			return checkResult{}, fmt.Errorf("check configuration: %w", err)
		}
	}
	r.OK = len(r.Errors) == 0 && !(o.strict && len(r.Warnings) > 0)
	if !r.OK {
		r.Summary = count(len(r.Errors), "error") + ", " + count(len(r.Warnings), "warning")
	}
	// Not the configuration's fault, and so not for --strict.
	if text := toolchainWarning(runtime.Version()); text != "" {
		r.Warnings = append(r.Warnings, config.Problem{Message: text, Warning: true})
	}
	return r, nil
}

// ask has the directories asked about the groups that rules name.
func (o checkOptions) ask(ctx context.Context, a *assemble.Assembly) {
	ctx, cancel := context.WithTimeout(ctx, namesakesTimeout)
	defer cancel()
	a.WarnOfNamesakes(ctx)
}

// try makes a gateway and ends it before it listens, so that nothing is good for
// check that serve would refuse.
func try(cfg gateway.Config) error {
	cfg.AccessOut = io.Discard
	if cfg.Tokens != nil && cfg.Tokens.Own == nil { // the program that serves has the file of them
		tokens := *cfg.Tokens
		tokens.Own = owntoken.NewIssuer(nil, owntoken.Config{})
		cfg.Tokens = &tokens
	}
	g, err := gateway.New(cfg)
	if err != nil {
		return err
	}
	over, end := context.WithCancel(context.Background())
	end()
	return g.Serve(over)
}

// print writes the result to out. As text, what is wrong goes to diagnostics.
func (o checkOptions) print(out, diagnostics io.Writer, r checkResult) error {
	if o.output == outputJSON {
		return printJSON(out, r)
	}
	for _, list := range []config.Report{r.Errors, r.Warnings} {
		for _, p := range list {
			if _, err := io.WriteString(diagnostics, p.Detail()); err != nil {
				return err
			}
		}
	}
	for _, p := range r.Notes {
		if _, err := fmt.Fprintf(diagnostics, "%s: note: %s\n", p.Place, shown.Text(p.Message)); err != nil {
			return err
		}
	}
	if !r.OK {
		return nil // the summary is the error of the command
	}
	if o.suggest {
		return printSuggestions(out, r.Suggestions)
	}
	_, err := fmt.Fprintf(out, "%s: ok (%s)\n", r.File, r.Summary)
	return err
}

// summary says in a few words what the configuration comes to.
func summary(c *config.Document) string {
	rules := 0
	for _, r := range c.Routes {
		rules += len(r.Rules)
	}
	protocol := "plain HTTP"
	if c.TLS.CertFile != "" {
		protocol = "TLS"
	}
	return fmt.Sprintf("%s, %s, %s, %s on %s", count(len(c.Backends), "backend"), count(len(c.Routes), "route"),
		count(rules, "rule"), protocol, strings.Join(c.Listen, ", "))
}

// count returns n with a noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
