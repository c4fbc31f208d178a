package gateway

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/gateway/rules"
)

// checkReservedPath returns what is wrong with a path at which the gateway answers by itself, nil
// if nothing is. The example is a path that would do.
func checkReservedPath(path, example string, routes []Route) error {
	p, err := rules.ParsePattern(path)
	switch {
	case err != nil:
		return err
	case path == "/" || p.HasWildcard():
		return fmt.Errorf("%q is not one path below /: name one that nothing else has, such as %s", path, example)
	case slices.ContainsFunc(p, func(s string) bool { return strings.EqualFold(s, "v2") }):
		return fmt.Errorf("%q has the segment v2, below which registries are: name a path without it, such as %s", path, example)
	}
	for _, r := range routes {
		if rules.TrimSlashes(r.Path) == rules.TrimSlashes(path) {
			return fmt.Errorf("%q is the path of a route, whose requests would never reach it: name another one, such as %s", path, example)
		}
		if err := checkUnruled(path, path, r.Rules); err != nil {
			return err
		}
	}
	return nil
}

// checkUnruled refuses the path of something that the gateway answers at a place that a rule
// is about: nobody would ask the rule.
func checkUnruled(path, place string, list []rules.Rule) error {
	for _, rule := range list {
		if rule.Describes(place) {
			return fmt.Errorf("%q lies in the paths of the rule %q, which would not be asked about it: name another path, or take it out of the rule", path, rule.Name)
		}
	}
	return nil
}

// CheckSelfServicePath returns what is wrong with path as the one of the page on which users
// make tokens of their own, beside the path for health checks, nil if nothing is. The page
// takes what is below its path, too.
func CheckSelfServicePath(path, health string, routes []Route) error {
	const example = "/-/tokens"
	if err := checkReservedPath(path, example, routes); err != nil {
		return err
	}
	switch {
	case strings.HasSuffix(path, "/"):
		return fmt.Errorf("%q ends in a slash, and the page has one path: leave the slash out", path)
	case rules.Takes(path, health):
		return fmt.Errorf("%q is the path for health checks, or has it below: name another one, such as %s", path, example)
	}
	for _, r := range routes {
		if rules.Takes(path, r.Path) {
			return fmt.Errorf("the route with the path %q lies below %q, and the page would take its requests: name another path, such as %s", r.Path, path, example)
		}
		for _, below := range []string{"/0/revoke", "/0/rotate"} {
			if err := checkUnruled(path, path+below, r.Rules); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkSelfService checks the path of the page for tokens, if there is one.
func checkSelfService(cfg Config) error {
	if cfg.Tokens == nil || cfg.Tokens.SelfService == "" {
		return nil
	}
	if err := CheckSelfServicePath(cfg.Tokens.SelfService, cfg.HealthPath, cfg.Routes); err != nil {
		return fmt.Errorf("self-service path: %w", err)
	}
	return nil
}
