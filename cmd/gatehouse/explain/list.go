package explain

import (
	"cmp"
	"context"
	"fmt"
	"gatehouse/backend/shown"
	"gatehouse/gateway/oci"
	"gatehouse/gateway/rules"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Row is what somebody may do with the repositories of a pattern, or with a
// registry as a whole.
type Row struct {
	Host         string             `json:"host,omitempty"`
	Registry     string             `json:"registry,omitempty"` // its root, for operations on all of it
	Repositories string             `json:"repositories,omitempty"`
	May          map[string]Verdict `json:"may"` // by operation
}

// The operations that are listed.
var (
	perRepository = []string{"pull", "push", "delete", "tags"}
	perRegistry   = []string{"login", "catalog"}
)

// PrintTable writes rows for people: registries as a whole, and then repositories.
func PrintTable(out io.Writer, rows []Row) error {
	whole := func(row Row) bool { return row.Repositories == "" }
	if err := printRows(out, "registry", perRegistry, slices.DeleteFunc(slices.Clone(rows), func(row Row) bool { return !whole(row) })); err != nil {
		return err
	}
	fmt.Fprintln(out)
	return printRows(out, "repositories", perRepository, slices.DeleteFunc(slices.Clone(rows), whole))
}

// printRows prints a table of rows, with a column for each of verbs.
func printRows(out io.Writer, heading string, verbs []string, rows []Row) error {
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
func (row Row) subject() string {
	if row.Registry != "" {
		return row.Host + row.Registry
	}
	return strings.TrimPrefix(row.Host+"/"+row.Repositories, "/")
}

// List answers for each registry as a whole, and for each pattern of repositories in
// the rules, by one that stands for all of them, and for one that no rule names.
func (q *Inquiry) List(ctx context.Context) ([]Row, error) {
	var rows []Row
	for i, r := range q.setting.Routes {
		names := r.Hosts
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
func (q *Inquiry) listRoute(ctx context.Context, i int, name string) ([]Row, error) {
	var rows []Row
	asked := *q
	asked.host = cmp.Or(q.host, sampleHost(name), anyHost)
	asked.registry = q.setting.Routes[i].ForRules().RegistryRoot()
	if asked.registry != "" && q.book.RouteFor(asked.host, asked.registry) == i {
		row, err := asked.row(ctx, Row{Host: name, Registry: asked.registry}, perRegistry)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	t, err := asked.hear(ctx, i)
	if err != nil {
		return nil, err
	}
	for _, pattern := range repositoryPatterns(asked.registry, q.setting.Routes[i].Rules, t.subjects) {
		if asked.registry == "" || q.book.RouteFor(asked.host, asked.registry+sampleOf(pattern)) != i {
			continue // the rules of this route are not for it
		}
		row, err := asked.row(ctx, Row{Host: name, Repositories: pattern}, perRepository, sampleOf(pattern))
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
func (q *Inquiry) row(ctx context.Context, row Row, verbs []string, repository ...string) (Row, error) {
	row.May = map[string]Verdict{}
	for _, verb := range verbs {
		requests, err := Plan(append([]string{verb}, repository...), "")
		if err != nil {
			return row, nil
		}
		all, err := q.AskAll(ctx, requests)
		if err != nil {
			return row, err
		}
		row.May[verb] = Decisive(all).Verdict
	}
	return row, nil
}

// anyRepository stands for the repositories that no other pattern is about.
const anyRepository = "**"

// repositoryPatterns returns what the rules say of repositories, with those who ask in
// place of templates, and at last anyRepository.
func repositoryPatterns(root string, list []rules.Rule, who []rules.Subject) (patterns []string) {
	add := func(name string) {
		if name != anyRepository && !slices.Contains(patterns, name) {
			patterns = append(patterns, name)
		}
	}
	for _, rule := range list {
		for _, subject := range who {
			for _, name := range rule.RepositoriesOf(subject) {
				add(name)
			}
		}
		for _, path := range rule.Paths {
			if rest, ok := oci.Below(root, path); ok {
				add(repositoryPattern(rest))
			}
		}
	}
	return append(patterns, anyRepository)
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
