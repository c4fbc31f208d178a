package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/backend/shown"
)

// newHealthcheckCommand returns "gatehouse healthcheck".
func newHealthcheckCommand() *cobra.Command {
	var ready bool
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Tell by the exit code whether the running gateway is well",
		Long: `Ask the gateway that runs on this machine whether it answers. This is for containers
that have no curl. The gateway is asked over the control socket that [admin] names,
or else at its address. With --address or --socket no configuration is read.

The exit code is 0 if the gateway answers, and 1 if not. With --ready it is 0 only
while the gateway accepts clients: not when it starts or stops. If a directory does
not answer, the gateway is degraded but still ready.`,
		Example: "  HEALTHCHECK CMD [\"/gatehouse\", \"healthcheck\", \"--address\", \"127.0.0.1:9043\"]",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := "/livez"
			if ready {
				path = "/readyz"
			}
			c, err := newReader(cmd)
			if err == nil {
				err = c.healthy(cmd, path)
			}
			if err != nil {
				return &exitError{1, err} // whatever it is: containers know no other code
			}
			return nil
		},
	}
	readerFlags(cmd)
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether it accepts clients")
	return cmd
}

// healthy prints what the gateway says under path, and fails unless that is good.
func (c *control) healthy(cmd *cobra.Command, path string) error {
	r, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, c.base+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.client.Do(r)
	if err != nil {
		return &exitError{1, fmt.Errorf("ask the gateway at %s: %w", c.socket, errors.Unwrap(err))}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxControlAnswer))
	text := shown.Text(strings.TrimSpace(string(body)))
	switch {
	case err != nil:
		return &exitError{1, fmt.Errorf("ask the gateway at %s: %w", c.socket, err)}
	case resp.StatusCode != http.StatusOK:
		return &exitError{1, fmt.Errorf("the gateway at %s answers %s: %s", c.socket, resp.Status, text)}
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}
