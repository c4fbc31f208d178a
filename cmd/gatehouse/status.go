package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/gateway/admin"
)

// newStatusCommand returns "gatehouse status".
func newStatusCommand() *cobra.Command {
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Print the state of the running gateway",
		Long: `Print the state of the gateway that runs on this machine: its configuration,
certificates and backends, and what it refused. It is asked over the control socket
that [admin] names, or else at its address.

The exit code is 0 if the gateway answers, however it is, 2 if nothing is known by
which it could be asked, and 4 if it does not answer.`,
		Example: "  gatehouse status --config /etc/gatehouse/config.toml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := newReader(cmd)
			if err != nil {
				return err
			}
			var s admin.Status
			switch err := c.get(cmd.Context(), "/status.json", &s); {
			case err != nil:
				return err
			case output == outputJSON:
				return printJSON(cmd.OutOrStdout(), s)
			}
			return s.WriteText(cmd.OutOrStdout())
		},
	}
	readerFlags(cmd)
	outputFlag(cmd.Flags(), &output, "output format: text or json")
	return cmd
}

// readerFlags adds the flags by which a command finds a gateway that it only asks.
func readerFlags(cmd *cobra.Command) {
	controlFlags(cmd)
	cmd.Flags().String("address", "", "address of the running gateway's [admin], as HOST:PORT (default the one that the configuration names)")
}

// newReader returns what asks the gateway that the flags --socket or --address name,
// or else the configuration; for reading one is as good as the other.
func newReader(cmd *cobra.Command) (*control, error) {
	socket, _ := cmd.Flags().GetString("socket")
	address, _ := cmd.Flags().GetString("address")
	switch {
	case socket != "" && address != "":
		return nil, &exitError{2, errors.New("--socket and --address name two gateways: give one of them")}
	case address != "":
		return newAddressControl(address), nil
	case socket != "":
		return newSocketControl(socket).hurried(), nil
	}
	c, path, err := loadNamed(cmd)
	switch {
	case err != nil:
		return nil, &exitError{2, err}
	case c.Admin.Socket != "":
		return newSocketControl(c.AdminSocket()).hurried(), nil
	case c.Admin.Listen != "":
		return newAddressControl(c.Admin.Listen), nil
	}
	return nil, &exitError{2, fmt.Errorf("%s: there is nothing under [admin] by which a running gateway could be asked: set listen or socket, or give --address or --socket", path)}
}

// newAddressControl returns what asks the gateway on this machine at a TCP address.
// It calls it localhost, the one name that every gateway answers to.
func newAddressControl(address string) *control {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	c := &control{socket: address, base: "http://localhost", client: &http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
	}}
	return c.hurried()
}

// readerTimeout bounds a question that is answered without asking anybody else. The
// kernel takes it also for a program that hangs.
const readerTimeout = 30 * time.Second

// hurried returns c for such questions.
func (c *control) hurried() *control {
	c.client.Timeout = readerTimeout
	return c
}
