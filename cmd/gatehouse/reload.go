package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/backend/fault"
	"gatehouse/cmd/gatehouse/config"
)

// reloadResult is what came of a reload, as reload prints it with -o json.
type reloadResult struct {
	OK      bool       `json:"ok"`
	Error   string     `json:"error,omitempty"`
	Code    fault.Code `json:"code,omitempty"` // of the error
	File    string     `json:"file,omitempty"`
	Hash    string     `json:"hash,omitempty"`
	Seconds float64    `json:"seconds"`
}

// newReloadCommand returns "gatehouse reload".
func newReloadCommand() *cobra.Command {
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Ask the running gateway to read its configuration again",
		Long: `Ask the gateway that runs on this machine to read its configuration again, and print
the result. The gateway is asked over the control socket that [admin] names. All of
the configuration is put into use at once, or nothing: after an error the old one
stays in use. If a directory refused the service account, it is tried again, at most
once a minute.

A gateway also reads its configuration again by itself, at SIGHUP, when the file
changes, and when a file changes that it names.

The exit code is 0 if the configuration is in use, 1 if the gateway refuses it, 2 if
no control socket is known, and 4 if nobody answers there.`,
		Example: "  gatehouse reload --config /etc/gatehouse/config.toml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var result reloadResult
			err := askReload(cmd, &result)
			if result.OK = err == nil; !result.OK {
				result.Error, result.Code = err.Error(), fault.Of(err)
			}
			return errors.Join(err, result.print(cmd.OutOrStdout(), output))
		},
	}
	controlFlags(cmd)
	outputFlag(cmd.Flags(), &output, "output format: text or json")
	return cmd
}

// askReload has the gateway reload.
func askReload(cmd *cobra.Command, result *reloadResult) error {
	c, err := newControl(cmd)
	if refused := new(config.Error); errors.As(err, &refused) {
		return &exitError{1, err} // which is what the gateway would say
	} else if err != nil {
		return err
	}
	return c.post(cmd.Context(), "/reload", result)
}

// print writes a result to out. As text, what is wrong is the error of the command.
func (r reloadResult) print(out io.Writer, output outputFormat) error {
	if output == outputJSON {
		return json.NewEncoder(out).Encode(r)
	}
	if !r.OK {
		return nil
	}
	took := time.Duration(r.Seconds * float64(time.Second)).Round(time.Millisecond / 10)
	_, err := fmt.Fprintf(out, "%s is in use, as %s; it took %v\n", r.File, r.Hash, took)
	return err
}
