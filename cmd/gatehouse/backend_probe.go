package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/backend"
	"gatehouse/backend/fault"
	"gatehouse/backend/shown"
)

// newBackendCommand returns "gatehouse backend", which has one subcommand.
func newBackendCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backend",
		Short: "Work on the backends of the running gateway",
	}
	cmd.AddCommand(newBackendProbeCommand())
	return cmd
}

// probeResult is what backend probe prints with -o json.
type probeResult struct {
	Backend string        `json:"backend"`
	OK      bool          `json:"ok"` // any server can be used
	Servers []probeServer `json:"servers"`
}

// probeServer is what came of trying one server.
type probeServer struct {
	Server  string     `json:"server"`
	OK      bool       `json:"ok"`
	Error   string     `json:"error,omitempty"`
	Code    fault.Code `json:"code,omitempty"` // of the error
	Seconds float64    `json:"seconds"`
}

// newBackendProbeCommand returns "gatehouse backend probe".
func newBackendProbeCommand() *cobra.Command {
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "probe NAME",
		Short: "Have the running gateway try the servers of a backend again at once",
		Long: `Ask the gateway that runs on this machine to try every server of a directory, and
print the result. It is asked over the control socket that [admin] names. A server
that answers is in use again. If the directory refused the service account, the
gateway waits some minutes before it tries again, so that the account is not locked.
This command tries it at once, at most once a minute. Use it after the account or
the server has been repaired.

The exit code is 0 if a server can be used, 1 if none can or there is no such backend,
2 if no control socket is known, and 4 if nobody answers there.`,
		Example: "  gatehouse backend probe corp",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var result probeResult
			err := postFrom(cmd, "/probe/"+url.PathEscape(args[0]), &result)
			if errors.Is(err, errNotThere) {
				return &exitError{1, fmt.Errorf("the gateway has no backend %q that asks servers: name one of type ldap", args[0])}
			}
			if err != nil {
				return err
			}
			return result.print(cmd, output)
		},
	}
	controlFlags(cmd)
	outputFlag(cmd.Flags(), &output, "output format: text or json")
	return cmd
}

func (r probeResult) print(cmd *cobra.Command, output outputFormat) error {
	var failed error
	if !r.OK {
		failed = &exitError{1, fmt.Errorf("no server of the backend %q can be used", r.Backend)}
	}
	out := cmd.OutOrStdout()
	if output == outputJSON {
		return errors.Join(failed, printJSON(out, r))
	}
	for _, s := range r.Servers {
		text := "ok"
		if !s.OK {
			text = shown.Text(s.Error)
			if s.Code != "" {
				text += " [" + string(s.Code) + "]"
			}
		}
		took := time.Duration(s.Seconds * float64(time.Second)).Round(time.Millisecond / 10)
		if _, err := fmt.Fprintf(out, "%s: %s (%v)\n", s.Server, text, took); err != nil {
			return err
		}
	}
	return failed
}

// probe has the backend called name try its servers.
func (d *daemon) probe(ctx context.Context, name string) (any, bool) {
	p, ok := d.current.Load().Stack(name).Leaf.(backend.Prober)
	if !ok {
		return nil, false
	}
	result := probeResult{Backend: name, Servers: []probeServer{}}
	for _, t := range p.Probe(ctx) {
		s := probeServer{Server: t.Server, OK: t.Err == nil, Seconds: t.Took.Seconds()}
		if t.Err != nil {
			s.Error, s.Code = t.Err.Error(), fault.Of(t.Err)
		}
		result.OK = result.OK || s.OK
		result.Servers = append(result.Servers, s)
	}
	return result, true
}

// retry has every backend try again what it holds back, for the person who asked for
// a reload.
func (d *daemon) retry() {
	a := d.current.Load()
	for _, name := range a.Config.BackendNames() {
		if p, ok := a.Stack(name).Leaf.(backend.Prober); ok && !p.Retry() {
			d.log.Warn("the service account of a backend is held back: it was tried less than a minute ago", "backend", name)
		}
	}
}
