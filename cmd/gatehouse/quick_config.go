package main

import (
	"github.com/spf13/pflag"

	"gatehouse/cmd/gatehouse/assemble"
	"gatehouse/cmd/gatehouse/config"
)

// quickConfig returns the configuration that serve has without a file, from its
// flags and the environment: one registry, which every valid user may pull from
// and the members of the group pusher may push to. Groups may be empty.
func quickConfig(upstream, users, groups string, flags *pflag.FlagSet) (*config.Document, error) {
	table := config.Backend{"name": "users", "type": "htpasswd", "users_file": users}
	if groups != "" {
		table["groups_file"] = groups
	}
	route := config.Route{
		Path:     "/v2/",
		Backend:  "users",
		Upstream: config.URL(upstream),
		Rules: []config.Rule{
			{Name: "pull", Methods: []string{"GET", "HEAD"}, Require: []any{"valid-user"}},
			{Name: "push", Methods: []string{"POST", "PUT", "PATCH", "DELETE"}, Require: []any{"group pusher"}},
		},
	}
	return assemble.Kinds().Compose(table, route, map[string]string{
		"backend":               "--users",
		"backend.0.groups_file": "--groups",
		"route":                 "--upstream",
	}, flags)
}
