package main

import "github.com/spf13/pflag"

// quickConfig returns the configuration that serve has without a file, from its
// flags and the environment: one registry, which every valid user may pull from
// and the members of the group pusher may push to. Groups may be empty.
func quickConfig(upstream, users, groups string, flags *pflag.FlagSet) (*Config, error) {
	table := BackendConfig{"name": "users", "type": "htpasswd", "users_file": users}
	if groups != "" {
		table["groups_file"] = groups
	}
	route := RouteConfig{
		Path:     "/v2/",
		Backend:  "users",
		Upstream: serverURL(upstream),
		Rules: []RuleConfig{
			{Name: "pull", Methods: []string{"GET", "HEAD"}, Require: []any{"valid-user"}},
			{Name: "push", Methods: []string{"POST", "PUT", "PATCH", "DELETE"}, Require: []any{"group pusher"}},
		},
	}
	return documentKinds().compose(table, route, map[string]string{
		"backend":               "--users",
		"backend.0.groups_file": "--groups",
		"route":                 "--upstream",
	}, flags)
}
