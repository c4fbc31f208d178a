package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"gatehouse/backend/shown"
	"gatehouse/cmd/gatehouse/config"
	"gatehouse/gateway/oci"
)

// newCanICommand returns "gatehouse can-i".
func newCanICommand() *cobra.Command {
	var o canIOptions
	cmd := &cobra.Command{
		Use:   "can-i [flags] METHOD PATH | login | catalog | pull|push|delete|tags REPO[:TAG]",
		Short: "Answer yes or no to what a user wants to do, and in one line why",
		Long: `Answer as explain does, in short. With --list, say for each pattern of repositories
in the rules, and for all others, what the user may do there.

The exit code is 0 for yes, 1 for no, 2 for wrong usage or a configuration that
cannot be used, and 4 if it cannot be said. With --list it is 0.`,
		Example: `  gatehouse can-i push team/app --as bob --groups devs
  gatehouse can-i pull team/app --as bob --live -q && echo bob may
  gatehouse can-i --list --as bob --groups devs`,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.list != (len(args) == 0) {
				return errors.New("say what is asked about, such as push team/app, or --list and nothing else")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.flags(cmd, "as")
	cmd.Flags().BoolVar(&o.list, "list", false, "say what the user may do with all repositories that the rules tell apart")
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "print nothing: the exit code is the answer")
	outputFlag(cmd.Flags(), &o.output, "output format: text or json")
	return cmd
}

type canIOptions struct {
	askOptions
	list, quiet bool
	output      outputFormat
}

func (o *canIOptions) run(cmd *cobra.Command, words []string) error {
	q, stop, err := o.inquiry(cmd)
	if err != nil {
		return &exitError{2, err}
	}
	defer stop()
	out := cmd.OutOrStdout()
	if o.quiet {
		out = io.Discard
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), q.assembly.config.Timeouts.Login.Duration)
	defer cancel()
	if o.list {
		return o.printList(ctx, out, q)
	}
	requests, err := planRequests(words, "")
	if err != nil {
		return &exitError{2, err}
	}
	all, err := q.askAll(ctx, requests)
	if err != nil {
		return &exitError{2, err}
	}
	return o.answer(out, strings.Join(words, " "), decisive(all))
}

// canIAnswer is what can-i prints with -o json.
type canIAnswer struct {
	Question string  `json:"question"`
	Verdict  verdict `json:"verdict"`
	Why      string  `json:"why"`
	Expires  string  `json:"password_expires,omitempty"` // of whoever is asked about, where that is soon
}

func (o *canIOptions) answer(out io.Writer, question string, e explanation) error {
	a := canIAnswer{question, e.Verdict, e.why(), e.User.Expires}
	if len(e.WouldAllow) > 0 {
		a.Why += "; what would allow it: " + e.WouldAllow[0]
	}
	var err error
	if o.output == outputJSON {
		err = printJSON(out, a)
	} else {
		lines := append([]string{a.Verdict.yesOrNo() + ": " + a.Why}, notes(e.User.expiry())...)
		_, err = fmt.Fprintln(out, shown.Text(strings.Join(lines, "; ")))
	}
	return cmp.Or(err, a.Verdict.exit())
}

// yesOrNo is a verdict as the answer to a question.
func (v verdict) yesOrNo() string {
	switch v {
	case verdictAllow:
		return "yes"
	case verdictUndecided:
		return "unknown"
	case verdictLogin:
		return "no, not without a login"
	}
	return "no"
}

// canIRow is what somebody may do with the repositories of a pattern, or with a
// registry as a whole.
type canIRow struct {
	Host         string             `json:"host,omitempty"`
	Registry     string             `json:"registry,omitempty"` // its root, for operations on all of it
	Repositories string             `json:"repositories,omitempty"`
	May          map[string]verdict `json:"may"` // by operation
}

// The operations that are listed.
var (
	perRepository = []string{"pull", "push", "delete", "tags"}
	perRegistry   = []string{"login", "catalog"}
)

func (o *canIOptions) printList(ctx context.Context, out io.Writer, q *inquiry) error {
	rows, err := q.list(ctx)
	if err != nil {
		return &exitError{2, err}
	}
	if o.output == outputJSON {
		return printJSON(out, rows)
	}
	whole := func(row canIRow) bool { return row.Repositories == "" }
	if err := printRows(out, "registry", perRegistry, slices.DeleteFunc(slices.Clone(rows), func(row canIRow) bool { return !whole(row) })); err != nil {
		return err
	}
	fmt.Fprintln(out)
	return printRows(out, "repositories", perRepository, slices.DeleteFunc(rows, whole))
}

// printRows prints a table of rows, with a column for each of verbs.
func printRows(out io.Writer, heading string, verbs []string, rows []canIRow) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(append([]string{heading}, verbs...), "\t"))
	for _, row := range rows {
		cells := []string{row.subject()}
		for _, verb := range verbs {
			cells = append(cells, strings.TrimSuffix(row.May[verb].yesOrNo(), ", not without a login"))
		}
		fmt.Fprintln(w, shown.Row(cells))
	}
	return w.Flush()
}

// subject says what a row is about.
func (row canIRow) subject() string {
	if row.Registry != "" {
		return row.Host + row.Registry
	}
	return strings.TrimPrefix(row.Host+"/"+row.Repositories, "/")
}

// list answers for each registry as a whole, and for each pattern of repositories in
// the rules, by one that stands for all of them, and for one that no rule names.
func (q *inquiry) list(ctx context.Context) ([]canIRow, error) {
	var rows []canIRow
	for i, r := range q.assembly.config.Routes {
		names := r.Names()
		switch {
		case names == nil:
			names = []string{""}
		case q.host != "":
			names = []string{q.host}
		}
		for _, name := range names {
			more, err := q.listRoute(ctx, i, name)
			if err != nil {
				return nil, err
			}
			rows = append(rows, more...)
		}
	}
	return rows, nil
}

// listRoute answers for the patterns in the rules of the route at index i, as asked by
// one of its names, which is empty for any.
func (q *inquiry) listRoute(ctx context.Context, i int, name string) ([]canIRow, error) {
	var rows []canIRow
	asked := *q
	asked.host = cmp.Or(q.host, sampleHost(name), anyHost)
	asked.registry = q.assembly.gateway.Routes[i].ForRules().RegistryRoot()
	if asked.registry != "" && q.book.RouteFor(asked.host, asked.registry) == i {
		row, err := asked.row(ctx, canIRow{Host: name, Registry: asked.registry}, perRegistry)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	for _, pattern := range repositoryPatterns(asked.registry, q.assembly.config.Routes[i]) {
		if asked.registry == "" || q.book.RouteFor(asked.host, asked.registry+sampleOf(pattern)) != i {
			continue // the rules of this route are not for it
		}
		row, err := asked.row(ctx, canIRow{Host: name, Repositories: pattern}, perRepository, sampleOf(pattern))
		if err != nil {
			return nil, err
		}
		if len(row.May) > 0 {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// row answers for verbs, done to a repository if one is named. It stays empty for a
// name that no repository has.
func (q *inquiry) row(ctx context.Context, row canIRow, verbs []string, repository ...string) (canIRow, error) {
	row.May = map[string]verdict{}
	for _, verb := range verbs {
		requests, err := planRequests(append([]string{verb}, repository...), "")
		if err != nil {
			return row, nil
		}
		all, err := q.askAll(ctx, requests)
		if err != nil {
			return row, err
		}
		row.May[verb] = decisive(all).Verdict
	}
	return row, nil
}

// anyRepository stands for the repositories that no other pattern is about.
const anyRepository = "**"

// repositoryPatterns returns what the paths of the rules say of repositories, and
// at last anyRepository.
func repositoryPatterns(root string, r config.Route) []string {
	var list []string
	for _, rule := range r.Rules {
		for _, path := range rule.Paths {
			rest, ok := oci.Below(root, path)
			if name := repositoryPattern(rest); ok && name != anyRepository && !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	return append(list, anyRepository)
}

// repositoryPattern returns the part of a pattern that is about the name of a
// repository: all of it, but for an endpoint at its end. Which part that is shows in
// a path that fits.
func repositoryPattern(pattern string) string {
	segments := strings.Split(strings.TrimSuffix(pattern, "/"), "/")
	for _, reference := range []string{sampleDigest, "list"} { // one of them fits any endpoint
		sample := sampleOf(pattern)
		if last := len(segments) - 1; isWildcard(segments[last]) {
			sample = sampleOf(strings.Join(append(slices.Clone(segments[:last]), reference), "/"))
		}
		if e := oci.Parse(oci.DefaultRoot, oci.DefaultRoot+sample); e.Repository != "" {
			return strings.Join(segments[:strings.Count(e.Repository, "/")+1], "/")
		}
	}
	return pattern
}

func isWildcard(segment string) bool { return segment == "*" || segment == anyRepository }

// sampleOf returns the name of a repository that a pattern is about.
func sampleOf(pattern string) string {
	segments := strings.Split(strings.TrimSuffix(pattern, "/"), "/")
	for i, segment := range segments {
		if isWildcard(segment) {
			segments[i] = "sample-of-any-name"
		}
	}
	return strings.Join(segments, "/")
}
