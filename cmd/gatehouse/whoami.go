package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"gatehouse/backend"
	"gatehouse/cmd/gatehouse/explain"
)

// newWhoamiCommand returns "gatehouse whoami".
func newWhoamiCommand() *cobra.Command {
	var o whoamiOptions
	cmd := &cobra.Command{
		Use:   "whoami USER",
		Short: "Say who a user is, in which groups, and why",
		Long: `Look a user up in every directory and every password file of the configuration, as
a login would, and say who that is, which names of groups rules can use, and through
which groups, or by which line of a group file, the user is in each. No password is
asked for.

The exit code is 0 if the user was found and may log in, 1 if not, 2 if there is no
configuration that can be used, and 4 if a directory could not be asked.`,
		Example: "  gatehouse whoami alice --config config.toml",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	cmd.Flags().StringVar(&o.backend, "backend", "", "the name of the backend to ask (default all that can be)")
	outputFlag(cmd.Flags(), &o.output, "output format: text or json")
	return cmd
}

type whoamiOptions struct {
	backend string
	output  outputFormat
}

func (o whoamiOptions) run(cmd *cobra.Command, user string) error {
	if user == "" {
		return &exitError{2, errors.New("the name of the user is empty")}
	}
	a, path, err := assembleQuietly(cmd)
	if err != nil {
		return err
	}
	defer a.Close()
	people := []explain.Person{}
	var failures []error
	for _, table := range a.Config.Backends {
		if a.Config.IsComposite(table) || o.backend != "" && o.backend != table.Name() {
			continue
		}
		p, err := explain.Whois(cmd.Context(), a.Stack(table.Name()).Leaf, user)
		if errors.Is(err, errors.ErrUnsupported) {
			continue
		}
		p.Backend, p.Found = table.Name(), p.User != ""
		if err != nil {
			p.Error = err.Error()
			failures = append(failures, fmt.Errorf("%s: %w", table.Name(), err))
		}
		people = append(people, p)
	}
	if len(people) == 0 {
		return &exitError{2, fmt.Errorf("%s: there is no such backend, or none that can look users up", path)}
	}
	if err := o.print(cmd.OutOrStdout(), people); err != nil {
		return err
	}
	return judge(people, failures)
}

// judge returns the error of the command: what could not be asked counts before
// who was not found.
func judge(people []explain.Person, failures []error) error {
	unsure := slices.ContainsFunc(failures, func(err error) bool { return !backend.Refused(err) })
	switch {
	case unsure:
		return &exitError{4, errors.Join(failures...)}
	case !slices.ContainsFunc(people, func(p explain.Person) bool { return p.Found && p.State == "" }):
		return &exitError{1, errors.Join(failures...)}
	}
	return nil
}

func (o whoamiOptions) print(out io.Writer, people []explain.Person) error {
	if o.output == outputJSON {
		return printJSON(out, people)
	}
	for _, p := range people {
		if p.Found {
			p.Print(out)
		}
	}
	return nil
}
