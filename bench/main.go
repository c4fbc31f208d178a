// Command bench measures gatehouse beside the servers that people use in its
// place: Apache httpd with the well-known registry recipe, nginx with
// auth_basic, and HAProxy with a userlist.
//
//	go run ./bench
//
// All run on the loopback interface with the same certificate, the same users
// and the same upstream, and are loaded one after the other, round by round,
// so that whatever else the machine does falls on all of them alike. What
// counts is processor time, read from /proc: on a busy machine it is steady
// where time by the clock is not.
//
// Every answer is checked for status and length, and the first blob in each
// direction for its digest. One wrong answer ends the run. A server that is
// not installed is named and left out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if len(os.Args) > 1 && os.Args[1] == upstreamCommand {
		os.Exit(exitCode(runUpstream(os.Args[2:], os.Stdin)))
	}
	o, err := parseOptions(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2) // the flag package has said why
	}
	os.Exit(exitCode(run(ctx, o, os.Stdout, os.Stderr)))
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	return 1
}

type options struct {
	rounds     int
	requests   int
	conns      int
	blobs      int
	blobMiB    int
	handshakes int
	idle       int
	limit      time.Duration
	timeout    time.Duration
	only       []string
	output     string
	hash       string
	accessLog  bool
	gatehouse  string
	before     string
	profile    string
	profileOf  string
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	var only string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.rounds, "rounds", 5, "how often each server is loaded")
	f.IntVar(&o.requests, "requests", 10000, "small requests of a round, at most")
	f.DurationVar(&o.limit, "limit", 3*time.Second, "time for the small requests of a round, at most")
	f.IntVar(&o.conns, "conns", 32, "connections that carry the small requests")
	f.IntVar(&o.blobs, "blobs", 6, "blobs pulled, and pushed, in a round")
	f.IntVar(&o.blobMiB, "blob-mib", 64, "size of a blob in MiB")
	f.IntVar(&o.handshakes, "handshakes", 500, "new connections of a round")
	f.IntVar(&o.idle, "idle", 1000, "idle connections to hold while memory is read")
	f.DurationVar(&o.timeout, "timeout", 15*time.Minute, "time for everything, at most")
	f.StringVar(&only, "only", "", "comma-separated servers to measure: "+strings.Join(serverNames(), ", "))
	f.StringVar(&o.output, "o", "text", "form of the output: text or json")
	f.StringVar(&o.hash, "hash", "bcrypt", "hash of the htpasswd file: bcrypt (cost 5, as htpasswd -B) or apr1")
	f.BoolVar(&o.accessLog, "access-log", true, "let every server write its access log")
	f.StringVar(&o.gatehouse, "gatehouse", "", "gatehouse binary to measure (default: built from this module)")
	f.StringVar(&o.before, "before", "", "another gatehouse binary to measure beside it")
	f.StringVar(&o.profile, "profile", "", "only write a CPU profile of gatehouse to this file")
	f.StringVar(&o.profileOf, "profile-of", "small", "what to profile: small, pull, push or handshake")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	if err := o.check(f.Args()); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return o, err
	}
	return o, nil
}

func (o options) check(rest []string) error {
	for _, n := range []int{o.rounds, o.requests, o.conns, o.blobs, o.blobMiB, o.handshakes, o.idle} {
		if n < 1 {
			return errors.New("every count must be at least 1")
		}
	}
	for _, name := range o.only {
		if !slices.Contains(serverNames(), name) {
			return fmt.Errorf("-only %q: no such server; there are %s", name, strings.Join(serverNames(), ", "))
		}
	}
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.output != "text" && o.output != "json":
		return fmt.Errorf("-o %q: want text or json", o.output)
	case o.hash != "bcrypt" && o.hash != "apr1":
		return fmt.Errorf("-hash %q: want bcrypt or apr1", o.hash)
	case o.profile != "" && o.gatehouse != "":
		return errors.New("-profile builds gatehouse with a profiler and cannot use -gatehouse")
	case !slices.Contains(loadNames(), o.profileOf):
		return fmt.Errorf("-profile-of %q: want one of %s", o.profileOf, strings.Join(loadNames(), ", "))
	}
	return nil
}

func (o options) wants(name string) bool {
	if o.profile != "" {
		return name == "gatehouse"
	}
	return len(o.only) == 0 || slices.Contains(o.only, name)
}

// run starts the servers, measures and reports. Everything that it started has
// ended, and every file that it made is gone, when it returns.
func run(ctx context.Context, o options, stdout, stderr io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	l, err := newLab(o)
	if err != nil {
		return err
	}
	defer l.close()
	f, err := startField(ctx, l, o)
	if f != nil {
		defer f.stop()
	}
	if err != nil {
		return err
	}
	for _, a := range f.absent {
		fmt.Fprintf(stderr, "left out: %s: %s\n", a.Name, a.Why)
	}
	if o.profile != "" {
		told, err := profile(ctx, l, f, o)
		if err == nil {
			fmt.Fprintln(stdout, told)
		}
		return err
	}
	if len(f.servers) == 0 {
		return errors.New("no server to measure")
	}
	sheet, err := measureAll(ctx, l, f.servers, o, stderr)
	if err != nil {
		return err
	}
	r := newReport(o, f, sheet)
	if o.output == "json" {
		return r.writeJSON(stdout)
	}
	return r.writeText(stdout)
}
