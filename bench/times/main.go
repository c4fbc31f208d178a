// Command times measures what the time of a refusal tells a stranger about users.
//
//	go run ./bench/times
//
// It starts gatehouse before password files, a directory, and a chain of both, and
// asks it with logins that are refused for different reasons: nobody has the name,
// the password is wrong, the account is locked, the user is one of a later member,
// and so on. Of each two reasons it says how well the time of one answer tells one
// from the other: the area under the curve of the best classifier by a threshold
// (AUC), which is 0.5 for a guess and 1 for certainty.
//
// Logins of all reasons are asked in one order that chance has made, so that
// whatever else the machine does falls on all of them alike. The directory is
// OpenLDAP; where it is not installed, what needs it is left out. With -floor 0s,
// which has gatehouse refuse at once, the differences are seen that it hides. With
// -tokens the logins are for tokens, as with challenge = "bearer".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	samples int
	conns   int
	floor   time.Duration
	limit   float64
	only    string
	tokens  bool
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	var o options
	flag.IntVar(&o.samples, "samples", 10_000, "logins of each reason")
	flag.IntVar(&o.conns, "conns", 32, "connections that carry them")
	flag.DurationVar(&o.floor, "floor", 100*time.Millisecond, "floor under [refusals]; 0s to see what it hides")
	flag.Float64Var(&o.limit, "limit", 0.55, "AUC above which the command fails")
	flag.StringVar(&o.only, "only", "", "the one scene to measure: file, mixed, directory or chain")
	flag.BoolVar(&o.tokens, "tokens", false, "ask where clients fetch tokens, which is another path with the same logins")
	flag.Parse()
	if o.samples < 2 || o.conns < 1 || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "times: want at least 2 samples, 1 connection, and no other arguments")
		os.Exit(2)
	}
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "times:", err)
		os.Exit(1)
	}
}

// run measures all scenes. What it has started has ended when it returns.
func run(ctx context.Context, o options, out io.Writer) error {
	l, err := newLab(ctx, o)
	if err != nil {
		return err
	}
	defer l.close()
	worst := 0.5
	for _, s := range scenes(o.samples) {
		if o.only != "" && o.only != s.name {
			continue
		}
		sheet, err := l.measure(ctx, s)
		if errors.Is(err, errNotInstalled) {
			fmt.Fprintf(out, "%s: left out: %v\n\n", s.name, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		worst = max(worst, sheet.write(out, s))
	}
	if worst > o.limit {
		return fmt.Errorf("the time of an answer tells reasons apart: AUC %.3f, above %.2f", worst, o.limit)
	}
	return nil
}
