package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/backend"
	"gatehouse/backend/shown"
	"gatehouse/gateway/strict"
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

// person is what whoami prints of a user in one backend.
type person struct {
	Backend string       `json:"backend"`
	Found   bool         `json:"found"`
	User    string       `json:"user,omitempty"`
	State   string       `json:"state,omitempty"` // why the account may not be used; empty if it may
	Entry   string       `json:"entry,omitempty"` // its DN
	Groups  []string     `json:"groups,omitempty"`
	Why     []membership `json:"why,omitempty"`
	Error   string       `json:"error,omitempty"`
	Expires string       `json:"password_expires,omitempty"` // where that is soon
}

// membership is a group of a person.
type membership struct {
	Group  string   `json:"group"`
	Names  []string `json:"names,omitempty"`
	Shared []string `json:"shared_names,omitempty"` // that count for no group
	Path   []string `json:"path,omitempty"`
	At     []string `json:"at,omitempty"`
}

func (o whoamiOptions) run(cmd *cobra.Command, user string) error {
	if user == "" {
		return &exitError{2, errors.New("the name of the user is empty")}
	}
	a, path, err := assembleQuietly(cmd)
	if err != nil {
		return err
	}
	defer a.close()
	people := []person{}
	var failures []error
	for _, table := range a.config.Backends {
		if a.config.IsComposite(table) || o.backend != "" && o.backend != table.Name() {
			continue
		}
		p, err := whois(cmd.Context(), a.stack(table.Name()).leaf, user)
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
func judge(people []person, failures []error) error {
	unsure := slices.ContainsFunc(failures, func(err error) bool { return !backend.Refused(err) })
	switch {
	case unsure:
		return &exitError{4, errors.Join(failures...)}
	case !slices.ContainsFunc(people, func(p person) bool { return p.Found && p.State == "" }):
		return &exitError{1, errors.Join(failures...)}
	}
	return nil
}

// whois looks a user up as a login does. It fails with [errors.ErrUnsupported]
// where b can tell nothing without a password.
func whois(ctx context.Context, b backend.Backend, user string) (person, error) {
	id, standing := backend.LookUp(ctx, b, user)
	if _, isRoster := b.(roster); isRoster && errors.Is(standing, errors.ErrUnsupported) {
		id, standing = inFile(ctx, b, user)
	}
	if standing != nil && !(backend.Refused(standing) && id.User != "") {
		return person{}, standing
	}
	p := person{User: id.User, Entry: id.Handle, Expires: id.Expires}
	if standing != nil {
		p.State = standing.Error()
	}
	var err error
	p.Groups, err = b.Groups(ctx, id)
	if err = backend.MissingGroups(err); err != nil {
		return p, err
	}
	explainer, ok := b.(backend.Explainer)
	if !ok {
		return p, nil
	}
	all, err := explainer.Explain(ctx, id)
	for _, m := range all {
		p.Why = append(p.Why, membership(m))
	}
	return p, err
}

// inFile returns who somebody is to a backend that has its users in a file.
func inFile(ctx context.Context, b backend.Backend, user string) (backend.Identity, error) {
	name, err := strict.UserName(user)
	if err != nil {
		return backend.Identity{}, fmt.Errorf("nobody can log in as %q: %w", user, err)
	}
	id := backend.Identity{User: backend.Extend(b).CanonicalUser(name)}
	if _, err = backend.Extend(b).Revalidate(ctx, id); errors.Is(err, backend.ErrUnknownUser) {
		return backend.Identity{}, err
	}
	return id, err
}

func (o whoamiOptions) print(out io.Writer, people []person) error {
	if o.output == outputJSON {
		return printJSON(out, people)
	}
	for _, p := range people {
		if p.Found {
			p.print(out)
		}
	}
	return nil
}

// print writes a person for people.
func (p person) print(out io.Writer) {
	line := func(label, text string) { fmt.Fprintf(out, "%-8s %s\n", label, shown.Text(text)) }
	line("backend", p.Backend)
	line("user", p.User)
	if p.Entry != "" {
		line("entry", p.Entry)
	}
	if p.State != "" {
		line("state", "may not log in: "+p.State)
	}
	if p.Expires != "" {
		line("password", "expires on "+p.Expires)
	}
	line("groups", strings.Join(p.Groups, "; "))
	for _, m := range p.Why {
		names := ""
		if len(m.Names) > 0 {
			names = " (" + strings.Join(m.Names, ", ") + ")"
		}
		for _, name := range m.Shared {
			names += fmt.Sprintf(" (other groups share the name %s, so that it counts for none and \"not group\" keeps their members out: rules have to write the DN)", name)
		}
		path := strings.Join(m.Path, " -> ")
		if path == "" {
			path = "cannot be told: " + m.Group
		}
		if len(m.At) > 0 {
			names += ", by " + strings.Join(m.At, ", ")
		}
		line("why", path+names)
	}
	fmt.Fprintln(out)
}
