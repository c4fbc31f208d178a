package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/backend/fault"
	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/explain"
	"gatehouse/gateway"
	"gatehouse/gateway/rules"
	"gatehouse/gateway/token"
)

// newExplainCommand returns "gatehouse explain".
func newExplainCommand() *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain [flags] METHOD PATH | login | catalog | pull|push|delete|tags REPO[:TAG]",
		Short: "Print what a request would be answered, by which rule, and what would change it",
		Long: `Print what the rules of the configuration decide about a request: which rule decides,
which rules match, what the client would see, and what would let the request pass.
Nothing is sent to the registry. The decision is made by the same functions that
serve uses.

An operation such as push stands for all requests that clients make for it; the
first that is not let through is the one that is explained.

Without --user nobody has logged in. The groups of the user are those named, or
else those in the group files of the configuration, and with --live those that a
directory says. A user of one of several backends is written BACKEND:NAME, as in
rules.

With --token the request comes with a token: the user is whoever that names, and the
host, unless --host says another, the one that it was made for. The token is read from
a file, or from the standard input, because an argument could be read by every user of
the machine. It is opened with the keys of the configuration and is never printed.

The exit code is 0 if the request is let through, 1 if it is not, 2 for wrong
usage or a configuration that cannot be used, and 4 if the decision depends on
something that is not known or could not be looked up.`,
		Example: `  gatehouse explain --user bob --group devs PUT /v2/team/app/manifests/1
  gatehouse explain --user bob --live push team/app:1
  gatehouse explain --user corp:bob --groups "" --from 10.1.2.3 delete team/app
  gatehouse explain --token - --live --host registry.example push team/app:1 < token`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.flags(cmd, "user")
	cmd.Flags().StringVar(&o.origin, "origin", "", "the origin of the page whose script asks, such as https://ui.example; with OPTIONS, before it does")
	cmd.Flags().StringVar(&o.token, "token", "", "a file with the token that the request comes with; - for the standard input")
	cmd.Flags().StringVar(&o.mountFrom, "mount-from", "", "for push: a repository that layers are taken from")
	outputFlag(cmd.Flags(), &o.output, "output format: text or json")
	return cmd
}

// askOptions say who asks, and from where.
type askOptions struct {
	who    explain.Claimant
	list   []string // of --groups
	token  string   // the file of one; empty for none
	live   bool
	way    string
	host   string
	source string
}

// flags adds those of o to cmd, with the user under the given name.
func (o *askOptions) flags(cmd *cobra.Command, user string) {
	flags := cmd.Flags()
	flags.StringVar(&o.who.Name, user, "", "the user, as typed into a login; BACKEND:NAME where several backends may vouch (default nobody)")
	flags.StringVar(&o.who.Backend, "backend", "", "the backend that vouches for the user, where there are several")
	flags.StringSliceVar(&o.list, "groups", nil, `the groups of the user, separated by commas; "" for none (default: those in local files)`)
	flags.StringArrayVar(&o.who.Groups, "group", nil, "a group of the user, which may have commas in its name; may be given several times")
	flags.BoolVar(&o.live, "live", false, "ask the backend for the user and the groups")
	flags.StringVar(&o.way, "via", "", "how the user logs in: password, token or identity (default password)")
	flags.StringVar(&o.host, "host", "", "the host that the request names (default the one of the route)")
	flags.StringVar(&o.source, "from", explain.DefaultFrom, "the address of the client")
}

// inquiry returns what answers questions by whoever o describes, and what it asks about,
// which the caller closes.
func (o *askOptions) inquiry(cmd *cobra.Command) (*explain.Inquiry, *assemble.Assembly, error) {
	from, err := explain.ParseFrom(o.source)
	if err != nil {
		return nil, nil, fmt.Errorf("--from: %w", err)
	}
	a, err := assembleRules(cmd)
	if err != nil {
		return nil, nil, err
	}
	q, err := explain.New(a.Setting())
	if err == nil {
		err = o.complete(cmd)
	}
	if err == nil && o.token != "" {
		err = o.comeWithToken(cmd, a)
	}
	if err != nil {
		return nil, nil, errors.Join(err, a.Close())
	}
	q = q.By(o.who, from, o.host)
	if o.live {
		q.AskLive(func() (string, error) { return readPassword(cmd, false, false) })
	}
	return q, a, nil
}

// assembleRules assembles the configuration for its rules and backends. Whatever
// else is wrong with it does not count: the key may be one that not everybody can
// read, or the addresses may be given by flags. Nor do the tests of the rules: to
// find out why one fails is a reason to ask.
func assembleRules(cmd *cobra.Command) (*assemble.Assembly, error) {
	c, _, err := loadNamed(cmd)
	if err != nil {
		return nil, err
	}
	if err := c.Report.Err(); err != nil {
		return nil, err
	}
	c.Tests = nil
	a := assemble.Open(c, slog.New(slog.DiscardHandler))
	refused := a.Report.Err()
	if refused == nil {
		return a, nil
	}
	if _, err := explain.New(a.Setting()); err != nil {
		return nil, errors.Join(refused, a.Close())
	}
	errs, _ := a.Report.Split()
	fmt.Fprintf(cmd.ErrOrStderr(), "warning: apart from the rules, this configuration has %s; see gatehouse check\n", count(len(errs), "error"))
	return a, nil
}

// comeWithToken has the one who asks come with a token, and be whom that names.
func (o *askOptions) comeWithToken(cmd *cobra.Command, a *assemble.Assembly) error {
	tokens := a.Gateway.Tokens
	if tokens == nil {
		return cmp.Or(a.Report.Err(), errors.New("there is no [tokens] table, by which tokens could be opened"))
	}
	text, err := readToken(cmd, []string{o.token})
	if err != nil {
		return err
	}
	t, purpose, err := openAnyToken(tokens.Keys, text)
	if err == nil && purpose != token.Access {
		t, err = token.Token{}, fault.With("token.malformed", errors.New("it is a refresh token, by which clients get tokens for requests, and which is good for nothing else"))
	}
	o.who = o.who.With(gateway.Bearer{Token: t, Err: err, At: time.Now()})
	if o.host == "" {
		o.host, _, _ = strings.Cut(t.Service, "/")
	}
	return nil
}

// complete checks what flags say of who asks, and completes it.
func (o *askOptions) complete(cmd *cobra.Command) error {
	named := cmd.Flags().Changed("groups") || cmd.Flags().Changed("group")
	switch {
	case o.token != "" && (o.who.Name != "" || o.who.Backend != ""):
		return errors.New("the token says who the user is: name none")
	case o.token == "" && o.who.Name == "" && (named || o.live || o.who.Backend != ""):
		return errors.New("there is nobody to have groups or a backend: name a user too")
	case named && o.live:
		return errors.New("with --live the backend says which groups there are: name none")
	case o.way != "" && o.who.Name == "":
		return errors.New("there is nobody to log in: name a user too")
	case o.way != "" && !slices.Contains(rules.Ways, rules.Way(o.way)):
		return fmt.Errorf("--via: %q is no way to log in: want password, token or identity", o.way)
	}
	o.who.Via = rules.Way(o.way)
	o.who.Groups, o.who.GroupsKnown = append(o.who.Groups, o.list...), named
	return nil
}

type explainOptions struct {
	askOptions
	origin    string
	mountFrom string
	output    outputFormat
}

func (o *explainOptions) run(cmd *cobra.Command, words []string) error {
	requests, err := explain.Plan(words, o.mountFrom)
	if err != nil {
		return &exitError{2, err}
	}
	result, err := o.explain(cmd, words, requests)
	if err != nil {
		return &exitError{2, err}
	}
	if o.output == outputJSON {
		err = printJSON(cmd.OutOrStdout(), result)
	} else {
		err = result.Print(cmd.OutOrStdout())
	}
	return cmp.Or(err, exitOf(result.Verdict))
}

func (o *explainOptions) explain(cmd *cobra.Command, words []string, requests []explain.Request) (explain.Result, error) {
	q, a, err := o.inquiry(cmd)
	if err != nil {
		return explain.Result{}, err
	}
	defer a.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), a.Config.Timeouts.Login.Duration)
	defer cancel()
	all, err := q.OnPage(o.origin).AskAll(ctx, requests)
	if err != nil {
		return explain.Result{}, err
	}
	return explain.Result{Config: a.Config.File(), Question: strings.Join(words, " "), Verdict: explain.Decisive(all).Verdict, Requests: all}, nil
}

// exitOf returns what the program ends with because of v, of which all has been said.
func exitOf(v explain.Verdict) error {
	switch v {
	case explain.Allow:
		return nil
	case explain.Undecided:
		return &exitError{4, nil}
	}
	return &exitError{1, nil}
}

// printJSON writes v as the commands do for machines.
func printJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
