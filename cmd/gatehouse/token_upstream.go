package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/gateway"
)

// upstreamConfig prints how a registry is told to trust the tokens that a route signs.
type upstreamConfig struct {
	route       int    // from 1; 0 for the only one that signs
	bundle      string // where the registry will find the certificate
	certificate bool   // print that alone
}

func newTokenUpstreamConfigCommand() *cobra.Command {
	var o upstreamConfig
	cmd := &cobra.Command{
		Use:   "upstream-config",
		Short: "Print the configuration of a registry that gets signed tokens",
		Long: `upstream-config prints what the registry behind a route with upstream_token_key_file
has to have in its own configuration, and the certificate that it has to trust. It is
the same for version 2.8 and version 3 of the registry. Nothing of it is a secret.

The exit code is 0 if it was printed, and 2 if the configuration cannot be read or has
no such route.`,
		Example: `  gatehouse token upstream-config
  gatehouse token upstream-config --certificate > gatehouse.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.run(cmd); err != nil {
				return &exitError{2, err}
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&o.route, "route", 0, "the route that leads to the registry, by its number in the configuration, from 1")
	cmd.Flags().StringVar(&o.bundle, "bundle", "/etc/docker/registry/gatehouse.pem", "the file in which the registry will find the certificate")
	cmd.Flags().BoolVar(&o.certificate, "certificate", false, "print the certificate alone")
	return cmd
}

func (o upstreamConfig) run(cmd *cobra.Command) (err error) {
	c, path, err := loadNamed(cmd)
	if err != nil {
		return err
	}
	a := assemble.Open(c, nil)
	defer func() { err = errors.Join(err, a.Close()) }()
	// Errors elsewhere do not matter: flags of serve may set what is missing.
	route, err := o.choose(a.Gateway.Routes)
	if err != nil && a.Report.Err() != nil {
		return fmt.Errorf("%s: %w, and correct its errors: see gatehouse check --config %[1]s", path, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	text := route.UpstreamTokens.Key().Certificate()
	if !o.certificate {
		text = o.text(route, text)
	}
	_, err = io.WriteString(cmd.OutOrStdout(), text)
	return err
}

// choose returns the route that is meant.
func (o upstreamConfig) choose(routes []gateway.Route) (route gateway.Route, err error) {
	if o.route != 0 {
		if o.route < 0 || o.route > len(routes) {
			return route, fmt.Errorf("--route %d: there are %s", o.route, count(len(routes), "route"))
		}
		if route = routes[o.route-1]; route.UpstreamTokens == nil {
			return route, fmt.Errorf("--route %d: the route signs no tokens: set upstream_token_key_file in it", o.route)
		}
		return route, nil
	}
	var numbers []string
	for i, r := range routes {
		if r.UpstreamTokens != nil {
			route, numbers = r, append(numbers, fmt.Sprint(i+1))
		}
	}
	switch len(numbers) {
	case 0:
		return route, errors.New("no route signs tokens: set upstream_token_key_file in one")
	case 1:
		return route, nil
	}
	return route, fmt.Errorf("several routes sign tokens: choose one with --route, of %s", strings.Join(numbers, ", "))
}

// text returns the configuration for people, who paste it. The realm is for whoever comes
// to the registry without the gateway: such a client must not send its password elsewhere.
func (o upstreamConfig) text(route gateway.Route, certificate string) string {
	name := route.UpstreamTokens.Name()
	realm := cmp.Or(route.TokenURL, "https://"+hostOf(route)+"/v2/token")
	return fmt.Sprintf(`# In the configuration of the registry (config.yml). The realm is where clients are sent
# that come without gatehouse: it must lead to gatehouse.
auth:
  token:
    realm: %s
    service: %s
    issuer: %s
    rootcertbundle: %s

# The file %[4]s:
%s`, yamlText(realm), yamlText(name.Service), yamlText(name.Issuer), yamlText(o.bundle), certificate)
}

// hostOf returns a name of the route that clients can ask for.
func hostOf(route gateway.Route) string {
	for _, host := range route.Hosts {
		if !strings.HasPrefix(host, "*") {
			return host
		}
	}
	return "registry.example"
}

// yamlText returns a text as YAML has it, of which JSON is a part.
func yamlText(text string) string {
	b, _ := json.Marshal(text) // strings can always be written
	return string(b)
}
