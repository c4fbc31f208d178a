package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/backend/shown"
	"gatehouse/cmd/gatehouse/explain"
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
	q, a, err := o.inquiry(cmd)
	if err != nil {
		return &exitError{2, err}
	}
	defer a.Close()
	out := cmd.OutOrStdout()
	if o.quiet {
		out = io.Discard
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), a.Config.Timeouts.Login.Duration)
	defer cancel()
	if o.list {
		return o.printList(ctx, out, q)
	}
	requests, err := explain.Plan(words, "")
	if err != nil {
		return &exitError{2, err}
	}
	all, err := q.AskAll(ctx, requests)
	if err != nil {
		return &exitError{2, err}
	}
	return o.answer(out, strings.Join(words, " "), explain.Decisive(all))
}

func (o *canIOptions) answer(out io.Writer, question string, e explain.Explanation) error {
	a := explain.Shortly(question, e)
	var err error
	if o.output == outputJSON {
		err = printJSON(out, a)
	} else {
		_, err = fmt.Fprintln(out, shown.Text(a.Text()))
	}
	return cmp.Or(err, exitOf(a.Verdict))
}

func (o *canIOptions) printList(ctx context.Context, out io.Writer, q *explain.Inquiry) error {
	rows, err := q.List(ctx)
	if err != nil {
		return &exitError{2, err}
	}
	if o.output == outputJSON {
		return printJSON(out, rows)
	}
	return explain.PrintTable(out, rows)
}
